"""Run cfn-lint in a process of its own, ``python -m stackwright.lint.worker``.

The command never imports this module: loading cfn-lint and its rules takes longer than linting a
template, so that it happens here while the command renders. The worker reads one line of JSON,
``{"jobs": …, "batches": [[[key, path, region, project, seconds], …], …]}``, from stdin, and writes
a line for each batch, ``[[key, [[code, severity, message, line], …]], …]``. For a Region unknown to
cfn-lint (SW392) the message is the nearest known one. The worker ends with the command.
"""

from __future__ import annotations

import difflib
import gc
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TextIO

# Millions of small objects live until the end: collecting them takes an eighth of the time.
gc.disable()

from cfnlint.config import ConfigMixIn, ManualArgs  # noqa: E402 - after the collector is off
from cfnlint.exceptions import InvalidRegionException  # noqa: E402
from cfnlint.helpers import REGIONS  # noqa: E402
from cfnlint.rules import Rules  # noqa: E402
from cfnlint.runner import Runner  # noqa: E402
from cfnlint.runner.template import run_template_by_file_path  # noqa: E402

IGNORED = ("W3002",)
"""cfn-lint's note that local paths need packaging, which they get."""

Finding = tuple[str, str, str, int]
"""Code, severity, message, line."""
Work = tuple[str, str, str, str, int]
"""Key of the result, path of the template, region, folder of the project, seconds it may take."""

Rules.create_from_module("cfnlint.rules")  # loads the modules of all rules


def lint_documents(batch: Sequence[Work]) -> list[tuple[str, list[Finding]]]:
    """Return key and findings of each template of a batch."""
    return [
        (key, _lint(path, region, _runner(region, project), limit))
        for key, path, region, project, limit in batch
    ]


@cache
def _runner(region: str, project: str) -> Any:
    """Return cfn-lint as the project configures it; it reads ``.cfnlintrc`` from the working
    folder."""
    before = Path.cwd()
    os.chdir(project)
    try:
        return Runner(ConfigMixIn(**ManualArgs(regions=[region], templates=[])))
    finally:
        os.chdir(before)


class _OutOfTimeError(BaseException):
    """A template took too long; not an Exception, because cfn-lint catches those."""


def _lint(path: str, region: str, runner: Any, limit: int) -> list[Finding]:
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(limit)
    os.chdir(Path(path).parent)  # where cfn-lint looks for the Outputs of nested templates
    try:
        matches = list(run_template_by_file_path(path, runner.config, runner.rules, False))
    except _OutOfTimeError:
        message = f"cfn-lint did not finish within {limit} seconds; "
        message += "its checks are missing for this template"
        return [("SW390", "warning", message, 1)]
    except InvalidRegionException:
        if region in REGIONS:  # the project's configuration of cfn-lint names another Region
            raise
        return [("SW392", "error", _nearest_region(region), 1)]
    finally:
        signal.alarm(0)
    return [
        (match.rule.id, match.rule.severity, match.message, match.linenumber)
        for match in matches
        if match.filename == path and match.rule.id not in IGNORED
    ]


def _nearest_region(region: str) -> str:
    """Return a Region with the same letters, whose order is the usual mistake, or else the most
    similar one; empty if none is similar."""
    swapped = [known for known in REGIONS if sorted(known) == sorted(region)]
    return next(iter(swapped or difflib.get_close_matches(region, REGIONS, 1)), "")


def _out_of_time(_signal: int, _frame: object) -> None:
    raise _OutOfTimeError


def main() -> None:
    """Answer one request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's, which ends this process
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps cfn-lint's own output apart from the results
    line = sys.stdin.readline()
    if not line:  # the command ended, or has nothing to lint
        return
    request = json.loads(line)
    if request["jobs"] == 1:
        _answer(map(lint_documents, request["batches"]), results)
        return
    with multiprocessing.get_context("fork").Pool(request["jobs"]) as pool:
        _answer(pool.imap_unordered(lint_documents, request["batches"]), results)


def _answer(answers: Iterable[object], results: TextIO) -> None:
    try:
        for answer in answers:
            results.write(json.dumps(answer) + "\n")
            results.flush()
    except BrokenPipeError:  # the command has ended
        os._exit(1)


if __name__ == "__main__":
    main()

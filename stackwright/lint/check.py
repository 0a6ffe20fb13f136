"""Check renderings with cfn-lint and our own rules; each finding names the template line that
caused it.

cfn-lint runs only for templates that changed: its findings are cached by the content of the
template, its nested templates and the configuration, and by cfn-lint's version.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Self

from msgspec import Struct
from msgspec.structs import replace

from ..core import (
    Cache,
    Document,
    Level,
    Line,
    Location,
    ParameterPath,
    Problem,
    Rendering,
    Report,
    StackwrightError,
    Waiver,
    command_line,
    is_guardrail_waiver,
    line_of_path,
    read_file,
    read_guardrail_waivers,
    waiver_entries,
)
from ..render import LINT_CONFIG
from .rules import RULES, RuleFinding

TIME_LIMIT = 60
"""Seconds for one template: cfn-lint can take minutes where many Conditions combine."""
_SETTINGS = "2 W3002"
"""A version of the worker's own settings, a part of the cache's key; change it with them."""
_Work = tuple[str, str, str, str, int]
"""One template for the worker: key, path, region, folder of the project, seconds."""
_FIELDS = ("code", "level", "message", "line")


class LintFinding(Struct, frozen=True):
    """One finding of cfn-lint in one document."""

    code: str
    level: str
    message: str
    line: int


def check_rendering_folders(
    renderings: Sequence[tuple[Rendering, Path]],
    linter: Linter,
    *,
    jobs: int = 0,
    time_limit: int = TIME_LIMIT,
) -> list[Report]:
    """Check renderings that are staged in folders; return a report for each, in order.

    ``jobs`` is the number of processes (0: one for each processor), ``time_limit`` the seconds that
    cfn-lint may take for one template; a template that takes longer gets a warning.
    """
    tasks = [
        _LintTask(rendering, document, folder)
        for rendering, folder in renderings
        for document in rendering.documents
    ]
    cached = {task.key: findings for task in tasks if (findings := _read_cached(task)) is not None}
    fresh = {task.key: task for task in tasks if task.key not in cached}
    batches = _batches(list(fresh.values()), time_limit)
    linted = dict(linter.lint(batches, jobs or os.cpu_count() or 1)) if fresh else {}
    for key, findings in linted.items():
        _write_cached(fresh[key], findings)
    results = {**cached, **linted}
    return [_make_report(rendering, results, tasks, set(fresh)) for rendering, _ in renderings]


class _LintTask:
    """One document to lint; ``key`` is the hash of everything that its findings depend on."""

    def __init__(self, rendering: Rendering, document: Document, folder: Path) -> None:
        self.rendering = rendering
        self.document = document
        self.path = folder / document.path
        self.region = rendering.config.region
        self.project = rendering.config.project
        self.key = self._make_key()

    def _make_key(self) -> str:
        files = (self.project / name for name in LINT_CONFIG)
        settings = [read_file(path, self.project) for path in files if path.exists()]
        if settings:  # they may name rules of the project's own
            settings.append(str(self.project.resolve()).encode())
        prefix = f"{self.document.name}/"
        nested = [other for other in self.rendering.documents if other.name.startswith(prefix)]
        texts = [
            part for document in (self.document, *nested) for part in (document.path, document.text)
        ]
        return Cache.key(_version(), self.region, _SETTINGS, *settings, *texts)


@cache
def _version() -> str:
    return f"{metadata.version('cfn-lint')} {sys.version_info[:2]}"


def _read_cached(task: _LintTask) -> list[LintFinding] | None:
    data = Cache("lint").get(task.key)
    try:
        return None if data is None else [_finding(**entry) for entry in json.loads(data)]
    except (ValueError, TypeError):
        return None  # damaged: lint again


def _finding(code: object, level: object, message: object, line: object) -> LintFinding:
    return LintFinding(str(code), str(level), str(message), int(str(line)))


def _write_cached(task: _LintTask, findings: Sequence[LintFinding]) -> None:
    """Cache the findings, unless cfn-lint did not check the template."""
    if all(finding.code not in ("SW390", "SW392") for finding in findings):
        entries = [{name: getattr(finding, name) for name in _FIELDS} for finding in findings]
        Cache("lint").put(task.key, json.dumps(entries).encode())


class Linter:
    """The process that runs cfn-lint: started on first use, ended with the ``with`` block.

    With an empty cache it is started at once, so that it loads cfn-lint while the templates render.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._messages: IO[str] | None = None
        self._new = not any(Cache("lint").folder.glob("*"))

    def __enter__(self) -> Self:
        if self._new:
            self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None:
            with self._process:  # closes its pipes and waits for it
                self._process.kill()
        if self._messages is not None:
            self._messages.close()

    def _start(self) -> subprocess.Popen[str]:
        path = os.pathsep.join(
            filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
        )
        self._messages = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stackwright.lint.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the command alone
        )
        return self._process

    def lint(
        self, batches: Sequence[Sequence[_Work]], jobs: int
    ) -> Iterator[tuple[str, list[LintFinding]]]:
        """Yield key and findings of each template; raises StackwrightError where the process ends
        early."""
        process = self._process or self._start()
        expected = {work[0] for batch in batches for work in batch}
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - so is it
        with contextlib.suppress(BrokenPipeError):  # it died: ``expected`` stays filled
            process.stdin.write(
                json.dumps({"jobs": min(jobs, len(batches)), "batches": batches}) + "\n"
            )
            process.stdin.flush()
        for line in process.stdout:
            for key, findings in json.loads(line):
                expected.discard(key)
                yield key, [LintFinding(*finding) for finding in findings]
        if expected:
            hint = f"{command_line('doctor')} says what is missing"
            raise StackwrightError.of(
                "SW391", f"cfn-lint ended early: {self._last_message()}", hint=hint
            )

    def _last_message(self) -> str:
        if self._messages is None:
            return ""
        self._messages.seek(0)
        return (self._messages.read().strip().splitlines() or ["without a message"])[-1]


def _batches(tasks: Sequence[_LintTask], limit: int) -> list[list[_Work]]:
    """Group the templates of one name, the largest group first: they use the same resource types,
    whose schemas a process loads once."""
    groups: dict[str, list[_Work]] = {}
    for task in tasks:
        work = (task.key, str(task.path), task.region, str(task.project), limit)
        groups.setdefault(task.document.name, []).append(work)
    return sorted(
        groups.values(), key=lambda group: -sum(Path(work[1]).stat().st_size for work in group)
    )


def _make_report(
    rendering: Rendering,
    results: Mapping[str, list[LintFinding]],
    tasks: Sequence[_LintTask],
    fresh: set[str],
) -> Report:
    own = [task for task in tasks if task.rendering is rendering]
    problems = list(rendering.problems)
    for task in own:
        problems += [_lint_problem(task, finding) for finding in results[task.key]]
    waivers = _Waivers(rendering)
    for rule in RULES:
        for finding in rule.check(rendering):
            if not waivers.covers(finding, rule.id):
                problems.append(locate_finding(rendering, finding, rule.id, rule.level))
    problems += waivers.problems()
    return Report(
        tuple(dict.fromkeys(problems)),
        tuple(waivers.used),
        sum(task.key not in fresh for task in own),
    )


def _lint_problem(task: _LintTask, finding: LintFinding) -> Problem:
    if finding.code == "SW392":
        return _unknown_region(task.rendering, finding.message)
    level = {"error": Level.ERROR, "warning": Level.WARNING}.get(finding.level, Level.NOTE)
    problem = Problem(finding.code, finding.message, level=level)
    return _with_places(problem, task.rendering, task.document, finding.line)


def _unknown_region(rendering: Rendering, near: str) -> Problem:
    """Return the problem at the parameter; ``near`` is the nearest Region that cfn-lint knows, or
    empty."""
    message = f"region is {rendering.config.region}, which is no Region that cfn-lint knows"
    hint = f"did you mean {near}? " if near else "name a Region of AWS, for example us-east-1. "
    hint += "A Region that is newer than cfn-lint needs a newer cfn-lint"
    return Problem("SW392", message, parameter_locations(rendering, [("region",)]), hint)


def locate_finding(rendering: Rendering, finding: RuleFinding, code: str, level: Level) -> Problem:
    """Return a rule's finding as a problem: at its line of output, the template lines that caused
    it, and the parameters printed there."""
    line = line_of_path(finding.document.text, finding.path)
    problem = Problem(code, finding.message, (), finding.hint, level)
    return _with_places(problem, rendering, finding.document, line)


def _with_places(problem: Problem, rendering: Rendering, document: Document, line: int) -> Problem:
    """Return the problem at a line of output, with the template lines that caused it and the
    parameters printed there."""
    source = (
        document.lines[line - 1]
        if 0 < line <= len(document.lines)
        else Line((Location(document.template, 1),))
    )
    output = Location(f"build/{rendering.environment}/{document.path}", line)
    where = (*source.origin, *parameter_locations(rendering, source.parameters))
    return replace(problem, where=where, output=output)


def parameter_locations(
    rendering: Rendering, paths: Sequence[ParameterPath]
) -> tuple[Location, ...]:
    """Return where the parameters were given."""
    leaves = rendering.config.leaves
    return tuple(dict.fromkeys(leaves[path].location for path in paths if path in leaves))


class _Waivers:
    """The waivers of one rendering: ``Metadata: {stackwright: {waive: [{id, reason}]}}`` of a
    resource."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._given: dict[tuple[str, str, str], Waiver] = {}
        self._malformed: list[Problem] = []
        self.used: list[Waiver] = []
        for document in rendering.documents:
            for name, resource in document.resources().items():
                self._read(document, name, resource)

    def _read(self, document: Document, name: str, resource: Mapping[str, Any]) -> None:
        for index, entry in enumerate(waiver_entries(resource.get("Metadata"))):
            path = ("Resources", name, "Metadata", "stackwright", "waive", index)
            if is_guardrail_waiver(entry):
                self._check_guardrail(document, path, entry)
            elif (
                isinstance(entry, dict)
                and entry.get("id")
                and str(entry.get("reason") or "").strip()
            ):
                line = line_of_path(document.text, path)
                code = str(entry["id"])
                at = document.lines[line - 1].origin[0]
                waiver = Waiver(code, f"{document.name}:{name}", str(entry["reason"]), at)
                self._given[document.name, name, code] = waiver
            else:
                finding = RuleFinding(
                    document,
                    path,
                    "a waiver needs an id (of a rule) or a kind (of a guardrail), and a reason",
                    "write {id: SW…, reason: …} or {kind: …, reason: …, until: YYYY-MM-DD}",
                )
                self._malformed.append(
                    locate_finding(self._rendering, finding, "SW380", Level.ERROR)
                )

    def _check_guardrail(
        self, document: Document, path: tuple[str | int, ...], entry: Mapping[str, Any]
    ) -> None:
        """Report a waiver of a guardrail that does not count; plans list the others."""
        (waiver,) = read_guardrail_waivers([entry], datetime.now(UTC).date())
        if waiver.problem:
            hint = "write {kind: access, reason: …, until: YYYY-MM-DD}, at most a year ahead"
            finding = RuleFinding(document, path, waiver.problem, hint)
            self._malformed.append(locate_finding(self._rendering, finding, "SW382", Level.ERROR))

    def covers(self, finding: RuleFinding, code: str) -> bool:
        """Return whether the finding is waived; counts the waiver as used."""
        waiver = self._given.get((finding.document.name, finding.resource, code))
        if waiver is not None and waiver not in self.used:
            self.used.append(waiver)
        return waiver is not None

    def problems(self) -> list[Problem]:
        """Return a problem for each malformed waiver, and for each that no finding needed."""
        unused = [waiver for waiver in self._given.values() if waiver not in self.used]
        return self._malformed + [
            Problem(
                "SW381",
                f"{waiver.resource} does not need the waiver of {waiver.code}",
                (waiver.where,),
                "remove it",
                Level.WARNING,
            )
            for waiver in unused
        ]

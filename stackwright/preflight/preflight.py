"""Run all preflight checks side by side. They read the account, and change nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws import NO_CREDENTIALS, PARALLEL
from ..cfn import StaticReferences
from ..core import AwsError, Config, Rendering, StackwrightError
from ..health import CheckState
from .checks import CHECKS, Check, describe_unknown, is_unknown
from .inputs import PreflightInputs
from .model import PreflightCheck

if TYPE_CHECKING:
    from ..aws import Aws


def run_preflight(
    config: Config,
    rendering: Rendering,
    aws: Aws,
    *,
    env_dir: Path | None = None,
    registry: str | None = None,
    import_existing: bool = False,
) -> list[PreflightCheck]:
    """Run all checks that the environment needs; the results in the order of `CHECKS`.

    ``env_dir`` is the folder of ``keys.env`` (default: ``env/<environment>`` of the project);
    ``registry`` stands in for ECR (``127.0.0.1:5000``; default: STACKWRIGHT_REGISTRY);
    ``import_existing`` says that existing resources are imported by their names. A check that
    may not make its calls is skipped, with the reason. Raises AwsError: SW401 or SW402, without
    valid credentials.
    """
    inputs = PreflightInputs(
        config,
        rendering,
        aws,
        env_dir or config.project / "env" / config.environment,
        registry or os.environ.get("STACKWRIGHT_REGISTRY"),
        StaticReferences(rendering),
        import_existing,
    )
    topics: dict[str, list[Check]] = {}
    for check in (check for kind in CHECKS for check in kind.for_inputs(inputs)):
        topics.setdefault(check.topic, []).append(check)
    with ThreadPoolExecutor(PARALLEL) as pool:
        results = pool.map(_run_topic, topics, topics.values())
        return [result for topic in results for result in topic]


def _run_topic(topic: str, checks: Sequence[Check]) -> list[PreflightCheck]:
    """Run the checks of one topic in order; a failed call gives one result for all of them."""
    try:
        return [result for check in checks for result in check.run()]
    except AwsError as error:
        problem = error.problems[0]
        if problem.code in NO_CREDENTIALS:
            raise
        if is_unknown(error):
            return [PreflightCheck(topic, CheckState.SKIP, *describe_unknown(error))]
        return [PreflightCheck(topic, CheckState.FAIL, problem.message, problem.hint)]
    except StackwrightError as error:
        return [
            PreflightCheck(topic, CheckState.FAIL, problem.message, problem.hint)
            for problem in error.problems
        ]

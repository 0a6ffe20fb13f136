"""The verb rehearse: an update, and its failure, on this machine."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core import EmulatorError, Location, Problem
from .options import APPROVE, STYLE, Options, for_environment
from .output import console, echo_json
from .stages import load_config, make_rendering

if TYPE_CHECKING:
    from ..diff import Diff, ResourceDiff
    from ..emulator import Rehearsal

Refused = Sequence[tuple["ResourceDiff", str]]
"""Resources that would be replaced without approval, and the name by which --approve would approve
each."""


@click.command(short_help="Try an update, and its failure, on this machine.")
@for_environment
@click.option(
    "--against",
    metavar="REF|DIR",
    required=True,
    help="Build that is deployed: a git revision or a build folder.",
)
@click.option(
    "--allow-replace",
    "allowed",
    multiple=True,
    metavar="LOGICAL_ID",
    help="Resource that may be replaced; repeatable.",
)
@APPROVE
@STYLE
def rehearse(
    options: Options, against: str, allowed: tuple[str, ...], named: tuple[str, ...], style: str
) -> None:
    """Deploy a base to a private local CloudFormation, and update it to the environment as it
    renders now.

    Shows the changes, the order of events, and where the time goes by typical durations. Then the
    slowest changed resource fails, and the state after the rollback is compared with the base. Exit
    1 where the update or the rollback fails, or a resource is replaced that neither --approve nor
    --allow-replace names.
    """
    from ..diff import diff_builds
    from ..emulator import require_packages
    from ..report import format_diff, rehearsal_as_data, rehearsal_as_text

    require_packages()
    from ..emulator import rehearse as run_rehearsal

    config = load_config(options)
    after = {document.path: document.text for document in make_rendering(config).documents}
    account = config.account or ""
    before = _read_base(options, against)
    preview = diff_builds(before, after, config.region, account)
    rehearsal = run_rehearsal(before, after, config.region, account)
    refused = _find_refused(preview, {*allowed, *_replaceable(named)})
    if style == "json":
        names = [resource.address for resource, _ in refused]
        data = {"preview": json.loads(format_diff(preview, "json")), "refused": names}
        echo_json({**data, **rehearsal_as_data(rehearsal)})
    else:
        console().print(f"{format_diff(preview)}\n\n{rehearsal_as_text(rehearsal)}")
    files = {
        Path(path).with_suffix("").as_posix(): f"build/{options.environment}/{path}"
        for path in after
    }
    if problems := [*_failures(rehearsal), *_refusals(refused, files)]:
        raise EmulatorError(problems)


def _read_base(options: Options, against: str) -> dict[str, str]:
    """Return path -> text of the templates of a build folder, or of this environment's build in a
    git revision; raises EmulatorError where there are none."""
    from ..diff import read_build_folder, read_build_revision

    path = f"build/{options.environment}"
    if Path(against).is_dir():
        base = read_build_folder(Path(against))
    else:
        base = read_build_revision(options.project, against, path)
    if not base:
        hint = "name a git revision that has the build, or a build folder"
        raise EmulatorError.of("SW703", f"{against} has no templates in {path}", hint=hint)
    return base


def _replaceable(named: Iterable[str]) -> Iterator[str]:
    """Yield the names of the resources that --approve lets be replaced."""
    from ..plan import parse_approval

    for approval in map(parse_approval, named):
        if approval.kind in (None, "replacement"):
            yield approval.name


def _find_refused(preview: Diff, allowed: Collection[str]) -> Refused:
    """Find the resources that are replaced by a change of their own without approval; a replacement
    that only follows from another goes with that one."""
    from ..plan import REVISIONS, approval_names

    replaced = [
        resource
        for resource in preview.resources
        if resource.effect == "replace" and resource.type not in REVISIONS
        if any(
            change.replaces == "yes" and not change.after_apply for change in resource.properties
        )
    ]
    names = approval_names((resource.stack, resource.logical_id) for resource in replaced)
    named = [(resource, names[resource.stack, resource.logical_id]) for resource in replaced]
    return [pair for pair in named if not {pair[1], pair[0].address} & {*allowed}]


def _failures(rehearsal: Rehearsal) -> Iterator[Problem]:
    for phase in rehearsal.phases:
        if not phase.ok:
            first = next(iter(phase.failures), None)
            cause = f"{first.address}: {first.reason}" if first else phase.reason or phase.status
            yield Problem("SW705", f"the update of {phase.root} fails: {cause}")
    if rehearsal.rollback and not rehearsal.rollback.ok:
        phase = rehearsal.rollback.phase
        message = f"the rollback of {phase.root} does not restore the base: {phase.status}"
        yield Problem("SW706", message)


def _refusals(refused: Refused, files: Mapping[str, str]) -> Iterator[Problem]:
    for resource, name in refused:
        stack = resource.stack
        where = (Location(files[stack], resource.line or 0),) if stack in files else ()
        message = f"{resource.address} ({resource.type}) would be replaced without approval"
        hint = f"to approve it: --approve {name}:replacement (or --allow-replace {name})"
        yield Problem("SW707", message, where, hint)


VERBS = (rehearse,)

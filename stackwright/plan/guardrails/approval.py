"""Compare findings with the approvals given, and refuse a plan that lacks one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ...core import DeployError, Location, Problem
from .finding import ApprovalFlag, FindingKind, GuardrailFinding

Locate = Callable[[str, str], Location | None]
"""Path of a stack and logical ID -> the line of the template that makes the resource; None where it
is not known."""

_CODES = {
    FindingKind.REPLACEMENT: "SW820",
    FindingKind.REMOVAL: "SW820",
    FindingKind.DATA: "SW821",
    FindingKind.ACCESS: "SW822",
    FindingKind.ENCRYPTION: "SW823",
    FindingKind.LOGGING: "SW823",
    FindingKind.AVAILABILITY: "SW829",
}


def approval_names(resources: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return the name of each resource (path of its stack, logical ID) in ``--allow-replace``.

    That is its logical ID, or its address where several of the resources have that ID.
    """
    places = set(resources)
    holders = Counter(logical_id for _, logical_id in places)
    return {place: place[1] if holders[place[1]] == 1 else ":".join(place) for place in places}


def find_unapproved(
    findings: Sequence[GuardrailFinding],
    *,
    replace: Collection[str] = (),
    data_loss: bool = False,
    broader_access: bool = False,
) -> list[GuardrailFinding]:
    """Return the findings that are not approved.

    ``replace`` holds names of findings, or addresses of resources.
    """
    flags = {ApprovalFlag.DATA_LOSS: data_loss, ApprovalFlag.ACCESS: broader_access}
    return [
        finding
        for finding in findings
        if not flags.get(finding.flag) and not _is_named(finding, replace)
    ]


def require_approval(
    findings: Sequence[GuardrailFinding],
    *,
    replace: Collection[str] = (),
    data_loss: bool = False,
    broader_access: bool = False,
    locate: Locate | None = None,
) -> None:
    """Refuse a plan whose findings are not all approved.

    Raises:
        DeployError: SW820 to SW823 or SW829 for each of the others, with its option.
    """
    unapproved = find_unapproved(
        findings, replace=replace, data_loss=data_loss, broader_access=broader_access
    )
    if unapproved:
        raise DeployError(_problem(finding, locate) for finding in unapproved)


def _is_named(finding: GuardrailFinding, names: Collection[str]) -> bool:
    named = bool({finding.name, finding.address} & set(names))
    return finding.flag is ApprovalFlag.REPLACE and named


def _problem(finding: GuardrailFinding, locate: Locate | None) -> Problem:
    where = locate(finding.stack, finding.logical_id) if locate else None
    return Problem(
        _CODES[finding.kind],
        f"needs approval: {finding.text}",
        (where,) if where else (),
        f"if you mean it, add {finding.option}",
    )

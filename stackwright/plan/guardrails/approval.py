"""Compare findings with the approvals given, and refuse a plan that lacks one."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from ...core import DeployError, Location, Problem
from ..model import Plan
from .declared import read_declared
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


class Approval(Struct, frozen=True):
    """The value of one ``--approve``: a resource, and the kind of danger that is approved.

    ``name`` is a logical ID or an address (``app/gateway:Service``); without ``kind`` every kind is
    approved.
    """

    name: str
    kind: FindingKind | None = None

    def __str__(self) -> str:
        return f"{ApprovalFlag.APPROVE} {self.name}" + (f":{self.kind}" if self.kind else "")

    def covers(self, finding: GuardrailFinding) -> bool:
        """Return whether it approves a finding. A logical ID that several findings of the plan
        share approves none of them."""
        return self.name in (finding.name, finding.address) and self.kind in (None, finding.kind)


def parse_approval(text: str) -> Approval:
    """Return the approval that ``Service``, ``Service:access``, ``app:Service`` or
    ``app:Service:access`` stands for."""
    name, _, kind = text.rpartition(":")
    if name and kind in set(FindingKind):
        return Approval(name, FindingKind(kind))
    return Approval(text)


def approval_names(resources: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return the name of each resource (path of its stack, logical ID) in ``--approve``.

    That is its logical ID, or its address where several of the resources have that ID.
    """
    places = set(resources)
    holders = Counter(logical_id for _, logical_id in places)
    return {place: place[1] if holders[place[1]] == 1 else ":".join(place) for place in places}


def find_option(
    finding: GuardrailFinding,
    *,
    replace: Collection[str] = (),
    data_loss: bool = False,
    broader_access: bool = False,
    named: Iterable[Approval] = (),
) -> str:
    """Return the option that approves a finding, as it was typed; empty where none does.

    ``replace`` holds names of findings, or addresses of resources.
    """
    approval = next((approval for approval in named if approval.covers(finding)), None)
    if approval:
        return str(approval)
    flags = {ApprovalFlag.DATA_LOSS: data_loss, ApprovalFlag.ACCESS: broader_access}
    if flags.get(finding.flag):
        return str(finding.flag)
    if finding.flag is ApprovalFlag.REPLACE:
        given = [name for name in (finding.name, finding.address) if name in replace]
        return f"{finding.flag} {given[0]}" if given else ""
    return ""


def require_approval(unapproved: Sequence[GuardrailFinding], locate: Locate | None = None) -> None:
    """Refuse a plan that has findings without an approval.

    Raises:
        DeployError: SW820 to SW823 or SW829 for each finding, with the option that approves it.
    """
    if unapproved:
        raise DeployError(_problem(finding, locate) for finding in unapproved)


def _problem(finding: GuardrailFinding, locate: Locate | None) -> Problem:
    where = locate(finding.stack, finding.logical_id) if locate else None
    broad = f" (or {finding.broad_option})" if finding.broad_option else ""
    return Problem(
        _CODES[finding.kind],
        f"needs approval: {finding.text}",
        (where,) if where else (),
        f"if you mean it, add {finding.option}{broad}",
    )


# --- approvals of resources by name


def require_known_names(approvals: Iterable[Approval], plan: Plan) -> None:
    """Refuse approvals of resources that neither the plan nor its templates have.

    Raises:
        DeployError: SW830 for each, with the nearest known name.
    """
    addresses = set(_addresses(plan))
    known = addresses | {address.rpartition(":")[2] for address in addresses}
    if problems := [
        _unknown(approval, known) for approval in approvals if approval.name not in known
    ]:
        raise DeployError(problems)


def find_unneeded(
    approvals: Iterable[Approval], findings: Sequence[GuardrailFinding]
) -> Iterator[str]:
    """Yield a sentence for each approval that covers no finding."""
    for approval in approvals:
        if any(approval.covers(finding) for finding in findings):
            continue
        shared = {
            finding.address
            for finding in findings
            if finding.logical_id == approval.name != finding.name
        }
        if shared:
            names = ", ".join(sorted(shared))
            yield f"{approval} approves nothing: several resources have that name: {names}"
        else:
            yield f"{approval} is not needed: the plan has no such danger"


def _addresses(plan: Plan) -> Iterator[str]:
    """Yield the address of each resource that changes, or that a template of the plan declares."""
    for root in plan.roots:
        yield from (change.diff.address for change in root.changes)
        for stack, resource in read_declared(root):
            yield f"{stack}:{resource.logical_id}"


def _unknown(approval: Approval, known: Collection[str]) -> Problem:
    """Return the problem of an approval; its last part may be a kind that is misspelt."""
    resource, _, last = approval.name.rpartition(":")
    if resource in known:
        kinds = [str(kind) for kind in FindingKind]
        close = difflib.get_close_matches(last.lower(), kinds, 1)
        hint = f"did you mean {resource}:{close[0]}?" if close else f"kinds: {', '.join(kinds)}"
        return Problem("SW830", f"{approval}: unknown kind {last!r}", (), hint)
    names = known if ":" in approval.name else {name for name in known if ":" not in name}
    close = difflib.get_close_matches(approval.name, sorted(names), 1)
    hint = f"did you mean {close[0]}?" if close else "name a resource that the plan shows"
    message = f"{approval}: no resource {approval.name} in this plan"
    return Problem("SW830", message, (), hint)

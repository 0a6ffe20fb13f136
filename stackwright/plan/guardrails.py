"""What of a plan nobody may do by accident: losing data, replacing resources, opening access. Pure.

A new deployment endangers nothing: only what exists can be lost, or be opened wider than it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_network
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import STACK_TYPE, declared_keys, read_statements
from ..core import DeployError, Location, Problem
from ..diff import Effect, PropertyDiff, ResourceDiff
from .model import Certainty, ListedChange, Plan, PlannedChange, RootAction, RootPlan

REVISIONS = frozenset(
    ("AWS::ECS::TaskDefinition", "AWS::Lambda::Version", "AWS::Lambda::LayerVersion")
)
"""Types whose resources are revisions: every change makes a new one, and nothing is lost with the
old one."""

Locate = Callable[[str, str], Location | None]
"""Path of a stack and logical ID -> the line of the template that makes the resource, if it is
known."""


class ApprovalFlag(StrEnum):
    """The option that allows a danger."""

    REPLACE = "--allow-replace"
    DATA_LOSS = "--allow-data-loss"
    ACCESS = "--allow-broader-access"


_CODES = {
    ApprovalFlag.REPLACE: "SW820",
    ApprovalFlag.DATA_LOSS: "SW821",
    ApprovalFlag.ACCESS: "SW822",
}


class GuardrailFinding(Struct, frozen=True):
    """One thing that needs leave. ``root`` is the stack's name in CloudFormation, which a user may
    type instead; ``stack`` the path of the (nested) stack that holds ``logical_id``; ``text`` a
    sentence without a full stop. ``name`` is what `--allow-replace` calls it: its logical ID, or
    its address where another one has that too."""

    flag: ApprovalFlag
    root: str
    stack: str
    logical_id: str
    text: str
    name: str

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"

    @property
    def option(self) -> str:
        """What allows it, as it is typed."""
        return f"{self.flag} {self.name}" if self.flag is ApprovalFlag.REPLACE else str(self.flag)


def find_dangerous_changes(plan: Plan) -> list[GuardrailFinding]:
    """All dangers of a plan, in the order of its changes."""
    found = [
        danger
        for root in plan.roots
        if _exists(root)
        for change in root.changes
        for danger in _of(root, change)
    ]
    called = approval_names((each.stack, each.logical_id) for each in found)
    return [replace(each, name=called[each.stack, each.logical_id]) for each in found]


def approval_names(resources: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """What `--allow-replace` calls each resource (path of its stack and logical ID): its logical
    ID, or its address where another of them has that too."""
    found = set(resources)
    holders = Counter(logical_id for _, logical_id in found)
    return {each: each[1] if holders[each[1]] == 1 else ":".join(each) for each in found}


def find_unapproved(
    found: Sequence[GuardrailFinding],
    *,
    replace: Collection[str] = (),
    data_loss: bool = False,
    broader_access: bool = False,
) -> list[GuardrailFinding]:
    """The dangers that nothing allows; ``replace`` holds names (see `Danger`), or addresses."""
    allowed = {ApprovalFlag.DATA_LOSS: data_loss, ApprovalFlag.ACCESS: broader_access}
    return [each for each in found if not allowed.get(each.flag) and not _named(each, replace)]


def require_approval(
    found: Sequence[GuardrailFinding],
    *,
    replace: Collection[str] = (),
    data_loss: bool = False,
    broader_access: bool = False,
    locate: Locate | None = None,
) -> None:
    """Refuse a plan whose dangers are not all allowed.

    Raises:
        DeployError: SW820, SW821 or SW822 for each that is not, with the option that allows it.
    """
    left = find_unapproved(
        found, replace=replace, data_loss=data_loss, broader_access=broader_access
    )
    if left:
        raise DeployError(_problem(each, locate) for each in left)


def _named(danger: GuardrailFinding, names: Collection[str]) -> bool:
    return danger.flag is ApprovalFlag.REPLACE and bool({danger.name, danger.address} & set(names))


def _problem(danger: GuardrailFinding, locate: Locate | None) -> Problem:
    where = locate(danger.stack, danger.logical_id) if locate else None
    hint = f"if that is meant: {danger.option}"
    return Problem(_CODES[danger.flag], f"refused: {danger.text}", (where,) if where else (), hint)


def _exists(root: RootPlan) -> bool:
    """Whether there is something to lose: a stack that is made now, or later, holds nothing."""
    return root.kind in (RootAction.UPDATE, RootAction.IMPORT) or (
        root.kind is RootAction.LATER and bool(root.stack_id or root.live)
    )


def _of(root: RootPlan, change: PlannedChange) -> Iterator[GuardrailFinding]:
    if change.certainty is Certainty.SPURIOUS:
        return
    found = [*_losses(root, change), *_replacements(root, change), *_openings(root, change)]
    diff = change.diff
    for flag, text in found:
        said = f"{diff.address} ({diff.type}) {text}"
        yield GuardrailFinding(
            flag, root.desired.stack, diff.stack, diff.logical_id, said, name=diff.logical_id
        )


# --- data and replacements
# ----------------------------------------------------------------------------------


def _losses(root: RootPlan, change: PlannedChange) -> Iterator[tuple[ApprovalFlag, str]]:
    removed = change.effect is Effect.REMOVE
    if _unseen(change):
        yield (
            ApprovalFlag.DATA_LOSS,
            "changes in a way that cannot be seen: what holds data in it may be replaced or removed",
        )
    if not change.stateful or not (
        removed or change.effect is Effect.REPLACE or change.diff.may_replace
    ):
        return
    kept = _kept(root, change)
    if removed and kept:
        yield (
            ApprovalFlag.REPLACE,
            f"is removed from the stack; what it holds is kept ({kept}), where nothing uses it",
        )
    elif not kept:
        fate = (
            "is removed"
            if removed
            else "may be replaced"
            if change.diff.may_replace
            else "is replaced"
        )
        yield ApprovalFlag.DATA_LOSS, f"{fate}, and its data is deleted"


def _unseen(change: PlannedChange) -> bool:
    """Whether it is a nested stack that CloudFormation lists as changed, and into which neither
    side looks."""
    nested = change.diff.type == STACK_TYPE and change.effect is Effect.CHANGE
    return nested and change.listed is ListedChange.CLOUDFORMATION and not change.diff.may_replace


def _kept(root: RootPlan, change: PlannedChange) -> str:
    """``Retain`` or ``Snapshot`` where the old one's data survives, else nothing."""
    policy = change.policy_action
    if not policy:
        losses = {loss.resource.address: loss.policy for loss in root.diff.losses if loss.kept}
        policy = losses.get(change.diff.address, "")
    return next((word for word in ("Retain", "Snapshot") if word in policy), "")


def _replacements(root: RootPlan, change: PlannedChange) -> Iterator[tuple[ApprovalFlag, str]]:
    diff = change.diff
    if diff.type in REVISIONS:
        return
    if diff.effect is Effect.REPLACE and (change.stateful or _of_its_own(root, change)):
        causes = ", ".join(each.path for each in diff.properties if each.replaces == "yes")
        yield (
            ApprovalFlag.REPLACE,
            "is replaced by a new one" + (f": {causes} cannot change in place" if causes else ""),
        )
    elif diff.effect is Effect.CHANGE and diff.may_replace and change.stateful:
        yield ApprovalFlag.REPLACE, "may be replaced by an empty one"


def _of_its_own(root: RootPlan, change: PlannedChange) -> bool:
    """Whether a change of its own replaces it, not one that only follows another resource's."""
    causes = [each for each in change.diff.properties if each.replaces != "no"]
    if not causes:  # only CloudFormation says so, and not why
        return change.replacement == "True" and change.certainty is Certainty.CERTAIN
    return any(each.replaces == "yes" and not _follows(each, root) for each in causes)


_NAMED = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[^}]*)?\}")


def _follows(leaf: PropertyDiff, root: RootPlan) -> bool:
    """Whether a property names what it named, which only gets another identifier: the text is the
    same, or it was the identifier of the very resource that is named now."""
    if not (leaf.after_apply and leaf.exists_before and leaf.exists_after):
        return False
    before, after = json.dumps(leaf.before), json.dumps(leaf.after)
    return before == after or re.fullmatch(_with_identifiers(after, root), before) is not None


def _with_identifiers(text: str, root: RootPlan) -> str:
    """A pattern of the text in which every ``${Namespace.Id}`` is what the resource that changes is
    called so far."""
    pattern, end = "", 0
    for match in _NAMED.finditer(text):
        known = {
            e.physical_id for e in root.changes if e.diff.logical_id == match[1] and e.physical_id
        }
        pattern += (
            re.escape(text[end : match.start()])
            + f"(?:{'|'.join(map(re.escape, sorted(known))) or '(?!)'})"
        )
        end = match.end()
    return pattern + re.escape(text[end:])


# --- access
# ---------------------------------------------------------------------------------------------------

_GROUP = "AWS::EC2::SecurityGroup"
_RULES = frozenset(("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"))
_PERMISSION = "AWS::Lambda::Permission"
_ATTACHED = frozenset(("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy",
                       "AWS::IAM::GroupPolicy"))  # fmt: skip
"""Types of policies that are attached to others, which their properties name."""
_POLICIES = _ATTACHED | {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SQS::QueueInlinePolicy",
                         "AWS::SNS::TopicPolicy", "AWS::SNS::TopicInlinePolicy",
                         "AWS::SecretsManager::ResourcePolicy"}  # fmt: skip
"""Types that deny others something: what they denied is allowed once they are gone."""
_HOLDER = re.compile(r"(?:Roles|Users|Groups)(?:\[\d+\])?|(?:Role|User|Group)Name")
"""Whom a policy is attached to."""
_USER, _ADDITION, _PROFILE = (
    "AWS::IAM::User",
    "AWS::IAM::UserToGroupAddition",
    "AWS::IAM::InstanceProfile",
)
_MEMBERS = {
    _USER: re.compile(r"Groups(?:\[\d+\])?"),
    _ADDITION: re.compile(r"Users(?:\[\d+\])?|GroupName"),
    _PROFILE: re.compile(r"Roles(?:\[\d+\])?"),
}
"""Which properties make somebody a member of what has policies, which are not read here."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SHOWN = 3


def _openings(root: RootPlan, change: PlannedChange) -> Iterator[tuple[ApprovalFlag, str]]:
    diff = change.diff
    if diff.effect is Effect.ADD:
        found = list(_granted(diff.type, _properties(root, change)))
    elif diff.effect is Effect.REMOVE:
        found = list(_released(diff))
    else:
        now = _properties(root, change)
        found = [text for each in diff.properties for text in _opened(diff.type, each, now, root)]
    if found:
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        yield ApprovalFlag.ACCESS, "; ".join(found[:_SHOWN]) + more


def _properties(root: RootPlan, change: PlannedChange) -> Mapping[str, Any]:
    """A resource's properties as its new template gives them, intrinsic functions unresolved."""
    text = root.desired.templates.get(change.diff.stack)
    resource = declared_keys(text).resources.get(change.diff.logical_id) if text else None
    return resource.properties if resource else {}


def _released(diff: ResourceDiff) -> Iterator[str]:
    """What opens when a resource goes."""
    if diff.type in _POLICIES and diff.denies is not False:
        yield "no longer denies anything"
    elif diff.type == _ADDITION:
        yield "takes users out of a group, whose policies may deny them something"


def _granted(type_: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """What a new resource opens."""
    if type_ == STACK_TYPE:
        yield "is a nested stack of which neither CloudFormation nor the prediction tells what it holds"
    elif type_ in _RULES:
        yield f"lets in or out: {_rule(properties)}"
    elif type_ == _GROUP:
        for name in ("SecurityGroupIngress", "SecurityGroupEgress"):
            yield from (f"lets in or out: {_rule(rule)}" for rule in _list(properties.get(name)))
    elif type_ == _PERMISSION:
        yield f"lets {_short(properties.get('Principal'))} invoke a function"
    elif type_ == _ADDITION:
        yield f"adds {_short(properties.get('Users'))} to the group {_short(properties.get('GroupName'))}"
    else:
        if type_ == _USER and properties.get("Groups"):
            yield f"joins the groups {_short(properties['Groups'])}"
        allowed = list(read_statements(properties, "Allow"))
        yield from (
            f"allows {_short(each.get('Action', each.get('NotAction')))}" for each in allowed
        )
        yield from (f"attaches {_short(arn)}" for arn in _list(properties.get("ManagedPolicyArns")))


def _opened(
    type_: str, leaf: PropertyDiff, now: Mapping[str, Any], root: RootPlan
) -> Iterator[str]:
    """What a changed property opens; ``now`` are all properties as they will be."""
    if _follows(leaf, root):
        return
    bare = replace(
        leaf, path=_QUOTED.sub('""', leaf.path)
    )  # a name may look like the rest of a path
    wider = {
        _GROUP: _wider_group,
        _PERMISSION: _wider_permission,
        **dict.fromkeys(_RULES, _wider_rule),
    }
    if type_ in _MEMBERS and _MEMBERS[type_].fullmatch(leaf.path):
        opens = (
            leaf.exists_after or type_ != _PROFILE
        )  # instances without a role are left with nothing
    elif type_ in _ATTACHED and _HOLDER.fullmatch(leaf.path):
        opens = _wider_holders(leaf, now)
    else:
        opens = wider.get(type_, _wider_policy)(bare)
    if opens:
        yield f"{leaf.path}: {_change(leaf)}"


def _wider_group(leaf: PropertyDiff) -> bool:
    inside = re.fullmatch(r"SecurityGroup(?:Ingress|Egress)(?:\[[^\]]*\](?:\.(.+))?)?", leaf.path)
    if inside is None or leaf.path.endswith("[order]"):
        return False
    if inside.group(1):
        return _wider_rule(leaf)
    # Without any rule of its own a group lets everything out.
    return leaf.exists_after or leaf.path == "SecurityGroupEgress"


def _wider_rule(leaf: PropertyDiff) -> bool:
    name = leaf.path.rpartition(".")[2]
    before, after = leaf.before, leaf.after
    if name in ("Description", "Tags", "GroupId"):
        return False
    if name in ("CidrIp", "CidrIpv6") and leaf.exists_before:
        return leaf.exists_after and not _inside(after, before)
    if name in ("FromPort", "ToPort") and leaf.exists_before and leaf.exists_after:
        try:
            return int(after) < int(before) if name == "FromPort" else int(after) > int(before)
        except (TypeError, ValueError):
            return True
    if name == "IpProtocol" and str(before) == "-1":
        return False
    return leaf.exists_after or name in ("FromPort", "ToPort")


def _inside(inner: Any, outer: Any) -> bool:
    """Whether an address range is a part of another."""
    try:
        small, large = ip_network(str(inner)), ip_network(str(outer))
    except ValueError:
        return bool(inner == outer)
    return small.version == large.version and small.subnet_of(large)  # type: ignore[arg-type]


def _wider_permission(leaf: PropertyDiff) -> bool:
    if leaf.path in (
        "Principal",
        "Action",
        "SourceArn",
        "SourceAccount",
        "PrincipalOrgID",
        "FunctionUrlAuthType",
    ):
        restricts = leaf.path not in ("Principal", "Action")
        if not leaf.exists_before or not leaf.exists_after:
            return restricts and leaf.exists_before
        return not _covered(leaf.after, leaf.before)
    return False


def _wider_holders(leaf: PropertyDiff, now: Mapping[str, Any]) -> bool:
    """Who comes gains what the policy allows, who goes is no longer denied anything; what it no
    longer does is a change of its own."""
    gains = leaf.exists_after and any(read_statements(now, "Allow"))
    return not now or gains or (leaf.exists_before and any(read_statements(now, "Deny")))


_NEGATIVE = ("NotAction", "NotResource", "NotPrincipal")


def _wider_policy(leaf: PropertyDiff) -> bool:
    """Any policy document, wherever a type holds it; what may be an ``Allow`` or a ``Deny`` is
    taken for both."""
    if leaf.path.endswith("[order]"):
        return False
    if leaf.path.startswith("ManagedPolicyArns"):
        return leaf.exists_after
    if leaf.path == "PermissionsBoundary":
        return leaf.exists_before
    inside = re.search(r"(?:^|\.)Statement(?:\[[^\]]*\])?(?:\.(.+))?$", leaf.path)
    if inside is None or not inside.group(1):
        name = leaf.path.rpartition(".")[2].partition("[")[0]
        gains = leaf.exists_after and any(read_statements({name: leaf.after}, "Allow"))
        return gains or (leaf.exists_before and any(read_statements({name: leaf.before}, "Deny")))
    if inside.group(1) == "Effect":
        return bool(leaf.after != "Deny")
    narrower = replace(
        leaf,
        before=leaf.after,
        after=leaf.before,
        exists_before=leaf.exists_after,
        exists_after=leaf.exists_before,
    )
    allows = leaf.statement != "Deny" and _wider_statement(inside.group(1), leaf)
    return allows or (leaf.statement != "Allow" and _wider_statement(inside.group(1), narrower))


def _wider_statement(element: str, leaf: PropertyDiff) -> bool:
    """Whether a leaf inside of a statement widens it, taken that the statement allows."""
    name = re.split(r"[.\[]", element)[0]
    if name in ("Sid", "Version"):
        return False
    if name == "Condition" and (leaf.path.endswith("]") or leaf.exists_before == leaf.exists_after):
        return _wider_condition(element, leaf)
    if (
        not leaf.exists_before
    ):  # one more that is meant: wider; one more condition or exception: narrower
        return name not in ("Condition", *_NEGATIVE)
    if not leaf.exists_after:
        return name in ("Condition", *_NEGATIVE)
    if name in _NEGATIVE:
        return not _covered(leaf.before, leaf.after)
    return not _covered(leaf.after, leaf.before)


def _wider_condition(element: str, leaf: PropertyDiff) -> bool:
    """Values of one condition are alternatives: one more lets more through; of a negated one, one
    less does."""
    operator = element.split(".")[1] if element.count(".") else ""
    if "Not" in operator:
        leaf = replace(
            leaf,
            before=leaf.after,
            after=leaf.before,
            exists_before=leaf.exists_after,
            exists_after=leaf.exists_before,
        )
    return leaf.exists_after and not (leaf.exists_before and _covered(leaf.after, leaf.before))


def _covered(inner: Any, outer: Any) -> bool:
    """Whether each of the inner patterns (``s3:Get*``) means no more than one of the outer ones."""
    return all(any(_matches(mine, theirs) for theirs in _list(outer)) for mine in _list(inner))


def _matches(value: Any, pattern: Any) -> bool:
    if value == pattern or not (isinstance(value, str) and isinstance(pattern, str)):
        return bool(value == pattern)
    wild = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(wild, value, re.IGNORECASE | re.DOTALL) is not None


def _rule(rule: Any) -> str:
    """``tcp 443 0.0.0.0/0``; a function that gives one, or several, as it is."""
    if not isinstance(rule, Mapping) or any(key.startswith("Fn::") for key in rule):
        return _short(rule)
    ports = "-".join(dict.fromkeys(str(rule[key]) for key in ("FromPort", "ToPort") if key in rule))
    peers = [
        value for key, value in rule.items() if key.startswith(("Cidr", "Source", "Destination"))
    ]
    return " ".join(
        part for part in (str(rule.get("IpProtocol", "")), ports, *map(_short, peers)) if part
    )


def _change(leaf: PropertyDiff) -> str:
    if not leaf.exists_before:
        return f"adds {_short(leaf.after)}"
    if not leaf.exists_after:
        return f"loses {_short(leaf.before)}"
    return f"{_short(leaf.before)} → {_short(leaf.after)}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [*parts]}:
            return f"${{{'.'.join(map(str, parts))}}}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_short(item)}" for key, item in value.items())
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]

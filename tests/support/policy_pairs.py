"""Random pairs of policies, to find a change that lets more through and is not flagged.

``python -m tests.support.policy_pairs 100000`` tries that many pairs and as many rewrites with an
equal effect, and prints the misses and the rate of false alarms.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from random import Random
from typing import Any

from stackwright.cfn import locate_statements
from stackwright.plan.guardrails.iam.policy_sets import find_widenings
from tests.support.policy_evaluator import Request, allows

Statement = dict[str, Any]
Policy = list[Statement]

ACCOUNT, OTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/x"
ACTIONS = ("s3:GetObject", "s3:GetBucketAcl", "s3:PutObject", "iam:PassRole", "sqs:SendMessage")
ACTION_PATTERNS = (
    *ACTIONS,
    "*",
    "s3:*",
    "s3:Get*",
    "S3:getobject",
    "s3:?etObject",
    "*:*",
    "s3:G*t",
)
RESOURCES = (
    "arn:aws:s3:::a/x",
    "arn:aws:s3:::a/alice",
    "arn:aws:s3:::ab/x",
    "arn:aws:sqs:us-east-1:111111111111:queue",
    "arn:aws:logs:us-east-1:111111111111:log-group:g:log-stream:x",
)
RESOURCE_PATTERNS = (
    *RESOURCES,
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::a*",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::a?/x",
    "arn:*:x",
    "arn:aws:*:us-east-1:*",
    "arn:aws:s3:::a/${aws:username}",
)
PRINCIPALS = ("*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
              {"AWS": ROLE}, {"AWS": [ROLE, OTHER]}, {"Service": "events.amazonaws.com"},
              {"Service": ["events.amazonaws.com", "s3.amazonaws.com"], "AWS": ROLE})  # fmt: skip
CALLERS = (
    frozenset({("AWS", ROLE), ("AWS", ACCOUNT)}),
    frozenset({("AWS", OTHER)}),
    frozenset({("Service", "events.amazonaws.com")}),
    frozenset({("Service", "s3.amazonaws.com")}),
    frozenset[tuple[str, str]](),
)
TEXTS = ("StringEquals", "StringLike", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotLike")
OPERATORS: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "aws:PrincipalTag/team": (TEXTS, ("a", "A", "ab", "a*", "*", "?", "${aws:username}")),
    "aws:SourceArn": (
        ("ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals", "StringEquals", "StringLike"),
        (*RESOURCES, "arn:aws:s3:::*", "arn:aws:s3:::a/*", "arn:*:*:*:*:*", "arn:*"),
    ),
    "aws:SourceIp": (("IpAddress", "NotIpAddress"), ("10.0.0.0/8", "10.1.0.0/16", "10.1.0.7")),
    "aws:SecureTransport": (("Bool",), (True, False, "true", "false")),
    "s3:max-keys": (
        ("NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericEquals",
         "NumericGreaterThanEquals", "NumericNotEquals"),
        ("5", 10, "10.0", "20"),
    ),
    "aws:TagKeys": (
        tuple(f"{each}:{text}" for each in ("ForAllValues", "ForAnyValue") for text in TEXTS),
        ("a", "ab", "a*"),
    ),
}  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "aws:principaltag/team": ("a", "A", "ab", "b", "alice", "*"),
    "aws:sourcearn": RESOURCES,
    "aws:sourceip": ("10.0.0.1", "10.1.0.7", "10.1.9.9", "192.0.2.1"),
    "aws:securetransport": ("true", "false"),
    "s3:max-keys": ("4", "5", "7", "10", "15", "20", "30"),
    "aws:tagkeys": ((), ("a",), ("a", "b"), ("ab", "a")),
    "aws:username": ("alice", "ab", "*"),
}


# --- random policies and requests


def make_policy(random: Random) -> Policy:
    """Return one to three statements, which all have principals or none.

    Some policies are about conditions alone, so that random requests reach them.
    """
    if random.random() < 0.3:
        statement: Statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        add_condition(random, statement)
        return [statement]
    principals = random.random() < 0.5
    return [make_statement(random, principals) for _ in range(random.randint(1, 3))]


def make_statement(random: Random, principals: bool) -> Statement:
    statement: Statement = {"Effect": random.choice(("Allow", "Allow", "Deny"))}
    statement[_perhaps_not(random, "Action")] = _choose(random, ACTION_PATTERNS)
    statement[_perhaps_not(random, "Resource")] = _choose(random, RESOURCE_PATTERNS)
    if principals:
        statement[_perhaps_not(random, "Principal")] = copy.deepcopy(random.choice(PRINCIPALS))
    for _ in range(random.choice((0, 0, 1, 2))):
        add_condition(random, statement)
    return statement


def add_condition(random: Random, statement: Statement) -> None:
    key = random.choice(tuple(OPERATORS))
    operators, values = OPERATORS[key]
    operator = random.choice(operators) + random.choice(("", "", "IfExists"))
    tests = statement.setdefault("Condition", {})
    if random.random() < 0.1:
        tests.setdefault("Null", {})[key] = random.choice(("true", "false", True))
    else:
        tests.setdefault(operator, {})[random.choice((key, key.lower()))] = _choose(random, values)


def make_request(random: Random) -> Request:
    context = {
        key: random.choice(values) for key, values in VALUES.items() if random.random() < 0.7
    }
    return Request(
        random.choice(ACTIONS), random.choice(RESOURCES), random.choice(CALLERS), context
    )


def _perhaps_not(random: Random, name: str) -> str:
    return f"Not{name}" if random.random() < 0.2 else name


def _choose(random: Random, values: tuple[Any, ...]) -> Any:
    """Return one value, or a list of up to three."""
    if random.random() < 0.4:
        return random.choice(values)
    return [random.choice(values) for _ in range(random.randint(1, 3))]


# --- changes of a policy


def change_policy(random: Random, policy: Policy) -> Policy:
    """Return another policy, or the policy after a few small changes.

    A policy about conditions alone often changes only there.
    """
    if random.random() < 0.1:
        return make_policy(random)
    changed = copy.deepcopy(policy)
    bare = len(policy) == 1 and policy[0]["Effect"] == "Allow" and policy[0].get("Action") == "*"
    changes = _CONDITION_CHANGES if bare and random.random() < 0.8 else _CHANGES
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice(changes)(random, changed)
    return rewrite_policy(random, changed) if random.random() < 0.3 else changed


def _negate(random: Random, policy: Policy) -> None:
    statement = random.choice(policy)
    name = random.choice([key for key in statement if key not in ("Effect", "Condition", "Sid")])
    other = name.removeprefix("Not") if name.startswith("Not") else f"Not{name}"
    statement[other] = statement.pop(name)


def _change_element(random: Random, policy: Policy) -> None:
    statement = random.choice(policy)
    name = random.choice([key for key in statement if key not in ("Effect", "Condition", "Sid")])
    if name.endswith("Principal"):
        statement[name] = copy.deepcopy(random.choice(PRINCIPALS))
        return
    patterns = ACTION_PATTERNS if name.endswith("Action") else RESOURCE_PATTERNS
    values = statement[name] if isinstance(statement[name], list) else [statement[name]]
    dropped = values[1:] if len(values) > 1 else values
    statement[name] = random.choice((dropped, [*values, random.choice(patterns)], patterns[0]))


def _change_condition(random: Random, policy: Policy) -> None:
    statement = random.choice(policy)
    condition = statement.get("Condition")
    if not condition or random.random() < 0.5:
        add_condition(random, statement)
        return
    operator = random.choice(tuple(condition))
    key = random.choice(tuple(condition[operator]))
    values = condition[operator][key]
    choices = OPERATORS.get(key) or next(
        OPERATORS[name] for name in OPERATORS if name.lower() == key
    )
    act = random.choice(("drop", "more", "fewer", "other"))
    if act == "drop":
        del statement["Condition"]
    elif act == "more" and operator != "Null":
        listed = values if isinstance(values, list) else [values]
        condition[operator][key] = [*listed, random.choice(choices[1])]
    elif act == "fewer" and isinstance(values, list) and len(values) > 1:
        condition[operator][key] = values[1:]
    elif act == "other" and operator != "Null":
        keys = condition.pop(operator)
        condition.setdefault(random.choice(choices[0]), {}).update(keys)


def _change_operator(random: Random, policy: Policy) -> None:
    """Add or take ``Not``, ``IfExists`` or a quantifier."""
    condition = random.choice(policy).get("Condition", {})
    operator = random.choice((*condition, ""))
    base = operator.rpartition(":")[2].removesuffix("IfExists")
    negation = next((pair for pair in _NEGATIONS if base in pair), (base, base))
    quantifiers = ("", "ForAllValues:", "ForAnyValue:") if "Tag" in str(condition) else ("",)
    written = random.choice(quantifiers) + random.choice((base, *negation))
    if operator in condition and operator != "Null":
        keys = condition.pop(operator)
        written += random.choice(("", "IfExists"))
        condition.setdefault(written, {}).update(keys)


_NEGATIONS = (
    ("StringEquals", "StringNotEquals"),
    ("StringLike", "StringNotLike"),
    ("ArnLike", "ArnNotLike"),
    ("ArnEquals", "ArnNotEquals"),
    ("IpAddress", "NotIpAddress"),
    ("NumericEquals", "NumericNotEquals"),
)


def _change_effect(random: Random, policy: Policy) -> None:
    statement = random.choice(policy)
    statement["Effect"] = {"Allow": "Deny", "Deny": "Allow"}[statement["Effect"]]


def _add_statement(random: Random, policy: Policy) -> None:
    principals = any(key.endswith("Principal") for key in policy[0])
    policy.append(make_statement(random, principals))


def _drop_statement(random: Random, policy: Policy) -> None:
    if len(policy) > 1:
        policy.pop(random.randrange(len(policy)))


_CONDITION_CHANGES = (_change_condition, _change_condition, _change_operator)
_CHANGES = (
    *_CONDITION_CHANGES,
    _negate,
    _change_element,
    _change_element,
    _change_effect,
    _add_statement,
    _drop_statement,
)


# --- rewrites with an equal effect


def rewrite_policy(random: Random, policy: Policy) -> Policy:
    """Return a policy of an equal effect in another shape."""
    written: Policy = copy.deepcopy(policy)
    for rewrite in random.sample(REWRITES, random.randint(1, len(REWRITES))):
        written = rewrite(random, written)
    return written


def reorder_statements(random: Random, policy: Policy) -> Policy:
    return random.sample(policy, len(policy))


def rename_statements(_random: Random, policy: Policy) -> Policy:
    return [{**statement, "Sid": f"S{place}"} for place, statement in enumerate(policy)]


def repeat_statement(random: Random, policy: Policy) -> Policy:
    return [*policy, copy.deepcopy(random.choice(policy))]


def split_statement(random: Random, policy: Policy) -> Policy:
    """One statement for each action or resource of a list."""
    name = random.choice(("Action", "Resource"))
    return [
        {**copy.deepcopy(statement), name: value} if name in statement else copy.deepcopy(statement)
        for statement in policy
        for value in (
            statement[name] if isinstance(statement.get(name), list) else [statement.get(name)]
        )
    ]


def split_condition(_random: Random, policy: Policy) -> Policy:
    """One statement for each value of a condition whose values are alternatives."""
    written = []
    for statement in policy:
        operators = [name for name in statement.get("Condition", {}) if _has_alternatives(name)]
        if not operators or not statement["Condition"][operators[0]]:
            written.append(statement)
            continue
        key, values = next(iter(statement["Condition"][operators[0]].items()))
        for value in values if isinstance(values, list) else [values]:
            one = copy.deepcopy(statement)
            one["Condition"][operators[0]][key] = value
            written.append(one)
    return written


def _has_alternatives(operator: str) -> bool:
    return "Not" not in operator and ":" not in operator and operator != "Null"


def merge_statements(_random: Random, policy: Policy) -> Policy:
    """One statement for those that differ in the actions alone."""
    merged: dict[str, Statement] = {}
    for place, statement in enumerate(policy):
        rest = {key: value for key, value in statement.items() if key not in ("Action", "Sid")}
        key = json.dumps(rest, sort_keys=True) if "Action" in statement else str(place)
        actions = statement.get("Action", [])
        listed = actions if isinstance(actions, list) else [actions]
        if key in merged:
            merged[key]["Action"] = [*merged[key]["Action"], *listed]
        else:
            merged[key] = {**statement, "Action": listed} if "Action" in statement else statement
    return list(merged.values())


def change_lists(random: Random, policy: Policy) -> Policy:
    """Texts become lists, lists get another order and repeat an item."""
    for statement in policy:
        for name in ("Action", "NotAction", "Resource", "NotResource"):
            if name in statement:
                value = statement[name]
                listed = value if isinstance(value, list) else [value]
                statement[name] = random.sample([*listed, listed[0]], len(listed) + 1)
    return policy


def change_case(_random: Random, policy: Policy) -> Policy:
    """Actions and the keys of conditions ignore case."""
    for statement in policy:
        for name in ("Action", "NotAction"):
            if isinstance(statement.get(name), str):
                statement[name] = statement[name].upper()
        for operator, keys in statement.get("Condition", {}).items():
            if len({key.lower() for key in keys}) == len(keys):
                statement["Condition"][operator] = {key.upper(): keys[key] for key in keys}
    return policy


def change_principals(_random: Random, policy: Policy) -> Policy:
    """Everybody and accounts have two spellings."""
    spellings = {"*": {"AWS": ["*"]}, ACCOUNT: f"arn:aws:iam::{ACCOUNT}:root"}
    for statement in policy:
        for name in ("Principal", "NotPrincipal"):
            value = statement.get(name)
            if value == "*":
                statement[name] = spellings["*"]
            elif value == {"AWS": ACCOUNT}:
                statement[name] = {"AWS": spellings[ACCOUNT]}
    return policy


def add_redundant_actions(_random: Random, policy: Policy) -> Policy:
    """Actions that a wildcard of the statement includes."""
    for statement in policy:
        actions = statement.get("Action")
        if actions == "s3:*" or (isinstance(actions, list) and "s3:*" in actions):
            listed = actions if isinstance(actions, list) else [actions]
            statement["Action"] = [*listed, "s3:GetObject", "s3:Put*"]
    return policy


REWRITES: tuple[Callable[[Random, Policy], Policy], ...] = (
    reorder_statements,
    rename_statements,
    repeat_statement,
    split_statement,
    split_condition,
    merge_statements,
    change_lists,
    change_case,
    change_principals,
    add_redundant_actions,
)


# --- judging


def is_flagged(before: Policy, after: Policy) -> bool:
    """Return whether the guardrails call the later policy wider."""
    sides = [
        list(locate_statements({"Version": "2012-10-17", "Statement": policy}))
        for policy in (before, after)
    ]
    return any(find_widenings(*sides))


def find_opened_request(
    random: Random, before: Policy, after: Policy, tries: int
) -> Request | None:
    """Return a request that only the later policy allows; None where no random one is found."""
    for _ in range(tries):
        request = make_request(random)
        if allows(after, request) and not allows(before, request):
            return request
    return None


def count_pairs(pairs: int, tries: int = 60, seed: int = 0) -> tuple[int, int, int, int]:
    """Return how many pairs were not flagged, how many of those open something (misses), how many
    flagged pairs were seen to open something, and how many equal rewrites were flagged."""
    random = Random(seed)
    silent = missed = opened = alarms = 0
    for number in range(pairs):
        before = make_policy(random)
        after = change_policy(random, before)
        if is_flagged(before, after):
            opened += find_opened_request(random, before, after, tries) is not None
        else:
            silent += 1
            if request := find_opened_request(random, before, after, tries):
                missed += 1
                print(f"missed, pair {number}: {request}\n  {before}\n  {after}")
        alarms += is_flagged(before, rewrite_policy(random, before))
    return silent, missed, opened, alarms


if __name__ == "__main__":
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    quiet, misses, openings, false_alarms = count_pairs(total)
    print(
        f"{total:,} pairs: {total - quiet:,} flagged ({openings:,} seen to open something), "
        f"{quiet:,} not flagged, {misses:,} missed"
    )
    print(f"{total:,} equal rewrites: {false_alarms:,} flagged ({false_alarms / total:.2%})")

"""Which policies are wider than others, by named cases and by random pairs."""

from __future__ import annotations

import copy
import os
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.cfn import locate_statements
from stackwright.core import HIDDEN
from stackwright.plan.guardrails.iam.patterns import excludes, includes
from stackwright.plan.guardrails.iam.policy_sets import find_widenings
from tests.support.policy_pairs import (
    change_policy,
    count_pairs,
    find_opened_request,
    is_flagged,
    make_policy,
    rewrite_policy,
)

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
BASE = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"}


def allow(**elements):
    """``BASE`` with other elements; None leaves one out."""
    return {key: value for key, value in {**BASE, **elements}.items() if value is not None}


def deny(**elements):
    return allow(**{"Effect": "Deny", **elements})


def when(**operators):
    """``BASE`` under conditions on one key."""
    return allow(Condition={name: {"aws:SourceArn": value} for name, value in operators.items()})


def verbs(before, after, version="2012-10-17", later_version=None):
    sides = [
        list(locate_statements({"Version": number, "Statement": statements}))
        for number, statements in ((version, before), (later_version or version, after))
    ]
    return [widening.verb for widening in find_widenings(*sides)]


WIDER = {
    "Action to NotAction": ([allow()], [allow(Action=None, NotAction="s3:GetObject")]),
    "Action to NotAction of another": ([allow()], [allow(Action=None, NotAction="iam:*")]),
    "Resource to NotResource": ([allow()], [allow(Resource=None, NotResource=BASE["Resource"])]),
    "Principal to NotPrincipal": (
        [allow(Principal={"AWS": ROLE})],
        [allow(NotPrincipal={"AWS": ROLE})],
    ),
    "fewer exclusions": (
        [allow(Action=None, NotAction=["iam:*", "s3:*"])],
        [allow(Action=None, NotAction=["iam:*"])],
    ),
    "narrower exclusion": (
        [allow(Action=None, NotAction="iam:*")],
        [allow(Action=None, NotAction="iam:Get*")],
    ),
    "action that an exclusion may hold": (
        [allow(Action=None, NotAction="s3:*Object")],
        [allow(Action="s3:Get*")],
    ),
    "narrower action on more resources": ([allow(Action="s3:*")], [allow(Resource="*")]),
    "halves of two statements": (
        [allow(), allow(Action="s3:PutObject", Resource="arn:aws:s3:::b/*")],
        [allow(Action=["s3:GetObject", "s3:PutObject"])],
    ),
    "role of a trusted account": (
        [allow(Principal={"AWS": ACCOUNT})],
        [allow(Principal={"AWS": ROLE})],
    ),
    "account to everybody": ([allow(Principal={"AWS": ACCOUNT})], [allow(Principal="*")]),
    "service in another kind": (
        [allow(Principal={"AWS": ACCOUNT})],
        [allow(Principal={"Service": ACCOUNT})],
    ),
    "statement in another case": ([allow()], [allow(Resource="arn:aws:s3:::A/*")]),
    "condition removed": ([when(ArnLike="arn:aws:s3:::b")], [allow()]),
    "IfExists": ([when(StringEquals="a")], [when(StringEqualsIfExists="a")]),
    "negated condition instead": ([when(StringEquals="a")], [when(StringNotEquals="b")]),
    "negated condition on one less": ([when(ArnNotLike=["a", "b"])], [when(ArnNotLike=["a"])]),
    "ArnNotLike on a narrower pattern": (
        [when(ArnNotLike="arn:aws:s3:::*")],
        [when(ArnNotLike="arn:aws:s3:::b*")],
    ),
    "Null instead": ([when(StringEquals="a")], [when(Null="false")]),
    "Null turned": ([when(Null="false")], [when(Null="true")]),
    "one value of several": ([when(StringEquals="a")], [when(**{"ForAnyValue:StringEquals": "a"})]),
    "any for all": (
        [when(**{"ForAnyValue:StringEquals": "a"})],
        [when(**{"ForAllValues:StringEquals": "a"})],
    ),
    "negated for any": (
        [when(**{"ForAnyValue:StringNotEquals": ["a", "b"]})],
        [when(**{"ForAnyValue:StringNotEquals": ["a"]})],
    ),
    "unknown operator on fewer values": ([when(StringOdd=["a", "b"])], [when(StringOdd=["a"])]),
    "values of an empty condition": ([when(StringEquals="a")], [when(StringEquals=[])]),
    "star that StringEquals takes as text": (
        [when(StringEquals="arn:aws:s3:::*")],
        [when(StringLike="arn:aws:s3:::*")],
    ),
    "pattern across ARN components": (
        [when(ArnLike="arn:*:*:*:*:x")],
        [when(StringLike="arn:*:x")],
    ),
    "larger network": ([when(IpAddress="10.0.0.0/16")], [when(IpAddress="10.0.0.0/8")]),
    "later date": (
        [when(DateLessThan="2026-01-01T00:00:00Z")],
        [when(DateLessThan="2027-01-01T00:00:00Z")],
    ),
    "larger number": ([when(NumericLessThan="10")], [when(NumericLessThan="100")]),
    "policy variable": ([allow(Resource="arn:aws:s3:::${aws:username}")], [allow()]),
    "exclusion that may hold a variable's value": (
        [allow(Resource=None, NotResource="arn:aws:s3:::${aws:username}")],
        [allow(Resource="arn:aws:s3:::bob")],
    ),
    "Action and NotAction": ([allow()], [allow(NotAction="iam:*")]),
    "unknown element": ([allow()], [allow(Other="x")]),
    "hidden value": ([when(StringEquals=HIDDEN)], [when(StringEquals=HIDDEN)]),
    "effect": ([deny()], [allow()]),
    "effect not known": ([], [allow(Effect="${Effect}")]),
}
LESS_DENIED = {
    "Deny removed": ([allow(), deny()], [allow()]),
    "denied action to all but it": ([deny()], [deny(Action=None, NotAction="s3:GetObject")]),
    "more exclusions": (
        [deny(Resource=None, NotResource=["a"])],
        [deny(Resource=None, NotResource=["a", "b"])],
    ),
    "condition on a Deny": ([deny()], [deny(Condition={"Bool": {"aws:SecureTransport": False}})]),
    "MFA unless absent": (
        [deny(Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})],
        [deny(Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}})],
    ),
    "Deny to everybody but more": (
        [deny(NotPrincipal={"AWS": ROLE})],
        [deny(NotPrincipal={"AWS": [ROLE, ROOT]})],
    ),
}
NOT_WIDER = {
    "Sid renamed": ([allow(Sid="A")], [allow(Sid="B")]),
    "order": ([allow(), deny()], [deny(), allow()]),
    "text and list": ([allow()], [allow(Action=["s3:GetObject"])]),
    "duplicates": ([allow()], [allow(), allow(Action=["s3:GetObject", "s3:GetObject"])]),
    "split by action": (
        [allow(Action=["s3:GetObject", "s3:PutObject"])],
        [allow(), allow(Action="s3:PutObject")],
    ),
    "merged": (
        [allow(), allow(Action="s3:PutObject")],
        [allow(Action=["s3:GetObject", "s3:PutObject"])],
    ),
    "merged over a product": (
        [
            allow(Action=action, Resource=resource)
            for action in ("s3:GetObject", "s3:PutObject")
            for resource in ("arn:aws:s3:::a", "arn:aws:s3:::b")
        ],
        [
            allow(
                Action=["s3:GetObject", "s3:PutObject"],
                Resource=["arn:aws:s3:::a", "arn:aws:s3:::b"],
            )
        ],
    ),
    "conditions merged": (
        [when(StringEquals="a"), when(StringEquals="b")],
        [when(StringEquals=["a", "b"])],
    ),
    "everybody in two spellings": ([allow(Principal="*")], [allow(Principal={"AWS": "*"})]),
    "account and root user": (
        [allow(Principal={"AWS": ACCOUNT})],
        [allow(Principal={"AWS": ROOT})],
    ),
    "everybody to the account": ([allow(Principal="*")], [allow(Principal={"AWS": ROOT})]),
    "everybody to a service": ([allow(Principal="*")], [allow(Principal={"Service": "s"})]),
    "kms:* over enumerated ones": (
        [allow(Action="kms:*")],
        [allow(Action=["kms:Decrypt", "kms:Encrypt"])],
    ),
    "kms:* with enumerated ones": ([allow(Action="kms:*")], [allow(Action=["kms:*", "kms:Get*"])]),
    "case of an action": (
        [allow(Action="lambda:INVOKE*")],
        [allow(Action="lambda:invokeFunction")],
    ),
    "case of a condition's key": (
        [allow(Condition={"Bool": {"aws:SecureTransport": True}})],
        [allow(Condition={"Bool": {"AWS:securetransport": "true"}})],
    ),
    "all to all but some": ([allow(Action="*")], [allow(Action=None, NotAction="iam:*")]),
    "action outside of an exclusion": ([allow(Action=None, NotAction="iam:*")], [allow()]),
    "more exclusions": (
        [allow(Resource=None, NotResource="arn:aws:s3:::a/*")],
        [allow(Resource=None, NotResource=["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"])],
    ),
    "one removed while another narrows": (
        [allow(Action="s3:*"), allow(Action="s3:PutObject")],
        [allow()],
    ),
    "condition added": ([allow()], [when(StringLikeIfExists="a*")]),
    "unknown operator added": ([when(StringEquals="a")], [when(StringEquals="a", StringOdd="b")]),
    "stricter than IfExists": ([when(StringEqualsIfExists="a")], [when(StringEquals="a")]),
    "fewer values": ([when(StringEquals=["a", "b"])], [when(StringEquals="a")]),
    "value of a pattern": ([when(StringLike="a*")], [when(StringEquals="ab")]),
    "ARN of a pattern": (
        [when(ArnLike="arn:aws:s3:::a*")],
        [when(ArnEquals=["arn:aws:s3:::ab", "arn:aws:s3:::a*"])],
    ),
    "ARN of a resource known after apply": (
        [when(ArnLike="arn:aws:execute-api:us-east-1:1:${Api}/*/GET/items")],
        [when(ArnLike="arn:aws:execute-api:us-east-1:1:${Api}/v1/GET/items")],
    ),
    "ARN as a text": ([when(ArnLike="arn:aws:s3:::a*")], [when(StringEquals="arn:aws:s3:::ab")]),
    "smaller network": ([when(IpAddress="10.0.0.0/8")], [when(IpAddress=["10.1.0.0/16"])]),
    "smaller number": ([when(NumericLessThan="100")], [when(NumericLessThan=10)]),
    "more excluded values": ([when(StringNotEquals="a")], [when(StringNotEquals=["a", "b"])]),
    "wider Deny": ([allow(), deny()], [allow(), deny(Action=None, NotAction="iam:*")]),
    "merged Deny": (
        [deny(), deny(Action="s3:PutObject")],
        [deny(Action=["s3:Get*", "s3:PutObject"])],
    ),
    "fewer allowed principals": (
        [allow(Principal={"AWS": [ROLE, ACCOUNT]})],
        [allow(Principal={"AWS": ROLE})],
    ),
    "unknown element that stays": ([allow(Other="x", Sid="A")], [allow(Other="x")]),
    "unknown effect that stays": ([allow(Effect="${E}")], [allow(Effect="${E}")]),
    "value known after apply": (
        [allow(Resource=["arn:aws:s3:::${Bucket}/*", "x"])],
        [allow(Resource="arn:aws:s3:::${Bucket}/*")],
    ),
    "value known after apply in a pattern": (
        [allow(Resource="arn:aws:s3:::*")],
        [allow(Resource="arn:aws:s3:::${Bucket}/*")],
    ),
}


@pytest.mark.parametrize(("before", "after"), WIDER.values(), ids=WIDER)
def test_wider_statement_is_flagged(before, after):
    assert {verb.replace("may allow", "allows") for verb in verbs(before, after)} >= {"allows"}


@pytest.mark.parametrize(("before", "after"), LESS_DENIED.values(), ids=LESS_DENIED)
def test_weaker_denial_is_flagged(before, after):
    assert "no longer denies" in verbs(before, after)


@pytest.mark.parametrize(("before", "after"), NOT_WIDER.values(), ids=NOT_WIDER)
def test_equal_or_narrower_statements_are_not_flagged(before, after):
    assert verbs(before, after) == []


def test_policy_variables_need_an_equal_version_of_the_language():
    """Before 2012-10-17, ``${aws:username}`` is plain text."""
    home = [allow(Resource="arn:aws:s3:::${aws:username}")]
    assert verbs(home, home) == verbs(home, home, "2008-10-17") == []
    assert verbs(home, home, "2008-10-17", "2012-10-17") == ["allows"]
    assert verbs([allow()], [allow()], "2008-10-17", "2012-10-17") == []


def test_widening_names_only_the_parts_that_are_not_covered():
    resources = ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"]
    before = [allow(Action="s3:Get*", Resource=resources), allow(Action="s3:Put*")]
    after = [allow(Action=["s3:GetObject", "s3:PutObject"], Resource=resources)]
    (widening,) = find_widenings(
        *(list(locate_statements({"Statement": side})) for side in (before, after))
    )
    assert widening.elements["Action"] == ["s3:PutObject"]
    assert widening.elements["Resource"] == ["arn:aws:s3:::b/*"]


def test_policies_at_different_paths_are_not_pooled():
    """What a key's policy allows says nothing of another document of the resource."""
    paths = {
        statement.path
        for statement in locate_statements(
            {
                "AssumeRolePolicyDocument": {"Statement": allow()},
                "Policies": [{"PolicyDocument": {"Statement": [deny()]}}] * 2,
            }
        )
    }
    assert paths == {
        ("AssumeRolePolicyDocument", "Statement"),
        ("Policies", "PolicyDocument", "Statement"),
    }


@pytest.mark.parametrize(
    ("outer", "inner", "included"),
    [
        ("s3:*", "s3:Get*", True),
        ("s3:Get*", "s3:*", False),
        ("s3:?et*", "s3:Get*", True),
        ("s3:G*t", "s3:Get", True),
        ("s3:Get", "s3:G?t", False),
        ("*a*b*", "xaybz", True),
        ("*a*b*", "xbya", False),
        ("arn:aws:*:x", "arn:aws:s3:x", True),
        ("arn:aws:s*x:y", "arn:aws:s3:x:y", False),  # a star within a segment may stop at colons
        ("arn:aws:s3:::*", "arn:aws:s3:::a:b", True),
        ("????", "${A}", False),
        ("*", "${A}", True),
        ("${A}", "${A}", True),
        ("${A}", "${a}", False),
        ("", "", True),
        ("", "*", False),
    ],
)
def test_pattern_inclusion(outer, inner, included):
    assert includes(outer, inner) is included


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("iam:*", "s3:GetObject", True),
        ("s3:*Object", "s3:Get*", False),
        ("s3:Get*", "s3:Put*", True),
        ("S3:GET*", "s3:get?", False),
        ("a?", "abc", True),
        ("${A}", "b", False),
        ("x-${A}", "y-*", True),
        ("*", "", False),
    ],
)
def test_patterns_without_common_text(one, other, apart):
    assert excludes(one, other) is excludes(other, one) is apart


# --- random pairs; the evaluator in tests/support judges single requests


@given(st.randoms(use_true_random=False), st.integers(0, 1_000_000))
def test_every_request_that_a_change_opens_is_flagged(random, seed):
    before = make_policy(random)
    after = change_policy(random, before)
    if not is_flagged(before, after):
        assert find_opened_request(Random(seed), before, after, 60) is None, (before, after)


@given(st.randoms(use_true_random=False))
def test_equal_rewrites_are_not_flagged(random):
    policy = make_policy(random)
    rewritten = rewrite_policy(random, copy.deepcopy(policy))
    assert not is_flagged(policy, rewritten), (policy, rewritten)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_pairs_have_no_miss_and_few_false_alarms():
    """``POLICY_PAIRS`` sets their number; ``python -m tests.support.policy_pairs`` prints the
    figures."""
    pairs = int(os.environ.get("POLICY_PAIRS", "10000"))
    _, missed, _, alarms = count_pairs(pairs)
    print(f"{pairs} pairs: {missed} missed; equal rewrites flagged: {alarms / pairs:.2%}")
    assert missed == 0
    assert alarms <= pairs // 100

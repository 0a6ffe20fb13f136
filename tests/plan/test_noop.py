"""Recognising a no-op by reading alone, and the cases that need a change set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from stackwright.plan import noop
from stackwright.plan.freshness import find_stale_reason
from stackwright.plan.live_stack import LiveStack
from stackwright.plan.model import DesiredStack, RootAction
from tests.support.planning import (
    FILES,
    PlanningAccount,
    changed,
    stack,
    target,
    whole,
)

PLAIN = {name: text.replace(", NoEcho: true", "") for name, text in FILES.items()}


def test_noop_takes_one_call_for_a_known_stack(account: PlanningAccount) -> None:
    account.deploy(PLAIN)
    live = account.live()
    account.aws.calls.clear()
    made = noop.plan_noop(target(PLAIN), live)
    assert made is not None
    assert (made.kind, made.changes, made.change_set, made.changes_anything) == (
        RootAction.NOTHING,
        (),
        None,
        False,
    )
    assert dict(account.aws.calls) == {"get_template": 1}
    assert find_stale_reason(made, account.live(), account.aws) is None


def test_missing_stack_needs_a_change_set() -> None:
    assert noop.plan_noop(target(PLAIN), None) is None


def test_json_templates_are_compared_by_content(account: PlanningAccount) -> None:
    spaced = {"app": '{"Resources":   {"Topic": {"Type": "AWS::SNS::Topic"}}}'}
    account.deploy(spaced)
    assert (
        noop.plan_noop(target({"app": spaced["app"].replace("   ", " ")}), account.live())
        is not None
    )
    assert (
        noop.plan_noop(target({"app": spaced["app"].replace("Topic", "Other", 1)}), account.live())
        is None
    )


def test_true_differs_from_one() -> None:
    yes, one = (
        f'{{"Resources": {{"T": {{"Type": "A::B::C", "Properties": {{"P": {text}}}}}}}}}'
        for text in ("true", "1")
    )
    assert noop.plan_noop(target({"app": yes}), LiveStack.of("app", stack(), yes)) is not None
    assert noop.plan_noop(target({"app": one}), LiveStack.of("app", stack(), yes)) is None


TOPIC = "Parameters:\n  Title: {Type: String, Default: a}\n  Count: {Type: Number, Default: 1}\nResources:\n  Topic:\n"
ONE = {"app": f"{TOPIC}    Type: AWS::SNS::Topic\n    Properties: {{DisplayName: !Ref Title}}\n"}


def one(
    files: Mapping[str, str] = ONE, parameters: Mapping[str, str] | None = None, **options: Any
) -> DesiredStack:
    return target(files, parameters, **options)


def as_live(wanted: DesiredStack, **options: Any) -> LiveStack:
    """The stack that the target asks for."""
    given = {"parameters": {"Title": "a", "Count": "1"}, "tags": dict(wanted.tags), **options}
    return LiveStack.of("app", stack(**given), wanted.body)


def test_equal_stack_is_a_noop() -> None:
    live = as_live(one())
    assert noop.plan_noop(one(), live) is not None
    assert noop.plan_noop(one(parameters={"Title": "a"}), live) is not None


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        pytest.param(
            one(changed(("app", "DisplayName", "TopicName"), files=ONE)), {}, id="another template"
        ),
        pytest.param(one(parameters={"Title": "b"}), {}, id="another value"),
        pytest.param(one(tags={"team": "news"}), {}, id="a tag more"),
        pytest.param(
            one(role="arn:aws:iam::123456789012:role/other"), {}, id="another service role"
        ),
        pytest.param(one(missing=("Title",)), {}, id="value not known yet"),
        pytest.param(
            one(),
            {"parameters": {"Title": "b", "Count": "1"}},
            id="default differs from the live value",
        ),
        pytest.param(one(), {"parameters": {"Title": "a"}}, id="a parameter more"),
        pytest.param(
            one(), {"parameters": {"Title": "a", "Count": "1", "Old": "x"}}, id="a parameter less"
        ),
        pytest.param(one(), {"tags": {"team": "news"}}, id="a tag less"),
        pytest.param(
            one(),
            {"status": "UPDATE_ROLLBACK_COMPLETE"},
            id="after a rollback resources may be skipped",
        ),
        pytest.param(one(), {"status": "ROLLBACK_COMPLETE"}, id="stuck"),
        pytest.param(one(), {"status": "UPDATE_IN_PROGRESS"}, id="under way"),
    ],
)
def test_uncertain_stack_needs_a_change_set(wanted: DesiredStack, options: dict[str, Any]) -> None:
    live = as_live(one(), **options)
    assert noop.plan_noop(wanted, live) is None


@pytest.mark.parametrize(
    "more",
    [
        "  Param: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /a}",
        "Mappings: {A: {B: {C: !GetAZs ''}}}",
        "Mappings: {A: {B: {C: {'Fn::GetAZs': ''}}}}",
        "Transform: AWS::LanguageExtensions",
        "Metadata: {A: '{{resolve:ssm:/name}}'}",
        "Metadata: {A: '{{resolve:ssm-secure:/name}}'}",
    ],
)
def test_template_with_outside_values_needs_a_change_set(more: str) -> None:
    first, _, rest = ONE["app"].partition("\n")
    text = f"{first}\n{more}\n{rest}" if more.startswith(" ") else f"{more}\n{ONE['app']}"
    parameters = {"Param": "/a"} if more.startswith(" ") else {}
    wanted = one({"app": text})
    live = as_live(wanted, parameters={"Title": "a", "Count": "1", **parameters})
    assert noop.plan_noop(wanted, live) is None


def test_versioned_references_are_a_noop() -> None:
    wanted = one({"app": f"Metadata: {{A: '{{{{resolve:ssm:/name:3}}}}'}}\n{ONE['app']}"})
    live = as_live(wanted)
    assert noop.plan_noop(wanted, live) is not None


def test_given_noecho_parameter_needs_a_change_set() -> None:
    hidden = {"app": ONE["app"].replace("{Type: String", "{Type: String, NoEcho: true")}
    live = as_live(one(hidden), parameters={"Title": "****", "Count": "1"})
    assert noop.plan_noop(one(hidden, {"Title": "a"}), live) is None
    assert noop.plan_noop(one(hidden), live) is not None  # it keeps what it has


def test_nested_template_without_hash_in_its_name_needs_a_change_set() -> None:
    wanted = target(PLAIN)
    live = as_live(wanted, parameters={"Level": "info", "Password": "none"})
    assert noop.plan_noop(wanted, live) is not None
    elsewhere = replace(
        wanted, urls={**wanted.urls, "app/network": "https://b.s3.amazonaws.com/network.yaml"}
    )
    assert noop.plan_noop(elsewhere, live) is None
    altered = replace(wanted, templates={**wanted.templates, "app/network": "Resources: {}"})
    assert noop.plan_noop(altered, live) is None


def test_noop_plan_equals_that_of_an_empty_change_set(account: PlanningAccount) -> None:
    account.deploy(PLAIN)
    previewed, read = account.preview(target(PLAIN)), noop.plan_noop(target(PLAIN), account.live())
    assert read is not None
    assert (read.kind, read.stack_id, read.live) == (
        previewed.kind,
        previewed.stack_id,
        previewed.live,
    )
    assert whole(read).empty

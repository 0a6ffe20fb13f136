"""A plan as text, Markdown and JSON, for every kind of root."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from stackwright.diff.model import DataLoss, Diff, Effect, OutputDiff, PropertyDiff, ResourceDiff
from stackwright.plan.model import (
    Certainty,
    ListedChange,
    PlannedChange,
    RootAction,
    RootPlan,
    SecretChange,
)
from stackwright.report.plan import PLAN_FORMATS, format_plan, summarize_plan
from tests.support.planning import arn, target, whole

TABLE = "AWS::DynamoDB::Table"


def change(
    logical_id: str,
    effect: Effect = Effect.CHANGE,
    listed: ListedChange = ListedChange.BOTH,
    certainty: Certainty = Certainty.CERTAIN,
    *properties: PropertyDiff,
    stack: str = "app/web",
    **api: Any,
) -> PlannedChange:
    return PlannedChange(
        ResourceDiff(stack, logical_id, TABLE, effect, properties=properties),
        listed,
        certainty,
        **api,
    )


def root(kind: RootAction, *changes: PlannedChange, name: str = "app", **options: Any) -> RootPlan:
    real = tuple(change.diff for change in changes if change.certainty is not Certainty.SPURIOUS)
    wanted = replace(
        target({name: "Resources: {}"}),
        root=name,
        stack=f"news-dev-{name}",
        missing=options.pop("missing", ()),
    )
    diff = Diff(real, options.pop("outputs", ()), options.pop("losses", ()))
    known: dict[str, Any] = (
        {"live": {"id": "x"}}
        if kind in (RootAction.UPDATE, RootAction.IMPORT, RootAction.NOTHING)
        else {}
    )
    known["change_set"] = arn("one") if kind not in (RootAction.LATER, RootAction.NOTHING) else None
    return RootPlan(wanted, kind, diff, changes, **{**known, **options})


UPDATED = root(
    RootAction.UPDATE,
    change(
        "Table",
        Effect.REPLACE,
        ListedChange.BOTH,
        Certainty.CERTAIN,
        PropertyDiff("Cpu", "1", "2", replaces="yes"),
    ),
    change("Followed", listed=ListedChange.PREDICTION),
    change("Only", listed=ListedChange.CLOUDFORMATION),
    change("Stays", replacement="True"),
    change(
        "Follower",
        Effect.REPLACE,
        ListedChange.CLOUDFORMATION,
        Certainty.SPURIOUS,
        stack="app/agent",
        replacement="True",
    ),
    outputs=(OutputDiff("app", "Url", "a", "b"),),
    notes=("CloudFormation lists changes that are not predicted: app/web:Only",),
    losses=(
        DataLoss(
            ResourceDiff("app/web", "Table", TABLE, Effect.REPLACE),
            "Delete",
            kept=False,
            physical_id="t-1",
        ),
    ),
)
PLAN = whole(
    root(RootAction.NOTHING, name="bootstrap"),
    root(RootAction.NOTHING, name="foundation"),
    UPDATED,
    root(
        RootAction.CREATE,
        change("A", Effect.ADD, stack="more"),
        change("B", Effect.ADD, stack="more"),
        name="more",
    ),
    root(
        RootAction.LATER, change("C", Effect.ADD, stack="last"), name="last", missing=("Url", "Key")
    ),
    secret_changes=(SecretChange("news/app", "v2", "v1", ("NEW",), ("OLD_KEY",), ("GONE",)),),
)
TEXT = """\
Loss of data
  ! app/web:Table (AWS::DynamoDB::Table t-1) is replaced by an empty one: ITS DATA IS DELETED \
(UpdateReplacePolicy: Delete)

Needs approval: Table is replaced: Cpu cannot change in place (--approve Table:replacement)

Secrets
  ~ news/app: + NEW, OLD_KEY, - GONE, new version

# no changes: bootstrap (news-dev-bootstrap), foundation (news-dev-foundation)

# app (news-dev-app) will be updated: 3 to change, 1 to replace

app/web
  -/+ Table  AWS::DynamoDB::Table
        ~ Cpu: "1" → "2"  # forces replacement
    ~ Followed  AWS::DynamoDB::Table  not listed by CloudFormation
    ~ Only  AWS::DynamoDB::Table  only listed by CloudFormation
    ~ Stays  AWS::DynamoDB::Table  not replaced, although CloudFormation lists it

Outputs
  ~ app:Url: "a" → "b"

  ! CloudFormation lists changes that are not predicted: app/web:Only

# more (news-dev-more) will be created: 2 to add

more
    + A  AWS::DynamoDB::Table
    + B  AWS::DynamoDB::Table

# last (news-dev-last) will be created once Url, Key are known: 1 to add

last
    + C  AWS::DynamoDB::Table

Listed by CloudFormation, but will not happen: the values they depend on stay the same (1): app/agent: Follower

Plan: 3 to add, 3 to change, 1 to replace, 0 to remove in 3 of 5 stacks; 1 new secret version. (1 output differs)
"""


def shown(markup: str, **options: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200, soft_wrap=True, emoji=False, highlight=False, **options).print(
        markup
    )
    return out.getvalue()


def test_plan_as_text() -> None:
    assert shown(format_plan(PLAN), color_system=None) == TEXT


def test_plan_as_markdown() -> None:
    text = format_plan(PLAN, "markdown")
    assert text.startswith(
        "### Deploying `dev`\n\n**Plan: 3 to add, 3 to change, 1 to replace, 0 to remove in 3 of 5"
    )
    assert "account 123456789012, us-east-2, commit `0123abc`" in text
    assert (
        "> [!CAUTION]\n> **Loss of data**\n> - app/web:Table (AWS::DynamoDB::Table t-1) is replaced"
        in text
    )
    assert "#### Secrets\n\n- `news/app: + NEW, OLD_KEY, - GONE, new version`" in text
    assert "#### app (news-dev-app) will be updated: 3 to change, 1 to replace" in text
    assert "<details><summary><code>app/web</code>: 3 to change, 1 to replace</summary>" in text
    assert (
        '- -/+ Table AWS::DynamoDB::Table\n-     ~ Cpu: "1" → "2"  # forces replacement\n' in text
    )
    assert "! ~ Followed AWS::DynamoDB::Table  # not listed by CloudFormation\n" in text
    assert "but will not happen: the values they depend on stay the same (1)</summary>" in text
    assert "> [!NOTE]\n> - CloudFormation lists changes that are not predicted" in text
    assert text.endswith(
        "No changes: bootstrap (news-dev-bootstrap), foundation (news-dev-foundation)\n"
    )
    assert text.count("```") % 2 == 0
    assert text.index("Loss of data") < text.index("#### ")


def test_markdown_fits_into_a_comment() -> None:
    many = tuple(PropertyDiff(f"P{index}", "a" * 60, "b" * 60) for index in range(700))
    long = whole(
        root(
            RootAction.UPDATE,
            change("Table", Effect.CHANGE, ListedChange.BOTH, Certainty.CERTAIN, *many),
        )
    )
    text = format_plan(long, "markdown")
    assert len(text) < 1_000
    assert "! ~ Table" in text
    assert (
        len(json.loads(format_plan(long, "json"))["roots"][0]["resources"][0]["properties"]) == 700
    )


def test_plan_as_json() -> None:
    data = json.loads(format_plan(PLAN, "json"))
    assert data["summary"] == {
        "add": 3,
        "change": 3,
        "new_revision": 0,
        "tag": 0,
        "replace": 1,
        "remove": 0,
    }
    assert (data["environment"], data["empty"], data["made"]) == (
        "dev",
        False,
        "2026-11-03T09:30:00Z",
    )
    assert data["secrets"] == [
        {"name": "news/app", "added": ["NEW"], "changed": ["OLD_KEY"], "removed": ["GONE"]}
    ]
    kinds = {root["root"]: root["kind"] for root in data["roots"]}
    assert kinds == {
        "bootstrap": "nothing",
        "foundation": "nothing",
        "app": "update",
        "more": "create",
        "last": "later",
    }
    app = data["roots"][2]
    assert (app["stack"], app["change_set"]) == ("news-dev-app", arn("one"))
    assert {
        resource["address"]: (resource["listed"], resource["certainty"])
        for resource in app["resources"]
    } == {
        "app/web:Table": ("both", "certain"),
        "app/web:Followed": ("prediction only", "certain"),
        "app/web:Only": ("CloudFormation only", "certain"),
        "app/web:Stays": ("both", "certain"),
    }
    assert [(change["address"], change["certainty"]) for change in app["spurious"]] == [
        ("app/agent:Follower", "spurious")
    ]
    assert app["losses"] == [
        {"address": "app/web:Table", "physical_id": "t-1", "policy": "Delete", "kept": False}
    ]
    assert data["roots"][4]["missing"] == ["Url", "Key"]
    assert "body" not in format_plan(PLAN, "json")
    assert "Resources: {}" not in format_plan(PLAN, "json")


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        (whole(root(RootAction.NOTHING)), "No changes."),
        (whole(), "No changes."),
        (
            whole(root(RootAction.UPDATE)),
            "Plan: no resources, only tags, parameters or outputs in 1 of 1 stacks.",
        ),
        (
            whole(root(RootAction.NOTHING), secret_changes=(SecretChange("a", "1", None),)),
            "Plan: 1 new secret version.",
        ),
        (
            whole(secret_changes=(SecretChange("a", "1", None), SecretChange("b", "1", None))),
            "Plan: 2 new secret versions.",
        ),
        (
            whole(root(RootAction.UPDATE, change("A")), root(RootAction.NOTHING)),
            "Plan: 0 to add, 1 to change, 0 to replace, 0 to remove in 1 of 2 stacks.",
        ),
    ],
    ids=["nothing", "no roots", "tags", "secret", "secrets", "one"],
)
def test_last_line_counts_everything(plan: Any, line: str) -> None:
    assert summarize_plan(plan) == line
    assert format_plan(plan).endswith(f"[bold]{line}[/]")
    assert f"**{line}**" in format_plan(plan, "markdown")


def test_changes_that_need_approval_come_first() -> None:
    rule = PropertyDiff(
        "SecurityGroupIngress[0]",
        None,
        {"CidrIp": "0.0.0.0/0", "IpProtocol": "-1"},
        exists_before=False,
    )
    diff = ResourceDiff(
        "app/web",
        "Group",
        "AWS::EC2::SecurityGroup",
        Effect.CHANGE,
        properties=(rule,),
        before={"Properties": {"GroupDescription": "web"}},
        after={"Properties": {"GroupDescription": "web", "SecurityGroupIngress": [rule.after]}},
    )
    opened = whole(
        root(RootAction.UPDATE, PlannedChange(diff, ListedChange.BOTH, Certainty.CERTAIN))
    )
    text = shown(format_plan(opened), color_system=None)
    assert text.startswith(
        "Needs approval: Group opens all traffic to 0.0.0.0/0 (--approve Group:access)\n"
    )
    markdown = format_plan(opened, "markdown")
    assert "> [!WARNING]\n> - **Needs approval:** Group opens all traffic" in markdown
    assert "(`--approve Group:access`)\n\n####" in markdown
    (finding,) = json.loads(format_plan(opened, "json"))["needs_approval"]
    assert finding == {
        "address": "app/web:Group",
        "name": "Group",
        "type": "AWS::EC2::SecurityGroup",
        "kind": "access",
        "description": "opens all traffic to 0.0.0.0/0",
        "text": "Group opens all traffic to 0.0.0.0/0",
        "source": "",
        "approved_by": None,
        "option": "--approve Group:access",
    }
    new = whole(root(RootAction.CREATE, PlannedChange(diff, ListedChange.BOTH, Certainty.CERTAIN)))
    assert "Needs approval" not in format_plan(new)


def test_outputs_of_a_new_stack_are_not_listed() -> None:
    new = whole(
        root(
            RootAction.CREATE,
            change("A", Effect.ADD),
            outputs=(OutputDiff("app", "Url", None, "b"),),
        )
    )
    for style in ("text", "markdown"):
        assert "Outputs" not in format_plan(new, style)
        assert "outputs differ" not in format_plan(new, style)


def test_many_spurious_changes_are_one_line() -> None:
    spurious = [
        change(f"Follower{index}", certainty=Certainty.SPURIOUS, listed=ListedChange.CLOUDFORMATION)
        for index in range(9)
    ]
    plan = whole(root(RootAction.UPDATE, change("A"), *spurious))
    text = shown(format_plan(plan), color_system=None)
    assert "stay the same (9): plan --verbose names them\n" in text
    assert "Follower" not in text
    assert "  app/web: Follower0, Follower1" in format_plan(plan, verbose=True)
    assert len(json.loads(format_plan(plan, "json"))["roots"][0]["spurious"]) == 9


def test_first_version_of_a_secret_is_shown() -> None:
    first = whole(secret_changes=(SecretChange("news/app", "v1", None, ("A", "B")),))
    assert "~[/] news/app: + A, + B, first version" in format_plan(first)


def test_long_lists_of_new_resources_are_wrapped() -> None:
    names = [f"Resource{index}" for index in range(30)]
    text = shown(
        format_plan(whole(root(RootAction.CREATE, *(change(name, Effect.ADD) for name in names)))),
        color_system=None,
    )
    assert max(map(len, text.splitlines())) <= 110
    assert all(name in text for name in names)


@pytest.mark.parametrize("style", PLAN_FORMATS)
def test_values_cannot_break_a_format(style: str) -> None:
    evil = PropertyDiff("X", "[bold]a[/]", "```\n</details>\x1b[31m")
    note = "[/red] *x* <script>"
    plan = whole(
        root(
            RootAction.UPDATE,
            change("Table", Effect.CHANGE, ListedChange.BOTH, Certainty.CERTAIN, evil),
            notes=(note,),
        )
    )
    text = format_plan(plan, style)
    if style == "json":
        assert json.loads(text)["roots"][0]["notes"] == [note]
    elif style == "text":
        plain = shown(text, color_system=None)
        assert '"[bold]a[/]" → "```\\n</details>\\u001b[31m"' in plain
        assert note in plain
    else:
        assert "&lt;script>" in text
        assert "````diff" in text


def test_dangerous_changes_are_coloured() -> None:
    text = shown(format_plan(PLAN), color_system="standard", force_terminal=True, no_color=False)
    assert "\x1b[1;31m! app/web:Table" in text
    assert "\x1b[1;36m# app (news-dev-app)" in text

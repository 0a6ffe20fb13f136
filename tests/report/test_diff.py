"""A diff as text, Markdown and JSON."""

import io
import json

import pytest
from rich.console import Console

from stackwright.diff.model import (
    DataLoss,
    Diff,
    Effect,
    OutputDiff,
    PropertyDiff,
    ResourceDiff,
    TextDiff,
)
from stackwright.report.diff import (
    DIFF_FORMATS,
    diff_as_data,
    diff_as_markdown,
    diff_as_text,
    format_diff,
    summarize_diff,
)

SERVER = ResourceDiff(
    "app/web",
    "Server",
    "AWS::EC2::Instance",
    Effect.REPLACE,
    properties=(
        PropertyDiff('ContainerDefinitions["web"].Image', "a", "b", replaces="yes"),
        PropertyDiff("Tags", None, [{"Key": "k"}], exists_before=False),
        PropertyDiff("Cpu", 5, None, exists_after=False, replaces="maybe"),
    ),
)
SERVICE = ResourceDiff(
    "app/web",
    "Service",
    "AWS::ECS::Service",
    Effect.CHANGE,
    certain=False,
    properties=(
        PropertyDiff(
            "TaskDefinition",
            "${Server}",
            "${Server}",
            after_apply=True,
            causes=("Server",),
            certain=False,
        ),
        PropertyDiff(
            "Other", "x", "${Server}", after_apply=True, causes=("Server",), certain=False
        ),
    ),
)
FILES = ResourceDiff("app/data", "Files", "AWS::EFS::FileSystem", Effect.REMOVE)
TABLE = ResourceDiff(
    "app/data", "Table", "AWS::DynamoDB::Table", Effect.CHANGE, certain=False, may_replace=True
)
TOPIC = ResourceDiff("app/data", "Topic_1", "AWS::SNS::Topic", Effect.ADD)
DIFF = Diff(
    (FILES, TABLE, TOPIC, SERVICE, SERVER),
    (OutputDiff("app", "Url", "a", "b"), OutputDiff("app", "Id", None, "${Server}"), OutputDiff("app", "Old", "x", None),
     OutputDiff("app", "Same", "${Server}", "${Server}")),
    (DataLoss(FILES, "Delete", False), DataLoss(TABLE, "Retain", True), DataLoss(SERVER, "Snapshot", True)),
)  # fmt: skip

TEXT = """\
Loss of data
  ! app/data:Files (AWS::EFS::FileSystem) is removed: ITS DATA IS DELETED (DeletionPolicy: Delete)
  ! app/data:Table (AWS::DynamoDB::Table) may be replaced by an empty one: the old one is kept outside of the stack \
(UpdateReplacePolicy: Retain)
  ! app/web:Server (AWS::EC2::Instance) is replaced by an empty one: a snapshot is kept \
(UpdateReplacePolicy: Snapshot)

app/data
    - Files  AWS::EFS::FileSystem
    ~ Table  AWS::DynamoDB::Table  may be replaced
    + Topic_1  AWS::SNS::Topic

app/web
    ~ Service  AWS::ECS::Service  only if a value known after apply differs
        ~ TaskDefinition: "${Server}" → (known after apply)  # follows Server
        ~ Other: "x" → (known after apply)  # follows Server
  -/+ Server  AWS::EC2::Instance
        ~ ContainerDefinitions["web"].Image: "a" → "b"  # forces replacement
        + Tags: [{"Key": "k"}]
        - Cpu: 5  # may force replacement

Outputs
  ~ app:Url: "a" → "b"
  + app:Id: "${Server}"
  - app:Old: "x"
  ~ app:Same: "${Server}" → (known after apply)

Plan: 1 to add, 2 to change, 1 to replace, 1 to remove. (1 of the changes may replace; 1 known only after apply; \
4 outputs differ)
"""


def shown(markup, **options):
    console = Console(
        file=io.StringIO(), width=200, soft_wrap=True, emoji=False, highlight=False, **options
    )
    console.print(markup)
    return console.file.getvalue()


def test_diff_as_text():
    assert shown(format_diff(DIFF), color_system=None) == TEXT


def test_lost_data_is_red_and_retained_data_is_not():
    lines = shown(
        format_diff(DIFF), color_system="standard", force_terminal=True, no_color=False
    ).splitlines()
    assert lines[1].startswith("  \x1b[1;31m! app/data:Files")
    assert lines[2].startswith("  \x1b[33m! app/data:Table")


def test_diff_without_changes():
    assert summarize_diff(Diff()) == "No changes."
    assert shown(format_diff(Diff()), color_system=None) == "No changes.\n"
    assert format_diff(Diff(), "markdown") == "**No changes.**\n"


def test_diff_as_markdown():
    text = format_diff(DIFF, "markdown")
    assert text.startswith("**Plan: 1 to add, 2 to change, 1 to replace, 1 to remove.")
    assert (
        "> [!CAUTION]\n> **Loss of data**\n> - app/data:Files (AWS::EFS::FileSystem) is removed"
        in text
    )
    assert "<summary><code>app/data</code>: 1 to add, 1 to change, 1 to remove</summary>" in text
    block = text.split("<code>app/web</code>")[1]
    assert '- -/+ Server AWS::EC2::Instance\n-     ~ ContainerDefinitions["web"].Image' in block
    assert "! ~ Service AWS::ECS::Service (known after apply)\n      ~ TaskDefinition" in block
    assert "+     + Tags" in block
    assert "~ Table AWS::DynamoDB::Table (may be replaced)" in text
    assert text.count("```") % 2 == 0


def test_values_cannot_break_markdown():
    evil = PropertyDiff("X", "a", "```\n</details><script>*x*")
    text = diff_as_markdown(Diff((ResourceDiff("s", "R", "T", Effect.CHANGE, properties=(evil,)),)))
    assert "````diff" in text
    assert text.rstrip().endswith("````\n\n</details>")


def test_markdown_fits_into_a_comment():
    many = tuple(PropertyDiff(f"P{i}", "a" * 60, "b" * 60) for i in range(600))
    text = diff_as_markdown(Diff((ResourceDiff("s", "R", "T", Effect.CHANGE, properties=many),)))
    assert len(text) < 1000
    assert "! ~ R T" in text


def test_json_holds_everything():
    data = json.loads(format_diff(DIFF, "json"))
    assert data["summary"] == {
        "add": 1,
        "change": 2,
        "new_revision": 0,
        "tag": 0,
        "replace": 1,
        "remove": 1,
    }
    assert data["losses"][0] == {
        "address": "app/data:Files",
        "physical_id": "",
        "policy": "Delete",
        "kept": False,
    }
    task = data["resources"][-1]
    assert (task["address"], task["effect"]) == ("app/web:Server", "replace")
    assert task["properties"][0] == {
        "path": 'ContainerDefinitions["web"].Image',
        "before": "a",
        "after": "b",
        "exists_before": True,
        "exists_after": True,
        "replaces": "yes",
        "after_apply": False,
        "certain": True,
        "causes": [],
        "statement": "",
    }
    assert data["outputs"][0] == {"stack": "app", "name": "Url", "before": "a", "after": "b"}


def modified(before, after, **options):
    change = PropertyDiff("P", before, after, **options)
    return Diff((ResourceDiff("s", "R", "T", Effect.CHANGE, properties=(change,)),))


def test_long_values_are_cut_in_text_and_whole_in_json():
    long = "x" * 300
    one = modified(None, long, exists_before=False)
    assert "(302 characters)" in format_diff(one)
    assert long not in format_diff(one)
    assert long in format_diff(one, "json")


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("p" * 90 + "one" + "s" * 90, "p" * 90 + "two" + "s" * 90, f'"…{"p" * 32}{{}}{"s" * 12}…"'),
        (
            "p" * 10 + "one" + "s" * 190,
            "p" * 10 + "two" + "s" * 190,
            f'"{"p" * 10}{{}}{"s" * 12}…"',
        ),
        ("p" * 190 + "one", "p" * 190 + "two", f'"…{"p" * 32}{{}}"'),
    ],
    ids=["both sides", "near the start", "at the end"],
)
def test_long_values_are_shown_around_their_difference(before, after, line):
    assert f"~ P: {line.format('one')} → {line.format('two')}\n" in shown(
        format_diff(modified(before, after))
    )


def test_long_difference_is_cut():
    text = shown(format_diff(modified("a" * 300, "b" * 300)))
    assert f'P: "{"a" * 40}…" → "{"b" * 40}…"\n' in text


def test_contained_value_is_shown_by_the_missing_part():
    text = shown(format_diff(modified("a" * 150, "a" * 150 + "b")))
    assert f'P: "…{"a" * 32}" → "…{"a" * 32}b"\n' in text


def test_markup_and_backslashes_stay_text():
    text = shown(format_diff(modified('[bold]x\\"', "[/] y")))
    assert 'P: "[bold]x\\\\\\"" → "[/] y"' in text


@pytest.mark.parametrize("style", DIFF_FORMATS)
def test_every_format_is_printable_text(style):
    assert isinstance(format_diff(DIFF, style), str)


def test_parts_that_only_aws_expands_and_notes_are_shown_in_every_style():
    diff = Diff(texts=(TextDiff("app.yaml", "Globals.Function.Timeout", 3, 30),), notes=("Look.",))
    text = diff_as_text(diff)
    assert "  ~ app.yaml: Globals.Function.Timeout: 3 → 30" in text
    assert "Note: Look." in text
    assert "Plan: 0 to add" in text
    markdown = diff_as_markdown(diff)
    assert "~ app.yaml: Globals.Function.Timeout: 3 → 30" in markdown
    assert "Note: Look." in markdown
    data = diff_as_data(diff)
    assert data["texts"] == [
        {"file": "app.yaml", "path": "Globals.Function.Timeout", "before": 3, "after": 30}
    ]
    assert data["notes"] == ["Look."]

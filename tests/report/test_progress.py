"""Progress of an operation: lines without a terminal, a tree on one, and the outcome."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from stackwright.core.model import Location
from stackwright.deploy.operation.progress import Notice, ProgressStep, RolloutProgress
from stackwright.plan.model import Cause, Outcome
from stackwright.report.markup import format_duration
from stackwright.report.progress import (
    ProgressBoard,
    format_outcome,
    progress_lines,
    show_progress,
)

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds):
    return BEGAN + timedelta(seconds=seconds)


def step(address, status, seconds=0, reason="", type_="AWS::SNS::Topic"):
    stack, _, name = address.partition(":")
    if not name:
        return ProgressStep(
            stack,
            f"news-{stack}",
            "AWS::CloudFormation::Stack",
            status,
            reason,
            at(seconds),
            "arn",
            True,
        )
    return ProgressStep(stack, name, type_, status, reason, at(seconds), "arn")


def nested(status, seconds=0):
    return step("app:Web", status, seconds, type_="AWS::CloudFormation::Stack")


ROLLOUT = RolloutProgress(
    "app/web:Service",
    2,
    1,
    1,
    3,
    BEGAN,
    ("has [started] 1 tasks",),
    ("task 1 stopped: x",),
    ("web: y",),
)


def printed(text):
    console = Console(file=io.StringIO(), width=120, soft_wrap=True, highlight=False)
    console.print(text)
    return console.file.getvalue()


def tree(*events, seconds=10, width=100):
    board = ProgressBoard("news-app", clock=lambda: at(seconds))
    for event in events:
        board(event)
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(board)
    return console.file.getvalue()


def test_lines_show_every_step_once():
    lines = []
    watch = progress_lines(lines.append)
    for event in (
        step("app", "UPDATE_IN_PROGRESS", reason="User Initiated"),
        nested("UPDATE_IN_PROGRESS"),
        step("app/web:T", "CREATE_IN_PROGRESS", 1),
        step("app/web:T", "CREATE_IN_PROGRESS", 1, "Resource creation Initiated"),
        step("app/web:T", "CREATE_FAILED", 2, "no [room]"),
        ROLLOUT,
        Notice("busy"),
    ):
        watch(event)
    assert printed("\n".join(lines)).splitlines() == [
        "12:00:00  app  UPDATE_IN_PROGRESS  User Initiated",
        "12:00:01  app/web:T  CREATE_IN_PROGRESS",
        "12:00:02  app/web:T  CREATE_FAILED  no [room]",
        "          app/web:Service  1 of 2 running, 1 starting, 3 failed",
        "            has [started] 1 tasks",
        "            task 1 stopped: x",
        "            web: y",
        "busy",
    ]


def test_tree_shows_running_steps_and_folds_finished_ones():
    text = tree(
        step("app", "UPDATE_IN_PROGRESS"),
        nested("UPDATE_IN_PROGRESS", 1),
        step("app/web", "UPDATE_IN_PROGRESS", 1),
        step("app/web:Done", "UPDATE_IN_PROGRESS", 1),
        step("app/web:Done", "UPDATE_COMPLETE", 2),
        step("app/web:Service", "UPDATE_IN_PROGRESS", 3, type_="AWS::ECS::Service"),
        ROLLOUT,
        step("app/other", "UPDATE_IN_PROGRESS", 2),
        step("app/other:X", "UPDATE_IN_PROGRESS", 2),
        step("app/other:X", "UPDATE_COMPLETE", 4),
        step("app/other", "UPDATE_COMPLETE", 6),
        Notice("held"),
    )
    lines_ = [line.rstrip() for line in text.splitlines()]
    mark = lines_[0][0]
    assert lines_ == [
        f"{mark} news-app  UPDATE_IN_PROGRESS  10 s",
        f"├── {mark} web  UPDATE_IN_PROGRESS  1 of 2 resources  9 s",
        f"│   ├── {mark} Service  AWS::ECS::Service  7 s  1 of 2 running, 1 starting, 3 failed",
        "│   ├──   has [started] 1 tasks",
        "│   ├──   task 1 stopped: x",
        "│   └──   web: y",
        "└── ✓ other  UPDATE_COMPLETE  1 resource  4 s",
        "held",
    ]


def test_tree_keeps_failures_during_the_rollback():
    text = tree(
        step("app", "CREATE_IN_PROGRESS"),
        step("app:A", "CREATE_IN_PROGRESS", 1),
        step("app:B", "CREATE_IN_PROGRESS", 1),
        step("app:A", "CREATE_FAILED", 2, "no room"),
        step("app:B", "CREATE_FAILED", 2, "Resource creation cancelled"),
        step("app", "ROLLBACK_IN_PROGRESS", 2, "The following resource(s) failed to create: [A]."),
        step("app:A", "DELETE_IN_PROGRESS", 3),
        step("app:A", "DELETE_COMPLETE", 4),
        step("app", "ROLLBACK_COMPLETE", 5),
    )
    assert [line.rstrip() for line in text.splitlines()] == [
        "↩ news-app  ROLLBACK_COMPLETE  2 resources  5 s",
        "└── ✗ A  AWS::SNS::Topic  no room",
    ]


def test_restarted_step_counts_from_its_restart():
    text = tree(
        step("app:A", "UPDATE_IN_PROGRESS", 1),
        step("app:A", "UPDATE_COMPLETE", 2),
        step("app:A", "UPDATE_IN_PROGRESS", 7),
    )
    assert "A  AWS::SNS::Topic  3 s" in text


def test_long_lines_are_cut_to_the_terminal():
    text = tree(
        step("app", "CREATE_IN_PROGRESS"),
        step("app:A", "CREATE_FAILED", 2, "no room " * 50),
        width=60,
    )
    assert max(map(len, text.splitlines())) <= 60


def test_terminal_gets_the_tree_and_other_outputs_lines():
    for terminal, wanted in (
        (True, "✓ news-app  UPDATE_COMPLETE"),
        (False, "12:00:00  app  UPDATE_COMPLETE"),
    ):
        options = {
            "force_terminal": terminal,
            "width": 80,
            "color_system": None,
            "_environ": {"TERM": "xterm"},
        }
        console = Console(file=io.StringIO(), **options)
        with show_progress(console, "news-app") as watch:
            watch(step("app", "UPDATE_COMPLETE"))
        assert wanted in console.file.getvalue()


def test_outcome_and_later_notices_stand_below_the_tree():
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=80,
        color_system=None,
        _environ={"TERM": "xterm"},
    )
    with show_progress(console, "news-app") as watch:
        watch(step("app", "UPDATE_COMPLETE"))
        watch(Outcome("app", "news-app", "UPDATE_COMPLETE", True, BEGAN, at(61)))
        written = console.file.getvalue()
        watch(Notice("resumed scaler"))
    assert written.rstrip().endswith("news-app: UPDATE_COMPLETE after 1 min 01 s")
    assert written.index("✓ news-app") < written.index("news-app: UPDATE_COMPLETE after")
    assert console.file.getvalue()[len(written) :].strip() == "resumed scaler"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (3725, "1 h 02 min")],
)
def test_durations_are_formatted(seconds, text):
    assert format_duration(seconds) == text


def ended(status, cause=None, ok=False):
    return printed(
        format_outcome(Outcome("app", "news-app", status, ok, BEGAN, at(61), cause))
    ).splitlines()


def test_outcome_is_described():
    assert ended("UPDATE_COMPLETE", ok=True) == ["news-app: UPDATE_COMPLETE after 1 min 01 s"]
    where = Location("templates/app/web.yaml.j2", 7)
    cause = Cause(
        "app/web:T", "AWS::SNS::Topic", "UPDATE_FAILED", "no [room]", where, ("log: web: x",)
    )
    assert ended("UPDATE_ROLLBACK_COMPLETE", cause) == [
        "news-app: UPDATE_ROLLBACK_COMPLETE after 1 min 01 s",
        "  app/web:T (AWS::SNS::Topic) at templates/app/web.yaml.j2:7 was the first to fail (UPDATE_FAILED):",
        "    no [room]",
        "    log: web: x",
    ]
    exists = Cause(
        "app:B", "AWS::S3::Bucket", "CREATE_FAILED", "news already exists in stack arn:aws:x"
    )
    assert ended("ROLLBACK_COMPLETE", exists)[3:] == [
        "    if no stack has it, import it with --import-existing, or by imports: in the parameters and "
        "the verb import; else use another name",
        "  next: delete the stack, then create it again (verb repair)",
    ]
    inner = Cause(
        "app/base:S", "AWS::SecretsManager::Secret", "CREATE_FAILED", "the secret a already exists"
    )
    advice = ended("ROLLBACK_COMPLETE", inner)[3]
    assert advice.startswith("    if no stack has it, --import-existing imports it")
    assert advice.endswith("else use another name")
    cancelled = Cause(
        "app", "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated"
    )
    assert ended("UPDATE_ROLLBACK_COMPLETE", cancelled)[1:] == ["  app was cancelled on request"]
    assert "the verb events" in ended("UPDATE_ROLLBACK_COMPLETE")[1]

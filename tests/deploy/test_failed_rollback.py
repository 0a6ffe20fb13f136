"""A rollback that fails in a nested stack: its first cause, and how it is continued."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stackwright.aws import StackEvent
from stackwright.cfn import STACK_TYPE
from stackwright.core import AwsError
from stackwright.deploy.operation import Follower, follow_operation
from stackwright.deploy.operation.apply import apply_plan
from stackwright.deploy.recover import continue_rollback, find_recovery
from stackwright.emulator import Fault
from tests.support.clock import Clock
from tests.support.emulator import ClockedAccount, clocked_account, nested, resources, topic
from tests.support.planning import FakeStacks

ROOT = "arn:aws:cloudformation:us-east-2:123456789012:stack/news-app/1"
DATA = "arn:aws:cloudformation:us-east-2:123456789012:stack/news-app-Data-ABC/2"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

_STORY = (
    (ROOT, "news-app", ROOT, "UPDATE_IN_PROGRESS", ""),
    (ROOT, "Data", DATA, "UPDATE_IN_PROGRESS", ""),
    (DATA, "news-app-Data-ABC", DATA, "UPDATE_IN_PROGRESS", ""),
    (DATA, "Group", "group", "UPDATE_COMPLETE", ""),
    (DATA, "news-app-Data-ABC", DATA, "UPDATE_COMPLETE", ""),
    (ROOT, "Data", DATA, "UPDATE_COMPLETE", ""),
    (ROOT, "Topic", "topic", "UPDATE_FAILED", "boom"),
    (ROOT, "news-app", ROOT, "UPDATE_ROLLBACK_IN_PROGRESS", "failed to update: [Topic]"),
    (ROOT, "Data", DATA, "UPDATE_IN_PROGRESS", ""),
    (DATA, "news-app-Data-ABC", DATA, "UPDATE_ROLLBACK_IN_PROGRESS", ""),
    (DATA, "Group", "group", "UPDATE_FAILED", "cannot go back"),
    (DATA, "news-app-Data-ABC", DATA, "UPDATE_ROLLBACK_FAILED", "failed to update: [Group]"),
    (ROOT, "Data", DATA, "UPDATE_FAILED", "Embedded stack was not successfully rolled back"),
    (ROOT, "news-app", ROOT, "UPDATE_ROLLBACK_FAILED", "failed to update: [Data]"),
)
"""Stack, logical ID, physical ID, status and reason of events, a second apart."""


def event(place: int, row: tuple[str, str, str, str, str]) -> StackEvent:
    stack, logical_id, physical_id, status, reason = row
    type_ = STACK_TYPE if physical_id.startswith("arn:") else "AWS::SNS::Topic"
    name = stack.split("/")[1]
    time = BEGAN + timedelta(seconds=place)
    return StackEvent(
        f"e{place}", stack, name, logical_id, physical_id, type_, status, reason, time
    )


class LateRoot(FakeStacks):
    """Events of which the first reading of the root shows two, that of the nested stack all."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds = 0

    def events(self, stack: str, since: Any = None) -> list[StackEvent]:
        events = [event(*row) for row in enumerate(_STORY) if row[1][0] == stack]
        if stack == ROOT:
            self.rounds += 1
            events = events[:2] if self.rounds == 1 else events
        if isinstance(since, datetime):
            return [event for event in events if event.time >= since]
        places = [event.id for event in events]
        return events[places.index(since) + 1 :] if since in places else events


def test_first_cause_is_the_earliest_failure_though_read_last() -> None:
    outcome = follow_operation(ROOT, LateRoot(), "app", follower=Follower(polling=Clock().polling))
    assert outcome.status == "UPDATE_ROLLBACK_FAILED"
    assert outcome.cause is not None
    assert (outcome.cause.address, outcome.cause.reason) == ("app:Topic", "boom")
    assert outcome.cause.details == ("then, in the rollback, app/data:Group: cannot go back",)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClockedAccount]:
    """A root whose update failed, and whose nested stack ``Data`` could not be rolled back."""

    def texts(name: str) -> dict[str, Any]:
        after = topic(name, DependsOn="Data")
        return {
            "app": resources(Data=nested("app/data"), Topic=after),
            "app/data": resources(Group=topic(name), Other=topic(name)),
        }

    with clocked_account(monkeypatch) as account:
        assert apply_plan(
            account.plan(texts("one")), account.aws, token="t", follower=account.follower
        ).ok
        account.engine.fault(Fault("boom", operation="update", logical_id="Topic"))
        account.engine.fault(Fault("cannot go back", operation="update", logical_id="Group", nth=2))
        outcome = apply_plan(
            account.plan(texts("two")), account.aws, token="t", follower=account.follower
        )
        assert outcome.status == "UPDATE_ROLLBACK_FAILED"
        assert outcome.cause is not None
        assert outcome.cause.address == "app:Topic"
        yield account


@pytest.mark.parametrize("skip", ["app/data:Group", "Group"])
def test_resource_of_nested_stack_is_skipped_by_that_stacks_name(
    stuck: ClockedAccount, skip: str
) -> None:
    stack = stuck.aws.stack("news-app")
    assert stack is not None
    state = find_recovery("app", stack, stuck.aws)
    calls = {failed.address: failed.call for failed in state.failed}
    child = stuck.aws.resources("news-app")[0].physical_id.split("/")[1]
    assert calls["app/data:Group"] == f"{child}.Group"
    outcome = continue_rollback(state, stuck.aws, token="t", skip=[skip], follower=stuck.follower)
    assert (outcome.status, outcome.ok) == ("UPDATE_ROLLBACK_COMPLETE", True)
    touched = {event.logical_id for event in outcome.events if event.status == "UPDATE_IN_PROGRESS"}
    assert "Group" not in touched


@pytest.mark.parametrize("name", ["Data.Group", "Group", "{child}.Other", "{child}.Missing"])
def test_resource_that_cannot_be_skipped_is_refused(stuck: ClockedAccount, name: str) -> None:
    child = stuck.aws.resources("news-app")[0].physical_id.split("/")[1]
    with pytest.raises(AwsError, match="only resources in a FAILED state can be skipped"):
        stuck.aws.continue_rollback("news-app", "t", [name.format(child=child)])

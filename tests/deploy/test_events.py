"""Events of a tree of stacks, read in any rounds and with refused calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from stackwright.aws import StackEvent
from stackwright.cfn import STACK_TYPE
from stackwright.core.errors import AwsError
from stackwright.deploy.operation.events import OperationEvents, find_beginning

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = "arn:aws:cloudformation:us-east-2:123456789012:stack/news-app/1"


class Story:
    """Events in the order in which they happen; those up to ``shown`` can be seen."""

    def __init__(self):
        self.all, self.shown, self.refusals = [], 0, []
        self.now = BEGAN

    def tell(self, stack, status, physical=None, *, later=0):
        self.now += timedelta(seconds=later)
        of_stack = physical is None
        type_ = STACK_TYPE if of_stack or physical.startswith("arn:") else "AWS::SNS::Topic"
        name = "Stack" if of_stack else f"N{len(physical)}"
        event = StackEvent(
            f"e{len(self.all)}", stack, stack, name, physical or stack, type_, status, "", self.now
        )
        self.all.append(event)

    def events(self, stack, since=None):
        if self.refusals and self.refusals.pop():
            raise AwsError.of("SW407", "busy")
        events = [event for event in self.all[: self.shown] if event.stack_id == stack]
        if isinstance(since, datetime):
            return [event for event in events if event.time >= since]
        return events[1 + next((n for n, event in enumerate(events) if event.id == since), -1) :]


@st.composite
def stories(draw):
    """An update of a root with nested stacks, some of them in others, after an earlier
    operation."""
    story = Story()
    pause = st.integers(0, 2)
    story.tell(ROOT, "CREATE_IN_PROGRESS")
    story.tell(f"{ROOT}0", "CREATE_COMPLETE")
    story.tell(ROOT, "CREATE_COMPLETE")
    before = len(story.all)
    story.now += timedelta(seconds=1)

    def stack(id_, depth):
        story.tell(id_, "UPDATE_IN_PROGRESS", later=draw(pause))
        for number in range(draw(st.integers(0, 3))):
            if depth < 2 and draw(st.booleans()):
                child = f"{id_}{number}"
                story.tell(id_, "UPDATE_IN_PROGRESS", child, later=draw(pause))
                stack(child, depth + 1)
                story.tell(id_, "UPDATE_COMPLETE", child, later=draw(pause))
            else:
                story.tell(id_, "UPDATE_COMPLETE", f"topic{number}", later=draw(pause))
        story.tell(id_, "UPDATE_COMPLETE", later=draw(pause))

    stack(ROOT, 0)
    return story, before


@given(stories(), st.lists(st.integers(0, 6), max_size=20), st.lists(st.booleans(), max_size=30))
def test_events_are_reported_once_in_the_order_of_their_stack(recorded_story, rounds, refusals):
    story, before = recorded_story
    story.shown, story.refusals = before, list(refusals)
    operation = OperationEvents(ROOT, "app", story, since=story.all[before - 1].id)
    steps = []
    for more in [*rounds, *[len(story.all)] * 3]:
        story.shown = min(len(story.all), story.shown + more)
        if story.shown == len(story.all):
            story.refusals.clear()
        try:
            steps += operation.read()
        except AwsError:
            assert refusals
        if operation.ended:
            break
    assert operation.ended
    assert operation.wanted == operation.last.status == "UPDATE_COMPLETE"
    expected = [event.id for event in story.all[before:]]
    assert sorted(event.id for event in operation.events) == sorted(expected)
    assert len(steps) == len(expected)
    by_stack = {}
    for event in operation.events:
        by_stack.setdefault(event.stack_id, []).append(int(event.id[1:]))
    assert all(numbers == sorted(numbers) for numbers in by_stack.values())


@given(stories())
def test_events_read_together_are_ordered_by_time(recorded_story):
    story, before = recorded_story
    story.shown = len(story.all)
    operation = OperationEvents(ROOT, "app", story, since=story.all[before - 1].id)
    steps = operation.read()
    assert [step.time for step in steps] == sorted(step.time for step in steps)
    for _, some in groupby(steps, key=lambda step: step.time):
        same = list(some)
        for index, step in enumerate(
            same
        ):  # nothing of a nested stack follows its parent's conclusion
            if step.nested and not step.under_way:
                below = f"{step.stack}/"
                inner = [
                    n
                    for n, event in enumerate(same)
                    if event.stack.startswith(below) and event.time == step.time
                ]
                own = [n for n in inner if same[n].physical_id == step.physical_id]
                assert all(n < index for n in own)


def test_operation_starts_after_the_last_stable_status():
    story = Story()
    assert find_beginning(ROOT, story) is None
    for status in (
        "REVIEW_IN_PROGRESS",
        "CREATE_IN_PROGRESS",
        "CREATE_FAILED",
        "ROLLBACK_IN_PROGRESS",
    ):
        story.tell(ROOT, status)
    story.shown = 1
    assert find_beginning(ROOT, story) is None
    story.shown = 2
    assert find_beginning(ROOT, story) == ("e0", story.all[1])
    story.shown = 4
    assert (
        find_beginning(ROOT, story)[1].status == "ROLLBACK_IN_PROGRESS"
    )  # RollbackStack, of what stayed where it failed
    story.tell(ROOT, "ROLLBACK_COMPLETE")
    story.tell(ROOT, "DELETE_IN_PROGRESS")
    story.shown = len(story.all)
    since, first = find_beginning(ROOT, story)
    assert (since, first.status) == ("e4", "DELETE_IN_PROGRESS")
    story.tell(ROOT, "DELETE_FAILED")
    story.tell(ROOT, "UPDATE_IN_PROGRESS")
    story.tell(ROOT, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    story.shown = len(story.all)
    assert find_beginning(ROOT, story)[1].status == "UPDATE_IN_PROGRESS"

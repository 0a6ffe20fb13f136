"""The meaning of each stack status, and how to recover a stack that cannot be updated.

Sources:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
(status codes), .../UserGuide/using-cfn-updating-stacks-continueupdaterollback.html,
.../UserGuide/stack-failure-options.html, .../APIReference/API_ContinueUpdateRollback.html (from
UPDATE_ROLLBACK_FAILED only), .../APIReference/API_RollbackStack.html (from CREATE_FAILED and
UPDATE_FAILED only; it lists the stable states).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Recovery(StrEnum):
    """How a stack gets back into a state in which it can be updated."""

    NOTHING = "nothing"
    WATCH = "watch"
    DELETE = "delete"
    DELETE_AGAIN = "delete again"
    DISCARD = "discard"
    CONTINUE = "continue"
    ROLL_BACK = "roll back"
    SUPPORT = "support"


_ADVICE: Mapping[Recovery, str] = {
    Recovery.NOTHING: "",
    Recovery.WATCH: "wait until it has ended",
    Recovery.DELETE: "delete the stack, then create it again",
    Recovery.DELETE_AGAIN: "delete the stack again, if need be without the resources that failed",
    Recovery.DISCARD: "delete the stack",
    Recovery.CONTINUE: "continue the rollback, if need be without the resources that failed",
    Recovery.ROLL_BACK: "roll the stack back",
    Recovery.SUPPORT: "ask AWS Support to restore the stack, or delete it: CloudFormation neither "
    "updates it nor continues the rollback",
}


class StackStatus(Struct, frozen=True):
    """The meaning of one status.

    ``final``: no operation is under way. ``good``: the stack is deployed as it was last asked for.
    ``stable``: good, or rolled back to such a state. ``updatable``: CloudFormation accepts an
    update. ``problem`` says in words why a deployment cannot go on, ``recovery`` what makes it
    possible. ``activity`` says what an operation does: "is being updated".
    """

    name: str
    final: bool = True
    good: bool = False
    stable: bool = False
    updatable: bool = False
    recovery: Recovery = Recovery.NOTHING
    problem: str = ""
    activity: str = ""

    @property
    def stuck(self) -> bool:
        """Whether the stack must be recovered before it can be deployed to.

        A stack that holds only change sets (DISCARD) takes another one.
        """
        passable = (Recovery.NOTHING, Recovery.WATCH, Recovery.DISCARD)
        return self.recovery not in passable

    @property
    def never_created(self) -> bool:
        """Whether the stack has never been complete: it keeps nothing for the next deployment."""
        return self.recovery in (Recovery.DELETE, Recovery.DISCARD)

    @property
    def advice(self) -> str:
        """How to recover, in words; empty where there is no problem."""
        return _ADVICE[self.recovery]

    @property
    def explanation(self) -> str:
        """The problem and how to recover, in words; empty where there is no problem."""
        return f"{self.problem}; {self.advice}" if self.problem else ""


def _in_progress(name: str) -> StackStatus:
    problem = "an operation is under way"
    verbs = {
        "ROLLBACK": "rolled back",
        "CLEANUP": "cleaned up after an update",
        "CREATE": "created",
        "UPDATE": "updated",
        "IMPORT": "given existing resources",
        "DELETE": "deleted",
    }
    verb = next((verb for part, verb in verbs.items() if part in name), "changed")
    return StackStatus(
        name,
        final=False,
        recovery=Recovery.WATCH,
        problem=problem,
        activity=f"is being {verb}",
    )


def _complete(name: str, *, good: bool = True) -> StackStatus:
    return StackStatus(name, good=good, stable=True, updatable=True)


def _stuck(name: str, recovery: Recovery, problem: str, *, updatable: bool = False) -> StackStatus:
    return StackStatus(name, recovery=recovery, problem=problem, updatable=updatable)


_STATUSES = {
    status.name: status
    for status in (
        _in_progress("CREATE_IN_PROGRESS"),
        _complete("CREATE_COMPLETE"),
        _stuck(
            "CREATE_FAILED",
            Recovery.DELETE,
            "its first creation failed and was not rolled back",
            updatable=True,  # not with OnFailure DO_NOTHING (stack-failure-options.html)
        ),
        _in_progress("ROLLBACK_IN_PROGRESS"),
        _stuck("ROLLBACK_COMPLETE", Recovery.DELETE, "its first creation failed"),
        _stuck(
            "ROLLBACK_FAILED",
            Recovery.DELETE,
            "its first creation failed, and so did the rollback",
        ),
        _in_progress("UPDATE_IN_PROGRESS"),
        _in_progress("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        _complete("UPDATE_COMPLETE"),
        _stuck(
            "UPDATE_FAILED",
            Recovery.ROLL_BACK,
            "an update failed and was not rolled back",
            updatable=True,
        ),
        _in_progress("UPDATE_ROLLBACK_IN_PROGRESS"),
        _in_progress("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
        _complete("UPDATE_ROLLBACK_COMPLETE", good=False),
        _stuck(
            "UPDATE_ROLLBACK_FAILED",
            Recovery.CONTINUE,
            "an update failed, and so did the rollback",
        ),
        _in_progress("IMPORT_IN_PROGRESS"),
        _complete("IMPORT_COMPLETE"),
        _in_progress("IMPORT_ROLLBACK_IN_PROGRESS"),
        _complete("IMPORT_ROLLBACK_COMPLETE", good=False),
        _stuck(
            "IMPORT_ROLLBACK_FAILED",
            Recovery.SUPPORT,
            "an import failed, and so did the rollback",
        ),
        _in_progress("DELETE_IN_PROGRESS"),
        StackStatus("DELETE_COMPLETE"),
        _stuck("DELETE_FAILED", Recovery.DELETE_AGAIN, "its deletion failed"),
        StackStatus(
            "REVIEW_IN_PROGRESS",
            recovery=Recovery.DISCARD,
            problem="it holds change sets that were never executed, and no resources",
        ),
    )
}


def stack_status(name: str) -> StackStatus:
    """The meaning of a status that DescribeStacks gives.

    A status that is not in the table yet is in progress if its name says so; nothing else is
    claimed of it.
    """
    known = _STATUSES.get(name)
    if known is not None:
        return known
    return _in_progress(name) if name.endswith("_IN_PROGRESS") else StackStatus(name)

"""The base of all families of actions: arguments, errors, pages, and finding stacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..operation.world import EmulatedWorld
from ..world.state import ChangeSetState, StackState
from .definitions import DefinitionReader
from .errors import ApiError, invalid

Arguments = Mapping[str, Any]
Result = dict[str, Any]
Action = Callable[[Arguments], Result]


class Pages:
    """Cuts lists into pages of at most ``size`` entries."""

    def __init__(self, size: int) -> None:
        self.size = size

    def cut(self, key: str, entries: Sequence[Any], arguments: Arguments) -> Result:
        """The page that the arguments ask for, under ``key``, with the token of the next page.

        Raises:
            ApiError: the token is invalid.
        """
        start = _start(arguments.get("NextToken"), len(entries))
        end = start + min(self.size, int(arguments.get("MaxResults", self.size)))
        more = {"NextToken": f"page-{end}"} if end < len(entries) else {}
        return {key: list(entries[start:end]), **more}


def _start(token: str | None, count: int) -> int:
    if token is None:
        return 0
    number = token.removeprefix("page-")
    if not number.isdigit() or int(number) > count:
        raise invalid("The nextToken is invalid.")
    return int(number)


class ActionFamily(ABC):
    """A family of actions on one world."""

    def __init__(self, world: EmulatedWorld, definitions: DefinitionReader, pages: Pages) -> None:
        self.world, self.definitions, self.pages = world, definitions, pages

    @abstractmethod
    def actions(self) -> Mapping[str, Action]:
        """The family's actions by name."""

    def find_stack(self, arguments: Arguments, message: str = "") -> StackState:
        """The stack that ``StackName`` names.

        Raises:
            ApiError: there is none; ``message`` is the error's text, with ``{}`` for the name.
        """
        name = arguments.get("StackName", "")
        stack = self.world.store.stack(name)
        if stack is None:
            raise invalid((message or "Stack with id {} does not exist").replace("{}", name))
        return stack

    def find_change_set(self, arguments: Arguments) -> ChangeSetState:
        """The change set that ``ChangeSetName`` names, by id, or by name within a stack.

        Raises:
            ApiError: there is none.
        """
        name, store = arguments["ChangeSetName"], self.world.store
        change_set = store.change_sets.get(name)
        if change_set and store.stacks[change_set.stack_id].status != "DELETE_COMPLETE":
            return change_set
        missing = ApiError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)
        if name.startswith("arn:"):
            raise missing
        if "StackName" not in arguments:
            raise invalid(
                "StackName must be specified if ChangeSetName is not specified as an ARN."
            )
        stack = self.find_stack(arguments)
        for change_set in store.change_sets.values():
            executed = change_set.execution == "EXECUTE_COMPLETE"
            if (change_set.name, change_set.stack_id) == (name, stack.id) and not executed:
                return change_set
        raise missing

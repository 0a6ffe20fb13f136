"""The private world in which a rehearsal deploys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from ...cfn import Pseudo, Template
from ..api.cloudformation import LocalCloudFormation
from ..api.errors import ApiError
from ..world.durations import typical_seconds
from ..world.settings import EmulatorSettings
from ..world.state import Event, StackState
from .build import ORIGIN, RehearsalBuild, placeholder_value
from .model import Phase, RehearsalStep

_START = 1_700_000_000.0
_AHEAD = 1e7  # seconds: longer than any operation
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class PlaceholderStore(dict[str, str]):
    """A Parameter Store in which the value of every parameter is its name."""

    def __missing__(self, name: str) -> str:
        return name

    def __contains__(self, name: object) -> bool:
        return True


@dataclass
class RehearsalWorld:
    """One local CloudFormation with a clock that runs only on request."""

    pseudo: Pseudo
    now: float = _START
    texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = EmulatorSettings(
            self.pseudo,
            fetch=self._fetch,
            source=lambda: self.now,
            latency=typical_seconds,
            stored=PlaceholderStore(),
        )
        self.engine = LocalCloudFormation(settings)

    def _fetch(self, url: str) -> str:
        if url not in self.texts:
            raise FileNotFoundError(url)
        return self.texts[url]

    def deploy(self, build: RehearsalBuild, root: str) -> Phase | None:
        """Deploy one root stack as a change set, to its end; None where nothing changes."""
        try:
            change_set = self.preview(build, root)
            return self.execute(root, change_set) if change_set else None
        except ApiError as error:
            return Phase(root, error.code, 0, (), error.message)

    def preview(self, build: RehearsalBuild, root: str) -> str | None:
        """The id of a new change set, with one for each nested stack; None where nothing changes.

        Raises:
            ApiError: CloudFormation refuses.
        """
        url = build.url(build.roots[root])
        self.texts |= build.texts
        request = {
            "StackName": root,
            "ChangeSetName": "rehearsal",
            "ChangeSetType": "UPDATE" if self.engine.store.stack(root) else "CREATE",
            "TemplateURL": url,
            "IncludeNestedStacks": True,
            "Capabilities": _CAPABILITIES,
            "Parameters": list(self._parameters(build.template(root))),
        }
        name: dict[str, str] = {"ChangeSetName": self.engine.call("CreateChangeSet", request)["Id"]}
        if self.engine.call("DescribeChangeSet", name)["Status"] == "FAILED":
            self.engine.call("DeleteChangeSet", name)
            return None
        return name["ChangeSetName"]

    def execute(self, root: str, change_set: str) -> Phase:
        """Execute a change set and let time run until the operation has ended.

        Raises:
            ApiError: CloudFormation refuses.
        """
        began, stacks = self.now, self.engine.store.stacks.values()
        seen = {stack.id: len(stack.events) for stack in stacks}
        self.engine.call("ExecuteChangeSet", {"ChangeSetName": change_set})
        self.now += _AHEAD
        self.engine.clock.advance()
        return self._phase(root, began, seen)

    def _parameters(self, template: Template) -> Iterator[dict[str, str]]:
        outputs = {
            output.key: output.value
            for stack in self.engine.store.stacks.values()
            if stack.alive and stack.parent_id is None
            for output in stack.outputs
        }
        for name, parameter in template.parameters.items():
            if name in outputs:
                yield {"ParameterKey": name, "ParameterValue": outputs[name]}
            elif parameter.default is None:
                value = placeholder_value(parameter, template.data["Parameters"][name])
                yield {"ParameterKey": name, "ParameterValue": value}

    def _phase(self, root: str, began: float, seen: Mapping[str, int]) -> Phase:
        stack = self.engine.store.stack(root)
        assert stack is not None  # noqa: S101 - it was just deployed
        steps: list[RehearsalStep] = []
        for member in self._family(stack):
            events = member.events[seen.get(member.id, 0) :]
            steps += _steps(self.address(member), events, began)
        steps.sort(key=lambda step: step.began)
        ended = stack.events[-1].timestamp - began
        return Phase(root, stack.status, ended, tuple(steps), stack.reason)

    def _family(self, root: StackState) -> Iterator[StackState]:
        """A root stack and those nested in it."""
        yield root
        for stack in self.engine.store.stacks.values():
            if stack.root_id == root.id:
                yield stack

    def address(self, stack: StackState) -> str:
        """``app/gateway``: by the path of the template in the build."""
        parent = self.engine.store.stacks.get(stack.parent_id or "")
        if parent is None:
            return stack.name
        for state in parent.resources.values():
            url = str(state.properties.get("TemplateURL", ""))
            if state.physical_id == stack.id and url.startswith(ORIGIN):
                return url.removeprefix(ORIGIN).partition("/")[2].rpartition(".")[0]
        return stack.name

    def snapshot(self) -> dict[str, Any]:
        """Everything that exists, by address: ids, properties and attributes of resources, outputs
        and templates."""
        snapshot: dict[str, Any] = {}
        for stack in self.engine.store.stacks.values():
            if not stack.alive or stack.status in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"):
                continue
            name = self.address(stack)
            definition = stack.definition
            snapshot[name] = (
                stack.outputs,
                definition and (definition.text, dict(definition.parameters)),
            )
            for state in stack.resources.values():
                snapshot[f"{name}:{state.logical_id}"] = replace(
                    state, status="", timestamp=0.0, reason=None
                )
        return snapshot


def _steps(stack: str, events: Iterable[Event], origin: float) -> Iterator[RehearsalStep]:
    """The operations on resources: each from the event that begins it to the one that ends it."""
    begun: dict[str, Event] = {}
    for event in events:
        if event.physical_id == event.stack_id:
            continue
        if event.status.endswith("IN_PROGRESS"):
            known = begun.get(event.logical_id)
            if known is None or known.status != event.status:
                begun[event.logical_id] = event
            continue
        first = begun.pop(event.logical_id, event)
        operation = "create" if _is_replacement(first) else first.status.partition("_")[0].lower()
        times = (first.timestamp - origin, event.timestamp - origin)
        yield RehearsalStep(
            stack, event.logical_id, event.type, operation, *times, event.status, event.reason
        )


def _is_replacement(first: Event) -> bool:
    """Whether an update is a replacement, which creates a resource in the service."""
    return first.status == "UPDATE_IN_PROGRESS" and (first.reason or "").startswith(
        "Requested update requires"
    )

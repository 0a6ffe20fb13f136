"""Two builds -> what deploying the second over the first goes through, played in a private local
CloudFormation.

Nothing leaves the process and no time passes: a virtual clock runs ahead, by typical durations.
Values that only exist outside of the templates (digests of images, versions of secrets) are stood
for by values that change where their declaration changed.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import STACK_TYPE, Parameter, Pseudo, Template, ValidationError, parse_template
from ..core import EmulatorError, Location, TemplateError
from .api.cloudformation import LocalCloudFormation
from .api.errors import ApiError
from .world.durations import typical_seconds
from .world.faults import Fault
from .world.settings import EmulatorSettings
from .world.state import Event, StackState

Files = Mapping[str, str]
"""A build folder: POSIX path relative to it -> text."""

INJECTED = "Injected by the rehearsal"
_START = 1_700_000_000.0
_AHEAD = 1e7  # seconds: longer than any operation
_ORIGIN = "https://rehearsal.invalid/"
_CODE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
_CHANGED = ("create", "update")


class RehearsalStep(Struct, frozen=True):
    """One operation on one resource of a stack (``app/gateway``), in seconds from the start of its
    root's update."""

    stack: str
    logical_id: str
    type: str
    operation: str
    began: float
    ended: float
    status: str
    reason: str | None = None

    @property
    def address(self) -> str:
        """``app/gateway:Service``."""
        return f"{self.stack}:{self.logical_id}"


class Phase(Struct, frozen=True):
    """One operation on one root: how it ended, after how many seconds, and every step, in the order
    of their start."""

    root: str
    status: str
    seconds: float
    steps: tuple[RehearsalStep, ...]
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the root is as it was asked to be."""
        return self.status in _GOOD

    @property
    def failures(self) -> tuple[RehearsalStep, ...]:
        """What failed of itself, the first cause first; what was cancelled with it does not
        count."""
        failed = (
            step
            for step in self.steps
            if step.status.endswith("FAILED") and step.type != STACK_TYPE
        )
        return tuple(step for step in failed if "cancelled" not in (step.reason or ""))

    @property
    def critical_path(self) -> tuple[RehearsalStep, ...]:
        """The steps that the end waited for, one after the other: shortening any other gains
        nothing."""
        leaves = [step for step in self.steps if step.type != STACK_TYPE]
        found: list[RehearsalStep] = []
        last = max(leaves, key=lambda step: (step.ended, step.ended - step.began), default=None)
        while last is not None:
            found.append(last)
            began = last.began
            earlier = [step for step in leaves if step.ended <= began and step.began < began]
            last = max(
                earlier, key=lambda step: (step.ended, step.ended - step.began), default=None
            )
        return tuple(reversed(found))


class Rollback(Struct, frozen=True):
    """What followed the injected failure of ``failed``. ``differences`` name what is not as it was
    before."""

    failed: RehearsalStep
    phase: Phase
    resources: int
    differences: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything is as before."""
        return (
            self.phase.status in ("UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE")
            and not self.differences
        )


class Rehearsal(Struct, frozen=True):
    """The updates of the roots that change, and the rollback of the one with the slowest changed
    resource."""

    phases: tuple[Phase, ...]
    rollback: Rollback | None = None

    @property
    def ok(self) -> bool:
        """Whether the update goes through, and the rollback too."""
        return all(phase.ok for phase in self.phases) and (
            self.rollback is None or self.rollback.ok
        )


def rehearse(before: Files, after: Files, region: str, account_id: str = "") -> Rehearsal:
    """Deploy ``before``, then ``after`` over it as change sets; then again, with a failure in the
    slowest resource.

    Raises:
        TemplateError: a template is not one.
        EmulatorError: ``before`` itself does not deploy.
    """
    pseudo = Pseudo(region=region, account_id=account_id or "123456789012")
    old, new = RehearsalBuild(before), RehearsalBuild(after)
    phases = tuple(_updated(_deployed(old, pseudo), new))
    if not all(phase.ok for phase in phases):
        return Rehearsal(phases)
    slowest = max(
        ((phase, step) for phase in phases for step in phase.steps if _counts(step)),
        key=lambda found: found[1].ended - found[1].began,
        default=None,
    )
    return Rehearsal(phases, _rolled_back(old, new, pseudo, *slowest) if slowest else None)


def _counts(step: RehearsalStep) -> bool:
    return step.type != STACK_TYPE and step.operation in _CHANGED


def _deployed(build: RehearsalBuild, pseudo: Pseudo) -> RehearsalWorld:
    world = RehearsalWorld(pseudo)
    for phase in _updated(world, build):
        if not phase.ok:
            cause = next(
                (f"{step.address}: {step.reason}" for step in phase.failures),
                phase.reason or phase.status,
            )
            hint = "the base does not deploy either; compare with one that does (--against)"
            raise EmulatorError.of("SW703", f"the base cannot be deployed: {cause}", hint=hint)
    return world


def _updated(
    world: RehearsalWorld, build: RehearsalBuild, until: str | None = None
) -> Iterator[Phase]:
    """Deploy the roots in order, up to ``until`` without it; stops after the first that fails."""
    for root in build.order:
        if root == until:
            return
        phase = world.deploy(build, root)
        if phase is not None:
            yield phase
            if not phase.ok:
                return


def _rolled_back(
    old: RehearsalBuild, new: RehearsalBuild, pseudo: Pseudo, phase: Phase, step: RehearsalStep
) -> Rollback:
    """Let the step fail and compare what is there afterwards with what was there before."""
    same = [
        s
        for s in phase.steps
        if (s.logical_id, s.type, s.operation) == (step.logical_id, step.type, step.operation)
    ]
    for nth in range(
        1, len(same) + 1
    ):  # a fault knows no stack, and nested stacks may use the same names
        world = _deployed(old, pseudo)
        list(_updated(world, new, until=phase.root))
        snapshot = world.snapshot()
        world.engine.fault(Fault(INJECTED, step.operation, step.type, step.logical_id, nth))
        found = world.deploy(new, phase.root)
        if found is not None and any(each.address == step.address for each in found.failures):
            differences = tuple(_differences(snapshot, world.snapshot()))
            return Rollback(step, found, len(snapshot), differences)
    raise EmulatorError.of(
        "SW704", f"the failure could not be injected in {step.address}", hint="report this defect"
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            kind = "is new" if name not in before else "is gone" if name not in after else "differs"
            yield f"{name} {kind}"


# --- builds
# -------------------------------------------------------------------------------------------------------


class RehearsalBuild:
    """A build folder as it can be deployed: templates by URLs of their content, roots in order."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._urls: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.templates = {path: self._parsed(path) for path in files if "/" not in path}
        self.roots = {posixpath.splitext(path)[0]: path for path in sorted(self.templates)}
        self.order = self._order()

    def _parsed(self, path: str) -> Template:
        try:
            return parse_template(self._files[path])
        except ValidationError as error:
            raise TemplateError.of("SW503", error.message, Location(path, error.line)) from None

    def _order(self) -> list[str]:
        """Names of roots, after those whose outputs they take."""
        named = {root: self.templates[path] for root, path in self.roots.items()}
        needs = {
            root: [
                o
                for o, other in named.items()
                if o != root and {*other.outputs} & {*template.parameters}
            ]
            for root, template in named.items()
        }
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError:
            return list(named)

    def template(self, root: str) -> Template:
        """The template of a root."""
        return self.templates[self.roots[root]]

    def url(self, path: str) -> str:
        """The address of a template, which changes with its content and that of the nested ones."""
        if path not in self._urls:
            data = json.loads(json.dumps(self._parsed(path).data, default=str))
            for resource in data.get("Resources", {}).values():
                self._address(path, resource.get("Type"), resource.get("Properties", {}))
            text = json.dumps(data)
            self._urls[path] = f"{_ORIGIN}{hashlib.sha256(text.encode()).hexdigest()[:16]}/{path}"
            self.texts[self._urls[path]] = text
        return self._urls[path]

    def _address(self, path: str, type_: str, properties: dict[str, Any]) -> None:
        """Local paths become addresses, as packaging makes them."""
        given = properties.get("TemplateURL") if type_ == STACK_TYPE else None
        if isinstance(given, str):
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), given))
            if inner in self._files:
                properties["TemplateURL"] = self.url(inner)
        name = _CODE.get(type_)
        if name and isinstance(properties.get(name), str):
            properties[name] = {
                "S3Bucket": "artifacts",
                "S3Key": posixpath.basename(properties[name]),
            }


def _standing(parameter: Parameter, declaration: Mapping[str, Any]) -> str:
    """A value for a parameter that gets its own outside of the build; another one where the
    declaration changed."""
    if parameter.allowed_values:
        return parameter.allowed_values[0]
    if "Number" in parameter.type:
        return "1" if parameter.minimum is None else f"{parameter.minimum:g}"
    mark = hashlib.sha256(json.dumps(declaration, sort_keys=True, default=str).encode()).hexdigest()
    return f"{parameter.name.lower()}-{mark[:12]}"


class _Stored(dict[str, str]):
    """A parameter store in which every parameter stands for itself."""

    def __missing__(self, name: str) -> str:
        return name

    def __contains__(self, name: object) -> bool:
        return True


# --- playing
# ------------------------------------------------------------------------------------------------------


@dataclass
class RehearsalWorld:
    """One local CloudFormation with a clock that only runs when asked to."""

    pseudo: Pseudo
    now: float = _START
    texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = EmulatorSettings(
            self.pseudo,
            fetch=self._fetch,
            source=lambda: self.now,
            latency=typical_seconds,
            stored=_Stored(),
        )
        self.engine = LocalCloudFormation(settings)

    def _fetch(self, url: str) -> str:
        if url not in self.texts:
            raise FileNotFoundError(url)
        return self.texts[url]

    def deploy(self, build: RehearsalBuild, root: str) -> Phase | None:
        """Deploy one root as a change set and follow it to its end; None where nothing changes."""
        try:
            change_set = self.preview(build, root)
            return self.execute(root, change_set) if change_set else None
        except ApiError as error:
            return Phase(root, error.code, 0, (), error.message)

    def preview(self, build: RehearsalBuild, root: str) -> str | None:
        """The id of a change set with one for each nested stack; None where nothing changes. Raises
        ApiError."""
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
        """Execute a change set and let time run until nothing more happens. Raises ApiError."""
        began, seen = (
            self.now,
            {stack.id: len(stack.events) for stack in self.engine.store.stacks.values()},
        )
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
                value = _standing(parameter, template.data["Parameters"][name])
                yield {"ParameterKey": name, "ParameterValue": value}

    def _phase(self, root: str, began: float, seen: Mapping[str, int]) -> Phase:
        stack = self.engine.store.stack(root)
        assert stack is not None  # noqa: S101 - it was just deployed
        steps: list[RehearsalStep] = []
        for each in self._family(stack):
            steps += _steps(self.address(each), each.events[seen.get(each.id, 0) :], began)
        steps.sort(key=lambda step: step.began)
        ended = stack.events[-1].timestamp - began
        return Phase(root, stack.status, ended, tuple(steps), stack.reason)

    def _family(self, stack: StackState) -> Iterator[StackState]:
        yield stack
        yield from (each for each in self.engine.store.stacks.values() if each.root_id == stack.id)

    def address(self, stack: StackState) -> str:
        """``app/gateway``: by the path of the template in the build."""
        parent = self.engine.store.stacks.get(stack.parent_id or "")
        if parent is None:
            return stack.name
        for state in parent.resources.values():
            url = str(state.properties.get("TemplateURL", ""))
            if state.physical_id == stack.id and url.startswith(_ORIGIN):
                return url.removeprefix(_ORIGIN).partition("/")[2].rpartition(".")[0]
        return stack.name

    def snapshot(self) -> dict[str, Any]:
        """Everything that is there, by address: ids, properties and attributes of resources,
        outputs, templates."""
        found: dict[str, Any] = {}
        for stack in self.engine.store.stacks.values():
            if not stack.alive or stack.status in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"):
                continue
            name = self.address(stack)
            definition = stack.definition
            found[name] = (
                stack.outputs,
                definition and (definition.text, dict(definition.parameters)),
            )
            for state in stack.resources.values():
                found[f"{name}:{state.logical_id}"] = replace(
                    state, status="", timestamp=0.0, reason=None
                )
        return found


def _steps(stack: str, events: Iterable[Event], origin: float) -> Iterator[RehearsalStep]:
    """Operations as pairs of events: the first that begins one, and the one that ends it."""
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
        operation = "create" if _creates(first) else first.status.partition("_")[0].lower()
        times = (first.timestamp - origin, event.timestamp - origin)
        yield RehearsalStep(
            stack, event.logical_id, event.type, operation, *times, event.status, event.reason
        )


def _creates(first: Event) -> bool:
    """A replacement is an update to the stack, and a creation to the service."""
    return first.status == "UPDATE_IN_PROGRESS" and (first.reason or "").startswith(
        "Requested update requires"
    )

"""Collect the values that each root changes for the roots after it.

A root takes Outputs of earlier roots as Parameters, and reads parameters of Parameter Store that
earlier roots make or change. `UpcomingValues` takes both from the predictions, in the order of the
roots, so that a later root is predicted with the values that it will find.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..cfn import (
    MISSING,
    Action,
    Pseudo,
    ResourceChange,
    Template,
    Unknown,
    ValidationError,
    find_unknowns,
    parse_template,
    plain_data,
    template_to_text,
)
from ..core import DeployError, Source, SourceKind
from .live_stack import LiveStack, call_once
from .model import DesiredStack, RootPlan
from .noop import plan_noop
from .prediction import PredictedPlan, Surroundings, predict_stack
from .stored_values import StoredValues

_STORED = "AWS::SSM::Parameter"
_EXPRESSION = re.compile(r"\$\{[^}]*\}")


class Upcoming(Struct, frozen=True):
    """A value as it will be once ``root`` is deployed; ``MISSING`` where it will be gone."""

    root: str
    value: Any


@dataclass
class UpcomingValues:
    """The values that the roots planned so far change.

    ``store`` reads Parameter Store as it is now. ``place`` has the account and the Region of roots
    that are not deployed yet; ``parse`` reads the text of a template.
    """

    store: StoredValues
    place: Pseudo | None = None
    parse: Callable[[str], Template] = parse_template
    _outputs: dict[tuple[str, str], Upcoming] = field(default_factory=dict)
    _stored: dict[str, Upcoming] = field(default_factory=dict)
    _unpredicted: set[str] = field(default_factory=set)

    def predict(
        self,
        desired: DesiredStack,
        live: LiveStack | None,
        sources: Mapping[str, Source] | None = None,
    ) -> RootForecast:
        """Return the forecast of a root; ``sources`` say where its Parameters come from.

        Raises:
            DeployError: SW886 an earlier root removes an Output that the root takes.
        """
        sources = sources or {}
        inputs = {
            name: upcoming
            for name, source in sources.items()
            if source.kind is SourceKind.OUTPUT and (upcoming := self._find_output(source))
        }
        for name, upcoming in inputs.items():
            if upcoming.value is MISSING:
                raise _describe_removed_output(desired.root, name, sources[name])
        around = Surroundings(place=self.place, parse=self.parse)
        return RootForecast(desired, live, inputs, self._stored, self.store, around)

    def _find_output(self, source: Source) -> Upcoming | None:
        if source.stack in self._unpredicted:
            text = f"{source.stack}.{source.name}"
            return Upcoming(source.stack, Unknown(f"${{{text}}}", (text,), fresh=True))
        return self._outputs.get((source.stack, source.name))

    def add(self, root: str, live: LiveStack | None, prediction: PredictedPlan) -> None:
        """Add what a root changes. Of one that cannot be predicted, every Output may change."""
        if prediction.problem:
            self._unpredicted.add(root)
            return
        outputs = live.stack.outputs if live else {}
        for name, value in prediction.outputs.items():
            after = _name_by_output(value, f"{root}.{name}")
            if outputs.get(name, MISSING) != after:
                self._outputs[root, name] = Upcoming(root, after)
        for change in prediction.changes.values():
            if change.type == _STORED and change.real:
                for name, value in _changed_parameters(change):
                    self._stored[name] = Upcoming(root, value)


class RootForecast:
    """What is known of a root before the roots ahead of it are deployed.

    ``inputs`` are the Parameters that they change. `prediction` and `unchanged` are found out once,
    on first use.
    """

    def __init__(
        self,
        desired: DesiredStack,
        live: LiveStack | None,
        inputs: Mapping[str, Upcoming],
        stored: Mapping[str, Upcoming],
        store: StoredValues,
        around: Surroundings,
    ) -> None:
        self.desired, self.live, self._inputs = desired, live, inputs
        self._upcoming, self._store, self._around = dict(stored), store, around
        self._read: set[str] = set()
        self.prediction = call_once(self._predict)
        self.unchanged = call_once(self._find_unchanged)

    def _predict(self) -> PredictedPlan:
        return predict_stack(
            self.desired,
            self.live,
            replace(
                self._around,
                inputs={name: upcoming.value for name, upcoming in self._inputs.items()},
                stored=_StoreView(self._find_stored),
                before=self._find_before,
                after=self._find_after,
            ),
        )

    def _find_unchanged(self) -> RootPlan | None:
        """Return the plan of a root that nothing changes, by reading alone; None for another."""
        if self.desired.missing or self.roots:
            return None
        return plan_noop(self.desired, self.live, self._store)

    def changes(self) -> PredictedPlan:
        """Return the prediction; an empty one where reading alone tells that nothing changes."""
        return self.prediction() if self.unchanged() is None else PredictedPlan()

    @property
    def roots(self) -> tuple[str, ...]:
        """The earlier roots that change something for this one; empty where none does."""
        return tuple(dict.fromkeys(upcoming.root for upcoming in self._changed().values()))

    @property
    def awaited(self) -> tuple[str, ...]:
        """The changed Parameters, and names in Parameter Store, whose values are known only after
        those roots are deployed."""
        changed = self._changed().items()
        return tuple(name for name, upcoming in changed if _is_unknown(upcoming.value))

    def _changed(self) -> dict[str, Upcoming]:
        if not self._upcoming:
            return dict(self._inputs)
        self.prediction()
        names = sorted({*self._read, *_names_in_store(self.desired)} & self._upcoming.keys())
        for name in names:
            if self._upcoming[name].value is MISSING:
                raise _describe_removed_parameter(self.desired.root, name, self._upcoming[name])
        return {**self._inputs, **{name: self._upcoming[name] for name in names}}

    # --- Parameter Store, as predictions read it

    def _find_stored(self, name: str) -> Any:
        return self._find_after(name) if name in self._upcoming else self._store.read(name)

    def _find_after(self, name: str) -> Any:
        """Return the upcoming value of a parameter; None where this deployment does not change
        it."""
        if name not in self._upcoming:
            return None
        self._read.add(name)
        value = self._upcoming[name].value
        return Unknown(f"${{ssm:{name}}}", (name,), fresh=True) if value is MISSING else value

    def _find_before(self, name: str) -> Any:
        return self._store.read(name) if name in self._upcoming else None


class _StoreView(Mapping[str, Any]):
    """Parameter Store as a mapping that reads each parameter at its use."""

    def __init__(self, find: Any) -> None:
        self._find = find

    def __getitem__(self, name: str) -> Any:
        value = self._find(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _name_by_output(value: Any, output: str) -> Any:
    """Return the value of an Output as a later root gets it. An unknown attribute is named by the
    Output: logical IDs of one root mean nothing in another."""
    if isinstance(value, Unknown):
        whole = _EXPRESSION.fullmatch(value.text)
        return replace(value, text=f"${{{output}}}") if whole else value
    return value if value is MISSING or _is_unknown(value) else template_to_text(value)


def _is_unknown(value: Any) -> bool:
    return any(True for _ in find_unknowns(value))


def _names_in_store(desired: DesiredStack) -> set[str]:
    """Return the names that a root's own Parameters of an SSM type have."""
    try:
        template = parse_template(desired.body)
    except ValidationError:
        return set()
    return {
        desired.parameters.get(name, parameter.default or "")
        for name, parameter in template.parameters.items()
        if parameter.reads_store
    }


def _changed_parameters(change: ResourceChange) -> Iterator[tuple[str, Any]]:
    """Yield the names in Parameter Store that the change of a resource gives another value."""
    before, after = (
        plain_data(side.get("Properties", {})) for side in (change.before, change.after)
    )
    old, new = before.get("Name"), after.get("Name")
    if isinstance(old, str) and old != new and not _is_retained(change):
        yield old, MISSING
    if isinstance(new, str) and change.action is not Action.REMOVE:
        value = after.get("Value", "")
        if (old, before.get("Value")) != (new, value):
            yield new, value if _is_unknown(value) else template_to_text(value)


def _is_retained(change: ResourceChange) -> bool:
    """Whether the old resource stays, after a removal (Retain) or a replacement
    (ReplaceAndRetain)."""
    return (change.policy_action or "").endswith("Retain")


def _describe_removed_parameter(root: str, name: str, upcoming: Upcoming) -> DeployError:
    message = f"{root} reads {name} from Parameter Store, which this deployment removes with "
    message += upcoming.root
    return DeployError.of("SW886", message, hint=f"keep {name}, or read another parameter")


def _describe_removed_output(root: str, name: str, source: Source) -> DeployError:
    message = (
        f"{root} takes the Parameter {name} from the Output {source.name} of {source.stack}, "
        "which this deployment removes"
    )
    hint = f"keep the Output, or its Condition true, or give {name} another source"
    return DeployError.of("SW886", message, hint=hint)

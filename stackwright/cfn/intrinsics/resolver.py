"""Resolves the intrinsic functions of one template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..declarations import Path, ValidationError
from ..template import Template
from ..values import NO_VALUE, Traced, Unknown
from .conditions import CONDITION_FUNCTIONS
from .expressions import show_expression
from .functions import FUNCTIONS
from .world import Pseudo, ResolverWorld, UnknownWorld


@dataclass
class Resolver:
    """Resolves the intrinsic functions of one template in one world. Conditions are evaluated once
    each.

    ``lenient``: a function that cannot be resolved is an :class:`Unknown`, not an error. A
    comparison with an unknown value counts as ``assumed``; ``undecided`` says that there was one.
    """

    template: Template
    parameters: Mapping[str, Any]
    pseudo: Pseudo = field(default_factory=Pseudo)
    world: ResolverWorld = field(default_factory=UnknownWorld)
    lenient: bool = False
    assumed: bool = False
    undecided: bool = False
    _conditions: dict[str, bool | None] = field(default_factory=dict, repr=False)

    def resolve(self, value: Any, path: Path = ()) -> Any:
        """A value with every intrinsic function replaced by a :class:`Traced`, and ``AWS::NoValue``
        dropped.

        Raises:
            ValidationError: a function is misused, or names something that is not there.
        """
        if isinstance(value, Mapping):
            if len(value) == 1:
                name = next(iter(value))
                if name in FUNCTIONS or str(name).startswith("Fn::"):
                    return self._function(name, value, path)
            items = {key: self.resolve(item, (*path, key)) for key, item in value.items()}
            return {key: item for key, item in items.items() if not _absent(item)}
        if isinstance(value, list):
            resolved = [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
            return [item for item in resolved if not _absent(item)]
        return value

    def _function(self, name: str, call: Mapping[str, Any], path: Path) -> Any:
        try:
            if name not in FUNCTIONS:
                raise ValidationError(f"Template error: {name} is not supported", path)
            return FUNCTIONS[name](self, call[name], (*path, name))
        except ValidationError as error:
            if not self.lenient:
                raise
            return Traced(Unknown(show_expression(call), (error.message,)))

    def condition(self, name: str, path: Path = ()) -> bool:
        """Whether a named condition holds.

        Raises:
            ValidationError: it is not declared (and no macro makes it), or depends on itself.
        """
        if name not in self.template.conditions:
            if self.template.macros:
                return self.assume()
            text = (
                f"Template error: unresolved condition dependency {name} in the Conditions block "
                "of the template"
            )
            raise ValidationError(text, path)
        if name not in self._conditions:
            self._conditions[name] = None
            holds = self.truth(self.template.conditions[name], ("Conditions", name))
            self._conditions[name] = holds
        result = self._conditions[name]
        if result is None:
            raise ValidationError(
                f"Template error: condition {name} depends on itself", ("Conditions", name)
            )
        return result

    def truth(self, value: Any, path: Path) -> bool:
        """A condition expression as a boolean.

        Raises:
            ValidationError: it is none.
        """
        if isinstance(value, Mapping) and len(value) == 1:
            name, argument = next(iter(value.items()))
            function = CONDITION_FUNCTIONS.get(name)
            if function is not None:
                return function(self, argument, (*path, name))
        if self.lenient:
            return self.assume()
        raise ValidationError(
            "Template format error: Every Conditions member must be a condition function.", path
        )

    def assume(self) -> bool:
        """The answer to a comparison that cannot be decided."""
        self.undecided = True
        return self.assumed

    def active(self, condition: str | None, path: Path = ()) -> bool:
        """Whether a resource or output with this ``Condition`` exists."""
        return condition is None or self.condition(condition, path)


def _absent(value: Any) -> bool:
    return value is NO_VALUE or (isinstance(value, Traced) and _absent(value.value))

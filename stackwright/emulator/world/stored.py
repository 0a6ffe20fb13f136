"""Parameter Store as one definition of a stack finds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...cfn import Template, ValidationError, template_to_text


class ReadParameters(Mapping[str, str]):
    """The parameters in Parameter Store by name; each keeps the value of its first reading.

    CloudFormation reads them when a change set or a stack is created or updated, and not again
    until the next one: for a parameter that moved meanwhile, AWS answered with both values. Source:
    recorded answers of ``test_update_parameter_between_deployments`` in localstack/localstack,
    tests/aws/services/cloudformation/v2/test_dynamic_resolving.py.
    """

    def __init__(self, store: Mapping[str, str]) -> None:
        self._store = store
        self._values: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._values:
            self._values[name] = self._store[name]
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that were read."""
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)


def require_stored(
    template: Template, parameters: Mapping[str, object], stored: Mapping[str, str]
) -> None:
    """Check that Parameter Store has what the Parameters of an SSM type name.

    Raises:
        ValidationError: it lacks some of them; with CloudFormation's text.
    """
    names = [
        template_to_text(parameters.get(name, parameter.default))
        for name, parameter in template.parameters.items()
        if parameter.reads_store
    ]
    missing = [name for name in names if name not in stored]
    if missing:
        raise ValidationError(
            f"Unable to fetch parameters [{','.join(missing)}] from parameter store for this "
            "account."
        )

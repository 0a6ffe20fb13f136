"""The parts of templates that cannot be read without AWS, compared as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..cfn import MISSING, Template
from ..core import mask
from .model import TextDiff
from .properties import differing_leaves, displayed_value


def diff_unread(
    before: Mapping[str, Template], after: Mapping[str, Template]
) -> Iterator[TextDiff]:
    """Yield what differs in the parts of templates that only a macro understands, by file."""
    for file in dict.fromkeys((*after, *before)):
        old_parts, new_parts = (
            side[file].unread if file in side else {} for side in (before, after)
        )
        for leaf in differing_leaves(old_parts, new_parts):
            old, new = (
                None if value is MISSING else mask(displayed_value(value), leaf.label)
                for value in (leaf.before, leaf.after)
            )
            yield TextDiff(file, leaf.label, old, new)


def describe_templates(
    before: Mapping[str, Template], after: Mapping[str, Template]
) -> tuple[str, ...]:
    """Return a sentence for each duplicate key, and one for each template with macros."""
    notes = [*_describe(after, ""), *_describe(before, " before the change")]
    return tuple(dict.fromkeys(notes))


def _describe(templates: Mapping[str, Template], when: str) -> Iterator[str]:
    for file, template in templates.items():
        for key, line in template.duplicates:
            where = f"{file}:{line}" if line else file
            yield f"{where} gives the key {key!r} twice{when}: CloudFormation takes the last value"
        if template.macros:
            names = ", ".join(template.macros)
            yield (
                f"{file} uses {names}, which only AWS can run: the resources that a macro makes or "
                "changes cannot be known here"
            )

"""Tell whether values name the same resources, whose identifiers or logical IDs change."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ...cfn import LocatedStatement, template_to_text
from ...core import HIDDEN
from ...diff import Effect, PropertyDiff
from ..model import Certainty, PlannedChange, RootPlan

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9]+)(\.[^}]*)?\}")
"""``${LogicalId}`` or ``${LogicalId.Attribute}`` in the text of a value known after apply."""


class References:
    """The resources of a root by their present identifiers and former logical IDs."""

    def __init__(self, root: RootPlan) -> None:
        self._root = root
        self._identifiers: dict[str, set[str]] = defaultdict(set)
        for change in root.changes:
            if change.physical_id:
                self._identifiers[change.diff.logical_id].add(change.physical_id)
        self.renamed: dict[tuple[str, str], PlannedChange] = {}
        """The removal of each resource that is added under another logical ID, with nothing else
        changed, by the stack and the new logical ID. A resource that is retained goes on beside
        the new one, and is not renamed."""
        self._find_renamed()

    def follows(self, leaf: PropertyDiff) -> bool:
        """Return whether a property names the same resource as before, which changes itself.

        Its text is the same on both sides, or was the identifier of the resource that it names now.
        """
        if not (leaf.after_apply and leaf.exists_before and leaf.exists_after):
            return False
        before, after = json.dumps(leaf.before), json.dumps(leaf.after)
        return before == after or re.fullmatch(self._pattern(after), before) is not None

    def follow(
        self, after: Sequence[LocatedStatement], before: Sequence[LocatedStatement]
    ) -> list[LocatedStatement]:
        """Return the later statements with each text that follows a resource's new identifier
        replaced by the earlier text, which names that resource."""
        known = {text for statement in before for text in _texts(statement.elements)}
        earlier = {}
        for text in {text for statement in after for text in _texts(statement.elements)} - known:
            if _REFERENCE.search(text):
                pattern = re.compile(self._pattern(text))
                if former := sorted(filter(pattern.fullmatch, known)):
                    earlier[text] = former[0]
        return [
            replace(statement, elements=_substitute(statement.elements, earlier))
            for statement in after
        ]

    def same(self, before: Any, after: Any) -> bool:
        """Return whether two values are equal, or name the same resources, whose identifiers
        change. CloudFormation takes a single value for a list of it."""
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            return before.keys() == after.keys() and all(
                self.same(before[key], after[key]) for key in before
            )
        if isinstance(before, list) and isinstance(after, list):
            return len(before) == len(after) and all(
                self.same(old, new) for old, new in zip(before, after, strict=True)
            )
        if isinstance(before, list) or isinstance(after, list):
            sides = [side if isinstance(side, list) else [side] for side in (before, after)]
            return all(len(side) == 1 for side in sides) and self.same(sides[0][0], sides[1][0])
        texts = [template_to_text(side) if _is_scalar(side) else None for side in (before, after)]
        if texts[0] is None or texts[1] is None:
            return bool(before == after)
        named = _REFERENCE.search(texts[1]) is not None
        return texts[0] == texts[1] or (
            named and re.fullmatch(self._pattern(texts[1]), texts[0]) is not None
        )

    # --- renamed resources

    def _find_renamed(self) -> None:
        """Pair removed with added resources. What names a renamed resource may be renamed too: the
        search is repeated until it finds nothing more."""
        changes = [
            change for change in self._root.changes if change.certainty is not Certainty.SPURIOUS
        ]
        added = [change for change in changes if change.effect is Effect.ADD]
        deleted = [change for change in changes if _is_deleted(change)]
        count = -1
        while count < len(self.renamed):
            count = len(self.renamed)
            for new in added:
                old = next((old for old in deleted if self._is_renamed(old, new)), None)
                if old is not None and _place(new) not in self.renamed:
                    self.renamed[_place(new)] = old
                    deleted.remove(old)

    def _is_renamed(self, old: PlannedChange, new: PlannedChange) -> bool:
        before, after = (side.get("Properties") for side in (old.diff.before, new.diff.after))
        if old.diff.type != new.diff.type or old.diff.stack != new.diff.stack:
            return False
        known = bool(before) and HIDDEN not in json.dumps(before, default=str)
        return known and self.same(before, after)

    def restore_names(self, value: Any) -> Any:
        """Return a value with each reference to a renamed resource as it was before."""
        former = {new: old.diff.logical_id for (_, new), old in self.renamed.items()}

        def restore(match: re.Match[str]) -> str:
            return f"${{{former.get(match[1], match[1])}{match[2] or ''}}}"

        texts = {text: _REFERENCE.sub(restore, text) for text in _texts(value)} if former else {}
        return _substitute(value, texts) if texts else value

    def _pattern(self, text: str) -> str:
        """Return a regular expression for the text in which every ``${LogicalId}`` stands for the
        present identifier of that resource, and for its former logical ID."""
        former = {new: old.diff.logical_id for (_, new), old in self.renamed.items()}
        pattern, end = "", 0
        for match in _REFERENCE.finditer(text):
            name, attribute = match[1], match[2] or ""
            old = former.get(name, "")
            choices = sorted(self._identifiers.get(old or name, ()))
            if old:
                choices.append(f"${{{old}{attribute}}}")
            pattern += re.escape(text[end : match.start()])
            pattern += f"(?:{'|'.join(map(re.escape, choices)) or '(?!)'})"
            end = match.end()
        return pattern + re.escape(text[end:])


def _is_deleted(change: PlannedChange) -> bool:
    policy = change.policy_action or str(change.diff.before.get("DeletionPolicy", ""))
    return change.effect is Effect.REMOVE and not policy.startswith("Retain")


def _place(change: PlannedChange) -> tuple[str, str]:
    return change.diff.stack, change.diff.logical_id


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _substitute(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _substitute(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, texts) for item in value]
    return texts.get(value, value) if isinstance(value, str) else value


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)

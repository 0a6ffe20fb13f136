"""Parameters that no template uses: most likely misspelt names.

A parameter counts as used if a template read it, or if the text of any template or condition names
each part of its path, also in a branch that was not taken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from ..core import Config, Leaf, ParameterPath, Problem, dotted, key_with_dot
from .provenance import ParameterMap

ENGINE_PARAMETERS = frozenset(
    (
        "account_id",
        "deploy",
        "environment",
        "images",
        "imports",
        "prefix",
        "project",
        "region",
        "secrets",
        "stacks",
        "tags",
        "variables",
    )
)
"""Top-level parameters that the engine reads itself."""
_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_KEY = re.compile(r"""(?:\[|\.get\()\s*(['"])(.*?)\1""")
_ITEM = re.compile(r"""\[\s*(['"])(.*?)\1\s*\]""")
_QUOTED = re.compile(r"""(['"]).*?\1""")
_OPEN = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)\b(?![\w-]|\s*\.(?!items\b|keys\b|values\b|get\b))")


class Mentions(Struct, frozen=True):
    """The names in the code of templates.

    ``words`` are all words, ``keys`` the quoted keys as in ``a["b"]``; ``open`` are the words that
    stand somewhere without a key: ``a[name]``, ``a.items()`` or ``a`` as an argument may read any
    key of ``a``.
    """

    words: frozenset[str]
    keys: frozenset[str]
    open: frozenset[str]

    def has(self, name: str) -> bool:
        """Return whether a parameter or key of that name may be read somewhere."""
        return name in self.words or name in self.keys


def find_mentions(conditions: Iterable[str], sources: Iterable[str]) -> Mentions:
    """Return the names in Jinja conditions, and in the tags and expressions of templates."""
    code = [*conditions, *(tag for source in sources for tag in _TAG.findall(source))]
    text = "\n".join(code)
    keys = frozenset(key for _, key in _KEY.findall(text))
    unquoted = _QUOTED.sub("", _ITEM.sub(r".\2", text))
    return Mentions(frozenset(_WORD.findall(text)), keys, frozenset(_OPEN.findall(unquoted)))


def find_unused(
    config: Config,
    parameters: ParameterMap,
    read: Collection[ParameterPath],
    sources: Iterable[str],
) -> Iterator[Problem]:
    """Yield a problem for each parameter that no template uses.

    ``parameters`` are the config's as the templates saw them, ``read`` the paths that they read,
    ``sources`` the texts of all templates.
    """
    candidates = [
        leaf for leaf in config.leaves.values() if not _is_read(leaf.path, parameters, read)
    ]
    if not candidates:
        return
    conditions = [root.when for root in config.stacks]
    conditions += [stack.when for root in config.stacks for stack in root.nested]
    mentions = find_mentions(filter(None, conditions), sources)
    for leaf in candidates:
        siblings = _unmentioned_among(leaf.path, parameters, read, mentions)
        if siblings is not None:
            yield _unused(leaf, siblings)


def _is_read(
    path: ParameterPath, parameters: ParameterMap, read: Collection[ParameterPath]
) -> bool:
    """Return whether a template read the parameter, a map around it as a whole, or a list around
    it; or whether the engine itself reads it."""
    if path[0] in ENGINE_PARAMETERS or isinstance(path[-1], int) or path in read:
        return True
    value: Any = parameters
    for part in path:
        if isinstance(value, ParameterMap) and value.whole and value is not parameters:
            return True
        value = value[part]
    return len(path) > 1 and any(isinstance(part, int) for part in path)


def _unmentioned_among(
    path: ParameterPath,
    parameters: ParameterMap,
    read: Collection[ParameterPath],
    mentions: Mentions,
) -> list[str] | None:
    """Return the mentioned keys beside the first part of a path that is not mentioned; None where
    all parts are."""
    value: Any = parameters
    for index, part in enumerate(path):
        mentioned = [str(key) for key in dict.keys(value) if mentions.has(str(key))]
        is_last = index == len(path) - 1
        if not mentions.has(str(part)) and (
            is_last or (mentioned and _is_misspelt(str(part), value, read, mentions))
        ):
            return mentioned
        value = value[part]
    return None


def _is_misspelt(
    key: str, owner: ParameterMap, read: Collection[ParameterPath], mentions: Mentions
) -> bool:
    """Return whether an unmentioned key of a map would be mentioned if it were used: no template
    computes keys of the map."""
    name = str(owner.path[-1]) if owner.path else "params"
    unmentioned = [(*owner.path, key) for key in dict.keys(owner) if not mentions.has(str(key))]
    computed = name in mentions.open or any(path in read for path in unmentioned)
    return not computed and not key[:1].isdigit()


def _unused(leaf: Leaf, siblings: Sequence[str]) -> Problem:
    """Return the problem of an unused parameter; ``siblings`` may be the names that were meant."""
    message, hint = dotted(leaf.path), "remove it, or print it in a template"
    if with_dot := key_with_dot(leaf.path):
        message, hint = with_dot
    else:
        names = [
            name
            for part in leaf.path
            for name in difflib.get_close_matches(str(part), siblings, 1, 0.7)
        ]
        if names and names[0] not in leaf.path:
            hint = f"did you mean {names[0]}? If not, {hint}"
    return Problem("SW110", f"no template uses the parameter {message}", (leaf.location,), hint)

"""Template text that knows the origin of each piece, and the values held out of it.

While a template renders, every printed value is replaced by a token: a number between two
private-use characters. The text between values is the author's, so it can be parsed as YAML before
any value is known; that is why no value can change its structure. ``emit`` puts the values in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

from msgspec import Struct

from ..core import Location, ParameterPath

OPEN, CLOSE, EMPTY = "\ue000", "\ue001", "\ue002"
TOKEN = re.compile(f"{OPEN}([0-9]+){CLOSE}")
RESERVED = re.compile(f"[{OPEN}{CLOSE}{EMPTY}]")

Origin = tuple[Location, ...]


class Printed(Struct, frozen=True):
    """A value that a template printed, the parameters that supplied it, and the printing lines.

    ``live`` text was made by the engine (a dynamic reference, a variable of Fn::Sub) and is not
    escaped in Fn::Sub.
    """

    value: Any
    parameters: tuple[ParameterPath, ...]
    origin: Origin
    live: bool = False


class Chunk(Struct, frozen=True):
    """Author's text; its origin is the template line on which it starts, then the lines that called
    it, innermost first."""

    text: str
    origin: Origin


class Text(str):
    """The result of a macro or block: a string made of chunks, indented where it is printed.

    Operations that keep the chunks return a Text; all others return a plain string, which cannot be
    printed, because its author's parts are no longer known.
    """

    __slots__ = ("chunks",)
    chunks: tuple[Chunk, ...]

    def __new__(cls, chunks: Iterable[Chunk] = ()) -> Text:
        """Join the chunks."""
        kept = tuple(chunks)
        self = super().__new__(cls, "".join(chunk.text for chunk in kept))
        self.chunks = kept
        return self

    def called_from(self, at: Location) -> Text:
        """Return the text with the line that called it added to every origin."""
        return Text(Chunk(chunk.text, (*chunk.origin, at)) for chunk in self.chunks)

    def strip(self, _chars: str | None = None, /) -> Text:
        """Return the text without blank lines around it, for ``| trim``."""
        return _trimmed(self)

    def splitlines(self, keepends: SupportsIndex = False) -> list[str]:
        """Return plain lines, which cannot be printed."""
        return super().splitlines(bool(keepends))


class BlockResult(Text):
    """The result of a call or filter block, which keeps its last line end: Jinja's trim_blocks
    removes the one after the block's end tag."""

    __slots__ = ()


def _trimmed(text: Text) -> Text:
    chunks = list(text.chunks)
    while chunks and not chunks[-1].text.rstrip():
        chunks.pop()
    if chunks:
        chunks[-1] = Chunk(chunks[-1].text.rstrip(), chunks[-1].origin)
    while chunks and not chunks[0].text.strip():
        chunks.pop(0)
    return Text(chunks)


@dataclass(slots=True)
class Assembly:
    """Joins pieces into lines, and indents a Text to the column where it is printed."""

    parts: list[Chunk] = field(default_factory=list)
    _line: str = ""

    def add(self, piece: Chunk | Text) -> None:
        """Append author's text as it is, or the result of a macro with indentation."""
        if isinstance(piece, Chunk):
            self._append(piece)
            return
        margin = self._margin()
        block = Text(_trimmed_end(piece.chunks))
        if not block:
            self._append(Chunk(EMPTY, piece.chunks[0].origin if piece.chunks else ()))
        for chunk in block.chunks:
            self._append(_indented(chunk, margin) if margin else chunk)
        if isinstance(piece, BlockResult) and (
            piece.endswith("\n") or (margin and not block.replace(EMPTY, ""))
        ):
            self._append(Chunk("\n", self.parts[-1].origin))

    def _append(self, chunk: Chunk) -> None:
        self.parts.append(chunk)
        _, newline, tail = chunk.text.rpartition("\n")
        if newline:
            self._line = tail
        elif self._is_indentation():  # more text cannot make it indentation again
            self._line += chunk.text

    def _is_indentation(self) -> bool:
        """Return whether the line so far holds only spaces and list dashes."""
        return not self._line.replace("- ", "").strip(" ")

    def _margin(self) -> str:
        """Return the indentation of the next piece: the width of the line so far, if it holds only
        spaces and list dashes."""
        return " " * len(self._line) if self._is_indentation() else ""


def _trimmed_end(chunks: tuple[Chunk, ...]) -> list[Chunk]:
    kept = list(chunks)
    while kept and not kept[-1].text.rstrip("\n"):
        kept.pop()
    if kept:
        kept[-1] = Chunk(kept[-1].text.rstrip("\n"), kept[-1].origin)
    return kept


def _indented(chunk: Chunk, margin: str) -> Chunk:
    lines = chunk.text.split("\n")
    return Chunk("\n".join([lines[0], *(margin + line for line in lines[1:])]), chunk.origin)


def join_pieces(pieces: Iterable[Chunk | Text]) -> Text:
    """Join pieces; takes the place of Jinja's ``concat``."""
    assembly = Assembly()
    for piece in pieces:
        assembly.add(piece)
    return Text(assembly.parts)


def lines_with_origin(text: Text) -> list[tuple[str, Origin]]:
    """Return the lines, each with the origin of its first visible character, or of its start."""
    lines: list[tuple[str, Origin]] = []
    current = ""
    origin: Origin = ()
    settled = False  # the origin is that of a visible character
    for chunk in text.chunks:
        for index, part in enumerate(chunk.text.split("\n")):
            if index:
                lines.append((current, origin))
                current, origin, settled = "", (), False
            visible = bool(part.strip(" \t-" + EMPTY))
            if not settled and (visible or not origin):
                first = chunk.origin[:1]
                origin = (*(_below(at, index) for at in first), *chunk.origin[1:])
                settled = visible
            current += part
    lines.append((current, origin))
    return [(line.replace(EMPTY, ""), at) for line, at in lines if not _is_removed(line)]


def _below(at: Location, lines: int) -> Location:
    return Location(at.path, at.line + lines) if lines else at


def _is_removed(line: str) -> bool:
    """Return whether a line held only blocks that printed nothing."""
    return EMPTY in line and not line.replace(EMPTY, "").strip()

"""The stacks of a rendering and the wires between them, as an SVG picture and as Mermaid.

In the picture, each stack is a box and each root a group; columns follow the order of dependence.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ..core import Rendering, SourceKind, logical_id

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN, _HEAD = 132, 40, 74, 26, 28, 30
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b2733}"
    ".box{fill:#fff;stroke:#31527b;stroke-width:1.4}.group{fill:#f2f6fb;stroke:#c3d1e0}"
    ".wire{fill:none;stroke:#7a8ea6;stroke-width:1.2}.title{font-weight:600;fill:#31527b}"
)


class _Wire(NamedTuple):
    """A value that one stack takes from another: the nodes of both, and its name."""

    start: str
    end: str
    name: str


class _Box(NamedTuple):
    """A stack in the picture: its name and the corner at its upper left."""

    name: str
    x: float
    y: float


def draw_svg(rendering: Rendering) -> str:
    """Return the picture; each line names its values as a tooltip.

    A connection that a chain of others implies is left out.
    """
    wires = _find_wires(rendering)
    groups = {root: list(wiring.nested) for root, wiring in rendering.wiring.items()}
    boxes: dict[str, _Box] = {}
    body: list[str] = []
    x = float(_MARGIN)
    tallest = 0.0
    for root, nested in groups.items():
        columns = _columns(root, nested, wires) if nested else [[root]]
        width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN
        rows = max(len(column) for column in columns)
        height = rows * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN + _HEAD
        body.append(_group(root, x, width, height))
        for index, column in enumerate(columns):
            left = x + _MARGIN + index * (_WIDTH + _GAP_X)
            for row, name in enumerate(column):
                top = _MARGIN * 2 + _HEAD + row * (_HEIGHT + _GAP_Y)
                boxes[_node_id(root, name) if nested else _node_id(root)] = _Box(name, left, top)
        x += width + _GAP_X
        tallest = max(tallest, height)
    names = _names_by_pair(wires)
    lines = [
        _line(boxes[start], boxes[end], names[start, end])
        for start, end in _direct_pairs(set(names))
        if start in boxes and end in boxes
    ]
    shapes = [_rectangle(box) for box in boxes.values()]
    return _picture(x - _GAP_X + _MARGIN, tallest + 2 * _MARGIN, [*body, *lines, *shapes])


def _columns(root: str, nested: Sequence[str], wires: Sequence[_Wire]) -> list[list[str]]:
    """Return the nested stacks by the length of the longest chain of wires to them."""
    by_id = {_node_id(root, name): name for name in nested}
    depth: dict[str, int] = {}
    for node, name in by_id.items():  # declared order is an order of dependence
        before = [depth[by_id[w.start]] for w in wires if w.end == node and w.start in by_id]
        depth[name] = max(before, default=-1) + 1
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name, level in depth.items():
        columns[level].append(name)
    return columns


def _direct_pairs(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the connections that no chain of others implies, sorted."""
    after: dict[str, set[str]] = {}
    for start, end in pairs:
        after.setdefault(start, set()).add(end)

    def reach(start: str, seen: set[str]) -> set[str]:
        for end in after.get(start, set()) - seen:
            seen.add(end)
            reach(end, seen)
        return seen

    return sorted(
        (start, end)
        for start, end in pairs
        if not any(end in reach(other, set()) for other in after[start] if other != end)
    )


def _group(name: str, x: float, width: float, height: float) -> str:
    size = f'width="{width:g}" height="{height:g}"'
    box = f'<rect class="group" x="{x:g}" y="{_MARGIN}" {size} rx="10"/>'
    return box + f'<text class="title" x="{x + _MARGIN:g}" y="{_MARGIN + 28}">{escape(name)}</text>'


def _rectangle(box: _Box) -> str:
    name, x, y = box
    rect = f'<rect class="box" x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
    middle = f'x="{x + _WIDTH / 2:g}" y="{y + _HEIGHT / 2 + 5:g}"'
    return rect + f'<text {middle} text-anchor="middle">{escape(name)}</text>'


def _line(start: _Box, end: _Box, names: Sequence[str]) -> str:
    x1, y1 = start.x + _WIDTH, start.y + _HEIGHT / 2
    x2, y2 = end.x, end.y + _HEIGHT / 2
    bend = max(30.0, (x2 - x1) / 2)
    path = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2 - 6:g} {y2:g}"
    text = f"{start.name} to {end.name}: {', '.join(names)}"
    title = f"<title>{escape(text)}</title>"
    return f'<path class="wire" marker-end="url(#tip)" d="{path}">{title}</path>'


def _picture(width: float, height: float, shapes: Sequence[str]) -> str:
    attributes = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#7a8ea6"/></marker>'
    )
    content = "\n".join(shapes)
    background = f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>'
    head = f"<style>{_STYLE}</style>\n<defs>{tip}</defs>\n{background}"
    return f"<svg {attributes}>\n{head}\n{content}\n</svg>\n"


def draw_mermaid(rendering: Rendering) -> str:
    """Return the stacks and the wires between them as a Mermaid flowchart."""
    lines = ["flowchart LR"]
    for name, wiring in rendering.wiring.items():
        lines.append(f"  subgraph {name}_[{name}]")
        lines += [f"    {_node_id(name, nested)}[{nested}]" for nested in wiring.nested]
        if not wiring.nested:
            lines.append(f"    {_node_id(name)}[{name}]")
        lines.append("  end")
    for (start, end), names in _names_by_pair(_find_wires(rendering)).items():
        label = names[0] if len(names) == 1 else f"{len(names)} values"
        lines.append(f"  {start} -->|{label}| {end}")
    return "\n".join(lines) + "\n"


def _node_id(root: str, nested: str = "") -> str:
    """Return the identifier of a stack in a diagram."""
    return logical_id(f"{root}-{nested}" if nested else root)


def _find_wires(rendering: Rendering) -> list[_Wire]:
    """Return every wire between two stacks."""
    wires: list[_Wire] = []
    for root, wiring in rendering.wiring.items():
        for nested, sources in wiring.nested.items():
            node = _node_id(root, nested)
            for parameter, source in sources.items():
                outer = wiring.sources.get(parameter)
                if source.kind is SourceKind.SIBLING:
                    wires.append(_Wire(_node_id(root, source.stack), node, parameter))
                elif outer is not None and outer.stack:
                    wires.append(_Wire(_node_id(outer.stack), node, parameter))
        if not wiring.nested:
            wires += [
                _Wire(_node_id(source.stack), _node_id(root), name)
                for name, source in wiring.sources.items()
                if source.stack
            ]
    return wires


def _names_by_pair(wires: Sequence[_Wire]) -> dict[tuple[str, str], list[str]]:
    """Return the names of the wires between each two nodes."""
    names: dict[tuple[str, str], list[str]] = {}
    for wire in wires:
        names.setdefault((wire.start, wire.end), []).append(wire.name)
    return names

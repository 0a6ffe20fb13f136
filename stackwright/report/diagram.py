"""A Rendering as an SVG picture: a box a stack, columns in the order of dependence, a line a
connection. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ..core import Rendering
from .problems import label_wires, node_id, wire_edges

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN, _HEAD = 132, 40, 74, 26, 28, 30
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b2733}"
    ".box{fill:#fff;stroke:#31527b;stroke-width:1.4}.group{fill:#f2f6fb;stroke:#c3d1e0}"
    ".wire{fill:none;stroke:#7a8ea6;stroke-width:1.2}.title{font-weight:600;fill:#31527b}"
)


def draw_svg(rendering: Rendering) -> str:
    """The stacks of one environment; each root is a group, each line names its values as a tooltip.

    A connection that a chain of others implies is left out.
    """
    wires = wire_edges(rendering)
    groups = {root: list(wiring.nested) for root, wiring in rendering.wiring.items()}
    boxes: dict[str, tuple[str, float, float]] = {}
    body: list[str] = []
    x = float(_MARGIN)
    tallest = 0.0
    for root, nested in groups.items():
        columns = _columns(root, nested, wires) if nested else [[root]]
        width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN
        height = (
            max(len(each) for each in columns) * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN + _HEAD
        )
        body.append(_group(root, x, width, height))
        for index, column in enumerate(columns):
            for row, name in enumerate(column):
                at = (
                    x + _MARGIN + index * (_WIDTH + _GAP_X),
                    _MARGIN * 2 + _HEAD + row * (_HEIGHT + _GAP_Y),
                )
                boxes[node_id(root, name) if nested else node_id(root)] = (name, *at)
        x += width + _GAP_X
        tallest = max(tallest, height)
    names = {
        pair: [n for s, e, n in wires if (s, e) == pair]
        for pair in _direct(set(label_wires(wires)))
    }
    drawn = [
        _wire(boxes[s], boxes[e], found)
        for (s, e), found in names.items()
        if s in boxes and e in boxes
    ]
    shapes = [_box(*box) for box in boxes.values()]
    return _picture(x - _GAP_X + _MARGIN, tallest + 2 * _MARGIN, [*body, *drawn, *shapes])


def _columns(
    root: str, nested: Sequence[str], wires: Sequence[tuple[str, str, str]]
) -> list[list[str]]:
    """The nested stacks by the length of the longest chain that leads to them."""
    by_id = {node_id(root, name): name for name in nested}
    depth: dict[str, int] = {}
    for node, name in by_id.items():  # declared order is an order of dependence
        before = [
            depth[by_id[s]] for s, e, _ in wires if e == node and s in by_id and by_id[s] in depth
        ]
        depth[name] = max(before, default=-1) + 1
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name, level in depth.items():
        columns[level].append(name)
    return columns


def _direct(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The connections that no chain of others implies: the picture stays readable, the order is the
    same."""
    after: dict[str, set[str]] = {}
    for start, end in pairs:
        after.setdefault(start, set()).add(end)

    def reached(start: str, seen: set[str]) -> set[str]:
        for end in after.get(start, set()) - seen:
            seen.add(end)
            reached(end, seen)
        return seen

    return sorted(
        (start, end)
        for start, end in pairs
        if not any(end in reached(other, set()) for other in after[start] if other != end)
    )


def _group(name: str, x: float, width: float, height: float) -> str:
    box = f'<rect class="group" x="{x:g}" y="{_MARGIN}" width="{width:g}" height="{height:g}" rx="10"/>'
    return box + f'<text class="title" x="{x + _MARGIN:g}" y="{_MARGIN + 28}">{escape(name)}</text>'


def _box(name: str, x: float, y: float) -> str:
    rect = f'<rect class="box" x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
    middle = f'x="{x + _WIDTH / 2:g}" y="{y + _HEIGHT / 2 + 5:g}"'
    return rect + f'<text {middle} text-anchor="middle">{escape(name)}</text>'


def _wire(
    start: tuple[str, float, float], end: tuple[str, float, float], names: Sequence[str]
) -> str:
    x1, y1 = start[1] + _WIDTH, start[2] + _HEIGHT / 2
    x2, y2 = end[1], end[2] + _HEIGHT / 2
    bend = max(30.0, (x2 - x1) / 2)
    path = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2 - 6:g} {y2:g}"
    title = f"<title>{escape(start[0])} to {escape(end[0])}: {escape(', '.join(names))}</title>"
    return f'<path class="wire" marker-end="url(#tip)" d="{path}">{title}</path>'


def _picture(width: float, height: float, shapes: Sequence[str]) -> str:
    head: Mapping[str, str] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
    }
    attributes = " ".join(f'{key}="{value}"' for key, value in head.items())
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#7a8ea6"/></marker>'
    )
    content = "\n".join(shapes)
    background = f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>'
    return f"<svg {attributes}>\n<style>{_STYLE}</style>\n<defs>{tip}</defs>\n{background}\n{content}\n</svg>\n"

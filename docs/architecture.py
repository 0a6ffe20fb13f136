"""Write the generated part of docs/architecture.md: the packages and their imports.

``python -m docs.architecture`` rewrites the block between ``<!-- packages:begin -->`` and
``<!-- packages:end -->``; ``tests/test_architecture.py`` fails where it is stale.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/architecture.md"
BEGIN, END = "<!-- packages:begin -->\n", "<!-- packages:end -->\n"


def read_imports() -> dict[str, set[str]]:
    """Return package -> the packages of the engine that it imports directly."""
    graph = grimp.build_graph("stackwright", include_external_packages=False, cache_dir=None)
    packages = sorted(graph.find_children("stackwright"))
    return {
        name: {
            other
            for other in packages
            if other != name
            and graph.direct_import_exists(importer=name, imported=other, as_packages=True)
        }
        for name in packages
    }


def reduce_imports(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each import that a longer path of imports implies (the transitive reduction)."""

    def reachable(name: str) -> set[str]:
        return set().union(*({other} | reachable(other) for other in imports[name]))

    return {
        name: direct - set().union(*(reachable(other) for other in direct))
        for name, direct in imports.items()
    }


def order_packages(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the packages so that each stands after all that it imports."""
    ordered: list[str] = []
    while len(ordered) < len(imports):
        ordered.append(
            min(
                name for name, used in imports.items() if name not in ordered and used <= {*ordered}
            )
        )
    return ordered


def read_purpose(package: str) -> str:
    """Return the first sentence of a package's docstring."""
    source = (ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    text = " ".join((ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].split())
    return text.replace("``", "`")


def write_lines() -> Iterator[str]:
    """Yield the lines of the block: a Mermaid picture, then a table."""
    imports = read_imports()
    ordered, reduced = order_packages(imports), reduce_imports(imports)
    short = {name: name.removeprefix("stackwright.") for name in ordered}
    yield "```mermaid"
    yield "flowchart BT"
    yield from (f"  {short[name]}" for name in ordered)
    for name in ordered:
        yield from (f"  {short[name]} --> {short[other]}" for other in sorted(reduced[name]))
    yield from ("```", "", "| package | purpose | imports |", "|---|---|---|")
    for name in ordered:
        used = ", ".join(short[other] for other in ordered if other in imports[name])
        yield f"| `{short[name]}` | {read_purpose(name)} | {used} |"


def render_block() -> str:
    """Return the generated block as Markdown."""
    return "\n".join(write_lines()) + "\n"


def main() -> None:
    """Replace the block in the page."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    PAGE.write_text(before + begin + render_block() + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()

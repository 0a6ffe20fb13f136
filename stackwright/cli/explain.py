"""The verbs that show where things come from: params, explain, graph."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from msgspec import to_builtins
from msgspec.structs import replace

from ..core import Code, InputError, Leaf, command_line, dotted
from .options import STYLE, Options, for_environment
from .output import echo, echo_json, show_data
from .stages import load_config, make_rendering

if TYPE_CHECKING:
    from ..render import Explanation


@click.command(short_help="Show the merged parameters.")
@for_environment
@click.option("--origin", is_flag=True, help="Show the file and line of each value.")
@click.option(
    "--format", "style", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
def params(options: Options, origin: bool, style: str) -> None:
    """Show the parameters of an environment after merging."""
    from ..config import hide_values

    config = hide_values(load_config(options))
    leaves = list(config.leaves.values())
    if style == "json":
        data: Any = [_leaf_data(leaf) for leaf in leaves] if origin else config.parameters
        echo_json(data)
    elif origin:
        for leaf in sorted(leaves, key=lambda leaf: dotted(leaf.path)):
            if not isinstance(leaf.value, list):
                echo(_leaf_line(leaf) + _overridden(leaf))
    else:
        import yaml

        from ..render import BlockDumper

        text = yaml.dump(config.parameters, Dumper=BlockDumper, sort_keys=False, allow_unicode=True)
        echo(text, nl=False)


@click.command(short_help="Explain a value, or the code of a message.")
@for_environment
@click.argument("what")
@STYLE
def explain(options: Options, what: str, style: str) -> None:
    """Show where WHAT comes from: a parameter such as gateway.cpu, or a property such as
    app/gateway:TaskDefinition.Properties.Cpu.

    For the code of a message, such as SW012, show what it means and what to do.
    """
    if re.fullmatch(r"SW\d+", what):
        code = _find_code(what)
        lines, data = list(_code_lines(code)), to_builtins(code)
    else:
        explanation = _explain_value(options, what)
        lines, data = list(_explanation_lines(explanation)), _explanation_data(explanation)
    show_data("\n".join(lines), data, style)


def _find_code(name: str) -> Code:
    from ..lint import catalogue

    codes = catalogue()
    if name not in codes:
        hint = f"{command_line('docs')} lists the codes"
        raise InputError.of("SW032", f"there is no code {name}", hint=hint)
    return codes[name]


def _code_lines(code: Code) -> Iterator[str]:
    yield f"{code.id}  {code.title}"
    for name, text in (("why", code.reason), ("do", code.action), ("source", code.source)):
        if text:
            yield f"  {name:6}  {text}"


def _explain_value(options: Options, what: str) -> Explanation:
    from ..config import hide_values
    from ..render import explain_value

    config = load_config(options)
    shown = hide_values(config)
    rendering = replace(make_rendering(config), config=shown) if ":" in what else None
    return explain_value(what, shown, rendering)


def _explanation_lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.what} = {json.dumps(explanation.value, ensure_ascii=False)}"
    if explanation.output:
        yield f"  output     {explanation.output}"
    for index, location in enumerate(explanation.template):
        yield f"  {'called at' if index else 'template':9}  {location}"
    for leaf in explanation.leaves:
        yield f"  parameter  {_leaf_line(leaf)}"
        previous = leaf.overrode
        while previous:
            yield f"  overrode   {_leaf_line(previous)}"
            previous = previous.overrode


def _explanation_data(explanation: Explanation) -> dict[str, Any]:
    return {
        "what": explanation.what,
        "value": explanation.value,
        "output": str(explanation.output) if explanation.output else None,
        "template": [str(location) for location in explanation.template],
        "parameters": [_leaf_data(leaf) for leaf in explanation.leaves],
    }


def _leaf_line(leaf: Leaf) -> str:
    return f"{dotted(leaf.path)} = {json.dumps(leaf.value, ensure_ascii=False)}  # {leaf.location}"


def _overridden(leaf: Leaf) -> str:
    former = leaf.overrode
    if former is None:
        return ""
    return f", overrides {json.dumps(former.value, ensure_ascii=False)} at {former.location}"


def _leaf_data(leaf: Leaf) -> dict[str, Any]:
    return {
        "path": dotted(leaf.path),
        "value": leaf.value,
        "where": str(leaf.location),
        "overrode": _leaf_data(leaf.overrode) if leaf.overrode else None,
    }


@click.command(short_help="Draw the stacks and their connections.")
@for_environment
@click.option(
    "--format", "style", type=click.Choice(["mermaid", "svg"]), default="mermaid", show_default=True
)
def graph(options: Options, style: str) -> None:
    """Draw the stacks of an environment, and the values that one gives to another."""
    from ..report import draw_mermaid, draw_svg

    rendering = make_rendering(load_config(options))
    click.echo(draw_svg(rendering) if style == "svg" else draw_mermaid(rendering), nl=False)


VERBS = (params, explain, graph)

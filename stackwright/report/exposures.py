"""What a first deployment exposes and grants, as text in Rich markup, as Markdown and as data."""

from __future__ import annotations

from ..plan import Exposure, ExposureKind, Plan, list_exposures
from .diff import inline_markdown
from .markup import escape_markup

_TITLE = "Exposed and granted"
_SIGNS = {ExposureKind.EXPOSED: "[red]exposed[/]", ExposureKind.GRANTED: "[yellow]granted[/]"}


def exposures_as_text(plan: Plan) -> list[str]:
    """Return one block with a line for each public endpoint and each role; none where there is
    nothing to tell."""
    lines = [
        f"  {_SIGNS[exposure.kind]}  {escape_markup(_sentence(exposure))}"
        for exposure in list_exposures(plan)
    ]
    return ["\n".join([f"[bold]{_TITLE}[/]", *lines])] if lines else []


def exposures_as_markdown(plan: Plan) -> list[str]:
    """Return one block with an item for each public endpoint and each role; none where there is
    nothing to tell."""
    lines = [
        f"- **{exposure.kind}:** {inline_markdown(_sentence(exposure))}"
        for exposure in list_exposures(plan)
    ]
    return ["\n".join([f"#### {_TITLE}", "", *lines])] if lines else []


def exposures_as_data(plan: Plan) -> list[dict[str, str]]:
    """Return the exposures for JSON."""
    return [
        {
            "kind": str(exposure.kind),
            "address": exposure.address,
            "type": exposure.type,
            "text": _sentence(exposure),
        }
        for exposure in list_exposures(plan)
    ]


def _sentence(exposure: Exposure) -> str:
    return f"{exposure.logical_id} {exposure.description}"

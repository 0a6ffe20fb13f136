"""Read the verbs from click, for docs/verbs.md."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ..report import OptionReference, VerbReference
from .examples import NOTES, VerbNotes


def read_verbs(group: click.Group, above: str = "") -> Iterator[VerbReference]:
    """Yield every verb of a group and of the groups in it, in the group's order.

    ``above`` is the path of the group itself: ``"emulator fault"`` for ``emulator fault kill``.
    """
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        path = f"{above} {name}".strip()
        if isinstance(command, click.Group):
            yield from read_verbs(command, path)
        elif command is not None:
            yield _read_verb(command, path)


def _read_verb(command: click.Command, path: str) -> VerbReference:
    context = click.Context(command, info_name=path)
    notes = NOTES.get(path, VerbNotes(path))
    return VerbReference(
        path=path,
        usage=" ".join([path, *command.collect_usage_pieces(context)]),
        text=" ".join((command.help or "").replace("\b", "").split()),
        options=tuple(_read_options(command, context)),
        example=notes.example,
        exit_status=notes.exit_status,
    )


def _read_options(command: click.Command, context: click.Context) -> Iterator[OptionReference]:
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if record is not None and isinstance(option, click.Option) and "--help" not in option.opts:
            yield OptionReference(*record)

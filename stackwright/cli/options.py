"""The options that verbs share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from ..core import program_name
from .debug import DEBUG


class Options(Struct, frozen=True):
    """The options of every verb that reads one environment: absolute paths, and overrides of
    parameters as KEY=VALUE, KEY=PATH and KEY=NAME."""

    project: Path
    environment: str
    overrides: tuple[str, ...] = ()
    env_dir: Path | None = None
    files: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


PROJECT = click.option(
    "--project",
    default=Path(),
    show_default="this folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that holds templates/ and params/.",
)
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a parameter; repeatable.",
)
SET_FILE = click.option(
    "--set-file",
    "files",
    multiple=True,
    metavar="KEY=PATH",
    help="Override a parameter by the text of a file, without its final newline; repeatable.",
)
SET_ENV = click.option(
    "--set-env",
    "variables",
    multiple=True,
    metavar="KEY=NAME",
    help="Override a parameter by the text of an environment variable; repeatable.",
)
ENV_DIR = click.option(
    "--env-dir", type=click.Path(path_type=Path), help="Folder of aws.env, .env and keys.env."
)


def _complete_environment(ctx: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    from ..config import list_environments

    return [
        name
        for name in list_environments(Path(ctx.params.get("project") or "."))
        if name.startswith(start)
    ]


ENV = click.option(
    "-e",
    "--env",
    "environment",
    default="local",
    show_default=True,
    shell_complete=_complete_environment,
    help="Environment: the name of a file in params/.",
)
FORMAT = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
)


STYLE = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)


VERBOSE = click.option(
    "--verbose",
    is_flag=True,
    help="List every property of new resources, and everything that is folded otherwise.",
)


def completion_variable() -> str:
    """Return the name of the variable by which a completion script asks the program for words."""
    return f"_{program_name()}_COMPLETE".replace(".", "_").upper()


IMPORT_EXISTING = click.option(
    "--import-existing",
    is_flag=True,
    help="Import resources that exist already under their names, instead of creating them.",
)


def for_environment(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of an environment to a verb, which gets them as one `Options`."""

    @functools.wraps(command)
    def wrapped(
        project: Path,
        environment: str,
        overrides: tuple[str, ...],
        env_dir: Path | None,
        files: tuple[str, ...],
        variables: tuple[str, ...],
        **rest: Any,
    ) -> None:
        folder = env_dir.resolve() if env_dir else None
        options = Options(project.resolve(), environment, overrides, folder, files, variables)
        command(options, **rest)

    for option in (DEBUG, ENV_DIR, SET_ENV, SET_FILE, SET, PROJECT, ENV):
        option(wrapped)
    return wrapped


def with_approvals(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb --yes and the options that approve a plan beforehand, as one `Approvals`."""
    return with_named_approvals(_YES(command))


def with_named_approvals(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that approve dangers beforehand, as one `Approvals`."""

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        named: tuple[str, ...],
        replaced: tuple[str, ...],
        loss: bool,
        access: bool,
        yes: bool = False,
        **rest: Any,
    ) -> None:
        from ..deploy import Approvals
        from ..plan import parse_approval

        approvals = Approvals(
            yes, frozenset(replaced), loss, access, named=tuple(map(parse_approval, named))
        )
        command(*args, approvals=approvals, **rest)

    for option in (_ALLOW_ACCESS, _ALLOW_LOSS, _ALLOW_REPLACE, APPROVE):
        option(wrapped)
    return wrapped


APPROVE = click.option(
    "--approve",
    "named",
    multiple=True,
    metavar="LOGICAL_ID[:KIND]",
    help="Approve the dangers of one resource, or only those of one kind: data, replacement, "
    "removal, access, encryption, logging, availability; repeatable.",
)
_ALLOW_REPLACE = click.option(
    "--allow-replace",
    "replaced",
    multiple=True,
    metavar="LOGICAL_ID",
    help="Approve the replacement or removal of this resource; repeatable.",
)
_ALLOW_LOSS = click.option(
    "--allow-data-loss",
    "loss",
    is_flag=True,
    help="Approve every loss of data.",
)
_ALLOW_ACCESS = click.option(
    "--allow-broader-access",
    "access",
    is_flag=True,
    help="Approve weaker protection everywhere: broader access, less encryption, less logging.",
)
_YES = click.option(
    "-y",
    "--yes",
    is_flag=True,
    help="Do not ask; dangerous changes still need their own option.",
)

"""The verb secrets: the values of keys.env in Secrets Manager."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import to_builtins

from ..core import command_line
from .options import STYLE, Options, for_environment
from .output import echo, show_data
from .stages import connect_aws, load_config

if TYPE_CHECKING:
    from ..artifacts import SecretDifference


@click.group(short_help="Compare and push the values of keys.env.")
def secrets() -> None:
    """Compare the values of keys.env with Secrets Manager, and push them. Names are shown, values
    never."""


@secrets.command(name="status", short_help="Show which keys the secrets have.")
@for_environment
@STYLE
def secrets_status(options: Options, style: str) -> None:
    """Show the version of each secret and the state of each key; exit 1 where a deployment needs
    one that is missing."""
    from ..artifacts import read_secret_status

    config = load_config(options)
    statuses = read_secret_status(config, connect_aws(config))
    lines: list[str] = []
    for status in statuses:
        version = f"version {status.version}" if status.version else "no value yet"
        lines.append(f"{status.name}: {version if status.exists else 'does not exist'}")
        lines += [f"  {state.ljust(7)}  {key}" for key, state in status.keys.items()]
    data = [{**to_builtins(status), "ready": status.ready} for status in statuses]
    show_data("\n".join(lines), data, style)
    if not all(status.ready for status in statuses):
        push = command_line(f"secrets push --env {options.environment}")
        exist = all(status.exists for status in statuses)
        echo(f"next: {push if exist else 'deploy the stack with the secret'}", err=True)
        sys.exit(1)


@secrets.command(name="diff", short_help="Show which keys a push would change.")
@for_environment
@STYLE
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where there are changes.")
def secrets_diff(options: Options, style: str, detailed_exitcode: bool) -> None:
    """Show which keys of keys.env a push would add, change or remove."""
    from ..artifacts import compare_secrets, read_keys

    config = load_config(options)
    keys = read_keys(config, _env_folder(options))
    differences = compare_secrets(config, keys, connect_aws(config))
    _show(differences, style)
    if detailed_exitcode and not all(difference.empty for difference in differences):
        sys.exit(2)


@secrets.command(name="push", short_help="Put the values of keys.env into the secrets.")
@for_environment
@STYLE
def secrets_push(options: Options, style: str) -> None:
    """Put keys.env into the secrets, each as one JSON object; only a change makes a new version.

    Running tasks keep the version that they were deployed with. The next deployment uses the new
    one, and replaces the tasks of its services.
    """
    from ..artifacts import compare_secrets, push_secrets, read_keys

    config = load_config(options)
    keys = read_keys(config, _env_folder(options))
    aws = connect_aws(config)
    differences = compare_secrets(config, keys, aws)
    _show(differences, style, push_secrets(differences, keys, aws))


def _env_folder(options: Options) -> Path:
    return options.env_dir or options.project / "env" / options.environment


def _show(
    differences: Sequence[SecretDifference], style: str, pushed: Mapping[str, str] | None = None
) -> None:
    """Print differences; ``pushed`` has the new version of each secret, where they were pushed."""
    lines = [line for difference in differences for line in _lines(difference, pushed)]
    show_data("\n".join(lines), [_data(difference, pushed) for difference in differences], style)


def _lines(difference: SecretDifference, pushed: Mapping[str, str] | None) -> Iterator[str]:
    if difference.empty:
        yield f"{difference.name}: up to date, version {difference.version}"
        return
    version = f" version {pushed[difference.name]}" if pushed else ""
    yield f"{difference.name}:{version}"
    if difference.replaces_text:
        yield "  (the present value is no JSON object of texts; it is kept as an older version)"
    for sign, keys in (
        ("+", difference.added),
        ("~", difference.changed),
        ("-", difference.removed),
    ):
        for key in keys:
            yield f"  {sign} {key}"


def _data(difference: SecretDifference, pushed: Mapping[str, str] | None) -> dict[str, Any]:
    return {
        "name": difference.name,
        "version": difference.version,
        "added": difference.added,
        "changed": difference.changed,
        "removed": difference.removed,
        **({"pushed": pushed[difference.name]} if pushed else {}),
    }


VERBS = (secrets,)

"""keys.env to Secrets Manager: one JSON object in each secret of the parameters, a new version only
for a change.

Values are read here, compared here, and handed to AWS; what leaves this module are names and
version ids.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from ..aws import Secret, Storage
from ..config import read_dotenv
from ..core import AwsError, Config, InputError, Location, Problem, StackwrightError, command_line

KEPT = 15
"""Versions of a secret that releases can be restored with. Five of the 20 labels are left to AWS,
which uses three, and to others."""
_LABEL = "kept-"
KEYS = "keys.env"
_IGNORED = {
    0: "; git ignores it",
    1: f", after adding {KEYS} to .gitignore: git does not ignore it",
}
SIZE_LIMIT = 65_536
"""Bytes of one secret. Source:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""


@dataclass(frozen=True, slots=True)
class KeyValues:
    """The values of keys.env by name; they are never shown."""

    values: Mapping[str, str] = field(repr=False)

    def text(self) -> str:
        """The secret's value: one JSON object, the same text for the same values."""
        return json.dumps(
            dict(sorted(self.values.items())), ensure_ascii=False, separators=(",", ":")
        )


class KeyState(StrEnum):
    """Whether a secret's current version has a key as it is needed."""

    OK = "ok"
    MISSING = "missing"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    """In the secret, but not among the names of keys.env.example."""


class SecretStatus(Struct, frozen=True):
    """One secret as it is: its current version (None: no value yet), and the state of each key."""

    name: str
    exists: bool
    version: str | None
    keys: Mapping[str, KeyState]

    @property
    def lacking(self) -> tuple[str, ...]:
        """The needed keys without a value."""
        states = (KeyState.MISSING, KeyState.EMPTY)
        return tuple(key for key, state in self.keys.items() if state in states)

    @property
    def ready(self) -> bool:
        """Whether a deployment can bind it: every needed key has a value."""
        return self.version is not None and not self.lacking


class SecretDifference(Struct, frozen=True):
    """What pushing would change in one secret, by the names of keys; ``version`` is the current
    one."""

    name: str
    version: str | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    replaces_text: bool = False
    """The current value is no JSON object of texts, so nothing in it can be compared."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to push."""
        return self.version is not None and not (
            self.added or self.changed or self.removed or self.replaces_text
        )


def read_keys(config: Config, folder: Path) -> KeyValues:
    """The values of the folder's keys.env; raises InputError where one that is needed is missing or
    empty."""
    path = folder / KEYS
    shown = (
        path.relative_to(config.project).as_posix()
        if path.is_relative_to(config.project)
        else path.as_posix()
    )
    if not path.is_file():
        hint = f"copy {shown}.example to {shown} and fill it in{_IGNORED.get(_ignored(path), '')}"
        raise InputError.of(
            "SW420", f"there is no {shown}, so there are no values to compare or push", hint=hint
        )
    found, problems = read_dotenv(path.read_text(encoding="utf-8-sig"), shown)
    needed = config.dotenv.secret_names
    problems += [
        Problem("SW421", f"{name} is missing or empty in {KEYS}", (at,), "give it a value")
        for name in needed
        if name not in found or not found[name].value
        for at in [found[name].location if name in found else Location(shown)]
    ]
    if problems:
        raise InputError(problems)
    keys = KeyValues({name: variable.value for name, variable in found.items()})
    if len(keys.text().encode()) > SIZE_LIMIT:
        message = f"{KEYS} is larger than the {SIZE_LIMIT:,} bytes that a secret may have"
        raise InputError.of(
            "SW422", message, Location(shown), hint="keep files and certificates elsewhere"
        )
    return keys


def _ignored(path: Path) -> int:
    """git's exit status: 0 where it ignores a file, 1 where it does not; anything else where nobody
    can tell."""
    command = ["git", "check-ignore", "-q", path.name]
    try:
        return subprocess.run(
            command, cwd=path.parent, capture_output=True, timeout=20, check=False
        ).returncode
    except (OSError, subprocess.SubprocessError):
        return 128


def secret_names(config: Config) -> dict[str, str]:
    """The secrets that hold keys.env, by their key under ``secrets`` in the parameters; raises
    InputError for none."""
    given = config.parameters.get("secrets")
    entries = given.items() if isinstance(given, dict) else ()
    found = {
        key: str(entry["name"])
        for key, entry in entries
        if isinstance(entry, dict) and entry.get("name")
    }
    if not found:
        hint = "write secrets: {app: {name: …}} into the parameters"
        raise InputError.of(
            "SW423", f"the environment {config.environment} names no secret", hint=hint
        )
    return found


def read_secret_status(config: Config, aws: Storage) -> list[SecretStatus]:
    """What is in each secret, held against the names of keys.env.example."""
    return [
        _status(name, config.dotenv.secret_names, aws) for name in secret_names(config).values()
    ]


def resolve_versions(config: Config, aws: Storage) -> dict[str, str]:
    """Key under ``secrets`` -> the version id that a deployment binds; raises InputError where a
    key has no value."""
    found = {
        key: _status(name, config.dotenv.secret_names, aws)
        for key, name in secret_names(config).items()
    }
    problems = [
        problem
        for each in found.values()
        if not each.ready
        for problem in _unready(each, config.environment)
    ]
    if problems:
        raise InputError(problems)
    return {key: each.version for key, each in found.items() if each.version is not None}


def _unready(each: SecretStatus, environment: str) -> Iterator[Problem]:
    hint = command_line(f"secrets push --env {environment}")
    if each.version is None:
        yield Problem("SW426", f"the secret {each.name} has no value", (), hint)
        return
    for key, state in each.keys.items():
        if state in (KeyState.MISSING, KeyState.EMPTY):
            yield Problem("SW426", f"{key} is {state} in the secret {each.name}", (), hint)


def keep_version(name: str, version: str, release: int, aws: Storage) -> None:
    """Label a version so that Secrets Manager keeps it when newer ones come: a release can then be
    restored.

    A version without a label is deprecated, and deleted once a secret has more than about 100 of
    them. The label has the number of the first of the releases that use the version one after the
    other; one that comes back, by a rollback, gets another. A secret can have 20 labels in all:
    beyond ``KEPT`` of ours the versions that were in use longest ago lose theirs. Raises
    InputError, AwsError. Source:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
    """
    secret = require_usable(name, aws)
    held = {
        label: id_
        for id_, labels in secret.versions.items()
        for label in labels
        if label.startswith(_LABEL)
    }
    earlier = [label for label, id_ in held.items() if id_ == version]
    if earlier and max(held, key=_number) in earlier:
        return
    ours = f"{_LABEL}{release:06}"
    before = held.pop(ours, None)  # of an environment that was made anew
    others = sorted(held.keys() - set(earlier), key=_number)
    for label in others[: max(len(others) - KEPT + 1, 0)]:
        _label(name, None, label, aws, held[label])
    _label(name, version, ours, aws, before)
    for label in set(earlier) - {ours}:
        _label(name, None, label, aws, version)


def _label(name: str, version: str | None, label: str, aws: Storage, holder: str | None) -> None:
    """Give a version, or none, the label that ``holder`` has. Where the answer is lost and the call
    tried again, the holder does not have it any more, which Secrets Manager refuses. Raises
    AwsError."""
    try:
        aws.label_secret_version(name, version, label, holder=holder)
    except AwsError as error:
        if error.code != "InvalidParameterException" or _holder(label, aws.secret(name)) != version:
            raise


def _holder(label: str, secret: Secret | None) -> str | None:
    found = secret.versions.items() if secret else ()
    return next((version for version, labels in found if label in labels), None)


def _number(label: str) -> int:
    found = label.removeprefix(_LABEL)
    return int(found) if found.isdecimal() else 0


def _status(name: str, needed: Sequence[str], aws: Storage) -> SecretStatus:
    secret = aws.secret(name)
    version = secret.current if secret is not None and secret.deleted is None else None
    held = _object(aws.secret_value(name, version)) if version else None
    held = held or {}
    states = {
        key: KeyState.UNKNOWN
        if key not in needed
        else KeyState.MISSING
        if key not in held
        else KeyState.OK
        if held[key]
        else KeyState.EMPTY
        for key in sorted({*needed, *held})
    }
    return SecretStatus(name, secret is not None, version, states)


def compare_secrets(
    config: Config, keys: KeyValues, aws: Storage, *, absent: bool = False
) -> list[SecretDifference]:
    """What `push` would change; raises InputError where a secret is missing or being deleted.

    With ``absent``, a secret that a deployment will make first counts as one without a value.
    """
    problems: list[Problem] = []
    found: list[SecretDifference] = []
    for name in secret_names(config).values():
        secret = aws.secret(name)
        if absent and secret is None:
            found.append(SecretDifference(name, None, tuple(sorted(keys.values)), (), ()))
            continue
        try:
            found.append(_difference(_require_usable(name, secret), name, keys, aws))
        except InputError as error:
            problems += error.problems
    if problems:
        raise StackwrightError(problems)
    return found


def require_usable(name: str, aws: Storage) -> Secret:
    """The secret; raises InputError where there is none, or it is being deleted."""
    return _require_usable(name, aws.secret(name))


def _require_usable(name: str, secret: Secret | None) -> Secret:
    if secret is None:
        hint = "deploy the stack that makes it; its value is put afterwards"
        raise InputError.of("SW424", f"there is no secret {name}", hint=hint)
    if secret.deleted is not None:
        message = f"the secret {name} is to be deleted on {secret.deleted:%Y-%m-%d}"
        raise InputError.of(
            "SW425", message, hint=f"aws secretsmanager restore-secret --secret-id {name}"
        )
    return secret


def _difference(secret: Secret, name: str, keys: KeyValues, aws: Storage) -> SecretDifference:
    version = secret.current
    held = _object(aws.secret_value(name, version)) if version else {}
    old = held or {}
    return SecretDifference(
        name,
        version,
        added=tuple(sorted(keys.values.keys() - old.keys())),
        changed=tuple(
            sorted(key for key in keys.values.keys() & old.keys() if keys.values[key] != old[key])
        ),
        removed=tuple(sorted(old.keys() - keys.values.keys())),
        replaces_text=held is None,
    )


def _object(text: str) -> dict[str, str] | None:
    """A secret's value as names and texts; None where it is anything else."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return (
        data
        if isinstance(data, dict) and all(isinstance(value, str) for value in data.values())
        else None
    )


def push_secrets(
    differences: Sequence[SecretDifference], keys: KeyValues, aws: Storage
) -> dict[str, str]:
    """Put a new version into each secret that differs; the secret's name -> the version that is now
    current."""
    pushed: dict[str, str] = {}
    for each in differences:
        pushed[each.name] = each.version or ""
        if not each.empty:
            pushed[each.name] = put_version(
                require_usable(each.name, aws), str(uuid.uuid4()), keys, aws
            )
    return pushed


def put_version(secret: Secret, version: str, keys: KeyValues, aws: Storage) -> str:
    """Put the values under a version id (a UUID), which becomes current."""
    aws.put_secret_value(secret.name, version, keys.text())
    return version

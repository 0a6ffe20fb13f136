"""Push keys.env to Secrets Manager: one JSON object in each secret of the parameters, and a new
version only for a change.

Values are read here, compared here, and passed to AWS; other modules get names and version ids.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from ..aws import Secret, Storage
from ..config import find_undeclared, read_dotenv
from ..core import AwsError, Config, InputError, Location, Problem, StackwrightError, read_file

KEPT = 15
"""Versions of a secret that are kept for restoring releases. A secret has at most 20 labels; five
remain for AWS, which uses three, and for others."""
_LABEL = "kept-"
KEYS = "keys.env"
SIZE_LIMIT = 65_536
"""Bytes of one secret. Source:
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""


@dataclass(frozen=True, slots=True)
class KeyValues:
    """The values of keys.env by name, hidden in ``repr``."""

    values: Mapping[str, str] = field(repr=False)

    def text(self) -> str:
        """The value of the secret: one JSON object with sorted keys."""
        return json.dumps(
            dict(sorted(self.values.items())), ensure_ascii=False, separators=(",", ":")
        )


class KeyState(StrEnum):
    """The state of one key in the current version of a secret."""

    OK = "ok"
    MISSING = "missing"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    """In the secret, but not in keys.env.example."""


class SecretStatus(Struct, frozen=True):
    """A secret: its current version (None: no value yet), and the state of each key."""

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
    """The change that a push makes to one secret, by the names of keys; ``version`` is its current
    version."""

    name: str
    version: str | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    replaces_text: bool = False
    """The current value is not a JSON object of strings, so that its keys cannot be compared."""

    @property
    def empty(self) -> bool:
        """Whether the push changes nothing."""
        return self.version is not None and not (
            self.added or self.changed or self.removed or self.replaces_text
        )


def read_keys(config: Config, folder: Path) -> KeyValues:
    """Read keys.env in a folder. Raises InputError: SW420 without the file, SW421 for a needed key
    that is missing or empty, SW024 for a name that its example lacks, SW422 for a file that is too
    large for a secret."""
    path = folder / KEYS
    inside = path.is_relative_to(config.project)
    root = config.project if inside else folder
    shown = (path.relative_to(config.project) if inside else path).as_posix()
    if not path.exists() and not path.is_symlink():
        hint = f"copy {shown}.example to {shown} and fill it in{_ignore_hint(path)}"
        message = f"{shown} does not exist: no values to compare or push"
        raise InputError.of("SW420", message, hint=hint)
    names = config.dotenv.secret_names
    variables, problems = read_dotenv(_read_text(path, root, shown), shown, names)
    problems += find_undeclared(variables, names, shown)
    for name in names:
        variable = variables.get(name)
        if variable is None or not variable.value:
            location = variable.location if variable else Location(shown)
            message = f"{name} is missing or empty in {KEYS}"
            problems.append(Problem("SW421", message, (location,), "give it a value"))
    if problems:
        raise InputError(problems)
    keys = KeyValues({name: variable.value for name, variable in variables.items()})
    if len(keys.text().encode()) > SIZE_LIMIT:
        message = f"{KEYS} is larger than the {SIZE_LIMIT:,} bytes that a secret may have"
        hint = "keep files and certificates elsewhere"
        raise InputError.of("SW422", message, Location(shown), hint=hint)
    return keys


def _read_text(path: Path, root: Path, shown: str) -> str:
    """The text of keys.env. Raises InputError: SW002, SW028."""
    try:
        return read_file(path, root).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "cannot be read" if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError.of("SW002", reason, Location(shown)) from None


def _ignore_hint(path: Path) -> str:
    """The end of a hint: whether git ignores a file; empty where git cannot tell."""
    command = ["git", "check-ignore", "-q", path.name]
    try:
        done = subprocess.run(
            command, cwd=path.parent, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    if done.returncode == 0:
        return "; git ignores it"
    if done.returncode == 1:
        return f", after adding {KEYS} to .gitignore: git does not ignore it"
    return ""


def secret_names(config: Config) -> dict[str, str]:
    """Key under ``secrets`` in the parameters -> name of the secret. Raises InputError (SW423)
    without any."""
    parameters = config.parameters.get("secrets")
    entries = parameters.items() if isinstance(parameters, dict) else ()
    names = {
        key: str(entry["name"])
        for key, entry in entries
        if isinstance(entry, dict) and entry.get("name")
    }
    if not names:
        hint = "write secrets: {app: {name: …}} into the parameters"
        raise InputError.of(
            "SW423", f"the environment {config.environment} names no secret", hint=hint
        )
    return names


def read_secret_status(config: Config, aws: Storage) -> list[SecretStatus]:
    """Compare the keys of each secret with keys.env.example. Raises AwsError, InputError."""
    return [
        _read_status(name, config.dotenv.secret_names, aws)
        for name in secret_names(config).values()
    ]


def keep_version(name: str, version: str, release: int, aws: Storage) -> None:
    """Label a version ``kept-<release>``, so that Secrets Manager keeps it for restoring a release.

    Secrets Manager deletes versions without a label once a secret has more than about 100. The
    label holds the number of the first of the consecutive releases that use the version; a version
    that comes back by a rollback gets a new label. Above ``KEPT`` labels, the versions that were in
    use longest ago lose theirs. Raises InputError, AwsError. Source:
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
    """
    secret = require_usable(name, aws.secret(name))
    kept = {
        label: id_
        for id_, labels in secret.versions.items()
        for label in labels
        if label.startswith(_LABEL)
    }
    earlier = [label for label, id_ in kept.items() if id_ == version]
    if earlier and max(kept, key=_release_number) in earlier:
        return
    new = f"{_LABEL}{release:06}"
    holder = kept.pop(new, None)  # a label of an earlier environment of this name
    others = sorted(kept.keys() - set(earlier), key=_release_number)
    for label in others[: max(len(others) - KEPT + 1, 0)]:
        _move_label(name, label, kept[label], None, aws)
    _move_label(name, new, holder, version, aws)
    for label in set(earlier) - {new}:
        _move_label(name, label, version, None, aws)


def _move_label(
    name: str, label: str, holder: str | None, version: str | None, aws: Storage
) -> None:
    """Move a label from one version of a secret to another (None: from or to no version). Raises
    AwsError.

    botocore repeats the call after a lost answer; Secrets Manager then refuses it, since the holder
    has lost the label already. That is no error.
    """
    try:
        aws.label_secret_version(name, version, label, holder=holder)
    except AwsError as error:
        refused = error.code == "InvalidParameterException"
        if not refused or _find_holder(label, aws.secret(name)) != version:
            raise


def _find_holder(label: str, secret: Secret | None) -> str | None:
    """The version that has a label; None where no version has it."""
    versions = secret.versions.items() if secret else ()
    return next((version for version, labels in versions if label in labels), None)


def _release_number(label: str) -> int:
    digits = label.removeprefix(_LABEL)
    return int(digits) if digits.isdecimal() else 0


def _read_status(name: str, needed: Sequence[str], aws: Storage) -> SecretStatus:
    secret = aws.secret(name)
    version = secret.current if secret is not None and secret.deleted is None else None
    values = _parse_value(aws.secret_value(name, version)) if version else None
    values = values or {}
    keys = {key: _key_state(values.get(key), key in needed) for key in sorted({*needed, *values})}
    return SecretStatus(name, secret is not None, version, keys)


def _key_state(value: str | None, needed: bool) -> KeyState:
    if not needed:
        return KeyState.UNKNOWN
    if value is None:
        return KeyState.MISSING
    return KeyState.OK if value else KeyState.EMPTY


def compare_secrets(
    config: Config, keys: KeyValues, aws: Storage, *, absent: bool = False
) -> list[SecretDifference]:
    """Find the changes that `push_secrets` makes. Raises StackwrightError with every secret that is
    missing (SW424) or scheduled for deletion (SW425).

    With ``absent``, a secret that the deployment creates first counts as one without a value.
    """
    problems: list[Problem] = []
    differences: list[SecretDifference] = []
    for name in secret_names(config).values():
        secret = aws.secret(name)
        if absent and secret is None:
            differences.append(SecretDifference(name, None, tuple(sorted(keys.values)), (), ()))
            continue
        try:
            differences.append(_compare_secret(require_usable(name, secret), name, keys, aws))
        except InputError as error:
            problems += error.problems
    if problems:
        raise StackwrightError(problems)
    return differences


def require_usable(name: str, secret: Secret | None) -> Secret:
    """The secret itself. Raises InputError where it does not exist (SW424), or is scheduled for
    deletion (SW425)."""
    if secret is None:
        hint = "deploy the stack that creates it, then push its value"
        raise InputError.of("SW424", f"the secret {name} does not exist", hint=hint)
    if secret.deleted is not None:
        message = f"the secret {name} is scheduled for deletion on {secret.deleted:%Y-%m-%d}"
        raise InputError.of(
            "SW425", message, hint=f"aws secretsmanager restore-secret --secret-id {name}"
        )
    return secret


def _compare_secret(secret: Secret, name: str, keys: KeyValues, aws: Storage) -> SecretDifference:
    version = secret.current
    current_values = _parse_value(aws.secret_value(name, version)) if version else {}
    old = current_values or {}
    return SecretDifference(
        name,
        version,
        added=tuple(sorted(keys.values.keys() - old.keys())),
        changed=tuple(
            sorted(key for key in keys.values.keys() & old.keys() if keys.values[key] != old[key])
        ),
        removed=tuple(sorted(old.keys() - keys.values.keys())),
        replaces_text=current_values is None,
    )


def _parse_value(text: str) -> dict[str, str] | None:
    """The value of a secret as a map of strings; None where it is not one."""
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
    """Put a new version into each secret that differs; returns its name -> the current version.
    Raises AwsError, InputError."""
    pushed: dict[str, str] = {}
    for difference in differences:
        pushed[difference.name] = difference.version or ""
        if not difference.empty:
            pushed[difference.name] = put_version(
                require_usable(difference.name, aws.secret(difference.name)),
                str(uuid.uuid4()),
                keys,
                aws,
            )
    return pushed


def put_version(secret: Secret, version: str, keys: KeyValues, aws: Storage) -> str:
    """Put the values under a version id (a UUID), which becomes current; returns the id. Raises
    AwsError."""
    aws.put_secret_value(secret.name, version, keys.text())
    return version

"""The environment ``local``: commands for it use the local CloudFormation, which the first of them
starts.

It never reaches AWS: its keys are not credentials, and the AWS profiles of this machine's user are
not read.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ..core import (
    STATE_FOLDER,
    Config,
    EmulatorError,
    command_line,
    prepare_state,
    write_file,
)
from .server import lifecycle

ENVIRONMENT = "local"
REGISTRY = "STACKWRIGHT_REGISTRY"
_ENDPOINT = "AWS_ENDPOINT_URL"
_ACCOUNT = "123456789012"
"""The example account of AWS's documentation, for parameters without an account."""
UNSET = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)  # fmt: skip
_KEYS, _EXAMPLE = "keys.env", "keys.env.example"


@contextmanager
def local_environment(
    config: Config, variables: MutableMapping[str, str] | None = None
) -> Iterator[lifecycle.RunningEmulator | None]:
    """Point ``variables`` (by default the process's environment) to the emulator for the
    environment ``local``, until the end.

    Starts the emulator of the project unless it runs; yields it where it was started now, else
    None. Does nothing for other environments, or where ``AWS_ENDPOINT_URL`` is set already.

    Raises:
        EmulatorError: the emulator does not start.
    """
    environment = os.environ if variables is None else variables
    if config.environment != ENVIRONMENT or environment.get(_ENDPOINT):
        yield None
        return
    was_running = lifecycle.find_emulator(local_folder(config.project)) is not None
    emulator = start_local(config)
    settings = {
        **local_settings(emulator.url, config.region, local_account(config)),
        **_bypass_proxies(environment),
    }
    replaced = (*find_misleading(environment), *settings)
    before = {name: environment.pop(name, None) for name in replaced}
    environment.update(settings)
    try:
        yield None if was_running else emulator
    finally:
        for name, value in before.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value


def start_local(config: Config) -> lifecycle.RunningEmulator:
    """The emulator of the project, in the Region and account of the parameters; started unless it
    runs.

    Raises:
        EmulatorError: it does not start, or runs for another account or Region.
    """
    require_packages()
    with describe_local():
        return lifecycle.start_emulator(
            prepare_state(config.project, "emulator"), config.region, local_account(config)
        )


def require_packages() -> None:
    """Raise EmulatorError, SW708, where the extra ``local`` is not installed."""
    missing = [name for name in ("moto", "flask", "werkzeug") if find_spec(name) is None]
    if missing:
        text = f"the local CloudFormation needs packages that are missing: {', '.join(missing)}"
        raise EmulatorError.of("SW708", text, hint="pip install 'stackwright[local]'")


def local_account(config: Config) -> str:
    """The account of the emulator for an environment."""
    return config.account or _ACCOUNT


def local_folder(project: Path) -> Path:
    """The folder in which the emulator of a project keeps its state."""
    return project.resolve() / STATE_FOLDER / "emulator"


def local_settings(url: str, region: str, account: str) -> dict[str, str]:
    """The variables that point every AWS client, and `images`, at the emulator at ``url``."""
    place = {
        _ENDPOINT: url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        REGISTRY: urlsplit(url).netloc,
    }
    # These are not credentials, and replace real ones.
    keys = {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ACCOUNT_ID": account,
    }
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**place, **keys, **files, "AWS_EC2_METADATA_DISABLED": "true"}


def find_misleading(variables: Mapping[str, str]) -> list[str]:
    """The names of variables that would point AWS clients elsewhere."""
    return [name for name in variables if name in UNSET or name.startswith(f"{_ENDPOINT}_")]


def is_local_registry(host: str, variables: Mapping[str, str] | None = None) -> bool:
    """Whether a registry is that of the emulator to which the variables point AWS clients."""
    url = (os.environ if variables is None else variables).get(_ENDPOINT, "")
    if not is_local_endpoint(host, variables):
        return False
    with suppress(lifecycle.LifecycleError):
        return "pid" in lifecycle.RunningEmulator(0, url).admin("status")
    return False


def is_local_endpoint(host: str, variables: Mapping[str, str] | None = None) -> bool:
    """Whether a host is the AWS endpoint of the variables."""
    url = (os.environ if variables is None else variables).get(_ENDPOINT, "")
    return bool(host) and urlsplit(url).netloc == host


@contextmanager
def describe_local() -> Iterator[None]:
    """Turn errors of the emulator into an EmulatorError with a hint."""
    try:
        yield
    except lifecycle.LifecycleError as error:
        hint = (
            "read .stackwright/emulator/emulator.log; "
            f"{command_line('emulator stop')}, then start it again"
        )
        raise EmulatorError.of("SW701", str(error), hint=hint) from None
    except OSError as error:
        hint = "make the project's folder writable"
        raise EmulatorError.of(
            "SW701", f"the emulator's folder cannot be written: {error}", hint=hint
        ) from None


def make_local_keys(project: Path) -> bool:
    """Write ``env/local/keys.env`` with placeholder values for the names of its example, unless it
    exists; returns whether it was written.

    Raises:
        OSError: it cannot be written.
    """
    example, file = (project / "env" / ENVIRONMENT / name for name in (_EXAMPLE, _KEYS))
    if file.exists() or not example.is_file():
        return False
    names = (
        line.partition("=")[0].strip() for line in example.read_text(encoding="utf-8").splitlines()
    )
    text = "".join(
        f"{name}={ENVIRONMENT}-{name.lower()}\n"
        for name in names
        if name and not name.startswith("#")
    )
    write_file(file, text, mode=0o600)
    return True


def _bypass_proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that exempt this machine from a proxy; none where there is no proxy."""
    if not urllib.request.getproxies():
        return {}
    present = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    value = ",".join(filter(None, (present, "127.0.0.1")))
    return {"no_proxy": value, "NO_PROXY": value}

"""Starting, finding and stopping the emulator in the background; loopback only, one for each folder."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

STATE_FILE = "emulator.json"
_LOG_FILE = "emulator.log"
_LOCK_FILE = "emulator.lock"


class LifecycleError(Exception):
    """The emulator does not start, or does not answer; the text says where its log is."""


class Running(Struct, frozen=True):
    """A running emulator; ``url`` is for ``AWS_ENDPOINT_URL``."""

    pid: int
    url: str

    def admin(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for ``status``, or do ``reset`` or ``fault``.

        Raises:
            LifecycleError: it refuses, or does not answer.
        """
        data = None if action == "status" else json.dumps(body or {}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.url}/_stackwright/{action}", data, {"Content-Type": "application/json"}
        )
        try:
            with _direct().open(request, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise LifecycleError(f"the emulator refuses: {error.read().decode()}") from None
        except (OSError, ValueError) as error:
            raise LifecycleError(f"the emulator at {self.url} does not answer: {error}") from None


def _direct() -> urllib.request.OpenerDirector:
    """No proxy lies between this machine and itself."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def running(folder: Path) -> Running | None:
    """The emulator of this folder, if one runs; what a dead one left behind is removed."""
    file = folder / STATE_FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        found = Running(int(data["pid"]), str(data["url"]))
        if found.admin("status")["pid"] == found.pid:
            return found
    except FileNotFoundError:
        return None
    except (LifecycleError, ValueError, KeyError, TypeError):
        pass
    file.unlink(missing_ok=True)
    return None


def start(folder: Path, region: str | None = None, account_id: str | None = None, timeout: float = 60) -> Running:
    """The running emulator of this folder, started if there is none; waits up to ``timeout`` seconds.

    Of several that start it at once, one does and the others wait. Without Region or account it is any that runs, or
    else one for us-east-1 or the account of AWS's documentation.

    Raises:
        LifecycleError: it does not come up, or runs for another Region or account.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = running(folder)
        if found is None:
            return _started(folder, region or "us-east-1", account_id or "123456789012", timeout)
    _require(folder, region, account_id)
    return found


def _require(folder: Path, region: str | None, account_id: str | None) -> None:
    held = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    place = (held.get("region"), held.get("account"))
    if region not in (None, place[0]) or account_id not in (None, place[1]):
        text = f"the emulator runs for {place[1]} in {place[0]}, not for {account_id} in {region}; stop it first"
        raise LifecycleError(text)


def _started(folder: Path, region: str, account_id: str, timeout: float) -> Running:
    command = [sys.executable, "-m", "stackwright.emulator", str(folder.resolve()), region, account_id]
    root = Path(__file__).resolve().parents[2]
    mine = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}  # nobody's profile is its
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = mine | files | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    pid = _spawned(command, environment, folder / _LOG_FILE)
    deadline, ended = time.monotonic() + timeout, False
    while time.monotonic() < deadline and not ended:
        found = running(folder)
        if found is not None:
            return found
        time.sleep(0.02)
        ended = os.waitpid(pid, os.WNOHANG) != (0, 0)
    if not ended:  # once waited for, the number may be another's
        os.kill(pid, signal.SIGTERM)
    raise LifecycleError(f"the emulator does not start; see {folder / _LOG_FILE}")


def _spawned(command: list[str], environment: Mapping[str, str], log: Path) -> int:
    """The id of a process in a session of its own, which outlives this one (a ``Popen`` would warn of that)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)


def stop(folder: Path, timeout: float = 10) -> bool:
    """Stop the emulator of this folder; False where none runs. Its state is kept for the next; ``reset`` forgets it."""
    found = running(folder)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and (folder / STATE_FILE).exists():
        time.sleep(0.02)
    return True

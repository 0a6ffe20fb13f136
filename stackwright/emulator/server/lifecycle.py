"""Starting, finding and stopping the emulator in the background; loopback only, one for each
folder.

Two on a folder would write into one journal. So a serving process locks a file of the folder for
its life, however it ends, and writes into it where it is found, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

STATE_FILE = "emulator.json"
_LOG_FILE = "emulator.log"
_LOCK_FILE = "emulator.lock"
_SERVING_FILE = "emulator.serving"
_ANSWER = 10.0
_GOES = 3.0
"""Seconds in which it answers, and in which one that was told to stop, or was killed, is gone."""


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
            with _direct().open(request, timeout=_ANSWER) as answer:
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
    """The emulator of this folder, if one runs and answers; what a dead one left behind is removed,
    and the file of a living one made whole."""
    file, serving_file = folder / STATE_FILE, folder / _SERVING_FILE
    held, known = _read(file), _read(serving_file)
    found = _answering(held)
    if found is None and _is_served(folder):
        found = _answering(known) if known != held else None
        if found is not None:
            _write(file, known)
    elif found is None:
        file.unlink(missing_ok=True)
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)


def _answering(text: str) -> Running | None:
    """The emulator that a file tells of, if it is the one that answers there."""
    try:
        data = json.loads(text)
        found = Running(int(data["pid"]), str(data["url"]))
        return found if found.admin("status")["pid"] == found.pid else None
    except (LifecycleError, ValueError, KeyError, TypeError):
        return None


def _is_served(folder: Path) -> bool:
    """Whether a process serves the folder, answering or not."""
    try:
        with (folder / _SERVING_FILE).open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _served_by(folder: Path) -> int | None:
    """The process that serves the folder, which only it can tell."""
    try:
        return int(json.loads(_read(folder / _SERVING_FILE))["pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _in_the_way(folder: Path) -> LifecycleError:
    pid = _served_by(folder)
    who, what = ("another process", "say where") if pid is None else (f"process {pid}", "answer")
    return LifecycleError(f"{who} serves {folder} but does not {what}; end it, then start again")


@contextmanager
def serving(folder: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Be the one process that serves a folder, until the end; gives what tells the others where it
    is found.

    Raises:
        LifecycleError: another one serves it, and does not end within some seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _SERVING_FILE).open("a", encoding="utf-8") as stream:
        deadline = time.monotonic() + _GOES
        while not _locked(stream):
            if time.monotonic() > deadline:
                raise _in_the_way(folder)
            time.sleep(0.02)
        stream.truncate(0)

        def tell(place: Mapping[str, Any]) -> None:
            stream.write(json.dumps(place))
            stream.flush()
            _write(folder / STATE_FILE, json.dumps(place))

        yield tell
        (folder / STATE_FILE).unlink(missing_ok=True)


def _locked(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(
    folder: Path, region: str | None = None, account_id: str | None = None, timeout: float = 60
) -> Running:
    """The running emulator of this folder, started if there is none; waits up to ``timeout``
    seconds.

    Of several that start it at once, one does and the others wait. Without Region or account it is
    any that runs, or else one for us-east-1 or the account of AWS's documentation.

    Raises:
        LifecycleError: it does not come up, or runs for another Region or account, or one serves
        the folder that does
            not answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = running(folder)
        if found is None:
            if not _gone(folder, _GOES):
                raise _in_the_way(folder)
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
    command = [
        sys.executable,
        "-m",
        "stackwright.emulator",
        str(folder.resolve()),
        region,
        account_id,
    ]
    root = Path(__file__).resolve().parents[3]
    mine = {
        key: value for key, value in os.environ.items() if not key.startswith("AWS_")
    }  # nobody's profile is its
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = (
        mine
        | files
        | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    )
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
    """The id of a process in a session of its own, which outlives this one (a ``Popen`` would warn
    of that)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)


def stop(folder: Path, timeout: float = 10) -> bool:
    """Stop the emulator of this folder, also where it does not answer; False where none runs. Its
    state is kept for the next; ``reset`` forgets it.

    Raises:
        LifecycleError: it is not known which process it is, or it does not end.
    """
    found = running(folder)
    if found is None and not _is_served(folder):
        return False
    pid = found.pid if found else _served_by(folder)
    if pid is None:
        raise _in_the_way(folder)
    with suppress(ProcessLookupError):  # it ended by itself meanwhile
        os.kill(pid, signal.SIGTERM)
    if not _gone(folder, timeout):
        raise _in_the_way(folder)
    return True


def _gone(folder: Path, timeout: float) -> bool:
    """Wait until nothing serves the folder; False where something still does."""
    deadline = time.monotonic() + timeout
    while _is_served(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True

"""Starting, finding and stopping the emulator in the background; loopback only, one for each
folder.

Two emulators on a folder would write into one journal. So a serving process locks a file of the
folder for its life, however it ends; the file also says where it serves.
"""

from __future__ import annotations

import json
import os
import shutil
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

from ...core import write_file
from .running import list_in_cache

ADMIN = "/_stackwright/"
"""Path of the emulator's own actions."""
TOKEN = "X-Stackwright-Token"  # noqa: S105 - the name of a header
"""The header that carries the token of the emulator's own actions."""
STATE_FILE = "emulator.json"
_LOG_FILE = "emulator.log"
_LOCK_FILE = "emulator.lock"
_SERVING_FILE = "emulator.serving"
_PRIVATE = 0o600
"""Permissions of files with the token."""
_ANSWER_SECONDS = 10.0
"""Seconds in which a running emulator answers."""
_END_SECONDS = 3.0
"""Seconds in which an emulator ends after a signal."""


class LifecycleError(Exception):
    """The emulator does not start or does not answer; the text names its log."""


class RunningEmulator(Struct, frozen=True):
    """A running emulator; ``url`` is for ``AWS_ENDPOINT_URL``, ``token`` for its own actions."""

    pid: int
    url: str
    token: str = ""

    def admin(self, action: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to ``status``, ``reset``, ``fault`` or another of the emulator's own actions.

        Raises:
            LifecycleError: the emulator refuses, or does not answer.
        """
        data = None if action == "status" else json.dumps(body or {}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.url}{ADMIN}{action}",
            data,
            {"Content-Type": "application/json", TOKEN: self.token},
        )
        try:
            with _open_direct().open(request, timeout=_ANSWER_SECONDS) as answer:
                document: dict[str, Any] = json.load(answer)
                return document
        except urllib.error.HTTPError as error:
            with error:
                raise LifecycleError(f"the emulator refuses: {error.read().decode()}") from None
        except (OSError, ValueError) as error:
            raise LifecycleError(f"the emulator at {self.url} does not answer: {error}") from None


def _open_direct() -> urllib.request.OpenerDirector:
    """An opener that uses no proxy: the emulator is on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find_emulator(folder: Path) -> RunningEmulator | None:
    """The emulator of this folder, if one runs and answers. The state file of a dead one is
    removed, and that of a running one restored."""
    file = folder / STATE_FILE
    stated, serving = _read(file), _read(folder / _SERVING_FILE)
    emulator = _find_answering(folder, stated)
    if emulator is None and _is_served(folder):
        emulator = _find_answering(folder, serving) if serving != stated else None
        if emulator is not None:
            write_file(file, serving, mode=_PRIVATE)
    elif emulator is None:
        file.unlink(missing_ok=True)
    return emulator


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _find_answering(folder: Path, text: str) -> RunningEmulator | None:
    """The emulator that a state file names, if it answers there and serves this folder: a copy of
    the folder names the emulator of the original."""
    try:
        data = json.loads(text)
        if data["folder"] != _identify(folder):
            return None
        emulator = RunningEmulator(int(data["pid"]), str(data["url"]), str(data["token"]))
        return emulator if emulator.admin("status")["pid"] == emulator.pid else None
    except (LifecycleError, OSError, ValueError, KeyError, TypeError):
        return None


def _identify(folder: Path) -> list[int]:
    """The device and inode of a folder, which stay when it is moved and differ in a copy."""
    status = folder.stat()
    return [status.st_dev, status.st_ino]


def _is_served(folder: Path) -> bool:
    """Whether a process serves the folder, whether it answers or not."""
    try:
        with (folder / _SERVING_FILE).open() as stream:
            return not _try_lock(stream, shared=True)
    except FileNotFoundError:
        return False


def _find_server(folder: Path) -> int | None:
    """The id of the process that serves the folder; None where its file does not say."""
    try:
        return int(json.loads(_read(folder / _SERVING_FILE))["pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _blocked_by_other(folder: Path) -> LifecycleError:
    pid = _find_server(folder)
    process, problem = f"process {pid}", "answer"
    if pid is None:
        process, problem = "another process", "say where"
    text = f"{process} serves {folder} but does not {problem}; end it, then start again"
    return LifecycleError(text)


@contextmanager
def serve_folder(folder: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Lock a folder for this process while it serves; yields a function that announces where.

    Raises:
        LifecycleError: another process serves the folder, and does not end within some seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _SERVING_FILE, "a", encoding="utf-8", opener=_open_private) as stream:
        deadline = time.monotonic() + _END_SECONDS
        while not _try_lock(stream):
            if time.monotonic() > deadline:
                raise _blocked_by_other(folder)
            time.sleep(0.02)
        stream.truncate(0)

        def announce(place: Mapping[str, Any]) -> None:
            text = json.dumps({**place, "folder": _identify(folder)})
            stream.write(text)
            stream.flush()
            write_file(folder / STATE_FILE, text, mode=_PRIVATE)

        with list_in_cache(folder):
            yield announce
        (folder / STATE_FILE).unlink(missing_ok=True)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE)


def _try_lock(stream: IO[str], *, shared: bool = False) -> bool:
    locks = _locks()
    try:
        locks.flock(stream, (locks.LOCK_SH if shared else locks.LOCK_EX) | locks.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Let nobody else start the emulator of a folder meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_FILE).open("w") as stream:
        locks = _locks()
        locks.flock(stream, locks.LOCK_EX)
        yield


def _locks() -> Any:
    """The module of file locks, which Windows lacks."""
    try:
        import fcntl
    except ImportError:
        raise LifecycleError("the local CloudFormation runs on Linux and macOS only") from None
    return fcntl


def start_emulator(
    folder: Path, region: str | None = None, account_id: str | None = None, timeout: float = 60
) -> RunningEmulator:
    """The running emulator of this folder, started if there is none; waits up to ``timeout``
    seconds.

    Of several processes that start it at once, one does and the others wait. Without Region or
    account any running emulator is returned; a new one gets us-east-1 and the account of AWS's
    documentation.

    Raises:
        LifecycleError: the emulator does not start, runs for another Region or account, or does not
            answer.
    """
    with _starting(folder):
        emulator = find_emulator(folder)
        if emulator is None:
            if not _wait_for_end(folder, _END_SECONDS):
                raise _blocked_by_other(folder)
            return _start_process(
                folder, region or "us-east-1", account_id or "123456789012", timeout
            )
    _check_place(folder, region, account_id)
    return emulator


def _check_place(folder: Path, region: str | None, account_id: str | None) -> None:
    """Raise LifecycleError where the emulator runs for another Region or account."""
    state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    own_region, own_account = state.get("region"), state.get("account")
    if region not in (None, own_region) or account_id not in (None, own_account):
        place = f"{own_account} in {own_region}, not for {account_id} in {region}"
        raise LifecycleError(f"the emulator runs for {place}; stop it first")


def _start_process(folder: Path, region: str, account_id: str, timeout: float) -> RunningEmulator:
    command = [
        sys.executable,
        "-m",
        "stackwright.emulator",
        str(folder.resolve()),
        region,
        account_id,
    ]
    root = Path(__file__).resolve().parents[3]
    # The emulator uses no profile and no credentials of this machine's user.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = (
        inherited
        | files
        | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    )
    pid = _spawn(command, environment, folder / _LOG_FILE)
    deadline, ended = time.monotonic() + timeout, False
    while time.monotonic() < deadline and not ended:
        emulator = find_emulator(folder)
        if emulator is not None:
            return emulator
        time.sleep(0.02)
        ended = os.waitpid(pid, os.WNOHANG) != (0, 0)
    if not ended:  # after waitpid the id may belong to another process
        os.kill(pid, signal.SIGTERM)
    last = _read(folder / _LOG_FILE).strip().rpartition("\n")[2]
    reason = f": {last}" if last else ""
    raise LifecycleError(f"the emulator does not start{reason}; its log is {folder / _LOG_FILE}")


def _spawn(command: list[str], environment: Mapping[str, str], log: Path) -> int:
    """Start a process in a session of its own, which outlives this one, and return its id. A
    ``Popen`` would warn of that."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)


def stop_emulator(folder: Path, timeout: float = 10) -> bool:
    """Stop the emulator of this folder, even where it does not answer; False where none runs. Its
    state stays for the next start; ``reset`` forgets it.

    Raises:
        LifecycleError: the process is unknown, or does not end.
    """
    emulator = find_emulator(folder)
    if emulator is None and not _is_served(folder):
        return False
    pid = emulator.pid if emulator else _find_server(folder)
    if pid is None:
        raise _blocked_by_other(folder)
    with suppress(ProcessLookupError):  # it ended by itself meanwhile
        os.kill(pid, signal.SIGTERM)
    if not _wait_for_end(folder, timeout):
        raise _blocked_by_other(folder)
    return True


def forget_state(folder: Path) -> None:
    """Delete the state of an emulator that does not run.

    Raises:
        LifecycleError: it runs.
    """
    with _starting(folder):
        if _is_served(folder):
            raise _blocked_by_other(folder)
        for path in folder.glob("state-*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _wait_for_end(folder: Path, timeout: float) -> bool:
    """Wait until no process serves the folder; False where one still does."""
    deadline = time.monotonic() + timeout
    while _is_served(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True

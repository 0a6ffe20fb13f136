"""The emulator as a process of its own: ``python -m stackwright.emulator FOLDER [REGION
[ACCOUNT]]``."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..cfn import Pseudo
from .server.journal import DamagedJournal, Journal
from .server.lifecycle import LifecycleError, serve_folder
from .server.server import Server
from .world.settings import EmulatorSettings

_IDLE_VARIABLE = "STACKWRIGHT_EMULATOR_IDLE_SECONDS"
_IDLE_SECONDS = 3600.0
"""Seconds without a request after which the emulator ends; the journal restores it."""
_CHECK_SECONDS = 1.0


def main() -> None:
    """Serve a folder until a signal comes, an hour passes without a request, or the folder is gone.
    Its state file says where, while the emulator runs."""
    folder, region, account = (
        (*sys.argv[1:], "us-east-1", "123456789012")[:3] if len(sys.argv) > 1 else sys.exit(2)
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    gc.set_threshold(50_000, 20, 100)  # much is loaded, and little of it is freed again
    try:
        with serve_folder(Path(folder)) as announce:
            _serve(Path(folder), region, account, stop, announce)
    except (DamagedJournal, LifecycleError) as error:
        sys.exit(str(error))


def _serve(
    folder: Path,
    region: str,
    account: str,
    stop: threading.Event,
    announce: Callable[[Mapping[str, Any]], None],
) -> None:
    journal = Journal(folder / f"state-{account}-{region}.jsonl")
    settings = EmulatorSettings(Pseudo(region=region, account_id=account))
    token = secrets.token_urlsafe()
    with Server(settings, journal=journal, token=token) as server:
        place = {"pid": os.getpid(), "url": server.url, "region": region, "account": account}
        announce({**place, "token": token})
        threading.Thread(target=_load, args=(server,), daemon=True).start()
        idle = float(os.environ.get(_IDLE_VARIABLE, _IDLE_SECONDS))
        while not stop.wait(_CHECK_SECONDS) and server.idle_seconds < idle and folder.exists():
            pass


def _load(server: Server) -> None:
    """Load the code for the first deployment, and exempt it from garbage collection."""
    server.load()
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()

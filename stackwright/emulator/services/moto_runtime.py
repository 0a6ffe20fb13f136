"""moto as it runs for one emulator: imported at its first use, and reset with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import RLock
from typing import Any
from urllib.parse import unquote, urlsplit

from ...cfn import Pseudo
from .moto_application import MotoApplication


class MotoRuntime:
    """moto's services of one account and Region.

    ``lock`` keeps them whole, as they are not safe between threads. ``prepare`` is called whenever
    they are empty, at the start and after a reset.
    """

    def __init__(self, pseudo: Pseudo, lock: RLock, prepare: Callable[[], None]) -> None:
        self._pseudo, self._lock, self._prepare = pseudo, lock, prepare
        self._application: MotoApplication | None = None

    def application(self) -> MotoApplication:
        """moto's services as one application."""
        with self._lock:
            if self._application is None:
                self._application = MotoApplication(self._pseudo.account_id)
                self._application.reset()  # moto's state is the process's, so an earlier server's
                self._prepare()
            return self._application

    def reset(self) -> None:
        """Forget everything that the services hold."""
        self.application().reset()
        self._prepare()

    def repositories(self) -> Any:
        """moto's ECR of the account and Region."""
        self.application()
        from moto.ecr.models import ecr_backends

        return ecr_backends[self._pseudo.account_id][self._pseudo.region]

    def fetch(self, url: str) -> str:
        """The text of an object in moto's S3, by a path-style or virtual-hosted URL.

        Raises:
            OSError: it does not exist.
        """
        from moto.s3.models import s3_backends

        bucket, key = bucket_and_key(url)
        backend = s3_backends[self._pseudo.account_id][self._pseudo.partition]
        try:
            item = backend.get_object(bucket, key)
        except Exception:  # moto's own kinds
            item = None
        if item is None:
            raise FileNotFoundError("Access Denied")
        return str(item.value.decode("utf-8"))


def bucket_and_key(url: str) -> tuple[str, str]:
    """Bucket and key of an S3 URL: ``s3://``, path-style (also of a loopback endpoint), or
    virtual-hosted."""
    parts = urlsplit(url)
    path = unquote(parts.path.lstrip("/"))
    host = parts.hostname or ""
    if parts.scheme == "s3":
        return host, path
    hosted = re.fullmatch(r"(.+)\.s3[.-].*amazonaws\.com(\.cn)?", host)
    if hosted:
        return hosted.group(1), path
    bucket, _, key = path.partition("/")
    return bucket, key

"""Clients of boto3 for an emulator at a URL, whatever the environment says."""

from __future__ import annotations

from typing import Any, Self


class Clients:
    """``Clients(url)("s3")`` is the client of S3 at that URL.

    There is one client for each service, which does not retry, so that a test sees every answer.
    """

    def __init__(self, url: str, region: str = "us-east-1") -> None:
        self.url, self.region = url, region
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = connect(self.url, service, self.region)
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    url: str, service: str, region: str = "us-east-1", *, attempts: int = 1, **config: Any
) -> Any:
    """One client with settings of botocore's ``Config``; the caller closes it."""
    import boto3
    from botocore.config import Config

    retries = {"total_max_attempts": attempts, "mode": "standard"}
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries=retries, s3={"addressing_style": "path"}, **config),
    )

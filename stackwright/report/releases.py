"""Releases of `history` as data, and where they are kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins

from ..releases import Release, ReleaseList
from .status import release_result


def releases_as_data(
    releases: Sequence[Release], live: int | None, running: int | None
) -> list[dict[str, Any]]:
    """For JSON: each record, with its ``result`` as text and whether it is ``live``."""
    return [
        {
            **to_builtins(release),
            "result": release_result(release, running),
            "live": release.number == live,
        }
        for release in releases
    ]


def describe_absence(found: ReleaseList, environment: str) -> str:
    """Why there are no releases to list, or where those of an environment without stacks are kept;
    empty where neither has to be said."""
    releases = found.overview.history.releases if found.overview else ()
    if found.deployed:
        return "" if releases else f"nothing of {environment} was released yet"
    if found.bucket is None:
        where = (
            ": its releases, if it had any, are in its artifact bucket where that was retained; "
            "only the parameters (deploy.bucket) or the templates could name it"
        )
    elif found.overview is None:
        where = f", and there is no bucket {found.bucket} that would hold its releases"
    elif not releases:
        where = f", and s3://{found.bucket} holds no releases of it"
    else:
        where = f": these are its releases of before, kept in s3://{found.bucket}"
    return f"{environment} is not deployed{where}"

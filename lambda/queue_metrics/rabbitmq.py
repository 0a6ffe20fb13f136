"""One queue read from one broker's management API, or a clear error; never a guess.

https://www.rabbitmq.com/docs/management#http-api (the reference is served by the broker at
/api/index.html)
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, urlsplit

REPLY_LIMIT = (
    1 << 20
)  # bytes; a queue's reply is about 7 kB, and 1 kB more for each of its consumers
RATES = (
    "msg_rates_age=60&msg_rates_incr=5"  # averages over a minute; a plain "rate" is of the last 5 s
)
ALIVE = (
    "running",
    "idle",
    "flow",
    "live",
)  # in any other state (down, minority ...) counts are void


class BrokerError(Exception):
    """The broker's answer cannot be used; the text never holds a credential."""


class Unauthorized(BrokerError):
    """The broker refused the credentials: they may have been rotated since they were cached."""


@dataclass(frozen=True)
class Queue:
    """Where a queue is. `url` is http(s)://host:port; over TLS its host is the name that is
    verified."""

    url: str
    vhost: str
    name: str
    timeout: int  # seconds for a whole request
    ca_file: str | None = None


@dataclass(frozen=True)
class Reading:
    """Counts of messages and consumers; rates per second over the last minute, None where not
    known."""

    ready: int
    unacknowledged: int
    consumers: int
    publish_rate: float | None
    ack_rate: float | None


EMPTY = Reading(0, 0, 0, 0.0, 0.0)


def read(queue: Queue, address: str, authorization: str) -> Reading:
    """The queue's depth at one broker; EMPTY where the broker is up and has no such queue yet.

    `address` is the host name or IP address to connect to. Raises BrokerError, or Unauthorized.
    """
    vhost, name = quote(queue.vhost, safe=""), quote(queue.name, safe="")
    document = get(queue, address, authorization, f"/api/queues/{vhost}/{name}?{RATES}")
    if document is not None:
        return parse(document, address)
    # A vhost that is missing or still starting answers 404 too: only a running one proves the
    # absence.
    vhosts = get(queue, address, authorization, "/api/vhosts")
    if not isinstance(vhosts, list) or not any(is_running(vhost, queue.vhost) for vhost in vhosts):
        raise BrokerError(
            f"broker {address}: vhost {queue.vhost!r} is missing, not running or not permitted"
        )
    return EMPTY


def is_running(vhost: Any, name: str) -> bool:
    if not isinstance(vhost, dict) or vhost.get("name") != name:
        return False
    return set(vhost.get("cluster_state", {}).values()) == {"running"}


def parse(document: Any, address: str) -> Reading:
    """The reading in a queue's document. A broker that has just started has no counts in it: an
    error."""
    if not isinstance(document, dict):
        raise BrokerError(f"broker {address}: the reply is not a queue")
    if document.get("state", "running") not in ALIVE:
        raise BrokerError(f"broker {address}: the queue is {document['state']!r}")
    counts = {
        key: document.get(key) for key in ("messages_ready", "messages_unacknowledged", "consumers")
    }
    wrong = [key for key, count in counts.items() if type(count) is not int or count < 0]
    if wrong:
        reason = "has the broker or the queue just started, or are statistics disabled?"
        raise BrokerError(f"broker {address}: no usable {', '.join(wrong)}; {reason}")
    stats = document.get("message_stats")
    return Reading(
        ready=document["messages_ready"],
        unacknowledged=document["messages_unacknowledged"],
        consumers=document["consumers"],
        publish_rate=rate(stats, "publish"),
        ack_rate=rate(stats, "ack"),
    )


def rate(stats: Any, event: str) -> float | None:
    """Events per second; zero where others but not these have been counted, None where none has."""
    if not isinstance(stats, dict) or not any(key.endswith("_details") for key in stats):
        return None
    average = stats.get(f"{event}_details", {"avg_rate": 0.0}).get("avg_rate")
    return float(average) if isinstance(average, int | float) and average >= 0 else None


def total(readings: list[Reading]) -> Reading:
    """The sum, field by field; a rate that one broker does not know is not known."""
    sums: dict[str, Any] = {}
    for name in (field.name for field in fields(Reading)):
        column = [getattr(reading, name) for reading in readings]
        sums[name] = None if None in column else sum(column)
    return Reading(**sums)


def get(queue: Queue, address: str, authorization: str, path: str) -> Any:
    """A management resource's JSON, None where it is not found. Follows no redirect and no
    proxy."""
    try:
        status, body = exchange(queue, address, authorization, path)
        if status == 401:
            raise Unauthorized(
                f"broker {address}: 401, the credentials or their permissions are wrong"
            )
        if status not in (200, 404):
            raise BrokerError(f"broker {address}: HTTP status {status}, where 200 was expected")
        document = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise BrokerError(f"broker {address}: {type(error).__name__}: {error}") from error
    if status == 200:
        return document
    if not isinstance(document, dict) or document.get("error") != "Object Not Found":
        raise BrokerError(f"broker {address}: a 404 that is not RabbitMQ's; is the port right?")
    return None


def exchange(queue: Queue, address: str, authorization: str, path: str) -> tuple[int, bytes]:
    """Status and body of one request, within the queue's timeout and the limit of a reply."""
    url = urlsplit(queue.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    deadline = time.monotonic() + queue.timeout  # the socket's own timeout restarts with every byte
    with socket.create_connection((address, port), queue.timeout) as plain:
        sock: socket.socket = plain
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=queue.ca_file)
            sock = context.wrap_socket(plain, server_hostname=url.hostname)
        with closing(http.client.HTTPConnection(str(url.hostname), port)) as connection:
            connection.sock = sock
            connection.request(
                "GET", path, headers={"Authorization": authorization, "Connection": "close"}
            )
            response, body = connection.getresponse(), bytearray()
            while chunk := response.read1(65536):
                body += chunk
                if len(body) > REPLY_LIMIT:
                    raise BrokerError(f"broker {address}: the reply is over {REPLY_LIMIT} bytes")
                if time.monotonic() > deadline:
                    raise BrokerError(f"broker {address}: the reply takes over {queue.timeout} s")
    if response.length:  # read1 returns b"" for a body that was cut short
        raise BrokerError(f"broker {address}: reply cut short, {response.length} bytes missing")
    return response.status, bytes(body)

"""One queue read from one broker's management API, or a clear error; never a guess.

https://www.rabbitmq.com/docs/management#http-api (the reference is served by the broker at
/api/index.html)
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from typing import Any, NoReturn
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


VOID = ("down", "minority", "stopped", "crashed")  # the states that may be named in an error
COUNT_LIMIT = 1 << 53  # a larger count is not exact as a double, which is what CloudWatch stores


class BrokerError(Exception):
    """The broker's answer cannot be used; the text holds nothing that the broker sent, which might
    echo our credentials."""


class Unauthorized(BrokerError):
    """The broker refused the credentials: they may have been rotated since they were cached."""


@dataclass(frozen=True)
class Queue:
    """Where a queue is. `url` is http(s)://host:port; over TLS its host is the name that is
    verified."""

    url: str
    vhost: str
    name: str
    timeout: int  # seconds for reading one broker: connect, all requests, all replies
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
    deadline = time.monotonic() + queue.timeout
    path = f"/api/queues/{vhost}/{name}?{RATES}"
    document = get(queue, address, authorization, path, deadline)
    if document is not None:
        return parse(document, address)
    # A vhost that is missing or still starting answers 404 too: only a running one proves the
    # absence.
    vhosts = get(queue, address, authorization, "/api/vhosts", deadline)
    if not isinstance(vhosts, list) or not any(is_running(vhost, queue.vhost) for vhost in vhosts):
        raise BrokerError(
            f"broker {address}: vhost {queue.vhost!r} is missing, not running or not permitted"
        )
    return EMPTY


def is_running(vhost: Any, name: str) -> bool:
    if not isinstance(vhost, dict) or vhost.get("name") != name:
        return False
    states = vhost.get("cluster_state")
    return (
        isinstance(states, dict) and bool(states) and all(s == "running" for s in states.values())
    )


def parse(document: Any, address: str) -> Reading:
    """The reading in a queue's document. A broker that has just started has no counts in it: an
    error."""
    if not isinstance(document, dict):
        raise BrokerError(f"broker {address}: the reply is not a queue")
    state = document.get("state", "running")
    if not isinstance(state, str) or state not in ALIVE:
        name = repr(state) if state in VOID else "in an unknown state"
        raise BrokerError(f"broker {address}: the queue is {name}")
    counts = {
        key: document.get(key) for key in ("messages_ready", "messages_unacknowledged", "consumers")
    }
    wrong = [
        key
        for key, count in counts.items()
        if type(count) is not int or not 0 <= count <= COUNT_LIMIT
    ]
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
    details = stats.get(f"{event}_details", {"avg_rate": 0.0})
    average = details.get("avg_rate") if isinstance(details, dict) else None
    if type(average) not in (int, float) or not 0 <= average <= COUNT_LIMIT:
        return None
    return float(average)


def total(readings: list[Reading]) -> Reading:
    """The sum, field by field; a rate that one broker does not know is not known."""
    sums: dict[str, Any] = {}
    for name in (field.name for field in fields(Reading)):
        column = [getattr(reading, name) for reading in readings]
        sums[name] = None if None in column else sum(column)
    return Reading(**sums)


def get(queue: Queue, address: str, authorization: str, path: str, deadline: float) -> Any:
    """A management resource's JSON, None where it is not found. Follows no redirect and no
    proxy."""
    status, body = exchange(queue, address, authorization, path, deadline)
    if status == 401:
        raise Unauthorized(f"broker {address}: 401, the credentials or their permissions are wrong")
    if status not in (200, 404):
        raise BrokerError(f"broker {address}: HTTP status {status}, where 200 was expected")
    try:
        document = json.loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:  # "from None": the cause holds the reply
        name = type(error).__name__
        raise BrokerError(f"broker {address}: the reply is not JSON ({name})") from None
    if status == 200:
        return document
    if not isinstance(document, dict) or document.get("error") != "Object Not Found":
        raise BrokerError(f"broker {address}: a 404 that is not RabbitMQ's; is the port right?")
    return None


def refuse_constant(name: str) -> NoReturn:
    """JSON has no NaN and no Infinity; Python's reader takes them."""
    raise ValueError(name)


def exchange(
    queue: Queue, address: str, authorization: str, path: str, deadline: float
) -> tuple[int, bytes]:
    """Status and body of one request, before the deadline and within the limit of a reply."""
    url = urlsplit(queue.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    late = BrokerError(f"broker {address}: the reply takes over {queue.timeout} s")
    try:
        with connect(address, port, deadline) as plain, cut_off(plain, deadline):
            sock = plain
            if url.scheme == "https":
                context = ssl.create_default_context(cafile=queue.ca_file)
                sock = context.wrap_socket(plain, server_hostname=url.hostname)
            with closing(http.client.HTTPConnection(str(url.hostname), port)) as connection:
                connection.sock = sock
                headers = {"Authorization": authorization, "Connection": "close"}
                connection.request("GET", path, headers=headers)
                reply = receive(connection.getresponse(), address)
                if time.monotonic() >= deadline:  # then it may end where it was cut off
                    raise late
                return reply
    except (OSError, http.client.HTTPException, ValueError, BrokerError) as error:
        if time.monotonic() >= deadline:
            raise late from None
        if isinstance(error, BrokerError):
            raise
        if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
            raise BrokerError(f"broker {address}: {describe(error)}") from None
        name = type(error).__name__  # its text and cause may hold what the broker sent
        raise BrokerError(f"broker {address}: the reply is not HTTP ({name})") from None


def describe(error: OSError) -> str:
    """The error in this machine's own words: nothing of a peer's certificate is quoted."""
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", error.strerror)
    label = " CERTIFICATE_VERIFY_FAILED" if isinstance(error, ssl.SSLCertVerificationError) else ""
    return f"{type(error).__name__}:{label} {reason}" if reason else type(error).__name__


def receive(response: http.client.HTTPResponse, address: str) -> tuple[int, bytes]:
    """Read the whole reply, up to the limit."""
    body = bytearray()
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > REPLY_LIMIT:
            raise BrokerError(f"broker {address}: the reply is over {REPLY_LIMIT} bytes")
    if response.length:  # read1 returns b"" for a body that was cut short
        missing = response.length
        raise BrokerError(f"broker {address}: reply cut short, {missing} bytes missing")
    return response.status, bytes(body)


def connect(address: str, port: int, deadline: float) -> socket.socket:
    """Connect to the first of the host's addresses that answers. Raises OSError."""
    last: OSError = TimeoutError("timed out")
    for family, kind, protocol, _, place in socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM
    ):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left)
            sock.connect(place)
            return sock
        except OSError as error:
            sock.close()
            last = error
    raise last


@contextmanager
def cut_off(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Shut the connection down at the deadline: a socket's own timeout begins anew with each byte.

    A duplicate does it, because TLS takes the socket itself over.
    """
    other = sock.dup()

    def shut() -> None:
        with suppress(OSError):  # the peer was faster
            other.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        other.close()

"""Reading a broker that misbehaves: hand-made servers on loopback, one for each fault."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rabbitmq import EMPTY, BrokerError, Queue, Reading, Unauthorized, parse, read, total

from tests.functions.loopback import DOCUMENT, ok, response, sends, server

Answer = Callable[[socket.socket, str], None]
NOT_FOUND = b'{"error":"Object Not Found","reason":"Not Found"}'
VHOSTS = [{"name": "/", "cluster_state": {"rabbit@localhost": "running"}}]


def read_from(port: int, timeout: int = 10, scheme: str = "http", **more: Any) -> Reading:
    queue = Queue(f"{scheme}://rabbitmq.example:{port}", "/", "agent.mandates", timeout, **more)
    return read(queue, "127.0.0.1", "Basic c2VjcmV0")


def test_valid_answer_is_read() -> None:
    with server(sends(ok(DOCUMENT))) as port:
        assert read_from(port) == Reading(4, 2, 3, 0.15, 0.0)


def test_request_quotes_names_and_asks_for_one_minute() -> None:
    paths: list[str] = []

    def answer(connection: socket.socket, path: str) -> None:
        paths.append(path)
        connection.sendall(ok(DOCUMENT))

    with server(answer) as port:
        read(Queue(f"http://x:{port}", "a/b", "q?#%/ü", 2), "127.0.0.1", "Basic eA==")
    assert paths == ["/api/queues/a%2Fb/q%3F%23%25%2F%C3%BC?msg_rates_age=60&msg_rates_incr=5"]


WRONG = {
    "a redirect is not followed": (
        response("302 Found", b"", "Location: http://127.0.0.1:1/\r\n"),
        "HTTP status 302",
    ),
    "a broker that is starting": (response("503 Service Unavailable", b"{}"), "HTTP status 503"),
    "a number that JSON lacks": (
        response("200 OK", b'{"messages_ready": NaN}'),
        "not JSON",
    ),
    "malformed JSON": (response("200 OK", b'{"messages_ready": 4'), "JSONDecodeError"),
    "not UTF-8": (response("200 OK", b'"\xff\xfe\xfa'), "UnicodeDecodeError"),
    "deep JSON": (response("200 OK", b"[" * 200_000), "RecursionError"),
    "an empty reply": (response("200 OK", b""), "JSONDecodeError"),
    "no HTTP at all": (b"AMQP\x00\x00\x09\x01", "BadStatusLine"),
    "nothing": (b"", "RemoteDisconnected"),
    "a reply cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}", "cut short"),
    "a huge reply": (response("200 OK", b" " * (2 << 20)), "over 1048576 bytes"),
    "a huge header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "LineTooLong"),
    "a page of something else": (response("404 Not Found", b"<html>"), "JSONDecodeError"),
    "a 404 of something else": (
        response("404 Not Found", b'{"message":"no"}'),
        "is the port right?",
    ),
    "not a queue": (ok([DOCUMENT]), "the reply is not a queue"),
    "a list of vhosts that is not one": (
        response("404 Not Found", NOT_FOUND),
        "missing, not running",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_answer_is_an_error_and_never_a_zero(case: str) -> None:
    data, text = WRONG[case]
    with (
        server(sends(data)) as port,
        pytest.raises(BrokerError, match=r"broker 127\.0\.0\.1") as raised,
    ):
        read_from(port)
    assert text in str(raised.value)
    assert "c2VjcmV0" not in str(raised.value)


def test_unauthorized_has_its_own_error() -> None:
    body = b'{"error":"not_authorized","reason":"Login failed"}'
    with server(sends(response("401 Unauthorized", body))) as port, pytest.raises(Unauthorized):
        read_from(port)


def test_closed_port_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(BrokerError, match="ConnectionRefusedError"):
            read_from(probe.getsockname()[1])


def test_silent_broker_times_out() -> None:
    silence = threading.Event()

    def wait(connection: socket.socket, path: str) -> None:
        silence.wait(4)

    with server(wait) as port:
        with pytest.raises(BrokerError, match="takes over 1 s"):
            read_from(port, timeout=1)
        silence.set()


def test_slow_answer_ends_at_the_deadline() -> None:
    """Each byte arrives within the socket's timeout; only the deadline ends it."""

    def drip(connection: socket.socket, path: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)

    with server(drip) as port, pytest.raises(BrokerError, match="takes over 1 s"):
        read_from(port, timeout=1)


def drip_headers(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"a")
        time.sleep(0.05)


def continue_for_ever(connection: socket.socket, _: str) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


def answer_slowly_twice(connection: socket.socket, path: str) -> None:
    time.sleep(0.7)
    connection.sendall(ok(VHOSTS) if path == "/api/vhosts" else response("404 No", NOT_FOUND))


@pytest.mark.parametrize("answer", [drip_headers, continue_for_ever, answer_slowly_twice])
def test_one_deadline_covers_the_whole_exchange(answer: Answer) -> None:
    with server(answer) as port:
        begun = time.monotonic()
        with pytest.raises(BrokerError, match="takes over 1 s"):
            read_from(port, timeout=1)
        assert time.monotonic() - begun < 3


def test_deadline_covers_the_tls_handshake() -> None:
    def drip(connection: socket.socket, _: str) -> None:
        while True:
            connection.sendall(b"\x16\x03\x03\x40\x00"[:1])
            time.sleep(0.05)

    begun = time.monotonic()
    with server(drip) as port, pytest.raises(BrokerError):
        read_from(port, timeout=1, scheme="https")
    assert time.monotonic() - begun < 3


ECHOES = {
    "status line": lambda header: header + b" 200 OK\r\n\r\n",
    "queue state": lambda header: ok({"state": header.decode(), "messages_ready": 1}),
    "JSON": lambda header: response("200 OK", b'{"a": ' + header),
    "not UTF-8": lambda header: response("200 OK", b'"\xff' + header),
    "chunk size": lambda header: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + header + b"\r\n"
    ),
    "length": lambda header: b"HTTP/1.1 200 OK\r\nContent-Length: " + header + b"\r\n\r\n",
    "vhost": lambda header: response("404 No", b'{"error": "' + header + b'"}'),
}


@pytest.mark.parametrize("place", ECHOES)
def test_no_error_quotes_an_echoed_header(place: str) -> None:
    header = b"Basic c2VjcmV0"
    with server(sends(ECHOES[place](header))) as port, pytest.raises(BrokerError) as raised:
        read_from(port, timeout=2)
    error: BaseException | None = raised.value
    while error is not None:  # a traceback shows each cause, too
        assert "c2VjcmV0" not in f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


VHOST_ANSWERS = {
    "running": (VHOSTS, EMPTY),
    "another vhost only": ([VHOSTS[0] | {"name": "other"}], None),
    "still starting": ([{"name": "/", "cluster_state": {"rabbit@localhost": "starting"}}], None),
    "one node of two is down": (
        [{"name": "/", "cluster_state": {"a@x": "running", "b@x": "stopped"}}],
        None,
    ),
    "state unknown": ([{"name": "/"}], None),
    "state is null": ([{"name": "/", "cluster_state": None}], None),
    "state is a list": ([{"name": "/", "cluster_state": ["running"]}], None),
    "states are maps": ([{"name": "/", "cluster_state": {"a@x": {}}}], None),
    "no list": ({"name": "/"}, None),
}


@pytest.mark.parametrize("case", VHOST_ANSWERS)
def test_queue_is_missing_only_if_its_vhost_runs(case: str) -> None:
    vhosts, expected = VHOST_ANSWERS[case]

    def answer(connection: socket.socket, path: str) -> None:
        connection.sendall(
            ok(vhosts) if path == "/api/vhosts" else response("404 Not Found", NOT_FOUND)
        )

    with server(answer) as port:
        if expected:
            assert read_from(port) == expected
        else:
            with pytest.raises(BrokerError, match="missing, not running or not permitted"):
                read_from(port)


DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no counts yet": ({"messages_ready": None}, "no usable messages_ready"),
    "none at all": (
        {"messages_ready": None, "messages_unacknowledged": None, "consumers": None},
        "no usable messages_ready, messages_unacknowledged, consumers",
    ),
    "text": ({"messages_ready": "4"}, "no usable messages_ready"),
    "a truth value": ({"messages_unacknowledged": True}, "no usable messages_unacknowledged"),
    "negative": ({"consumers": -1}, "no usable consumers"),
    "beyond any queue": ({"consumers": 10**400}, "no usable consumers"),
    "a state that is a list": ({"state": ["running"]}, "in an unknown state"),
    "a queue whose node is down": ({"state": "down"}, "the queue is 'down'"),
    "a quorum queue without a majority": ({"state": "minority"}, "the queue is 'minority'"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_answer_without_counts_is_an_error(case: str) -> None:
    changed, text = DOCUMENTS[case]
    with pytest.raises(BrokerError, match="broker b") as raised:
        parse(DOCUMENT | changed, "b")
    assert text in str(raised.value)


RATES = {
    "nothing was ever counted": (None, None),
    "rates are switched off": ({"publish": 5}, None),
    "others were counted, acknowledgements not": ({"publish_details": {"avg_rate": 0.2}}, 0.0),
    "counted": ({"ack_details": {"rate": 0.0, "avg_rate": 0.25}}, 0.25),
    "no average": ({"ack_details": {"rate": 3.0}}, None),
    "text": ({"ack_details": {"avg_rate": "x"}}, None),
    "a list": ({"ack_details": []}, None),
    "null": ({"ack_details": None, "publish_details": {"avg_rate": 1.0}}, None),
    "infinite": ({"ack_details": {"avg_rate": float("inf")}}, None),
    "not a number": ({"ack_details": {"avg_rate": float("nan")}}, None),
    "a truth value": ({"ack_details": {"avg_rate": True}}, None),
    "an integer beyond a double": ({"ack_details": {"avg_rate": 10**400}}, None),
}


@pytest.mark.parametrize("case", RATES)
def test_unknown_rate_is_not_zero(case: str) -> None:
    stats, expected = RATES[case]
    assert parse(DOCUMENT | {"message_stats": stats}, "b").ack_rate == expected


def test_zero_counts_are_read() -> None:
    document = DOCUMENT | {"messages_ready": 0, "messages_unacknowledged": 0, "consumers": 0}
    assert parse(document, "b") == Reading(0, 0, 0, 0.15, 0.0)
    assert Reading(0, 0, 0, 0.0, 0.0) == EMPTY


def test_readings_of_brokers_are_summed() -> None:
    readings = [Reading(1, 2, 3, 0.5, 0.25), Reading(10, 20, 30, 0.5, None)]
    assert total(readings) == Reading(11, 22, 33, 1.0, None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str, str], None]) -> Path:
    """A private authority's certificate for the name rabbitmq.example, with its key in the same
    file."""
    need("openssl", "openssl")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out ca.pem"
    subject = ["-subj", "/CN=rabbitmq.example", "-addext", "subjectAltName=DNS:rabbitmq.example"]
    subprocess.run([*command.split(), *subject], cwd=folder, check=True, capture_output=True)
    (folder / "both.pem").write_text(
        (folder / "key.pem").read_text() + (folder / "ca.pem").read_text()
    )
    return folder


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "both.pem")
    return context


def test_tls_with_a_private_authority_verifies_the_name_at_any_address(certificate: Path) -> None:
    with server(sends(ok(DOCUMENT)), tls(certificate)) as port:
        depth = read_from(port, scheme="https", ca_file=str(certificate / "ca.pem"))
    assert depth.ready == 4


def test_untrusted_tls_authority_is_an_error(certificate: Path) -> None:
    with (
        server(sends(ok(DOCUMENT)), tls(certificate)) as port,
        pytest.raises(BrokerError) as raised,
    ):
        read_from(port, scheme="https")
    assert "CERTIFICATE_VERIFY_FAILED" in str(raised.value)


def test_tls_certificate_of_another_name_is_an_error(certificate: Path) -> None:
    with server(sends(ok(DOCUMENT)), tls(certificate)) as port:
        queue = Queue(f"https://other.example:{port}", "/", "q", 2, str(certificate / "ca.pem"))
        with pytest.raises(BrokerError, match=r"not valid for 'other\.example'"):
            read(queue, "127.0.0.1", "Basic eA==")


def test_missing_ca_file_is_an_error(certificate: Path) -> None:
    with (
        server(sends(ok(DOCUMENT)), tls(certificate)) as port,
        pytest.raises(BrokerError) as raised,
    ):
        read_from(port, scheme="https", ca_file="/nowhere/ca.pem")
    assert "FileNotFoundError" in str(raised.value)

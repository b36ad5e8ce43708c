"""Faults below HTTP as a client's socket meets them, and what they leave to everyone else."""

import asyncio
import os
import queue
import select
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

from kling_mock_server.failures.wire import Wire, WiredResponse, sender_loop
from kling_mock_server.failures.wire.background_sender import BackgroundSender
from support.serving import PATIENCE_S, connect
from support.wired import ask, body_of, content_of, deaf, read, read_until, request_for, serving

PLAIN = b"01234"
NEVER_MS = 600_000


@pytest.fixture(scope="module")
def port():
    with serving() as port:
        yield port


@pytest.fixture
def client(port):
    with healthy(port) as client:
        yield client


def healthy(port):
    """Return a client that keeps one connection."""
    limits = httpx.Limits(max_connections=1)
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S, limits=limits)


def is_silent(connection):
    return select.select([connection], [], [], 0) == ([], [], [])


def test_an_answer_comes_whole_and_then_the_connection_ends(port):
    with ask(port) as connection:
        answer, end = read(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n")
    assert (body_of(answer), end) == (content_of(10), "close")


class Pauses:
    """The pauses of the sender, each of which lasts until a test ends it."""

    def __init__(self):
        self._begun = queue.SimpleQueue()

    async def __call__(self, seconds):
        ended = asyncio.Event()
        # A pause that never ends is of an earlier test, which did not wait until it began.
        if seconds and seconds < NEVER_MS / 1000:
            self._begun.put((seconds, asyncio.get_running_loop(), ended))
        if seconds:
            await ended.wait()

    def next(self):
        """Wait for the next pause to begin; return how long it would last, in s, and what ends it."""
        seconds, loop, ended = self._begun.get(timeout=PATIENCE_S)
        return seconds, lambda: loop.call_soon_threadsafe(ended.set)

    def end(self):
        """End the next pause; return how long it would have lasted, in s."""
        seconds, end = self.next()
        end()
        return seconds


@pytest.fixture
def pauses(monkeypatch):
    pauses = Pauses()
    monkeypatch.setattr(sender_loop, "_pause", pauses)
    return pauses


def test_a_late_answer_is_as_late_as_asked(port, pauses):
    with ask(port, delay_ms=150) as connection:
        seconds, end = pauses.next()
        assert (seconds, is_silent(connection)) == (0.15, True)
        end()
        answer, _ = read(connection)
    assert body_of(answer) == content_of(10)


def test_a_body_drips(port):
    with ask(port, drip_bytes=1, drip_ms=NEVER_MS) as connection:
        assert read_until(connection, b"\r\n\r\n0").startswith(b"HTTP/1.1 200 OK")
        assert is_silent(connection)


def test_a_body_that_drips_comes_whole_in_the_end(port, pauses):
    with ask(port, drip_bytes=4, drip_ms=50) as connection:
        assert [pauses.end(), pauses.end()] == [0.05, 0.05]
        answer, end = read(connection)
    assert (body_of(answer), end) == (content_of(10), "close")


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_connection_ends_before_the_head(port, end):
    with ask(port, head=False, end=end) as connection:
        assert read(connection) == (b"", end)


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.parametrize("percent", [0, 50, 100])
def test_a_connection_ends_within_or_after_the_body(port, end, size, percent):
    with ask(port, size, percent=percent, end=end) as connection:
        answer, ended = read(connection)
    assert b"Content-Length: %d\r\n" % size in answer
    assert body_of(answer) == content_of(size * percent // 100)
    assert ended == end


def test_a_client_that_reads_late_gets_all_that_comes_before_a_reset(port):
    with deaf(port) as connection:
        connection.sendall(request_for(1_000_000, end="reset"))
        # The sender goes on with others meanwhile.
        with ask(port) as other:
            read(other)
        answer, end = read(connection)
    assert (len(body_of(answer)), end) == (1_000_000, "reset")


def test_a_head_that_claims_too_much_is_followed_by_the_end(port):
    with ask(port, extra_length=5) as connection:
        answer, end = read(connection)
    assert b"Content-Length: 15\r\n" in answer
    assert (body_of(answer), end) == (content_of(10), "close")


@pytest.mark.parametrize(("wire", "last"), [({"percent": 20}, b"\r\n\r\n01"), ({"head": False}, b"")])
def test_a_connection_hangs(port, wire, last):
    with ask(port, end="hang", **wire) as hanging:
        read_until(hanging, last)
        with ask(port) as other:
            read(other)
        assert is_silent(hanging)


def test_a_connection_does_not_hang_for_ever(port, monkeypatch):
    monkeypatch.setattr(sender_loop, "SILENCE_S", 0.05)
    with ask(port, end="hang") as connection:
        answer, end = read(connection)
    assert (body_of(answer), end) == (content_of(10), "close")


def test_a_head_request_gets_no_body(port):
    with connect(port) as connection:
        connection.sendall(request_for(method="HEAD"))
        answer, end = read(connection)
    assert b"Content-Length: 10\r\n" in answer
    assert (body_of(answer), end) == (b"", "close")


def test_requests_before_it_on_the_same_connection_are_answered_first(port):
    with deaf(port) as connection:
        connection.sendall(request_for(3_000_000, wired=False) + request_for(percent=50))
        answers, end = read(connection)
    both = body_of(answers)
    assert both[:3_000_000] == content_of(3_000_000)
    assert both[3_000_000:].startswith(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
    assert (body_of(both), end) == (content_of(5), "close")


@pytest.mark.parametrize("end", ["close", "reset"])
def test_requests_after_it_on_the_same_connection_are_dropped(port, end):
    with connect(port) as connection:
        connection.sendall(request_for(end=end) + request_for(wired=False) * 50)
        answer, ended = read(connection)
    assert (body_of(answer), ended) == (content_of(10), end)


def test_a_client_that_goes_on_sending_is_not_reset(port):
    with connect(port) as connection:
        connection.sendall(request_for() + b"x" * 5_000_000)
        answer, end = read(connection)
    assert (body_of(answer), end) == (content_of(10), "close")


def test_a_client_that_waits_for_leave_to_send_its_body_is_answered(port):
    with connect(port) as connection:
        head, body = request_for().split(b"\r\n\r\n")
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        read_until(connection, b"100 Continue\r\n\r\n")
        connection.sendall(body)
        assert body_of(read(connection)[0]) == content_of(10)


def test_other_connections_stay_usable(port, client):
    ports = set()
    for end in ("close", "reset", "hang"):
        answer = client.get("/")
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr")[1])
        with ask(port, percent=50, end=end) as connection:
            read_until(connection, b"01234")
        assert client.get("/").content == PLAIN
    assert len(ports) == 1


@pytest.mark.parametrize(
    "wire",
    [{"end": "hang"}, {"head": False, "end": "hang"}, {"delay_ms": NEVER_MS}, {"drip_bytes": 1, "drip_ms": 1}],
    ids=["hanging", "without a word", "late", "dripping"],
)
def test_a_healthy_client_does_not_wait_for_sixty_slow_answers(port, client, wire):
    with ExitStack() as stack:
        slow = [stack.enter_context(ask(port, 100_000, **wire)) for _ in range(60)]
        assert [client.get("/").content for _ in range(50)] == [PLAIN] * 50
        assert len(slow) == 60


def test_a_healthy_client_does_not_wait_for_sixty_that_take_no_bytes(port, client):
    with ExitStack() as stack:
        for _ in range(60):
            connection = stack.enter_context(deaf(port))
            connection.sendall(request_for(1_000_000))
        assert [client.get("/").content for _ in range(50)] == [PLAIN] * 50


def test_sixty_late_answers_are_all_given(port, pauses):
    with ExitStack() as stack:
        late = [stack.enter_context(ask(port, size, delay_ms=100)) for size in range(60)]
        assert [pauses.end() for _ in late] == [0.1] * 60
        assert [body_of(read(connection)[0]) for connection in late] == [content_of(size) for size in range(60)]


def test_answers_beyond_the_limit_end_the_oldest(sender, monkeypatch):
    monkeypatch.setattr(sender_loop, "LIMIT", 3)
    with ExitStack() as stack:
        clients = [stack.enter_context(taken(sender, end="hang")) for _ in range(10)]
        assert [read(client) for client in clients[:7]] == [(b"", "close")] * 7
        assert all(is_silent(client) for client in clients[7:])


@pytest.fixture
def sender():
    sender = BackgroundSender()
    yield sender
    sender.close()


def taken(sender, end):
    """Return the client's side of a connection that a sender has taken."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE_S)
    sender.take(theirs, WiredResponse(200, {}, b"", Wire(head=False, end=end)), "GET")
    return ours


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def are_down_to(count):
    """Return whether so few descriptors are left in the time that a test waits."""
    patience = time.monotonic() + PATIENCE_S
    while descriptors() > count and time.monotonic() < patience:
        time.sleep(0.01)
    return descriptors() <= count


def settled():
    """Return the number of descriptors when the connections of the past are gone."""
    while True:
        before = descriptors()
        time.sleep(0.05)
        if descriptors() == before:
            return before


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")


@needs_proc
@pytest.mark.parametrize(
    ("wire", "seen"),
    [
        ({"end": "hang"}, content_of(10)),
        ({"drip_bytes": 1, "drip_ms": NEVER_MS}, b"\r\n\r\n0"),
        ({"delay_ms": NEVER_MS}, b""),
        ({}, b""),
    ],
    ids=["hanging", "dripping", "late", "at once"],
)
def test_a_client_that_goes_away_leaves_nothing_behind(wire, seen):
    with serving() as port:
        with ask(port) as connection:
            read(connection)
        before = settled()
        with ExitStack() as stack:
            for connection in [stack.enter_context(ask(port, **wire)) for _ in range(40)]:
                read_until(connection, seen)
            # Those of which nothing is seen had their turn, too.
            with ask(port) as connection:
                read(connection)
        assert are_down_to(before)


@needs_proc
def test_a_client_that_takes_no_bytes_and_goes_away_leaves_nothing_behind():
    with serving() as port:
        with ask(port) as connection:
            read(connection)
        before = settled()
        for end in ("close", "reset", "hang"):
            with deaf(port) as connection:
                connection.sendall(request_for(5_000_000, end=end))
                read_until_begun(connection)
        assert are_down_to(before)


def read_until_begun(connection):
    assert connection.recv(9) == b"HTTP/1.1 "


def test_the_end_of_the_server_is_the_end_of_every_answer():
    with ExitStack() as stack:
        with serving() as port:
            pending = [
                stack.enter_context(ask(port, 1_000_000, **wire))
                for wire in [{"head": False, "end": "hang"}, {"delay_ms": NEVER_MS}] * 20
            ]
            full = stack.enter_context(deaf(port))
            full.sendall(request_for(5_000_000))
            read_until_begun(full)
        assert [read(connection) for connection in pending] == [(b"", "close")] * 40


@needs_proc
def test_after_the_server_no_thread_and_no_descriptor_is_left():
    threads, before = threading.active_count(), settled()
    with serving() as port, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(ask(port, end="hang"))
        read_until(stack.enter_context(ask(port, end="hang")), content_of(10))
    assert threading.active_count() == threads
    assert are_down_to(before)


def test_a_server_that_hands_nothing_over_needs_no_thread_for_it():
    senders = senders_running()
    with serving() as port, healthy(port) as client:
        client.get("/")
        assert senders_running() == senders
        with ask(port) as connection:
            read(connection)
        assert senders_running() == senders + 1


def senders_running():
    return sum(thread.name == "klingkit background sender" for thread in threading.enumerate())


def test_a_closed_sender_hangs_up(sender):
    sender.close()
    with taken(sender, end="hang") as client:
        assert read(client) == (b"", "close")

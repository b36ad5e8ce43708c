"""Connections: how many the server holds, which one makes room, and that none of them stops the others."""

import json
import logging
import resource
import socket
import struct
import threading
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from waitress.adjustments import Adjustments
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import WSGITask
from waitress.trigger import trigger

from kling_mock_server.adapters import connections, event_loop
from kling_mock_server.adapters.event_loop import EventLoop
from kling_mock_server.adapters.live_server import live
from kling_mock_server.adapters.waitress_server import _EnvelopeTask
from support.serving import PATH, PATIENCE_S, connect, exchange, payload, raw_request, received, running

BODY = json.dumps(payload()).encode()
JSON = (b"Content-Type: application/json",)
HALF_SENT = raw_request(b"{", headers=JSON, length=1000)
KEPT_ALIVE = b"GET /_mock/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CLOSE = b"\r\nConnection: close\r\n"


@contextmanager
def neighbours(port, number, sent):
    """Hold so many connections on which only that much was sent."""
    with ExitStack() as stack:
        held = [stack.enter_context(connect(port)) for _ in range(number)]
        for connection in held:
            connection.sendall(sent)
        yield held


def port_of(mock):
    return int(mock.url.rpartition(":")[2])


def kept_alive_answer(connection):
    answer = b""
    while not answer.endswith(b"}}"):
        answer += connection.recv(65536)
    return answer


def is_answered(port):
    return exchange(port, raw_request(BODY, headers=JSON)).startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def server():
    with running() as served:
        yield served


@pytest.mark.parametrize("sent", [b"", b"POST ", HALF_SENT, KEPT_ALIVE], ids=["idle", "head", "body", "kept alive"])
def test_hundreds_of_neighbours_that_say_nothing_more_delay_nobody(sent, server):
    with neighbours(server.port, 300, sent):
        assert is_answered(server.port)


def test_a_request_costs_the_same_however_many_neighbours_are_silent(monkeypatch):
    asked = []
    readable = connections._Channel.readable
    monkeypatch.setattr(connections._Channel, "readable", lambda channel: asked.append(channel) or readable(channel))
    with live() as mock:
        port = port_of(mock)
        with neighbours(port, 200, b"POST "), connect(port) as connection:
            for _ in range(50):
                connection.sendall(KEPT_ALIVE)
                kept_alive_answer(connection)
    # Each is asked when it begins, when it ends and once a second, and not for every request.
    assert len(asked) < 200 * 50


def test_where_there_are_too_many_the_one_longest_silent_makes_room(monkeypatch):
    monkeypatch.setattr(connections, "connections_at_once", lambda: 30)
    with live() as mock:
        port = port_of(mock)
        with neighbours(port, 20, b"") as held:
            # The first asks: the second is the one longest silent now.
            held[0].sendall(KEPT_ALIVE)
            kept_alive_answer(held[0])
            assert is_answered(port)
            assert received(held[1]) == b""
            held[0].sendall(KEPT_ALIVE)
            assert kept_alive_answer(held[0]).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("soft", "held"),
    [(256, 100), (1500, 200), (7000, 1575), (1_000_000, 10_000), (resource.RLIM_INFINITY, 10_000)],
)
def test_the_limit_of_open_files_decides_how_many_are_held(monkeypatch, soft, held):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))
    assert connections.connections_at_once() == held


def limits_set(monkeypatch, soft, hard, granted):
    done = []

    def setrlimit(_, limits):
        if not 0 <= limits[0] <= granted:
            raise ValueError
        done.append(limits)

    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    connections.raise_open_files()
    return done


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one(monkeypatch):
    assert limits_set(monkeypatch, 1024, 4096, granted=4096) == [(4096, 4096)]


def test_a_system_that_grants_less_than_its_hard_limit_is_asked_for_less(monkeypatch):
    endless = resource.RLIM_INFINITY
    assert limits_set(monkeypatch, 256, endless, granted=10_240) == [(10_240, endless)]


def test_a_limit_that_is_high_enough_is_left_alone(monkeypatch):
    assert limits_set(monkeypatch, 4096, 4096, granted=4096) == []


def test_a_client_that_has_ended_its_side_is_answered(monkeypatch):
    ended, has_data, execute = threading.Event(), connections._Channel._has_data, WSGITask.execute

    def noticed(channel):
        if not has_data(channel):
            ended.set()
        return not ended.is_set()

    def once_it_is_noticed(task):
        assert ended.wait(PATIENCE_S)
        execute(task)

    monkeypatch.setattr(connections._Channel, "_has_data", noticed)
    monkeypatch.setattr(WSGITask, "execute", once_it_is_noticed)
    with live() as mock, connect(port_of(mock)) as connection:
        connection.sendall(KEPT_ALIVE)
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_what_nobody_has_read_yet_is_sent_while_the_next_request_is_answered(monkeypatch):
    begun, read, execute = threading.Event(), threading.Event(), WSGITask.execute

    def once_the_rest_is_read(task):
        if task.request.path == "/_mock/health":
            begun.set()
            assert read.wait(PATIENCE_S)
        execute(task)

    monkeypatch.setattr(WSGITask, "execute", once_the_rest_is_read)
    request, last = KEPT_ALIVE.replace(b"/_mock/health", b"/_mock/openapi.json"), KEPT_ALIVE.replace(b"\r\n", CLOSE, 1)
    with live() as mock, connect(port_of(mock)) as connection:
        document = exchange(port_of(mock), request.replace(b"\r\n", CLOSE, 1)).partition(b"\r\n\r\n")[2]
        # The requests are read in one go, and the answers are more than the system keeps for a connection.
        times = 8000 // len(request)
        connection.sendall(request * times + last)
        assert begun.wait(PATIENCE_S)
        answers = bytearray()
        while answers.count(document) < times:
            answers += connection.recv(1024 * 1024)
        read.set()
        assert received(connection).endswith(b"}}")


def test_a_request_that_could_not_be_taken_yet_is_taken_as_soon_as_others_are_answered(monkeypatch):
    begun, set_aside, is_busy, execute = threading.Event(), threading.Event(), event_loop._is_busy, WSGITask.execute

    def noted(connection):
        busy = is_busy(connection)
        if busy:
            set_aside.set()
        return busy

    def held(task):
        begun.set()
        assert set_aside.wait(PATIENCE_S)
        execute(task)

    # Without being woken, the loop would look again only after that many seconds.
    monkeypatch.setattr(Adjustments, "asyncore_loop_timeout", 10 * int(PATIENCE_S))
    monkeypatch.setattr(event_loop, "_is_busy", noted)
    monkeypatch.setattr(WSGITask, "execute", held)
    with live() as mock, connect(port_of(mock)) as connection:
        connection.sendall(KEPT_ALIVE * 2)
        assert begun.wait(PATIENCE_S)
        connection.sendall(KEPT_ALIVE.replace(b"\r\n", CLOSE, 1))
        assert received(connection).count(b"HTTP/1.1 200 ") == 3


def test_one_thread_at_a_time_sends(monkeypatch):
    owned, answered, send, finish = [], threading.Semaphore(0), HTTPChannel.send, WSGITask.finish

    def noted(channel, data, **rest):
        owned.append(channel.outbuf_lock._is_owned())
        return send(channel, data, **rest)

    monkeypatch.setattr(HTTPChannel, "send", noted)
    monkeypatch.setattr(WSGITask, "finish", lambda task: finish(task) or answered.release())
    request = KEPT_ALIVE.replace(b"/_mock/health", b"/_mock/openapi.json")
    with live() as mock, connect(port_of(mock)) as connection:
        # More than the system keeps for a connection, and less than waitress does: the loop sends the rest.
        times = 8000 // len(request)
        connection.sendall(request * times)
        assert all(answered.acquire(timeout=PATIENCE_S) for _ in range(times))
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).count(b"HTTP/1.1 200 ") == times
    assert all(owned)


def test_an_answer_is_sent_in_one_piece_and_wakes_nobody(monkeypatch):
    sent, pulls, send, pull = [], [], HTTPChannel.send, trigger._physical_pull
    monkeypatch.setattr(
        HTTPChannel, "send", lambda channel, data, **rest: sent.append(data) or send(channel, data, **rest)
    )
    monkeypatch.setattr(trigger, "_physical_pull", lambda pulled: pulls.append(pulled) or pull(pulled))
    with live() as mock, httpx.Client(base_url=mock.url, timeout=PATIENCE_S) as client:
        for _ in range(5):
            client.get("/_mock/health")
        assert (len(sent), pulls) == (5, [])


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
def test_a_request_without_a_body_that_expects_100_continue_is_answered(length):
    request = b"GET /_mock/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nExpect: 100-continue\r\n"
    with live() as mock:
        answer = exchange(port_of(mock), request + length + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_request_with_a_body_is_told_to_continue():
    head, _, body = raw_request(BODY, headers=(*JSON, b"Expect: 100-continue")).partition(b"\r\n\r\n")
    assert PATH.encode() in head
    with live() as mock, connect(port_of(mock)) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_a_server_may_end_before_the_pull_that_ends_it_is_written(monkeypatch):
    pull = trigger._physical_pull

    def woken_by_an_earlier_pull(pulled):
        if pulled.thunks:
            loops = [thread for thread in threading.enumerate() if thread.name == f"klingkit at {mock.url}"]
            pull(pulled)
            for loop in loops:
                loop.join(PATIENCE_S)
        pull(pulled)

    with live(fetch="none") as mock:
        assert httpx.get(f"{mock.url}/_mock/health", timeout=PATIENCE_S).status_code == 200
        monkeypatch.setattr(trigger, "_physical_pull", woken_by_an_earlier_pull)


def test_a_connection_is_closed_by_the_thread_of_the_loop_alone(monkeypatch):
    is_begun, is_reset, closing = threading.Event(), threading.Event(), []
    execute, forget = WSGITask.execute, EventLoop.forget

    def held(task):
        is_begun.set()
        assert is_reset.wait(PATIENCE_S)
        execute(task)

    def noted(loop, fileno):
        closing.append(threading.current_thread().name)
        forget(loop, fileno)

    monkeypatch.setattr(WSGITask, "execute", held)
    monkeypatch.setattr(EventLoop, "forget", noted)
    with live() as mock:
        with connect(port_of(mock)) as connection:
            # The thread that answers the first request asks for the body of the second.
            connection.sendall(KEPT_ALIVE + raw_request(b"", headers=(b"Expect: 100-continue",), length=10))
            assert is_begun.wait(PATIENCE_S)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        is_reset.set()
    assert closing
    assert {name.startswith("klingkit at ") for name in closing} == {True}


def test_a_client_that_is_gone_before_it_is_told_of_its_malformed_request_leaves_no_error(monkeypatch, caplog):
    def gone(task):
        raise ClientDisconnected

    monkeypatch.setattr(_EnvelopeTask, "execute", gone)
    with live() as mock, connect(port_of(mock)) as connection:
        connection.sendall(b"no HTTP\r\n\r\n")
        assert received(connection) == b""
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]

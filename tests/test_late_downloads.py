"""Downloads of results that are still being rendered: they wait without a thread, and nobody waits in vain."""

import http.client
import json
import queue
import select
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import flask
import httpx
import pytest

from kling_mock_server.adapters import waitress_server
from kling_mock_server.adapters.flask_app import MockApp
from kling_mock_server.adapters.httpx_transport import HttpxTransport
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.assets import elsewhere, renderer, rendering
from kling_mock_server.assets.elsewhere import Elsewhere
from kling_mock_server.core import late_downloads
from kling_mock_server.core.late_downloads import HUNG_UP
from kling_mock_server.failures.wire import sender_loop
from kling_mock_server.failures.wire.late_response import LateResponse
from kling_mock_server.state.stores.store import StoreDownError
from support.serving import PATH, PATIENCE_S, documented, payload
from support.workflow import ORIGIN, Caller, task_path

ENDS_MS = 150_000
NEUTRAL = "the neutral video is sent in place of the rendered one"
RENDERED = b"the rendered video, " * 5_000


class Gate:
    """Holds what is rendered until it is opened, and tells what has begun."""

    def __init__(self):
        self.open = threading.Event()
        self.begun, self.waited_for = threading.Semaphore(0), threading.Semaphore(0)

    def render(self, plan):
        self.begun.release()
        assert self.open.wait(PATIENCE_S)
        return RENDERED


@pytest.fixture
def gate(monkeypatch):
    gate = Gate()
    monkeypatch.setattr(renderer, "_can_render", lambda: True)
    monkeypatch.setattr(rendering, "render", gate.render)
    made, waited_for = sender_loop._made, LateResponse.waited_for
    monkeypatch.setattr(sender_loop, "_made", lambda late: gate.waited_for.release() or made(late))
    monkeypatch.setattr(LateResponse, "waited_for", lambda late: gate.waited_for.release() or waited_for(late))
    yield gate
    gate.open.set()


class DownloadClient:
    """One account of a live server."""

    def __init__(self, server, stack):
        self.server, self._stack = server, stack
        self.handle = server.new_handle()
        self.seen = queue.SimpleQueue()
        server.responder.watch = self.seen.put

    def ask(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.handle.token}", "Content-Type": "application/json"}
        answer = self.begin(path, method, json.dumps(body) if body else None, **headers).getresponse()
        assert answer.status == 200
        return json.load(answer)["data"]

    def finished(self, number=0):
        """Create a task that has succeeded; return its task id and the path of its result."""
        task_id = self.ask("POST", PATH, payload(sound_insert_time=1000 + number))["task_id"]
        self.ask("POST", "/_mock/clock", {"advance_ms": ENDS_MS})
        (result,) = self.ask("GET", task_path(task_id))["task_result"]["videos"]
        return urlsplit(result["url"]).path

    def begin(self, path, method="GET", body=None, **headers):
        """Send a request over a connection of its own, which is returned."""
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.server.url).port, timeout=PATIENCE_S)
        self._stack.callback(connection.close)
        connection.request(method, path, body, headers)
        return connection

    def entry(self):
        """Wait for the next download to be journalled."""
        while (entry := self.seen.get(timeout=PATIENCE_S)).operation != "download":
            pass
        return entry


@contextmanager
def live_client(connections, **options):
    """Serve until the end of the block, whose connections may last longer."""
    with LiveServer(contract=documented(), pace="manual", **options) as server:
        yield DownloadClient(server, connections)


@contextmanager
def listening(**options):
    with ExitStack() as connections, live_client(connections, **options) as client:
        yield client


@pytest.fixture
def client(gate):
    with listening() as client:
        yield client
        gate.open.set()


def is_silent(connection):
    return select.select([connection.sock], [], [], 0) == ([], [], [])


def body_of(connection):
    answer = connection.getresponse()
    return answer.read()


def is_neutral(body):
    return body[4:8] == b"ftyp"


def test_a_download_that_waits_holds_no_thread(gate, monkeypatch):
    monkeypatch.setattr(waitress_server, "THREADS", 1)
    with listening() as client:
        path = client.finished()
        waiting = [client.begin(path) for _ in range(5)]
        assert client.ask("GET", "/_mock/clock")
        assert all(map(is_silent, waiting))
        gate.open.set()
        assert [body_of(connection) for connection in waiting] == [RENDERED] * 5


def test_a_late_answer_is_journalled_when_it_is_sent(gate, client):
    connection = client.begin(client.finished())
    assert gate.begun.acquire(timeout=PATIENCE_S)
    gate.open.set()
    assert body_of(connection) == RENDERED
    entry = client.entry()
    assert (entry.status, entry.method, entry.report.notes) == (200, "GET", ())
    assert entry.elapsed_ms > 0
    (kept,) = [one for one in client.ask("GET", "/_mock/journal")["entries"] if one["operation"] == "download"]
    assert kept["response"]["status"] == 200


@pytest.mark.parametrize(
    ("method", "headers", "status", "body"),
    [
        ("HEAD", {}, 200, b""),
        ("GET", {"Range": "bytes=4-11"}, 206, RENDERED[4:12]),
        ("GET", {"Range": f"bytes={len(RENDERED)}-"}, 416, b""),
        ("GET", {"Origin": "http://localhost:1"}, 200, RENDERED),
    ],
)
def test_a_late_answer_is_what_was_asked_for(gate, client, method, headers, status, body):
    connection = client.begin(client.finished(), method, **headers)
    assert gate.waited_for.acquire(timeout=PATIENCE_S)
    gate.open.set()
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (status, body)
    length = len(RENDERED) if method == "HEAD" else len(body)
    assert (answer.headers["Content-Length"], answer.headers["Connection"]) == (str(length), "close")
    assert answer.headers["Access-Control-Allow-Origin"] == headers.get("Origin")


def test_so_many_wait_and_one_more_gets_the_neutral_video_with_a_note(gate, monkeypatch):
    monkeypatch.setattr(late_downloads, "MAX_WAITING", 2)
    with listening() as client:
        path = client.finished()
        waiting = [client.begin(path), client.begin(path)]
        assert all(gate.waited_for.acquire(timeout=PATIENCE_S) for _ in waiting)
        assert is_neutral(body_of(client.begin(path)))
        (note,) = client.entry().report.notes
        assert str(note) == f"note: {NEUTRAL}: 2 other downloads wait for theirs"
        assert all(map(is_silent, waiting))
        gate.open.set()
        assert [body_of(connection) for connection in waiting] == [RENDERED] * 2
        assert body_of(client.begin(path)) == RENDERED


def test_a_client_that_hangs_up_makes_room(gate, monkeypatch):
    monkeypatch.setattr(late_downloads, "MAX_WAITING", 1)
    with listening() as client:
        path = client.finished()
        leaving = client.begin(path)
        assert gate.waited_for.acquire(timeout=PATIENCE_S)
        leaving.close()
        entry = client.entry()
        assert (entry.status, entry.answer) == (0, HUNG_UP)
        again = client.begin(path)
        gate.open.set()
        assert body_of(again) == RENDERED


@pytest.mark.parametrize("is_over_a_socket", [True, False])
def test_a_video_that_takes_too_long_is_a_neutral_one_with_a_note(gate, monkeypatch, is_over_a_socket):
    monkeypatch.setattr(late_downloads, "PATIENCE_S", 0)
    with listening() as client:
        path = client.finished()
        if is_over_a_socket:
            body = body_of(client.begin(path))
        else:
            body = MockApp(client.server.responder).test_client().get(path).data
        assert is_neutral(body)
        (note,) = client.entry().report.notes
        assert note.message == f"{NEUTRAL}: it is not rendered after 0 s"
        gate.open.set()


def test_at_the_end_a_video_that_was_not_begun_is_sent_as_a_neutral_one(gate, monkeypatch):
    monkeypatch.setattr(renderer, "WORKERS", 1)
    with ExitStack() as connections:
        with live_client(connections) as client:
            client.finished(1)
            assert gate.begun.acquire(timeout=PATIENCE_S)
            waiting = client.begin(client.finished(2))
            assert gate.waited_for.acquire(timeout=PATIENCE_S)
        # The first is being rendered up to here, so that the second was never begun.
        assert is_neutral(body_of(waiting))
        (note,) = client.entry().report.notes
        assert note.message == f"{NEUTRAL}: {renderer.ENDED}"


def test_at_the_end_a_video_that_is_nearly_there_is_sent(gate, monkeypatch):
    with ExitStack() as connections:
        with live_client(connections) as client:
            waiting = client.begin(client.finished())
            assert gate.begun.acquire(timeout=PATIENCE_S)
            assert gate.waited_for.acquire(timeout=PATIENCE_S)
            close = client.server.responder.resources.renderer.close
            monkeypatch.setattr(client.server.responder.resources.renderer, "close", lambda: close() or gate.open.set())
        assert body_of(waiting) == RENDERED


def test_at_the_end_nobody_is_waited_for_long(gate, monkeypatch):
    monkeypatch.setattr(sender_loop, "CLOSING_S", 0)
    with ExitStack() as connections:
        with live_client(connections) as client:
            waiting = client.begin(client.finished())
            assert gate.begun.acquire(timeout=PATIENCE_S)
            assert gate.waited_for.acquire(timeout=PATIENCE_S)
        with pytest.raises(http.client.RemoteDisconnected):
            waiting.getresponse()
        assert client.entry().answer == HUNG_UP


def test_a_scenario_that_answers_for_the_file_waits_for_nothing(gate):
    with listening(scenario="download-missing-at-first") as client:
        path = client.finished()
        assert client.begin(path).getresponse().status == 404
        second = client.begin(path)
        gate.open.set()
        assert body_of(second) == RENDERED


def test_a_scenario_cuts_the_video_that_was_waited_for(gate):
    with listening(scenario="download-cut") as client:
        connection = client.begin(client.finished())
        assert gate.waited_for.acquire(timeout=PATIENCE_S)
        gate.open.set()
        with pytest.raises(http.client.IncompleteRead) as cut:
            body_of(connection)
        assert cut.value.partial == RENDERED[: len(RENDERED) // 2]


def test_a_receiver_of_flasks_signals_sees_the_answer_that_is_sent(gate, client):
    sizes = []

    def note(_, response):
        sizes.append(response.content_length)

    path = client.finished()
    with flask.request_finished.connected_to(note):
        connection = client.begin(path)
        assert gate.begun.acquire(timeout=PATIENCE_S)
        gate.open.set()
        assert body_of(connection) == RENDERED
    assert sizes == [len(RENDERED)]


# In process, the thread that asks waits.


def through_respond(mock):
    return lambda url: mock.download(url).body


def through_flask(mock):
    return lambda url: MockApp(mock.responder).test_client().get(urlsplit(url).path).data


def through_httpx(mock):
    transport = httpx.MockTransport(HttpxTransport(mock.responder, ORIGIN).answer)
    return lambda url: httpx.Client(transport=transport).get(url).content


@pytest.mark.parametrize("way", [through_respond, through_flask, through_httpx])
def test_in_process_so_many_threads_wait_and_one_more_gets_the_neutral_video(gate, monkeypatch, way):
    monkeypatch.setattr(late_downloads, "MAX_HOLDING", 2)
    mock = Caller(pace="manual")
    task_id = mock.create().data["task_id"]
    mock.advance(ENDS_MS)
    (result,) = mock.query(task_id).data["task_result"]["videos"]
    ask = way(mock)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(ask, result["url"]) for _ in range(2)]
        assert all(gate.waited_for.acquire(timeout=PATIENCE_S) for _ in waiting)
        assert is_neutral(ask(result["url"]))
        assert not any(one.done() for one in waiting)
        gate.open.set()
        assert [one.result(PATIENCE_S) for one in waiting] == [RENDERED] * 2
    mock.responder.close()


def test_what_was_abandoned_a_moment_before_is_not_made_any_more():
    told = []
    late = LateResponse(Future(), 0, made, lambda: told.append("abandoned"), lambda: told.append("ended"))
    late.abandon()
    with pytest.raises(CancelledError):
        late.finish()
    assert told == ["ended", "abandoned"]


def made(is_ready):
    raise AssertionError("nobody is there to be answered")


# Another process is waited for by looking again.


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(elsewhere, "LOOK_AGAIN_S", 0)
    elsewhere_ = Elsewhere()
    yield elsewhere_.watch
    elsewhere_.close()


def test_what_another_process_does_is_waited_for_as_long_as_it_does_it(watch):
    first, second = iter([True, True, False]), iter([True, False])
    for done in (watch(lambda: next(first)), watch(lambda: next(second)), watch(lambda: False)):
        assert done.result(PATIENCE_S) == ""
    assert (list(first), list(second)) == ([], [])


def test_a_store_that_is_down_is_not_waited_for(watch):
    def fail():
        raise StoreDownError("gone")

    assert watch(fail).result(PATIENCE_S) == ""


def test_nothing_elsewhere_is_waited_for_after_the_end():
    waiting = Elsewhere()
    done = waiting.watch(lambda: True)
    waiting.close()
    assert done.result(PATIENCE_S) == ""
    assert waiting.watch(lambda: True).result(PATIENCE_S) == ""

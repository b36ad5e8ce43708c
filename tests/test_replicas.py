"""One mock on any store: the same answers, over restarts, over processes, and while the store is away."""

import base64
import itertools
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import httpx
import jwt
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from kling_contracts import Request
from kling_contracts.media import video
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.assets import renderer, speech
from kling_mock_server.cli.main import cli
from kling_mock_server.core import inbox
from kling_mock_server.failures.scenarios.listing import scenario_rows
from kling_mock_server.outgoing import callback_worker
from kling_mock_server.state import journal, tables
from kling_mock_server.state.ids import Ids, enter_process
from kling_mock_server.state.stores.store import MemoryStore, StoreDownError
from support import serving
from support.receivers import HANG, receiving
from support.redis_server import redis_server
from support.serving import (
    AUDIO,
    NOW_MS,
    PATH,
    PATIENCE_S,
    SESSION,
    documented,
    encoded,
    loopback,
    payload,
    response,
    running,
    world,
)
from support.workflow import DAY_MS, LIST, ORIGIN, VIDEO_URL, Caller, said

BEGINS_MS, ENDS_MS = 5_000, 150_000
HOUR_MS = 3_600_000
EACH_CHANGE = ["submitted", "processing", "succeed"]
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
IDENTIFY, TTS = (documented().by_name[name].paths[0] for name in ("identify", "tts"))


def until(find, of="it"):
    """Return what `find` returns as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        assert time.monotonic() < deadline, f"{of} never came"
        time.sleep(0.01)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextmanager
def redis_on_tcp():
    """Run a server that is reached as users reach theirs; yields it and its URL, without the database."""
    port = free_port()
    with redis_server("--port", str(port)) as server:
        yield server, f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def redis():
    with redis_on_tcp() as (_, url):
        yield url


@pytest.fixture(autouse=True)
def unrendered(monkeypatch):
    """Rendering every video would cost most of the time."""
    monkeypatch.setattr(renderer, "_can_render", lambda: False)


UNRENDERED = """
from kling_mock_server.assets import renderer
from kling_mock_server.cli import main as cli
renderer._can_render = lambda: False
cli.main()
"""
# A lease and the gaps between attempts, in ms: nobody waits for those of a real mock.
HASTY = f"""
from kling_mock_server.state import outbox
outbox.LEASE_MS, outbox.GAPS_MS = 300, (50, 50, 100, 100)
{UNRENDERED}"""


@contextmanager
def serve(store, *options, code=UNRENDERED):
    """Run `klingkit serve` on a store, rendering nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "COMMAND", [sys.executable, "-c", code])
        with running("--store", store, *options) as served:
            yield served


class Client:
    """An account of a mock, over HTTP."""

    def __init__(self, url, key):
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False)

    def create(self, **members):
        return self.http.post(PATH, json={**payload(), **members})

    def created(self, **members):
        """Create a task; returns its id."""
        return self._data(self.create(**members))["task_id"]

    def query(self, name):
        return self._data(self.http.get(f"{LIST}/{name}"))

    def list(self):
        """Return all tasks, the newest first."""
        pages = (self._data(self.http.get(LIST, params={"pageNum": number, "pageSize": 500})) for number in (1, 2, 3))
        return [task for page in pages for task in page]

    def control(self, method, path, body=None):
        return self._data(self.http.request(method, f"/_mock{path}", json=body))

    def download(self, url):
        return self.http.get(urlsplit(url).path).content

    def attempts(self):
        """Return how many attempts at callbacks are in the journal."""
        return sum(entry["operation"] == "callback" for entry in self.control("GET", "/journal")["entries"])

    @staticmethod
    def _data(answer):
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture
def client_at():
    """Return a function that makes clients; all are closed at the end."""
    with ExitStack() as stack:

        def make(url, key):
            client = Client(url, key)
            stack.callback(client.http.close)
            return client

        yield make


# The same on every store


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request, tmp_path):
    """The URL of a store."""
    return url_of(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "redis"])
def lasting(request, tmp_path):
    """The URL of a store that outlives a mock."""
    return url_of(request.param, request, tmp_path)


_DATABASES = itertools.count(1)


def url_of(kind, request, directory):
    if kind == "redis":
        # Not flushed: a server has 16 of them, and accounts have keys of their own.
        return f"{request.getfixturevalue('redis')}/{next(_DATABASES) % 15 + 1}"
    return f"sqlite:///{directory}/mock.db" if kind == "sqlite" else ""


@pytest.fixture
def mock_on():
    """Return a function that makes a mock on a store; all are closed at the end."""
    with ExitStack() as stack:

        def make(url, **options):
            mock = Caller(store=url, **{"pace": "manual", **options})
            stack.enter_context(closing(mock.responder))
            return mock

        yield make


@pytest.fixture
def mock(url, mock_on):
    return mock_on(url)


@pytest.fixture
def key():
    """A bearer token that nobody else uses."""
    return uuid.uuid4().hex


def test_the_vendors_own_example_is_accepted(mock, key):
    assert mock.create(key).code == 0


def test_accounts_do_not_meet(mock, key):
    other = f"{key}-other"
    mock.put_world(key, audios={})
    mock.put_world(other)
    task_id = mock.create(other, external_task_id="order").data["task_id"]
    mock.advance(HOUR_MS, other)
    mock.control("PUT", "/limits", {"concurrency": 0}, other)
    mock.control("PUT", "/scenario", {"name": "rate-limited"}, other)

    assert mock.create(key).broken == ["audio-id-unknown"]
    assert (mock.query(task_id, key).status, mock.query("order", key).status) == (400, 400)
    assert mock.list(key).data == []
    assert mock.control("GET", "/clock", token=key)["now_ms"] == NOW_MS
    assert mock.control("GET", "/limits", token=key) == {"concurrency": None, "running": 0}
    assert mock.control("GET", "/scenario", token=key) == {"scenario": None, "progress": None}
    assert len(mock.journal(key)["entries"]) == 4
    mock.control("POST", "/reset", token=key)
    assert mock.query(task_id, other).data["task_status"] == "succeed"


def test_the_whole_workflow(mock, key):
    identified = mock.identify(token=key).data
    [face, *_] = identified["face_data"]
    assert mock.download(face["face_image"]).status == 200
    text = "Long enough to be heard, and short enough to fit into any video that is made up."
    [audio] = mock.speak(text, key).data["task_result"]["audios"]
    assert mock.download(audio["url"]).body[:4] == b"RIFF"
    clip = {"audio_id": audio["id"], "face_id": face["face_id"], "sound_end_time": 2500}
    body = payload(**clip, sound_insert_time=face["start_time"])
    body |= {"session_id": identified["session_id"], "external_task_id": "order"}
    task_id = mock.post(body, key).data["task_id"]

    told = []
    for by_ms in (0, BEGINS_MS, ENDS_MS):
        mock.advance(by_ms, key)
        told.append(mock.status(task_id, key))
    assert told == EACH_CHANGE
    task = mock.query("order", key).data
    assert mock.list(key).data == [task]
    [result] = task["task_result"]["videos"]
    seconds = task["task_info"]["parent_video"]["duration"]
    assert video.measure(mock.download(result["url"]).body).duration_ms == float(seconds) * 1000
    assert mock.identify(token=key, video_id=result["id"]).code == 0


def test_sessions_audios_and_results_expire_by_the_clock(mock, key):
    session_id = mock.identify(token=key).data["session_id"]
    [audio] = mock.speak(token=key).data["task_result"]["audios"]
    task_id = mock.create(key).data["task_id"]
    mock.advance(ENDS_MS, key)
    [result] = mock.query(task_id, key).data["task_result"]["videos"]

    mock.advance(DAY_MS, key)
    assert mock.post({**payload(), "session_id": session_id}, key).broken[0] == "session-expired"
    assert (mock.download(audio["url"]).status, mock.download(result["url"]).status) == (200, 200)
    mock.advance(30 * DAY_MS, key)
    assert (mock.download(audio["url"]).status, mock.download(result["url"]).status) == (404, 404)


def test_a_clock_stops_before_no_world_can_hold_its_time(mock, key):
    for _ in range(3):
        mock.advance(2**53, key)
    assert mock.identify(token=key).code == 0
    assert mock.create(key).broken[0] == "session-expired"
    got = mock.control("GET", "/world", token=key)
    assert mock.control("PUT", "/world", got, key) == got


def test_an_external_id_is_taken_once_and_free_in_another_world(mock, key):
    assert [mock.create(key, external_task_id="order").broken for _ in range(2)] == [[], ["external-task-id-duplicate"]]
    mock.put_world(key)
    assert mock.create(key, external_task_id="order").broken == []


def test_slots_are_taken_and_become_free_by_the_clock(mock, key):
    mock.put_world(key)
    mock.create(key)
    mock.control("PUT", "/limits", {"concurrency": 2}, key)
    told = [mock.create(key).code for _ in range(2)]
    mock.advance(ENDS_MS - 1, key)
    told.append(mock.create(key).code)
    mock.advance(1, key)
    told += [mock.create(key).code for _ in range(3)]
    assert told == [0, 1303, 1303, 0, 0, 1303]
    assert mock.control("GET", "/limits", token=key) == {"concurrency": 2, "running": 2}


def test_a_task_is_created_when_it_is_stored_whatever_its_sound_has_waited_for(mock, key):
    mock.put_world(key)

    def serve_late(connection, _):
        mock.advance(HOUR_MS, key)
        connection.sendall(response(speech.wav(8000, "1")))

    with loopback(serve_late) as port, receiving() as receiver:
        sound = {"audio_id": "", "sound_file": f"http://127.0.0.1:{port}/voice.wav"}
        task = mock.create(key, callback_url=receiver.url, **sound).data
        assert task["created_at"] == NOW_MS + HOUR_MS
        assert mock.status(task["task_id"], key) == "submitted"
        mock.advance(BEGINS_MS, key)
        receiver.wait_for(2)
        assert mock.query(task["task_id"], key).data["updated_at"] == NOW_MS + HOUR_MS + BEGINS_MS
    assert receiver.statuses == EACH_CHANGE[:2]


def test_a_session_that_is_taken_away_while_a_sound_is_waited_for_does_not_exist(mock, key):
    mock.put_world(key)

    def serve_late(connection, _):
        mock.put_world(key, sessions={})
        connection.sendall(response(speech.wav(8000, "1")))

    with loopback(serve_late) as port:
        answer = mock.create(key, audio_id="", sound_file=f"http://127.0.0.1:{port}/voice.wav")
    assert answer.broken[0] == "session-unknown"


def test_a_task_and_the_entry_of_its_creation_are_kept_together_or_not_at_all(lasting, mock_on, key, monkeypatch):
    mock = mock_on(lasting)
    mock.create(key, external_task_id="kept")

    def fail(entry):
        raise StoreDownError("the disk is full")

    def unwritable(self, entry):
        return replace(self._table, to_json=fail), entry.request_id, entry

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "row", unwritable)
        assert mock.create(key, external_task_id="lost").status == 503

    assert mock.query("lost", key).broken == ["task-unknown"]
    assert [entry["response"]["code"] for entry in mock.control("GET", "/journal", token=key)["entries"]][:1] == [0]


def test_a_scenario_goes_on_from_step_to_step(mock, key):
    steps = [{"call": "create", "skip": 1, "refuse": 1302}, {"call": "create", "times": 2, "refuse": 1303}]
    mock.control("PUT", "/scenario", {"name": "mine", "steps": steps}, key)
    assert [mock.create(key).code for _ in range(5)] == [0, 1302, 1303, 1303, 0]
    assert mock.control("GET", "/scenario", token=key)["progress"] == [[2, 1], [2, 2]]
    mock.control("PUT", "/scenario", {"name": "mine", "steps": steps}, key)
    assert [mock.create(key).code for _ in range(2)] == [0, 1302]


def test_the_journal_tells_what_was_wrong_and_no_secret(mock, key):
    sound = base64.b64encode(b"RIFF" + bytes(range(256))).decode()
    answer = mock.create(key, audio_id="", sound_file=sound, sound_volume=3)
    mock.post(b"{", key)
    [refused, garbled] = mock.journal(key)["entries"]

    assert [one["rule"] for one in refused["violations"]] == answer.broken
    assert refused["request"]["body"]["face_choose"][0]["sound_file"]["length"] == len(sound)
    assert [one["rule"] for one in garbled["violations"]] == ["body-json"]
    told = json.dumps(mock.journal(key))
    assert key not in told
    assert sound[:16] not in told


EVERYTHING = world(
    sessions={
        SESSION: {
            "video_ms": 10_000,
            "faces": {"-1": [0, 10_000], "0": [2000, 7000]},
            "created_ms": NOW_MS - 5,
            "video_id": "1",
            "video_url": VIDEO_URL,
        }
    },
    audios={AUDIO: {"duration_ms": 8000, "created_ms": NOW_MS - 6, "flagged": True}, "ü/ 😀": {"duration_ms": 1}},
    files={
        "http://a": {"format": "mp3", "size_bytes": 1, "duration_ms": 1, "decodes": True},
        "http://b": {"format": "wav", "size_bytes": 2, "duration_ms": 3, "decodes": False, "flagged": True},
    },
    videos={
        VIDEO_URL: {
            "format": "mov",
            "size_bytes": 5,
            "duration_ms": 6,
            "width_px": 7,
            "height_px": 8,
            "faces": {"x": [0, 5]},
            "created_ms": NOW_MS,
            "flagged": True,
        }
    },
    external_task_ids=["order", ""],
    audio_slack_ms=20,
    voices={"oversea_male1": "en"},
    flagged_words=["war", "戰"],
)


def test_a_world_is_got_as_it_was_put(mock, mock_on, key):
    assert mock.control("PUT", "/world", EVERYTHING, key) == mock_on("").control("PUT", "/world", EVERYTHING, key)
    got = mock.control("GET", "/world", token=key)
    assert got.keys() >= EVERYTHING.keys()
    assert mock.control("PUT", "/world", got, key) == got


def test_a_reset_goes_back_to_the_beginning(mock, key):
    before = mock.control("GET", "/world", token=key)
    task_id = mock.create(key, external_task_id="order").data["task_id"]
    mock.identify(token=key)
    mock.advance(DAY_MS, key)
    mock.control("PUT", "/limits", {"concurrency": 0}, key)
    mock.control("PUT", "/scenario", {"name": "rate-limited"}, key)

    after = mock.control("POST", "/reset", token=key)
    assert {**after, "now_ms": 0} == {**before, "now_ms": 0}
    assert (mock.query(task_id, key).status, mock.query("order", key).status) == (400, 400)
    assert mock.control("GET", "/limits", token=key)["concurrency"] is None
    assert mock.control("GET", "/scenario", token=key)["scenario"] is None
    assert [entry["operation"] for entry in mock.journal(key)["entries"]] == ["query", "query"]


def test_callbacks_come_in_order_and_can_be_read_in_the_inbox(url, key, client_at):
    with LiveServer(contract=documented(), store=url, pace="manual", webhook_secrets=(SECRET,)) as server:
        client = client_at(server.url, key)
        inbox_url = f"{server.url}/_mock/inbox/{key}"
        task_ids = [client.created(callback_url=inbox_url) for _ in range(3)]
        client.control("POST", "/clock", {"advance_ms": HOUR_MS})
        posts = until(lambda: len(found := client.control("GET", f"/inbox/{key}")) == 9 and found, "9 callbacks")
    for task_id in task_ids:
        assert [post["body"]["task_status"] for post in posts if post["body"]["task_id"] == task_id] == EACH_CHANGE
    assert len({post["headers"]["webhook-id"] for post in posts}) == 9


# In the same words: whatever is done to it, a mock answers on every store as it does in memory

STATEFUL_EXAMPLES = min(settings.default.max_examples // 3, 500)
NAMES = st.sampled_from(["order", "order-2", "ü/ 😀", ""])
NUMBERS = st.integers(0, 3)
FRAGMENTS = ["", "#faces=0", "#faces=99", "#duration=8000&face=2000-7000", "#face=0-999999999", "#width=1", "#flagged"]
CONTROLS = ["/world", "/clock", "/limits", "/scenario", "/journal"]
STEPS = st.one_of(
    st.tuples(st.just("create"), NAMES, st.sampled_from([5000, 2000, 9000])),
    st.tuples(st.just("create"), NAMES, st.just(5000)),
    st.tuples(st.just("query"), NUMBERS | NAMES.filter(bool)),
    st.tuples(st.just("list"), st.integers(0, 3), st.integers(1, 3)),
    st.tuples(st.just("advance"), st.sampled_from([0, 1, BEGINS_MS, ENDS_MS, DAY_MS, 31 * DAY_MS, 2**53])),
    st.tuples(st.just("limit"), st.none() | st.integers(0, 2)),
    st.tuples(st.just("play"), st.sampled_from([row["name"] for row in scenario_rows()])),
    st.tuples(st.just("stop")),
    st.tuples(st.just("identify"), st.sampled_from(FRAGMENTS)),
    st.tuples(st.just("speak"), st.sampled_from(["A sentence of a few words.", "war", ""])),
    st.tuples(st.just("world"), st.sampled_from([world(), EVERYTHING, {**EVERYTHING, "files": {}}, {"now_ms": -1}])),
    st.tuples(st.just("session"), st.sampled_from([SESSION, "mine", "ü"])),
    st.tuples(st.just("get"), st.sampled_from(CONTROLS)),
    st.tuples(st.just("download"), NUMBERS),
    st.tuples(st.just("reset")),
)


class Transcript:
    """What an account was told, with ids by when they first appear, so that those of two mocks can be compared."""

    def __init__(self, mock, key):
        self._mock = mock
        self._key = key
        self._ids = {}
        self._urls = []
        self._tasks = []
        self._do("PUT", "/_mock/world", world())

    def take(self, name, *arguments):
        return getattr(self, f"_{name}")(*arguments)

    def _ask(self, method, path, body, headers, query=""):
        return self._mock.responder.respond(Request(method, path, headers, body, query, ORIGIN))

    def _do(self, method, path, body=b"", query=""):
        answer = self._ask(method, path, encoded(body), {"authorization": f"Bearer {self._key}"}, query)
        self._tasks += re.findall(rb'"task_id":"(\d+)"', answer.body)
        self._urls += re.findall(rb'"(http://mock.example[^"]+)"', answer.body)
        return answer.status, self._plain(str(sorted(answer.headers.items()))), self._plain(repr(answer.body))

    def _plain(self, text):
        # How long an answer took is its own affair.
        timeless = re.sub(r'"elapsed_ms":[0-9.]+', '"elapsed_ms":0', text)
        return re.sub(r"[0-9a-f]{48}|\d{18}|[0-9a-f]{8}-[0-9a-f-]{27}", self._place, timeless)

    def _place(self, found):
        return f"<{self._ids.setdefault(found[0], len(self._ids))}>"

    def _create(self, name, ends_ms):
        return self._do("POST", PATH, {**payload(sound_end_time=ends_ms), "external_task_id": name})

    def _query(self, which):
        name = self._tasks[-which:][:1] if isinstance(which, int) else [which.encode("utf-8", "replace")]
        return self._do("GET", f"{LIST}/{name[0].decode() if name else 'none'}")

    def _list(self, number, size):
        return self._do("GET", LIST, query=f"pageNum={number}&pageSize={size}")

    def _advance(self, by_ms):
        return self._do("POST", "/_mock/clock", {"advance_ms": by_ms})

    def _limit(self, concurrency):
        return self._do("PUT", "/_mock/limits", {"concurrency": concurrency})

    def _play(self, name):
        return self._do("PUT", "/_mock/scenario", {"name": name})

    def _stop(self):
        return self._do("DELETE", "/_mock/scenario")

    def _identify(self, fragment):
        return self._do("POST", IDENTIFY, {"video_url": VIDEO_URL + fragment})

    def _speak(self, text):
        return self._do("POST", TTS, said(text))

    def _world(self, value):
        return self._do("PUT", "/_mock/world", value)

    def _session(self, name):
        return self._do("PUT", f"/_mock/sessions/{name}", {"video_ms": 9000, "faces": {"-1": [0, 9000]}})

    def _get(self, path):
        return self._do("GET", f"/_mock{path}")

    def _download(self, which):
        for url in self._urls[-which:][:1]:
            answer = self._ask("GET", unquote(urlsplit(url.decode()).path), b"", {})
            # A voice sounds by its id.
            return answer.status, self._plain(str(sorted(answer.headers.items()))), len(answer.body)
        return None

    def _reset(self):
        # A fresh account's clock stands at the real time.
        status, _, _ = self._do("POST", "/_mock/reset")
        return status, self._do("PUT", "/_mock/world", world())


def test_whatever_is_done_the_answers_are_those_of_a_mock_in_memory(lasting, mock_on):
    mocks = [mock_on(store, fetch="none") for store in ("", lasting)]

    @settings(max_examples=STATEFUL_EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, max_size=25))
    def run(steps):
        key = uuid.uuid4().hex
        model, other = (Transcript(mock, key) for mock in mocks)
        for step in (*steps, ("get", "/world"), ("get", "/journal")):
            assert other.take(*step) == model.take(*step)

    run()


# After a restart


def create_on_and_on(client, name, acknowledged):
    """Create tasks until the mock is gone; note the id of each that it has acknowledged by its external id."""
    for number in itertools.count():
        try:
            answer = client.create(external_task_id=f"{name}-{number}")
        except httpx.TransportError:
            return
        if answer.status_code == 200:
            acknowledged[f"{name}-{number}"] = answer.json()["data"]["task_id"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_task_that_was_acknowledged_is_lost(lasting, how, key, client_at):
    acknowledged = {}
    with ThreadPoolExecutor(4) as threads, serve(lasting) as served:
        client = client_at(served.url, key)
        loads = [threads.submit(create_on_and_on, client, name, acknowledged) for name in "abcd"]
        until(lambda: len(acknowledged) >= 60, "60 tasks")
        served.process.send_signal(how)
        for load in loads:
            load.result()
        assert served.ended() == (0 if how == signal.SIGTERM else -how)
        assert "Traceback" not in served.output

    with serve(lasting) as served:
        client = client_at(served.url, key)
        listed = Counter(task["task_info"]["external_task_id"] for task in client.list())
        assert set(listed.values()) == {1}
        assert listed.keys() >= acknowledged.keys()
        for external_id, task_id in acknowledged.items():
            assert client.query(external_id)["task_id"] == client.query(task_id)["task_id"] == task_id


def ends(receiver, task_ids):
    """Return whether the end of every task was told."""
    return {one.json["task_id"] for one in receiver.received if one.status == "succeed"} >= set(task_ids)


def told_in_order(receiver, task_ids):
    """Return whether each task has told every status, the first time in order."""
    told = ([one.status for one in receiver.received if one.json["task_id"] == task_id] for task_id in task_ids)
    return all(list(dict.fromkeys(statuses)) == EACH_CHANGE for statuses in told)


def test_what_is_to_be_sent_when_a_mock_is_killed_is_sent_after_a_restart(lasting, key, client_at):
    with receiving(*[503] * 1000) as receiver:
        with serve(lasting, code=HASTY) as served:
            client = client_at(served.url, key)
            # Of which the clock stands still: nothing is tried again by itself.
            client.control("PUT", "/world", world())
            task_ids = [client.created(callback_url=receiver.url) for _ in range(5)]
            until(lambda: client.attempts() >= len(task_ids), "the first attempts")
            served.process.kill()
            served.ended()
        receiver.answer()
        with serve(lasting, code=HASTY) as served:
            client_at(served.url, key).control("POST", "/clock", {"advance_ms": HOUR_MS})
            until(lambda: ends(receiver, task_ids), "the callbacks")
    assert told_in_order(receiver, task_ids)


def test_what_is_being_sent_when_a_mock_is_killed_is_sent_once_its_lease_is_over(tmp_path, key, client_at):
    store = f"sqlite:///{tmp_path}/mock.db"
    with receiving(HANG) as receiver:
        with serve(store, code=HASTY) as served:
            client = client_at(served.url, key)
            task_ids = [client.created(callback_url=receiver.url) for _ in range(3)]
            receiver.wait_for(1)
            served.process.kill()
            served.ended()
        receiver.release()
        with serve(store, code=HASTY):
            until(lambda: ends(receiver, task_ids), "the callbacks")
    assert told_in_order(receiver, task_ids)


# Two processes


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def replicas(request, tmp_path_factory):
    """The URLs of two mocks on one store."""
    if request.param == "redis":
        store = f"{request.getfixturevalue('redis')}/0"
    else:
        store = f"sqlite:///{tmp_path_factory.mktemp('replicas')}/mock.db"
    options = (store, "--webhook-secret", SECRET)
    with serve(*options) as one, serve(*options) as other:
        yield one.url, other.url
        assert "Traceback" not in one.output + other.output


@pytest.fixture
def pair(replicas, key, client_at):
    """One account on both."""
    return [client_at(url, key) for url in replicas]


def at_once(calls):
    """Make calls in threads of their own, all at the same time; return what they return."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(PATIENCE_S)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_a_result_rendered_on_one_is_downloaded_from_the_other(lasting, key, client_at):
    pytest.importorskip("av")
    with running("--store", lasting) as served, running("--store", lasting) as other_served:
        one, other = (client_at(each.url, key) for each in (served, other_served))
        task_id = one.created()
        task = until(lambda: (found := other.query(task_id))["task_status"] == "succeed" and found)
        [result] = task["task_result"]["videos"]
        content = other.download(result["url"])
        assert video.measure(content).width == 640
        assert one.download(result["url"]) == content


def test_a_task_made_on_one_is_known_to_the_other(pair):
    one, other = pair
    one.control("PUT", "/world", world())
    task_id = one.created(external_task_id="order")
    assert other.query(task_id) == other.query("order") == one.query(task_id)
    second_id = other.created()
    assert [task["task_id"] for task in one.list()] == [second_id, task_id]
    assert one.list() == other.list()
    asked = Counter(entry["operation"] for entry in other.control("GET", "/journal")["entries"])
    assert asked == {"create": 2, "query": 3, "list": 9}


def test_a_clock_advanced_on_one_is_advanced_on_the_other(pair):
    one, other = pair
    one.control("PUT", "/world", world())
    task_id = one.created()
    other.control("POST", "/clock", {"advance_ms": HOUR_MS})
    assert one.control("GET", "/clock") == {"now_ms": NOW_MS + HOUR_MS, "standing": True, "advanced_ms": HOUR_MS}
    assert one.query(task_id)["task_status"] == "succeed"
    at_once([lambda client=client: client.control("POST", "/clock", {"advance_ms": 1}) for client in pair * 4])
    assert one.control("GET", "/clock")["advanced_ms"] == HOUR_MS + 8


def most_at_once(tasks):
    """Return how many of these tasks, which have all ended, ran at the same time by what they say themselves."""
    changes = [(task["created_at"], 1) for task in tasks] + [(task["updated_at"], -1) for task in tasks]
    # What ends at an instant has made room for what begins at it.
    return max(itertools.accumulate(change for _, change in sorted(changes)))


def test_a_limit_holds_for_both_together(pair):
    pair[0].control("PUT", "/limits", {"concurrency": 3})
    created, refused, seen, deadline = [], [], [], time.monotonic() + PATIENCE_S

    def load(client):
        while len(created) < 24 and time.monotonic() < deadline:
            answer = client.create()
            assert answer.json()["code"] in (0, 1303), answer.text
            (created if answer.status_code == 200 else refused).append(answer.json())
            seen.append(client.control("GET", "/limits")["running"])

    at_once([lambda client=client: load(client) for client in pair * 2])

    assert max(seen) <= 3
    assert refused
    until(lambda: all(task["task_status"] == "succeed" for task in pair[1].list()))
    tasks = pair[1].list()
    assert {task["task_id"] for task in tasks} == {one["data"]["task_id"] for one in created}
    assert most_at_once(tasks) <= 3


def test_of_those_who_use_an_external_id_at_once_one_wins(pair):
    for name in (f"order-{number}" for number in range(8)):
        answers = at_once(
            [lambda client=client, name=name: client.create(external_task_id=name) for client in pair * 2]
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        refused = {answer.headers["X-Contract-Violations"] for answer in answers if answer.status_code == 400}
        assert refused == {"external-task-id-duplicate"}
        [won] = [answer.json()["data"]["task_id"] for answer in answers if answer.status_code == 200]
        assert [client.query(name)["task_id"] for client in pair] == [won, won]


def test_callbacks_of_tasks_made_on_either_are_delivered_once(pair):
    with receiving() as receiver:

        def create(client):
            return [client.created(callback_url=receiver.url) for _ in range(25)]

        task_ids = list(itertools.chain(*at_once([lambda client=client: create(client) for client in pair])))
        until(lambda: pair[0].attempts() == 3 * len(task_ids), "the journal of all callbacks")
    told = Counter((one.json["task_id"], one.status) for one in receiver.received)
    assert told == Counter((task_id, status) for task_id in task_ids for status in EACH_CHANGE)
    assert told_in_order(receiver, task_ids)
    assert len({one.message_id for one in receiver.received}) == len(told)
    assert Webhook(SECRET).verify(receiver.received[-1].body, receiver.received[-1].headers)


def test_an_inbox_is_the_same_on_both(pair, replicas, key):
    task_ids = [
        client.created(callback_url=f"{url}/_mock/inbox/{key}") for client, url in zip(pair, replicas, strict=True)
    ]
    posts = until(lambda: len(found := pair[0].control("GET", f"/inbox/{key}")) == 6 and found, "six posts")
    assert pair[1].control("GET", f"/inbox/{key}") == posts
    assert {post["body"]["task_id"] for post in posts} == set(task_ids)


def test_a_step_that_takes_one_request_takes_it_on_one_of_both(pair):
    task_id = pair[0].created()
    pair[0].control("PUT", "/scenario", {"name": "once", "steps": [{"call": "query", "refuse": 1302}]})
    answers = at_once([lambda client=client: client.http.get(f"{LIST}/{task_id}") for client in pair * 6])
    assert Counter(answer.json()["code"] for answer in answers) == {0: 11, 1302: 1}
    assert pair[1].control("GET", "/scenario")["progress"] == [[1, 1]]


# When the store goes away


def test_while_redis_is_away_a_mock_says_so_and_goes_on_once_it_is_back(key, client_at):
    codes = set()

    def load(client, done):
        while not done.is_set():
            answer = client.create()
            codes.add((answer.status_code, answer.json()["code"]))

    with redis_on_tcp() as (server, url), ThreadPoolExecutor(4) as threads, serve(f"{url}/0") as served:
        client, done = client_at(served.url, key), threading.Event()
        loads = [threads.submit(load, client, done) for _ in range(4)]
        until(lambda: (200, 0) in codes)
        server.stop()
        until(lambda: (503, 5001) in codes)
        answers = [
            client.create(),
            client.http.get(LIST),
            client.http.get("/_mock/journal"),
            client.http.get("/_mock/files/a/results/1.mp4"),
            client.http.post(PATH, content=b"{" * 9_000_000),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (503, 5001)
            assert "Redis" in answer.json()["message"]
            assert "\n" not in answer.json()["message"]
        assert client.http.get("/_mock/health").status_code == 200
        server.start()
        until(lambda: client.create().status_code == 200)
        done.set()
        for running_load in loads:
            running_load.result()
        with receiving() as receiver:
            task_id = client.created(callback_url=receiver.url)
            until(lambda: ends(receiver, [task_id]), "the callbacks")
    # While it came back, it had forgotten what a request had just seen.
    assert codes <= {(200, 0), (503, 5001), (400, 1201)}
    assert "Traceback" not in served.output


def test_a_redis_that_hangs_is_told_and_over_once_it_answers(key, mock_on):
    with redis_on_tcp() as (server, url):
        mock = mock_on(f"{url}/0?socket_timeout=0.2")
        task_id = mock.create(key).data["task_id"]
        process = server.ask("INFO", "server")["process_id"]
        os.kill(process, signal.SIGSTOP)
        answers = mock.create(key), mock.query(task_id, key)
        os.kill(process, signal.SIGCONT)
        assert [(answer.status, answer.code) for answer in answers] == [(503, 5001)] * 2
        assert until(lambda: (found := mock.query(task_id, key)).status == 200 and found).data["task_id"] == task_id
        until(lambda: mock.create(key).status == 200)


@pytest.mark.parametrize(
    "evicted", ["rows:sessions", "rows:state", "rows:tasks", "order:tasks", "order:audios", "meta"]
)
def test_an_account_of_which_the_server_evicted_a_key_begins_anew_with_a_note(evicted, redis, key, mock_on, caplog):
    from redis import Redis

    url = f"{redis}/{next(_DATABASES) % 15 + 1}"
    mock = mock_on(url)
    assert mock.create(key).code == 0
    with Redis.from_url(url) as server:
        assert server.delete(f"klingkit:{{{account_key(key)}}}:{evicted}") == 1

    assert [mock.create(key).code, mock.list(key).code, mock.create(key).code] == [0, 0, 0]
    mock.control("GET", "/world", token=key)
    [note] = [entry for entry in mock.journal(key)["entries"] if entry["operation"] == "note"]
    assert note["notes"][0]["message"].startswith("the store has lost a part of this account, which begins anew")
    assert caplog.text.count("maxmemory-policy to noeviction") == 1


def test_a_file_that_is_deleted_is_told_in_every_answer_and_the_log(tmp_path, key, mock_on, caplog):
    mock = mock_on(f"sqlite:///{tmp_path}/mock.db")
    assert mock.create(key).code == 0
    Path(tmp_path, "mock.db").unlink()

    for answer in (mock.create(key), mock.list(key)):
        assert (answer.status, answer.code) == (503, 5001)
        assert "the store's file mock.db was deleted while the mock ran" in answer.message
    assert "mock.db was deleted while the mock ran" in caplog.text


def test_a_disk_that_is_full_is_told_and_over_once_there_is_room(tmp_path, key, client_at):
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("needs a system on which another process can be given a limit")
    with serve(f"sqlite:///{tmp_path}/mock.db") as served, receiving() as receiver:
        client = client_at(served.url, key)
        client.created(external_task_id="before")

        def let_files_grow_to(size):
            resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        let_files_grow_to(1)
        answer = client.create()
        assert (answer.status_code, answer.json()["code"]) == (503, 5001)
        assert "store's file" in answer.json()["message"]
        let_files_grow_to(resource.RLIM_INFINITY)
        task_id = client.created(callback_url=receiver.url)
        until(lambda: ends(receiver, [task_id]), "the callbacks")
        assert client.query("before")["task_status"] == "succeed"
    assert "Traceback" not in served.output


def test_where_nothing_can_be_written_callbacks_are_not_tried_on_and_on(key, monkeypatch, mock_on):
    monkeypatch.setattr(callback_worker, "STORE_DOWN_S", PATIENCE_S)
    mock = mock_on("")
    store, calls, tried = mock.responder.accounts.store, [], threading.Event()
    mock.create(key, callback_url="http://127.0.0.1:9/")
    deliver = mock.responder.resources.callback_worker
    assert deliver.wait_until_idle(account_key(key), PATIENCE_S)
    mock.advance(HOUR_MS, key)

    def refuse(account, work, rows=()):
        calls.append(account)
        tried.set()
        raise StoreDownError("it is read-only")

    monkeypatch.setattr(store, "due", lambda now_ms: [(account_key(key), "127.0.0.1:9")])
    monkeypatch.setattr(store, "transaction", refuse)
    deliver.nudge()
    assert tried.wait(PATIENCE_S)
    assert not deliver.wait_until_idle(account_key(key), 0.2)
    assert len(calls) == 1


def account_key(token):
    return journal.digest_of(token)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["create", "identify", "speak", "list", "limits", "clock", "scenario", "journal"])
def test_an_account_that_is_forgotten_in_the_middle_of_a_call_is_no_error(call, when, key, monkeypatch, mock_on):
    mock = mock_on("")
    store = mock.responder.accounts.store
    change = store.transaction

    def change_and_forget(account, work, rows=()):
        if when == "before":
            store.forget(account)
        result = change(account, work, rows)
        if when == "after":
            store.forget(account)
        return result

    monkeypatch.setattr(store, "transaction", change_and_forget)
    calls = {
        "create": lambda: mock.create(key, external_task_id="order"),
        "identify": lambda: mock.identify(token=key),
        "speak": lambda: mock.speak(token=key),
        "list": lambda: mock.list(key),
        "limits": lambda: mock.ask("PUT", "/_mock/limits", {"concurrency": 1}, key),
        "clock": lambda: mock.ask("POST", "/_mock/clock", {"advance_ms": 1}, key),
        "scenario": lambda: mock.ask("PUT", "/_mock/scenario", {"name": "rate-limited"}, key),
        "journal": lambda: mock.ask("GET", "/_mock/journal", token=key),
    }
    answer = calls[call]()
    # What was judged by a session that is gone by now is judged anew.
    assert answer.status == 200 or answer.broken[0] == "session-unknown"


UNUSABLE = [
    ("sqlite:////proc/mock.db", "can be written to"),
    ("sqlite:////no/such/directory/mock.db", "directory that exists"),
    ("sqlite://mock.db", "sqlite:///relative.db"),
    ("sqlite:///{path}", "name another file"),
    ("mock.db", "sqlite:///FILE"),
    ("postgres://user:hunter2@host/db", "redis://HOST"),
    ("redis://:hunter2@127.0.0.1:1/0", "refused; name a running server"),
    ("redis://127.0.0.1:1/0?timeout_of=hunter2", "malformed"),
    ("redis://no-such-host.invalid/0", "name a running server"),
]


@pytest.mark.parametrize(("store", "remedy"), UNUSABLE)
def test_a_store_that_cannot_be_used_is_an_error_of_one_line_that_says_what_to_do(store, remedy, tmp_path):
    if store.startswith("redis"):
        pytest.importorskip("redis")
    path = tmp_path / "diary.txt"
    path.write_text("Dear diary, " * 100)
    result = CliRunner().invoke(cli, ["serve", "--port", "0", "--store", store.format(path=path)])
    told = result.stderr.splitlines()
    assert result.exit_code == 2
    assert [line for line in told if line.startswith("Error: ")] == told[-1:]
    assert remedy in told[-1]
    assert "hunter2" not in result.stderr


# What is written down


def contents(url, directory):
    """Return all that a store holds, as bytes."""
    if url.startswith("sqlite"):
        return b"".join(path.read_bytes() for path in Path(directory).iterdir())
    from redis import Redis

    readers = {b"string": "GET", b"hash": "HGETALL", b"zset": "ZRANGE"}
    with Redis.from_url(url) as client:
        kept = []
        for name in client.keys("*"):
            kind = client.type(name)
            bounds = (0, -1) if kind == b"zset" else ()
            kept += [name, repr(client.execute_command(readers[kind], name, *bounds)).encode()]
        return b"\n".join(kept)


def windows(text, size=24):
    return [text[start : start + size] for start in range(0, len(text) - size, size // 2)]


def test_neither_tokens_nor_secrets_nor_audio_are_written_down(lasting, tmp_path, key, mock_on, client_at):
    signing_key, issuer = "a-signing-secret-of-32-characters", "an-access-key"
    options = {"store": lasting, "webhook_secrets": (SECRET,), "pace": "fast"}
    token = jwt.encode({"iss": issuer, "exp": 2**40, "nbf": 0}, signing_key, algorithm="HS256")
    small = base64.b64encode(os.urandom(600)).decode()
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        for bearer, server_options in ((key, {}), (token, {"secret": signing_key})):
            server = stack.enter_context(LiveServer(contract=documented(), **options, **server_options))
            client = client_at(server.url, bearer)
            audio = client.http.post(TTS, json=said("A text that makes an audio of a few seconds, or more. " * 2))
            sound = client.download(audio.json()["data"]["task_result"]["audios"][0]["url"])
            voice = base64.b64encode(sound).decode()
            task_id = client.created(**{**payload(audio_id="", sound_file=voice), "callback_url": receiver.url})
            until(lambda task_id=task_id: ends(receiver, [task_id]), "the callbacks")
            for text in (small, voice[:-1], f"data:audio/wav;base64,{small}", small[:101], f"#{small}"):
                assert client.create(**payload(audio_id="", sound_file=text)).status_code == 400
            assert client.create(**payload(sound_file=voice)).status_code == 400
            client.create(sound_file=voice)
            client.http.post(PATH, content=voice[:9000].encode())
            for header in (f"Basic {key}", f"Bearer  {key}", key, f"Bearer {token}x", f"bearer {token}"):
                client_at(server.url, "x").http.post(PATH, json=payload(), headers={"Authorization": header})
        written = contents(lasting, tmp_path)

    assert account_key(key).encode() in written
    for secret in (key, token, token.rpartition(".")[2], issuer, signing_key, SECRET, SECRET[6:]):
        assert secret.encode() not in written
    kept = [window for text in (voice[:2000], voice[-2000:], small) for window in windows(text)]
    assert [window for window in kept if window.encode() in written] == []
    assert sound[1000:1040] not in written
    assert sound[1000:1040].hex().encode() not in written


# Bounds

TABLES = [table for module in (tables, inbox) for table in vars(module).values() if isinstance(table, tables.Table)]


@pytest.fixture
def few(monkeypatch):
    """So many rows are kept of everything."""
    most = 4
    monkeypatch.setattr(journal, "MAX_ENTRIES", most)
    with ExitStack() as stack:
        for table in TABLES:
            stack.callback(object.__setattr__, table, "max_rows", table.max_rows)
            object.__setattr__(table, "max_rows", min(table.max_rows, most))
        yield most


def test_every_table_is_bounded_and_keeps_the_newest(few, url, mock_on, key):
    mock = mock_on(url)
    numbers = range(2 * few)
    session_ids = [mock.identify(token=key).data["session_id"] for _ in numbers]
    audio_ids = [mock.speak(token=key).data["task_result"]["audios"][0]["id"] for _ in numbers]
    held = mock.control("GET", "/world", token=key)
    assert list(held["sessions"]) == session_ids[-few:]
    assert list(held["audios"]) == audio_ids[-few:]

    mock.control("PUT", "/world", world(), key)
    mock.control("PUT", "/limits", {"concurrency": 100}, key)
    task_ids = [mock.create(key, f"order-{number}", "http://127.0.0.1:9/").data["task_id"] for number in numbers]
    for number in numbers:
        mock.ask("POST", f"/_mock/inbox/{key}", {"number": number}, token="")

    assert [task["task_id"] for task in mock.list(key).data] == task_ids[: -few - 1 : -1]
    assert mock.query("order-0", key).status == 400
    assert mock.create(key, "order-0").status == 200
    assert [post["body"]["number"] for post in mock.control("GET", f"/inbox/{key}")] == list(numbers[-few:])
    assert len(mock.journal(key)["entries"]) == few
    assert mock.journal(key)["dropped"] > 0
    store = mock.responder.accounts.store
    counts = {table.name: len(store.view(account_key(key), table)) for table in TABLES}
    assert {name for name, count in counts.items() if count > few} == set()
    assert counts["running"] == counts["tasks"] == few


def test_what_the_journal_keeps_of_a_request_is_bounded(url, mock_on, key):
    mock = mock_on(url)
    mock.ask("POST", f"/{'x' * 200_000}", {}, key)
    mock.create(key, **{"note" * 1000: "x"})
    mock.create(key, callback_url=f"http://127.0.0.1:9/{'x' * 16_000}")
    assert mock.responder.resources.callback_worker.wait_until_idle(account_key(key), PATIENCE_S)
    entries = mock.journal(key)["entries"]
    # The callback may be sent before its creation is journalled.
    assert sorted(entry["operation"] for entry in entries) == ["", "callback", "create", "create"]
    assert max(len(json.dumps(entry)) for entry in entries) < 3 * journal.MAX_BODY_BYTES


def test_of_many_accounts_a_store_that_lasts_keeps_all_and_memory_the_last(monkeypatch, url, mock_on, key):
    monkeypatch.setattr("kling_mock_server.state.accounts.MAX_ACCOUNTS", 3)
    mock = mock_on(url)
    task_ids = [mock.create(f"{key}-{number}").data["task_id"] for number in range(6)]
    found = [mock.query(task_id, f"{key}-{number}").status for number, task_id in reversed([*enumerate(task_ids)])]
    assert found == ([200] * 3 + [400] * 3 if url == "" else [200] * 6)


def test_all_that_redis_holds_of_an_account_ends(redis, mock_on, key):
    from redis import Redis

    url = f"{redis}/{next(_DATABASES) % 15 + 1}"
    mock = mock_on(url, pace="fast")
    mock.identify(token=key)
    mock.speak(token=key)
    mock.control("PUT", "/limits", {"concurrency": 9}, key)
    task_id = mock.create(key, "order", f"{ORIGIN}/callback").data["task_id"]
    mock.ask("POST", f"/_mock/inbox/{key}", {}, token="")
    until(lambda: mock.query(task_id, key).data["task_status"] == "succeed")
    assert mock.responder.resources.callback_worker.wait_until_idle(account_key(key), PATIENCE_S)
    with Redis.from_url(url) as client:
        endless = [name for name in client.keys("*") if client.ttl(name) < 0]
    assert {*endless} - {b"klingkit:schedule"} == {b"klingkit:format", b"klingkit:secret"}


class _Shared(MemoryStore):
    shared = True


def test_a_flood_of_tasks_leaves_only_so_many_videos_to_be_rendered(monkeypatch):
    monkeypatch.setattr(renderer, "_can_render", lambda: True)
    monkeypatch.setattr(renderer, "MAX_PLANNED", 8)
    store, go, gathered = _Shared(), threading.Event(), []

    class Account:
        key = "account"

    Account.state = SimpleNamespace(store=store)

    def gather(number):
        go.wait(PATIENCE_S)
        gathered.append(number)

    with closing(renderer.Renderer()) as rendering:
        for number in range(100):
            rendering.plan(Account, str(number), lambda number=number: gather(number))
        go.set()
        until(lambda: 99 in gathered, "the last one")
        assert len(gathered) <= 2 * 8


def test_processes_that_were_forked_make_ids_of_their_own(monkeypatch):
    drawn = iter(range(1, 100))
    monkeypatch.setattr("kling_mock_server.state.ids.urandom", lambda size: next(drawn).to_bytes(size, "big"))
    monkeypatch.setattr("kling_mock_server.state.ids.real_ms", lambda: NOW_MS)
    ids = Ids()
    before = [ids.next() for _ in range(3)]
    enter_process()
    after = [ids.next() for _ in range(3)]
    assert len({*before, *after}) == 6
    assert [ids.made(made) for made in (*before, *after)] == [False] * 3 + [True] * 3


# A block ends


def test_a_live_server_that_has_ended_sends_nothing_any_more(lasting, key, client_at):
    before = set(threading.enumerate())
    with receiving() as receiver:
        with LiveServer(contract=documented(), store=lasting, pace="manual") as server:
            client = client_at(server.url, key)
            client.created(callback_url=receiver.url)
            receiver.wait_for(1)
        left = [thread.name for thread in set(threading.enumerate()) - before]
        assert [name for name in left if name.startswith(("klingkit callback worker", "klingkit callbacks"))] == []
    with pytest.raises(StoreDownError):
        server.responder.accounts.store.due(0)

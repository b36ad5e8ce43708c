"""A mock answers the same on every store."""

import base64
import json
import re
import uuid
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_contracts import Request
from kling_contracts.media import video
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.assets import speech
from kling_mock_server.failures.scenarios.listing import scenario_rows
from kling_mock_server.state import journal
from kling_mock_server.state.stores.store import StoreDownError
from support.receivers import receiving
from support.replicas import BEGINS_MS, EACH_CHANGE, ENDS_MS, HOUR_MS, IDENTIFY, SECRET, TTS, until
from support.serving import (
    AUDIO,
    NOW_MS,
    PATH,
    SESSION,
    documented,
    encoded,
    loopback,
    payload,
    response,
    world,
)
from support.workflow import DAY_MS, LIST, ORIGIN, VIDEO_URL, said

pytest_plugins = ["support.replica_fixtures"]
pytestmark = pytest.mark.usefixtures("unrendered")


# The same on every store


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


def test_a_task_and_the_entry_of_its_creation_are_kept_together_or_not_at_all(lasting_url, mock_on, key, monkeypatch):
    mock = mock_on(lasting_url)
    mock.create(key, external_task_id="kept")

    def fail(entry):
        raise StoreDownError("the disk is full")

    def unwritable(self, entry, payload=None):
        return replace(self._table, to_json=fail), entry.request_id, entry

    with monkeypatch.context() as patch:
        if lasting_url.startswith("redis"):
            # A change that fails like this lets the lock of the account run out.
            patch.setattr("kling_mock_server.state.stores.redis_rows.LOCK_MS", 100)
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


def test_callbacks_come_in_order_and_can_be_read_in_the_inbox(store_url, key, client_at):
    with LiveServer(contract=documented(), store=store_url, pace="manual", webhook_secrets=(SECRET,)) as server:
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


def test_whatever_is_done_the_answers_are_those_of_a_mock_in_memory(lasting_url, mock_on):
    mocks = [mock_on(store, fetch="none") for store in ("", lasting_url)]

    @settings(max_examples=STATEFUL_EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, max_size=25))
    def run(steps):
        key = uuid.uuid4().hex
        model, other = (Transcript(mock, key) for mock in mocks)
        for step in (*steps, ("get", "/world"), ("get", "/journal")):
            assert other.take(*step) == model.take(*step)

    run()

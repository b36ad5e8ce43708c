"""Every scenario of the library as a client meets it: what comes out of its socket, call by call."""

import gzip
import json
import logging
import select
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from math import inf
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.failures.scenarios import Scenario, Step, library, scenario_from_json
from kling_mock_server.failures.wire import Wire
from kling_mock_server.state.pace import PACES
from support.receivers import receiving
from support.scenarios import unreadable
from support.serving import PATH, PATIENCE_S, Mock, connect, documented, payload, raw_request
from support.wired import read

BEGINS_MS, ENDS_MS = PACES["manual"].begins_after_ms, PACES["manual"].ends_after_ms
IDENTIFY, TTS = "/kling/v1/videos/identify-face", "/kling/v1/audio/tts"
SPEECH = {"text": "Hello, and welcome to the show.", "voice_id": "oversea_male1", "voice_language": "en"}


class Seen(NamedTuple):
    """One answer, byte by byte; without a head, `status` is None."""

    status: int | None
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    end: str
    """close or reset."""
    after_s: float
    """From the request to the end of the connection."""

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["code"]

    @property
    def data(self):
        return self.json["data"]

    @property
    def claimed(self):
        return int(self.headers["content-length"])


class Client:
    """A client of one account that has a task which has succeeded."""

    def __init__(self, server):
        self.kling = server.new_handle()
        self.other = server.new_handle()
        self._port = int(server.url.rpartition(":")[2])
        mock = Mock(server.responder)
        self.task_id = mock.post(payload(), self.kling.token).data["task_id"]
        self.kling.clock.advance(ENDS_MS)
        task = mock.ask("GET", f"{PATH}/{self.task_id}", token=self.kling.token).data
        self.file = urlsplit(task["task_result"]["videos"][0]["url"]).path

    def ask(self, call, kling=None, **changes):
        begun = time.monotonic()
        with self.begin(call, kling, **changes) as connection:
            data, end = read(connection)
        seen = _seen(data, end, time.monotonic() - begun)
        if call == "create" and seen.status == 200 and seen.code == 0:
            self.task_id = str(seen.data["task_id"])
        return seen

    def begin(self, call, kling=None, **changes):
        """Send a request; returns the connection on which the answer will come."""
        connection = connect(self._port)
        connection.sendall(_REQUESTS[call](self, (kling or self.kling).token, **changes))
        return connection

    def wait_for_entry(self, number):
        """Wait until the journal has so many entries."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.kling.journal) < number:
            assert time.monotonic() < deadline, "the mock has not taken the request"
            select.select([], [], [], 0.002)


def _request(method, path, body, token):
    content = b"" if body is None else json.dumps(body).encode()
    return raw_request(content, method, path, token)


_REQUESTS = {
    "create": lambda client, token, **changes: _request("POST", PATH, {**payload(), **changes}, token),
    "query": lambda client, token, named="": _request("GET", f"{PATH}/{named or client.task_id}", None, token),
    "list": lambda client, token: _request("GET", PATH, None, token),
    "identify": lambda client, token: _request("POST", IDENTIFY, {"video_url": "http://videos.example/one.mp4"}, token),
    "tts": lambda client, token: _request("POST", TTS, SPEECH, token),
    "download": lambda client, token: _request("GET", client.file, None, token),
}


def _seen(data, end, after_s):
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    seen = Seen(int(first.split()[1]) if first else None, headers, body, end, after_s)
    # What no scenario asks for: an accident of the mock.
    assert b"Traceback" not in body
    assert seen.status != 500 or seen.code == 5000
    return seen


# What can be seen


def good(seen):
    assert (seen.status, seen.end, seen.claimed) == (200, "close", len(seen.body))
    if seen.headers["content-type"] == "application/json":
        assert (seen.code, seen.json["message"]) == (0, "SUCCEED")
    else:
        assert seen.body[4:8] == b"ftyp"


def refused(status, code, message="", **headers):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed) == (status, "close", len(seen.body))
        assert seen.json.keys() == {"code", "message", "request_id"}
        assert (seen.code, bool(seen.json["message"])) == (code, True)
        assert seen.json["message"] == (message or seen.json["message"])
        assert seen.headers.items() >= {name.replace("_", "-"): value for name, value in headers.items()}.items()
        assert "retry_after" in headers or "retry-after" not in seen.headers

    return check


def not_found(client):
    """One query, which finds no task."""
    message = documented().every_rule["task-unknown"].sentence(given=client.task_id)
    refused(400, 1201, message)(client.ask("query"))


def taken(seen):
    refused(400, 1201)(seen)
    assert seen.headers["x-contract-violations"] == "external-task-id-duplicate"


def raw(status, kind, part):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed) == (status, "close", len(seen.body))
        assert seen.headers.get("content-type") == kind
        assert part in seen.body

    return check


def bare(status):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed, seen.body) == (status, "close", 0, b"")

    return check


def without_code(status, part):
    def check(seen):
        raw(status, "application/json", part)(seen)
        assert seen.json.keys() == {"error"}

    return check


def tells(status, **members):
    """A good answer whose task has that status, and no result unless `members` say so."""

    def check(seen):
        good(seen)
        expected = {"task_status": status, "task_result": None, **members}
        assert {name: seen.data.get(name) for name in expected} == expected

    return check


def has_result(seen):
    good(seen)
    assert seen.data["task_result"]["videos"][0]["url"].endswith(".mp4")


def nothing(end):
    def check(seen):
        assert (seen.status, seen.body, seen.end) == (None, b"", end)

    return check


def share(of_body, end):
    """So much of a good answer, of which Content-Length promises all."""

    def check(seen):
        assert (seen.status, seen.end, len(seen.body)) == (200, end, int(seen.claimed * of_body))
        if of_body == 1:
            assert seen.code == 0
        else:
            assert unreadable(seen.body)

    return check


def claims(more):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed - len(seen.body)) == (200, "close", more)
        assert unreadable(seen.body[: seen.claimed]) == (more < 0)

    return check


def no_gzip(seen):
    assert (seen.status, seen.headers["content-encoding"], seen.code) == (200, "gzip", 0)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(seen.body)


def late(by_s):
    def check(seen):
        assert seen.after_s >= by_s
        good(seen)

    return check


def drips(seen):
    good(seen)
    assert seen.after_s >= (len(seen.body) // 32 - 1) * 0.05


def numeric(*path):
    """A number of as many digits as an id has is at that place of `data`."""

    def check(seen):
        good(seen)
        value = seen.data
        for name in path:
            value = value[name]
        assert isinstance(value, int)
        assert len(str(value)) == 18
        assert str(value).encode() in seen.body

    return check


def both(*checks):
    def check(seen):
        for one in checks:
            one(seen)

    return check


def adds(*names):
    """Members that a good answer does not have, beside those that it has."""

    def check(seen):
        good(seen)
        assert seen.json["trace_id"] == "7c1e"
        assert set(names) < seen.data.keys()

    return check


# What a client does


def asking(call, check, **changes):
    return lambda client: check(client.ask(call, **changes))


create, query, identify, tts, download = (
    partial(asking, call) for call in ("create", "query", "identify", "tts", "download")
)


def silent(call, for_s):
    """Ask, hear nothing while somebody else is answered, and hang up."""

    def step(client):
        number, begun = len(client.kling.journal) + 1, time.monotonic()
        with client.begin(call) as connection:
            client.wait_for_entry(number)
            good(client.ask("list", client.other))
            assert is_silent(connection) or time.monotonic() - begun >= for_s

    return step


def is_silent(connection):
    return select.select([connection], [], [], 0) == ([], [], [])


def passing(by_ms):
    return lambda client: client.kling.clock.advance(by_ms)


def always(call, check):
    return [asking(call, check) for _ in range(3)]


def pattern(call, expected, **checks):
    """One call a character, in the words of `checks`; a dot is good."""
    return [asking(call, checks.get(character, good)) for character in expected]


def told(*statuses, first=0):
    """The statuses that a receiver is told, None where it cannot read one; `first` so many before the reply."""

    def step(client):
        with receiving() as receiver:
            good(client.ask("create", callback_url=receiver.url))
            assert len(receiver.received) >= first
            for by_ms in (0, BEGINS_MS, ENDS_MS):
                client.kling.clock.advance(by_ms)
                assert client.kling.wait_for_callbacks(PATIENCE_S)
            assert tuple(receiver.statuses) == statuses

    return [step]


MODERATED = "Failure to pass the risk control system"
HTML = raw(502, "text/html", b"<h1>502 Bad Gateway</h1>")
BUSY = raw(429, "application/json", b'"code":"1302"')
EXPIRED = raw(403, "application/xml", b"<Code>AccessDenied</Code>")
NO_TOKEN = without_code(401, b'"type":"new_api_error"')

SEEN = {
    "authentication-failed": always("create", refused(401, 1000)),
    "authorization-empty": always("create", refused(401, 1001)),
    "authorization-invalid": always("create", refused(401, 1002)),
    "token-not-yet-valid": [create(refused(401, 1003)), create(good)],
    "token-expired-while-polling": [
        query(tells("processing")),
        query(tells("processing")),
        query(refused(401, 1004)),
        query(has_result),
    ],
    "account-exception": always("create", refused(429, 1100)),
    "account-in-arrears": always("create", refused(429, 1101)),
    "resource-pack-used-up": always("create", refused(429, 1102)),
    "permission-denied": always("create", refused(403, 1103)),
    "invalid-parameters": always("create", refused(400, 1200)),
    "audio-format-refused": always("create", refused(400, 1201, "Audio format is invalid")),
    "method-invalid": always("create", refused(404, 1202)),
    "task-not-found": [not_found] * 3,
    "task-not-found-404": always("query", refused(404, 1203)),
    "fresh-task-not-found": [not_found, not_found, query(good)],
    "platform-policy": always("create", refused(400, 1300)),
    "content-policy": always("create", refused(400, 1301)),
    "text-refused": always("tts", refused(400, 1301, "The text did not pass the content check")),
    "no-human-in-video": always("identify", refused(400, 1201, "The model did not detect a human")),
    "rate-limited": [create(refused(429, 1302)), create(refused(429, 1302)), create(good)],
    "rate-limited-retry-after": [create(refused(429, 1302, retry_after="1")), create(good)],
    "too-many-tasks": [create(refused(429, 1303)), create(refused(429, 1303)), create(good)],
    "too-many-tasks-retry-after": [create(refused(429, 1303, retry_after="1")), create(good)],
    "one-task-at-a-time": [
        create(good),
        create(refused(429, 1303)),
        passing(ENDS_MS - 1),
        create(refused(429, 1303)),
        passing(1),
        create(good),
        create(refused(429, 1303)),
    ],
    "address-not-allowed": always("create", refused(429, 1304)),
    "internal-error": [create(refused(500, 5000)), create(good)],
    "internal-error-while-polling": [
        query(tells("processing")),
        *[query(refused(500, 5000))] * 3,
        query(has_result),
    ],
    "maintenance": [create(refused(503, 5001)), create(refused(503, 5001)), create(good)],
    "backlog": [create(refused(504, 5002)), create(good)],
    "timeout-after-create": [
        create(refused(504, 5002), external_task_id="order-17"),
        create(taken, external_task_id="order-17"),
        query(tells("submitted"), named="order-17"),
        create(good),
    ],
    "create-answer-lost": [
        create(nothing("reset"), external_task_id="order-17"),
        create(taken, external_task_id="order-17"),
        query(tells("submitted"), named="order-17"),
        create(good),
    ],
    "bad-gateway-html": [query(HTML), query(HTML), query(good)],
    "gateway-token-refused": always("create", NO_TOKEN),
    "gateway-error-without-code": always("create", without_code(400, b"The upstream refused the request")),
    "code-as-string": [create(BUSY), create(BUSY), create(good)],
    "error-with-http-200": [create(refused(200, 1302)), create(refused(200, 1302)), create(good)],
    "slow-answers": [silent("create", 1.5), create(good), silent("query", 1.5), query(late(1.5)), query(good)],
    "slow-drip": [query(drips), query(good)],
    "no-answer": [silent("query", inf), query(good)],
    "reset-before-answer": [query(nothing("reset")), query(nothing("reset")), query(good)],
    "reset-in-answer": [query(share(0.5, "reset")), query(share(0.5, "reset")), query(good)],
    "reset-after-answer": [query(share(1, "reset")), query(share(1, "reset")), query(good)],
    "truncated-body": [query(share(0.5, "close")), query(share(0.5, "close")), query(good)],
    "empty-body": [query(bare(200)), query(bare(200)), query(good)],
    "length-too-long": [query(claims(64)), query(claims(64)), query(good)],
    "length-too-short": [query(claims(-20)), query(claims(-20)), query(good)],
    "not-gzip": [query(no_gzip), query(no_gzip), query(good)],
    "unknown-status": [query(tells("queued")), query(tells("queued")), query(has_result)],
    "missing-task-result": [query(tells("succeed")), query(has_result)],
    "empty-videos": always("query", tells("succeed", task_result={"videos": []})),
    "numeric-ids": [
        query(both(numeric("task_id"), numeric("task_result", "videos", 0, "id"))),
        create(numeric("task_id")),
        create(numeric("task_id")),
        query(numeric("task_id")),
    ],
    "added-fields": [
        identify(adds("final_balance_deduction", "session_id", "face_data")),
        tts(adds("watermark_info", "task_id", "task_result")),
        create(adds("watermark_info", "task_id", "task_status")),
        query(adds("watermark_info", "final_balance_deduction", "task_id", "task_status")),
        query(adds("watermark_info", "final_balance_deduction", "task_id", "task_status")),
    ],
    "status-goes-backwards": [
        query(tells("processing")),
        query(tells("submitted")),
        query(tells("submitted")),
        query(has_result),
    ],
    "stuck-task": [create(good), query(tells("submitted")), passing(100 * ENDS_MS), query(tells("processing"))],
    "failed-task": [
        create(good),
        passing(ENDS_MS - 1),
        query(tells("processing", task_status_msg="")),
        passing(1),
        *always("query", tells("failed", task_status_msg=MODERATED, final_unit_deduction="0")),
    ],
    "callbacks-never": told(),
    "callbacks-duplicated": told("submitted", "submitted", "processing", "processing", "succeed", "succeed"),
    "callbacks-redelivered": told(*["submitted"] * 3, *["processing"] * 3, *["succeed"] * 3),
    "callbacks-out-of-order": told("succeed", "processing", "submitted"),
    "callback-before-reply": told("submitted", "processing", "succeed", first=1),
    "callbacks-malformed": told(None, None),
    "callback-forged": told("submitted", "failed", "processing", "succeed"),
    "download-cut": [download(share(0.5, "close")), download(good)],
    "download-missing-at-first": [download(bare(404)), download(good)],
    "download-expired": always("download", EXPIRED),
    "flaky": [
        *pattern("identify", "x.........xx", x=refused(503, 5001)),
        *pattern("tts", "..x..x..x...", x=refused(503, 5001)),
        *pattern("create", "x...x......x", x=refused(503, 5001)),
        *pattern("query", "xs..s.sy", x=refused(500, 5000), y=refused(504, 5002), s=late(0.4)),
        *pattern("download", "...x..x....x", x=bare(503)),
    ],
}
CALLS = ("create", "query", "identify", "tts", "download")


@pytest.fixture(scope="module")
def server():
    server = LiveServer(contract=documented(), pace="manual")
    # What a video shows is not seen here, and to render one costs more than all else.
    server.responder.resources.renderer.plan = lambda *_: None
    with server:
        yield server


@pytest.fixture
def client(server):
    return Client(server)


def test_every_scenario_of_the_library_is_seen():
    assert list(SEEN) == list(library())


@pytest.mark.parametrize("name", library())
def test_a_scenario_is_seen_and_then_over(client, caplog, name):
    client.kling.play(name)
    for step in SEEN[name]:
        step(client)
    client.kling.play(None)
    for call in CALLS:
        good(client.ask(call))
    # What Flask and waitress say of an accident.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_scenario_that_is_played_anew_begins_at_its_first_step(client):
    for _ in range(2):
        client.kling.play("backlog")
        refused(504, 5002)(client.ask("create"))
        good(client.ask("create"))


def test_a_scenario_is_that_of_its_account(client):
    client.kling.play("maintenance")
    good(client.ask("create", client.other))
    refused(503, 5001)(client.ask("create"))
    good(client.ask("create", client.other))


def test_the_journal_names_the_scenario_beside_what_it_took(client):
    number = len(client.kling.journal)
    client.kling.play("rate-limited-retry-after")
    for call in ("list", "create", "create", "query"):
        client.ask(call)
    taken = [(entry.operation, entry.scenario) for entry in client.kling.journal[number:]]
    assert taken == [("list", ""), ("create", "rate-limited-retry-after"), ("create", ""), ("query", "")]


def test_a_step_takes_as_many_calls_as_it_says_however_many_come_at_once(client):
    client.kling.play(Scenario("mine", (Step("query", times=10, refuse=1302), Step("query", times=5, refuse=5001))))
    with ThreadPoolExecutor(16) as threads:
        codes = Counter(seen.code for seen in threads.map(client.ask, ["query"] * 40))
    assert codes == {1302: 10, 5001: 5, 0: 25}


texts = st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | texts
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(texts, scalars, max_size=2)
members = st.sampled_from(["data", "code", "task_id", "task_status", "task_result", "videos"])
changes = st.dictionaries(members, values | st.dictionaries(members, values, max_size=2), max_size=2)
pointers = st.lists(
    st.sampled_from(["data", "task_id", "task_result", "videos", "0", "9", "", "~1"]), min_size=1, max_size=4
)
replacing = st.fixed_dictionaries(
    {},
    optional={
        "done": st.booleans(),
        "headers": st.dictionaries(st.sampled_from(["Content-Type", "Retry-After"]), st.none() | st.text("abc")),
    },
)
happenings = st.one_of(
    st.builds(lambda code, more: {"refuse": code, **more}, st.sampled_from([1000, 1203, 1302, 5000]), replacing),
    st.builds(
        lambda status, body, more: {"status": status, "body": body, **more},
        st.integers(200, 599).filter(lambda status: status not in (204, 304)),
        texts | st.lists(values, max_size=2) | st.dictionaries(texts, values, max_size=2),
        replacing,
    ),
    st.builds(
        lambda change, found: {"change": change, "numeric": ["".join(f"/{name}" for name in found)]},
        changes,
        pointers,
    ),
)
callbacks = st.fixed_dictionaries(
    {"status": st.sampled_from(["submitted", "processing", "end"])},
    optional={
        "when": st.sampled_from(["before-reply", "submitted", "processing", "end"]),
        "after_ms": st.integers(0, 2**53 - 1),
        "times": st.integers(1, 3),
        "change": changes,
        "percent": st.integers(0, 100),
        "signature": st.sampled_from(["good", "bad", "none"]),
    },
)
fates = st.fixed_dictionaries(
    {"ends": st.sampled_from(["succeed", "failed", "never"])}, optional={"after_ms": st.integers(0, 2**53 - 1)}
).filter(lambda fate: fate["ends"] != "never" or "after_ms" not in fate)
steps = st.one_of(
    st.builds(
        lambda call, what, more: {"call": call, **what, **more},
        st.sampled_from(["query", "list", "identify", "tts", "create"]),
        happenings,
        st.fixed_dictionaries(
            {}, optional={"chance": st.floats(0, 1), "skip": st.integers(0, 2), "while_running": st.booleans()}
        ),
    ),
    st.builds(
        lambda fate, sent, times: {"call": "create", "task": fate, "callbacks": sent, "times": times},
        fates,
        st.lists(callbacks, max_size=4),
        st.integers(1, 3),
    ),
)
CALLED = {
    "create": ("POST", PATH, {**payload(), "callback_url": "http://127.0.0.1:1/"}),
    "query": ("GET", f"{PATH}/order-17", b""),
    "list": ("GET", PATH, b""),
    "identify": ("POST", IDENTIFY, {"video_url": "http://videos.example/one.mp4"}),
    "tts": ("POST", TTS, SPEECH),
}


@given(
    st.lists(steps, min_size=1, max_size=4), st.lists(st.sampled_from([*CALLED, "an hour", "badly made"]), max_size=12)
)
@settings(deadline=None)
def test_no_scenario_makes_the_mock_stumble(server, steps, calls):
    kling, mock = server.new_handle(), Mock(server.responder)
    kling.play(scenario_from_json({"name": "mine", "steps": steps}))
    mock.post({**payload(), "external_task_id": "order-17"}, kling.token)
    for call in calls:
        if call == "an hour":
            kling.clock.advance(3_600_000)
        elif call == "badly made":
            mock.post(b"{", kling.token)
        else:
            mock.ask(*CALLED[call], token=kling.token)
    assert kling.wait_for_callbacks(PATIENCE_S)
    kling.play(None)
    assert mock.ask("GET", PATH, token=kling.token).code == 0


def test_many_slow_answers_hold_up_nobody_else(client):
    number = len(client.kling.journal)
    client.kling.play(Scenario("mine", (Step("query", times="always", wire=Wire(delay_ms=600_000)),)))
    with ExitStack() as stack:
        slow = [stack.enter_context(client.begin("query")) for _ in range(60)]
        client.wait_for_entry(number + 60)
        with http_client(client.other) as healthy:
            answers = [healthy.get(PATH) for _ in range(50)]
        assert {answer.json()["code"] for answer in answers} == {0}
        assert all(map(is_silent, slow))
    client.kling.play(None)
    good(client.ask("query"))


def http_client(kling):
    headers = {"Authorization": f"Bearer {kling.token}"}
    return httpx.Client(base_url=kling.url, headers=headers, trust_env=False, timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("no-answer", httpx.ReadTimeout),
        ("reset-before-answer", httpx.ReadError),
        ("reset-in-answer", httpx.ReadError),
        ("truncated-body", httpx.RemoteProtocolError),
        ("length-too-long", httpx.RemoteProtocolError),
        ("length-too-short", ValueError),
        ("empty-body", ValueError),
        ("not-gzip", httpx.DecodingError),
        ("bad-gateway-html", ValueError),
    ],
)
def test_a_client_that_keeps_its_connection_fails_as_with_the_real_service(client, name, failure):
    with http_client(client.kling) as http:
        ask = partial(http.get, f"{PATH}/{client.task_id}")
        assert ask().json()["code"] == 0
        client.kling.play(name)
        with pytest.raises(failure):
            ask(timeout=httpx.Timeout(PATIENCE_S, read=0.2 if name == "no-answer" else PATIENCE_S)).json()
        client.kling.play(None)
        assert ask().json()["code"] == 0

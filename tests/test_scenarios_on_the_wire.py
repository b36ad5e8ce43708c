"""Every scenario of the library as a client meets it: what comes out of its socket, call by call."""

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from math import inf

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.failures.scenarios import Scenario, Step, library, scenario_from_json
from kling_mock_server.failures.wire import Wire
from support.serving import PATH, PATIENCE_S, Mock, documented, payload
from support.wire_client import ENDS_MS, IDENTIFY, SPEECH, TTS, WireClient
from support.wire_steps import (
    BUSY,
    EXPIRED,
    HTML,
    MODERATED,
    NO_TOKEN,
    adds,
    always,
    bare,
    both,
    claims,
    create,
    download,
    drips,
    good,
    has_result,
    identify,
    is_silent,
    late,
    no_gzip,
    not_found,
    nothing,
    numeric,
    passing,
    pattern,
    query,
    refused,
    share,
    silent,
    taken,
    tells,
    told,
    tts,
    without_code,
)

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
    return WireClient(server)


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

"""A drill finds what a client does wrong under a scenario, and nothing wrong with one that does well."""

import asyncio
import json
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from kling_mock_server.failures.scenarios import library, named
from kling_mock_server.testing.drill import NO_FAULT, SCENARIOS, Drill, DrillFailure
from support.serving import PATH, PATIENCE_S, documented

pytest_plugins = ["pytester"]

TEXT = "Welcome back to the show, and thank you for watching it with us."


# Live: clients that are functions


def ask(url, token="", body=None):
    head = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, head), timeout=PATIENCE_S) as answer:
        return answer.read()


def straight(url, token, retry=lambda attempt: attempt(), **ids):
    """A client that stumbles over the first thing that goes wrong, unless `retry` helps it with a creation."""

    def call(path, body=None):
        answer = json.loads(ask(url + path, token, body))
        assert answer["code"] == 0
        return answer["data"]

    found = call("/v1/videos/identify-face", {"video_url": "https://cdn.example.com/talk.mp4"})
    voice = {"voice_id": "oversea_male1", "voice_language": "en", "voice_speed": 1}
    spoken = call("/v1/audio/tts", {"text": TEXT, **voice})
    face = {
        "face_id": found["face_data"][0]["face_id"],
        "audio_id": spoken["task_result"]["audios"][0]["id"],
        "sound_start_time": 0,
        "sound_end_time": 2000,
        "sound_insert_time": found["face_data"][0]["start_time"],
        "sound_volume": 1,
        "original_audio_volume": 1,
    }
    payload = {"session_id": found["session_id"], "face_choose": [face], **ids}
    task = retry(lambda: call("/v1/videos/advanced-lip-sync", payload))
    while task["task_status"] not in ("succeed", "failed"):
        time.sleep(0.1)
        task = call(f"/v1/videos/advanced-lip-sync/{task['task_id']}")
    ask(task["task_result"]["videos"][0]["url"])


def again(attempt):
    """Retry whatever it was, without a pause."""
    for _ in range(20):
        try:
            return attempt()
        except OSError:
            pass
    raise AssertionError("no luck")


@pytest.fixture(scope="module")
def drill():
    with Drill(contract=documented()) as running:
        yield running


def rules(verdict):
    return [reason.rule for reason in verdict.reasons]


def test_a_client_that_works_does_well_without_a_fault(drill):
    verdict = drill(straight)

    assert (verdict.scenario, verdict.outcome, verdict.reasons) == (NO_FAULT, "got the video", ())
    verdict.check()


def test_a_client_that_sends_its_key_to_the_host_of_the_api_alone_leaks_none(drill, monkeypatch):
    api = []

    def same_host(url, token="", body=None, ask=ask):
        return ask(url, token if url.startswith(api[-1]) else "", body)

    def client(url, token):
        api.append(url)
        monkeypatch.setitem(globals(), "ask", lambda url, _="", body=None: same_host(url, token, body))
        straight(url, token)

    verdict = drill(client)

    assert (verdict.outcome, verdict.reasons) == ("got the video", ())
    assert [bool(entry.token) for entry in verdict.entries if entry.operation == "download"] == [False]


def test_a_client_that_stops_does_well_where_nothing_else_helps(drill):
    verdict = drill(straight, "account-in-arrears")

    assert (verdict.outcome, verdict.is_good) == ("gave up", True)
    assert "HTTP Error 429" in verdict.output


def test_a_client_that_stops_does_badly_where_patience_helps(drill):
    assert rules(drill(straight, "rate-limited")) == ["outcome"]


@pytest.mark.parametrize(
    ("scenario", "rule"),
    [
        ("account-in-arrears", "retry-in-vain"),
        ("rate-limited-retry-after", "retry-after"),
        ("timeout-after-create", "pays-twice"),
        ("create-answer-lost", "pays-twice"),
    ],
)
def test_a_client_that_retries_everything_at_once_is_caught(drill, scenario, rule):
    assert rule in rules(drill(lambda url, token: straight(url, token, again), scenario))


def test_a_place_that_is_taken_is_free_again_for_a_client_that_waits(drill):
    def patiently(attempt):
        for number in range(20):
            try:
                return attempt()
            except urllib.error.HTTPError:
                time.sleep(0.2 * 1.5**number)
        raise AssertionError("no place")

    verdict = drill(lambda url, token: straight(url, token, patiently), "one-task-at-a-time")

    assert (verdict.outcome, verdict.reasons) == ("got the video", ())
    assert 1303 in [entry.code for entry in verdict.entries]


def test_an_external_id_in_a_large_body_counts(drill):
    def twice(url, token):
        body = {"external_task_id": "mine", "watermark_info": "x" * 50_000}
        for _ in range(2):
            with pytest.raises(OSError, match=r"Remote end closed|reset"):
                ask(url + PATH, token, body)

    lost = named("create-answer-lost")
    always = lost._replace(steps=(lost.steps[0]._replace(times="always", status=500, done=False),))

    assert rules(drill(twice, always)) == ["outcome"]


def test_an_async_client_is_awaited(drill):
    async def client(url, token):
        await asyncio.to_thread(straight, url, token)

    assert drill(client).is_good


@pytest.mark.parametrize(
    ("code", "outcome"), [(None, "got no video"), (0, "got no video"), (2, "gave up"), ("no", "gave up")]
)
def test_a_client_may_leave_like_a_program(drill, code, outcome):
    assert drill(lambda url, token: sys.exit(code)).outcome == outcome


def test_a_client_that_never_returns_times_out(drill):
    over = threading.Event()
    verdict = drill(lambda url, token: over.wait(), "stuck-task", limit_s=0.1)
    over.set()

    assert (verdict.outcome, rules(verdict)) == ("timed out", ["ends"])


def test_a_bad_verdict_says_in_its_error_what_was_wrong(drill):
    verdict = drill(straight, "rate-limited")

    with pytest.raises(DrillFailure) as caught:
        verdict.check()
    told = str(caught.value)
    assert told.startswith(
        "rate-limited  gave up  BAD  outcome: gave up at the first failure, though it can pass: never retries\n"
    )
    assert "Two creations in a row come too fast (1302)" in told
    assert "HTTP Error 429" in told


def test_an_unknown_scenario_is_named_with_the_nearest(drill):
    with pytest.raises(ValueError, match="did you mean flaky"):
        drill(straight, "flak")


def test_every_scenario_that_comes_with_the_mock_can_be_chosen():
    assert [named(name).name for name in SCENARIOS] == list(library())


def test_the_fixture_judges_a_client_in_a_suite(pytester, monkeypatch):
    monkeypatch.setitem(sys.modules, "this_client", sys.modules[__name__])
    pytester.makepyfile("""
from this_client import documented, straight
import pytest

@pytest.fixture
def kling_options():
    return {"contract": documented()}

@pytest.mark.parametrize("scenario", ["failed-task", "rate-limited"])
def test(kling_drill, scenario):
    kling_drill(straight, scenario).check()
""")
    result = pytester.runpytest_inprocess("-p", "kling_mock_server.pytest_plugin", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*DrillFailure: rate-limited  gave up  BAD  outcome: *"])

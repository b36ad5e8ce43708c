"""A drill finds what a client does wrong under a scenario, and nothing wrong with one that does well."""

import asyncio
import json
import os
import shlex
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from kling_contracts import Report
from kling_mock_server.cli.main import cli
from kling_mock_server.failures.scenarios import library, named
from kling_mock_server.state.journal import Entry
from kling_mock_server.testing.drill import NO_FAULT, SCENARIOS, Drill, DrillFailure, judging
from kling_mock_server.testing.drill.answers import Codes
from kling_mock_server.testing.drill.clients import MAX_OUTPUT, Commands, stop_after_s
from kling_mock_server.testing.drill.judging import Run, collect_reasons
from support.serving import PATH, PATIENCE_S, documented

pytest_plugins = ["pytester"]

EXAMPLES = Path(__file__).parents[1] / "examples"
CARELESS = f"{sys.executable} {Path(__file__).parent / 'examples' / 'careless_client.py'}"
TEXT = "Welcome back to the show, and thank you for watching it with us."

# By hand: entries of a journal, each `gap` ms after the one before.

NOT_FOUND = {"status": 400, "code": 1201}
BROKEN = {"status": 500, "code": 5000}
DOWN = {"status": 503, "code": 5001}
LATE = {"status": 504, "code": 5002}
LOST = {"details": {"wire": {"head": False, "end": "reset"}}}
SLOW = {"details": {"wire": {"delay_ms": 1500}}}
BUSY = {"status": 429, "code": 1303}
ENDED = {"details": {"task_status": "succeed", "videos": 1}}
FAILED = {"details": {"task_status": "failed"}}
WAITING = {"details": {"task_status": "processing"}}


def made(operation, gap=1000, **fields):
    """What makes one entry: its operation, and by how much later than the one before it came."""
    return operation, gap, fields


def create(external_id="", gap=1000, **fields):
    return made("create", gap, body=json.dumps({"external_task_id": external_id}).encode(), **fields)


def query(gap=1000, task="1", **fields):
    return made("query", gap, method="GET", path=f"{PATH}/{task}", **fields)


def download(gap=1000, **fields):
    return made("download", gap, method="GET", path="/_mock/files/abc/results/2.mp4", **{"token": "", **fields})


def entries_of(*rows):
    at_ms, entries = 0, []
    for number, (operation, gap, fields) in enumerate(rows):
        at_ms += gap
        usual = Entry(at_ms, "POST", f"/{operation}", "digest", b"", 200, 0, "", str(number), Report(), operation)
        entries.append(usual._replace(**fields))
    return tuple(entries)


def reasons(*rows, status=0, expects="either"):
    return collect_reasons(Run(entries_of(*rows), status, 60), expects, Codes.of(documented()))


def broken(*rows):
    """The rules that these requests break, whatever came of them."""
    return {reason.rule for reason in reasons(*rows, status=1)}


# Paying twice


@pytest.mark.parametrize("doubt", [BROKEN, LATE, LOST, {"status": 502}, {"details": {"unreadable": True}}, {}])
def test_a_create_that_may_have_got_through_is_repeated_only_with_its_external_id(doubt):
    assert "pays-twice" in broken(create(**doubt), create())
    assert "pays-twice" in broken(create("a", **doubt), create("b"))
    assert "pays-twice" in broken(create("a", **doubt), create())
    assert "pays-twice" not in broken(create("a", **doubt), create("a"))


@pytest.mark.parametrize("refusal", [BUSY, DOWN, {"status": 429}, {"code": 1302}])
def test_a_create_that_was_refused_may_be_sent_again(refusal):
    assert broken(create(**refusal), create()) == set()


def test_only_the_first_create_that_may_have_got_through_counts():
    assert broken(create("a", **BUSY), create("b", **LATE), create("b")) == set()
    assert broken(create("a", **BUSY), create("b", **LATE), create("a")) == {"pays-twice"}


# Retry-After


@pytest.mark.parametrize("call", [create, query])
def test_retry_after_is_kept_to_the_millisecond_but_for_a_tolerance(call):
    busy = call(status=429, code=1302, details={"retry_after": "2"})
    tolerated = 2000 - judging.CLOCK_MS

    assert broken(busy, call(gap=tolerated)) == set()
    assert broken(busy, call(gap=tolerated - 1)) == {"retry-after"}


def test_retry_after_is_about_requests_of_its_kind_and_of_no_use_where_it_never_arrived():
    busy = create(status=429, code=1302, details={"retry_after": "2"})

    assert broken(busy, query(gap=1)) == set()
    assert broken(query(**{**BROKEN, "details": {"retry_after": "2", "unreadable": True}}), query(gap=500)) == set()
    assert (
        broken(query(**{**BROKEN, "details": {"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}}), query(gap=1)) == set()
    )


# Pauses


def retried(*gaps, **fault):
    """Queries that fail, so long after one another, the last of them well."""
    return [query(**fault), *(query(gap=gap, **fault) for gap in gaps[:-1]), query(gap=gaps[-1])]


@pytest.mark.parametrize("gaps", [(100, 200, 400), (100, 100, 100), (2000, 750, 125), (400, 300, 100)])
def test_pauses_that_grow_but_for_chance_are_a_back_off(gaps):
    assert broken(*retried(*gaps, **BROKEN)) == set()


@pytest.mark.parametrize("gaps", [(2000, 749, 749), (749, 2000, 749), (2000, 2000, 749)])
def test_pauses_that_shrink_by_more_than_chance_are_none(gaps):
    assert broken(*retried(*gaps, **BROKEN)) == {"back-off"}


def test_retries_without_a_pause_are_no_back_off():
    assert broken(*retried(50, 50, judging.CLOCK_MS, **BROKEN)) == set()
    assert broken(*retried(50, 50, judging.CLOCK_MS - 1, **BROKEN)) == {"back-off"}


def test_two_retries_show_nothing():
    assert broken(*retried(2000, 1, **BROKEN)) == set()


def test_a_good_answer_ends_a_row_of_retries():
    assert broken(*retried(1000, 2000, 4000, **BROKEN), *retried(100, 200, 400, **BROKEN)) == set()


@pytest.mark.parametrize("late", [SLOW, {"details": {"wire": {"head": False, "end": "hang"}}}])
def test_a_pause_in_which_the_server_kept_the_client_waiting_does_not_count(late):
    fault = {**BROKEN, **late}

    assert broken(*retried(1000, 1000, 10, **fault)) == set()


def test_a_pause_that_the_server_asked_for_does_not_count():
    asked = {**BUSY, "details": {"retry_after": "5"}}

    assert broken(create(**asked), *(create(gap=gap, **BUSY) for gap in (5000, 100, 200)), create(gap=400)) == set()


# Retrying in vain


@pytest.mark.parametrize(
    "refusal",
    [
        *({"status": 401, "code": code} for code in (1000, 1001, 1002)),
        *({"status": 429, "code": code} for code in (1100, 1101, 1102, 1304)),
        {"status": 403, "code": 1103},
        *({"status": 400, "code": code} for code in (1200, 1300, 1301)),
        {"status": 404, "code": 1202},
        {"status": 400},
        {"status": 401},
        {"status": 200, "code": 1101},
    ],
)
@pytest.mark.parametrize("call", [create, query])
def test_what_was_refused_for_good_is_not_asked_again(call, refusal):
    assert broken(call(**refusal), call()) == {"retry-in-vain"}
    assert broken(call(**refusal)) == set()


def test_a_refusal_of_the_account_holds_for_any_request_of_the_operation():
    assert broken(query(task="1", status=403, code=1103), query(task="2")) == {"retry-in-vain"}
    assert broken(query(task="1", status=400, code=1201), query(task="2")) == set()


def test_other_input_is_no_retry():
    said, refused = json.dumps({"text": "no"}).encode(), {"status": 400, "code": 1301}

    assert broken(made("tts", body=said, **refused), made("tts", body=b'{"text": "yes"}')) == set()
    assert broken(made("tts", body=said, **refused), made("tts", body=said)) == {"retry-in-vain"}


def test_a_job_begun_anew_with_the_same_video_and_text_is_a_retry_whatever_its_ids():
    def job(text, session, **fields):
        spoken = made("tts", body=json.dumps({"text": text}).encode())
        return spoken, made("create", body=json.dumps({"session_id": session}).encode(), **fields)

    refused = job("bad", "1", status=400, code=1301)
    assert broken(*refused, *job("bad", "2")) == {"retry-in-vain"}
    assert broken(*refused, *job("good", "1")) == set()


def test_an_expired_token_may_be_replaced_once():
    expired = {"status": 401, "code": 1004}

    assert broken(query(token="old", **expired), query(token="new")) == set()
    assert broken(query(token="old", **expired), query(token="old")) == {"retry-in-vain"}
    assert broken(*(query(token=name, **expired) for name in "ab"), query(token="c")) == {"retry-in-vain"}


def test_a_token_that_is_not_yet_valid_may_be_used_once_more():
    early = {"status": 401, "code": 1003}

    assert broken(create(**early), create()) == set()
    assert broken(create(**early), create(**early), create()) == {"retry-in-vain"}


def test_a_create_call_with_a_wrong_value_is_not_sent_again():
    assert broken(create(status=400, code=1201), create()) == {"retry-in-vain"}


@pytest.mark.parametrize("refusal", [NOT_FOUND, {"status": 404, "code": 1203}, {"status": 404}])
def test_a_task_may_take_a_moment_to_be_found(refusal):
    def looks(number):
        return [query(**refusal) for _ in range(number)]

    assert broken(*looks(judging.MAX_NOT_FOUND)) == set()
    assert broken(*looks(judging.MAX_NOT_FOUND + 1)) == {"retry-in-vain"}


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_that_is_refused_may_be_asked_for_a_few_times(status):
    def tries(number):
        return [download(status=status) for _ in range(number)]

    assert broken(*tries(judging.MAX_LINKS)) == set()
    assert broken(*tries(judging.MAX_LINKS + 1)) == {"retry-in-vain"}


# The end


@pytest.mark.parametrize("end", [ENDED, FAILED])
def test_a_task_that_has_ended_is_looked_at_once_more_at_most(end):
    assert broken(query(**end), query(**end)) == set()
    assert broken(query(**end), query(**end), query(**end)) == {"end-is-end"}


@pytest.mark.parametrize("end", [ENDED, FAILED])
def test_a_create_after_the_end_pays_once(end):
    assert "pays-twice" in broken(create("a"), create("b"), query(**end))
    assert broken(create("a"), query(**end), create("b")) == {"end-is-end"}


@pytest.mark.parametrize("end", [ENDED, FAILED])
def test_nothing_is_created_after_the_end(end):
    assert broken(create("a"), query(**end), create("a")) == {"end-is-end"}


@pytest.mark.parametrize(
    "details",
    [WAITING, {"details": {"task_status": "succeed"}}, {"details": {"task_status": "succeed", "videos": 0}}],
)
def test_a_task_without_a_video_has_not_ended(details):
    assert broken(*(query(**details) for _ in range(5))) == set()


def test_an_end_that_never_arrived_was_not_told():
    lost = {"details": {**ENDED["details"], "wire": {"percent": 50}}}

    assert broken(*(query(gap=gap, **lost) for gap in (1, 100, 200, 400)), query(gap=800, **ENDED)) == set()


def test_a_link_that_does_not_work_is_a_reason_to_look_again():
    gone = (query(**ENDED), download(status=403))

    assert broken(*gone * 3) == set()


# Keys and limits


def test_a_download_carries_no_key():
    assert broken(download()) == set()
    assert broken(download(token="digest")) == {"key-leaks"}


def test_a_run_has_a_limited_number_of_requests():
    def tries(number):
        return [made("list") for _ in range(number)]

    assert broken(*tries(judging.MAX_REQUESTS)) == set()
    assert broken(*tries(judging.MAX_REQUESTS + 1)) == {"ends"}


def test_patient_polls_do_not_count():
    assert broken(*(query(gap=200, **WAITING) for _ in range(500))) == set()


@pytest.mark.parametrize(("number", "within_ms", "rules"), [(51, 9999, {"polls-at-once"}), (51, 10_000, set())])
def test_more_than_50_polls_in_10_s_are_a_loop_without_a_pause(number, within_ms, rules):
    polls = [query(gap=0, **WAITING) for _ in range(number - 1)]

    assert broken(*polls, query(gap=within_ms, **WAITING)) == rules


def test_fifty_polls_at_once_are_few_enough():
    assert broken(*(query(gap=0, **WAITING) for _ in range(50))) == set()


@pytest.mark.parametrize("name", ["", "undefined", "null", "None"])
def test_a_query_without_an_id_after_a_refusal_took_the_refusal_for_success(name):
    refused = create(status=400, path=PATH)

    assert "refusal-believed" in broken(refused, query(task=name, **NOT_FOUND))
    assert "refusal-believed" not in broken(refused, query(task="order-17", **NOT_FOUND))
    assert "refusal-believed" not in broken(create(path=PATH), query(task=name, **NOT_FOUND))


def test_who_stops_in_doubt_about_a_task_is_told_how_to_go_on():
    run = Run(entries_of(create(**LATE)), 3, 60)

    told = judging.way_out(run, "succeeds", Codes.of(documented()))

    assert told == "stopped safely after HTTP 504, code 5002: send an external_task_id, then query by it"
    assert judging.way_out(run._replace(status=None), "succeeds", Codes.of(documented())) == ""


def test_who_stops_at_the_first_failure_never_retries():
    assert "never retries" in reasons(query(**DOWN), status=3, expects="succeeds")[0].says
    assert "never retries" not in reasons(query(**DOWN), query(**DOWN), status=3, expects="succeeds")[0].says


@pytest.mark.parametrize(("limit_s", "stop_s"), [(60, 70), (40, 50), (39, 48.75), (1, 1.25)])
def test_a_client_whose_deadline_is_the_drills_may_end_by_itself(limit_s, stop_s):
    assert stop_after_s(limit_s) == stop_s


def test_callbacks_are_none_of_the_clients_requests():
    sent = [made("callback", path="http://127.0.0.1:1/", status=0) for _ in range(judging.MAX_REQUESTS + 1)]

    assert broken(*sent) == set()


# The outcome


@pytest.mark.parametrize(
    ("status", "rows", "expects", "rules"),
    [
        (0, [download()], "succeeds", []),
        (0, [download()], "gives-up", []),
        (0, [], "succeeds", ["outcome"]),
        (0, [], "gives-up", ["outcome"]),
        (0, [], "either", ["outcome"]),
        (3, [], "succeeds", ["outcome"]),
        (3, [create(**LATE)], "succeeds", []),
        (3, [create("mine", **LATE)], "succeeds", ["outcome"]),
        (3, [create(**BUSY)], "succeeds", ["outcome"]),
        (0, [create(**LATE)], "succeeds", ["outcome"]),
        (3, [], "gives-up", []),
        (3, [], "either", []),
        (None, [download()], "succeeds", ["ends"]),
        (None, [], "gives-up", ["ends"]),
    ],
)
def test_the_outcome_is_judged_by_exit_status_and_download(status, rows, expects, rules):
    assert [reason.rule for reason in reasons(*rows, status=status, expects=expects)] == rules


@pytest.mark.parametrize(
    ("fields", "whole"),
    [
        ({}, True),
        ({"details": {"wire": {"delay_ms": 5}}}, True),
        ({"details": {"wire": {"percent": 50}}}, False),
        ({"status": 206, "details": {"range": "bytes 50-99/100"}}, True),
        ({"status": 206, "details": {"range": "bytes 0-98/100"}}, False),
        ({"status": 404}, False),
        ({"method": "HEAD"}, False),
        ({"path": "/_mock/files/abc/audios/2.wav"}, False),
    ],
)
def test_a_video_is_had_once_its_last_byte_was_sent(fields, whole):
    operation, gap, usual = download()

    assert judging.has_video(entries_of((operation, gap, {**usual, **fields}))) == whole


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


# Live: clients that are programs


def klingkit(*arguments):
    """Run `klingkit drill`; a traceback fails the test."""
    result = CliRunner().invoke(cli, ["drill", *arguments], prog_name="klingkit")
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result


def drilled(command, *scenarios, **options):
    """Run the command with JSON; returns its exit status and the verdicts by scenario."""
    chosen = [word for name in scenarios for word in ("--scenario", name)]
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    result = klingkit(command, "--format", "json", *chosen, *given)
    return result.exit_code, {one["scenario"]: one for one in json.loads(result.stdout)["verdicts"]}


def python(code):
    return shlex.join([sys.executable, "-c", code])


def test_a_careless_program_is_caught_for_the_right_reasons():
    status, verdicts = drilled(
        CARELESS, "account-in-arrears", "timeout-after-create", "rate-limited", "rate-limited-retry-after", "empty-body"
    )

    assert status == 1
    assert {name: [reason["rule"] for reason in one["reasons"]] for name, one in verdicts.items()} == {
        # What is wrong without any fault is not told again.
        "(no fault)": ["key-leaks"],
        "account-in-arrears": ["retry-in-vain"],
        "timeout-after-create": ["pays-twice"],
        "rate-limited": [],
        "rate-limited-retry-after": ["retry-after"],
        "empty-body": ["outcome"],
    }


@pytest.mark.parametrize(
    "scenario",
    [
        "account-in-arrears",
        "create-answer-lost",
        "download-cut",
        "failed-task",
        "not-gzip",
        "one-task-at-a-time",
        "rate-limited-retry-after",
    ],
)
def test_a_careful_program_passes(scenario, monkeypatch):
    monkeypatch.chdir(EXAMPLES / "polling_httpx")
    for name, seconds in {"POLL": "0.1", "RETRY": "0.1", "TIMEOUT": "5", "DEADLINE": "40"}.items():
        monkeypatch.setenv(f"KLING_{name}_S", seconds)
    client = [sys.executable, "-m", "lipdub", "https://cdn.example.com/talk.mp4", TEXT, "-o", "{dir}/out.mp4"]

    status, verdicts = drilled(shlex.join(client), scenario)

    assert (status, verdicts[scenario]["reasons"]) == (0, [])
    assert any(request["fault"] for request in verdicts[scenario]["requests"])


def test_a_program_finds_url_and_key_where_it_was_told_to(monkeypatch):
    monkeypatch.delenv("KLING_BASE_URL", raising=False)
    code = "import os; os.environ.update(KLING_BASE_URL=os.environ['U'], KLING_API_KEY=os.environ['K']); "
    code += f"exec(open({CARELESS.split()[1]!r}).read())"

    _, verdicts = drilled(python(code), "empty-body", **{"url-env": "U", "key-env": "K"})

    assert verdicts["(no fault)"]["outcome"] == "got the video"


def test_every_run_of_a_program_has_a_directory_and_an_account_of_its_own(tmp_path):
    seen = tmp_path / "seen"
    code = f"import os, sys; print(sys.argv[1], os.environ['KLING_API_KEY'], file=open({str(seen)!r}, 'a')); "
    code += f"open(sys.argv[1] + '/out.mp4', 'x'); exec(open({CARELESS.split()[1]!r}).read())"

    drilled(f"{python(code)} {{dir}}", "empty-body", "rate-limited")

    runs = [line.split() for line in seen.read_text().splitlines()]
    assert [len(set(column)) for column in zip(*runs, strict=True)] == [3, 3]
    assert not any(Path(directory).exists() for directory, _ in runs)


def test_a_program_that_fails_without_a_fault_is_not_drilled():
    result = klingkit(python("print('no such option'); raise SystemExit(64)"))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Without any fault the client failed, so it was not drilled" in result.stderr
    assert "Nothing came to the URL, with the key, of its environment" in result.stderr
    assert "  no such option" in result.stderr


def test_what_the_mock_refused_of_a_program_that_fails_is_shown():
    body = json.dumps({"video_url": 1})
    code = "import os, urllib.request as r; r.urlopen(r.Request(os.environ['KLING_BASE_URL'] + "
    code += f"'/v1/videos/identify-face', b'{body}', {{'Content-Type': 'application/json', "
    code += "'Authorization': 'Bearer ' + os.environ['KLING_API_KEY']}))"
    result = klingkit(python(code))

    assert result.exit_code == 2
    assert "identify-face -> 400 / 1201" in result.stderr
    assert "video_url.type" in result.stderr


def test_what_a_program_that_fails_retried_in_vain_is_shown():
    code = "import os, urllib.request as r, urllib.error as e\nfor _ in range(2):\n  try: r.urlopen(r.Request("
    code += "os.environ['KLING_BASE_URL'] + '/v1/videos/identify-face', b'{}', {'Content-Type': 'application/json', "
    code += "'Authorization': 'Bearer ' + os.environ['KLING_API_KEY']}))\n  except e.HTTPError as error: last = error"
    result = klingkit(python(code + "\nraise last"))

    assert result.exit_code == 2
    assert "It also did badly: retry-in-vain: sent identify again after HTTP 400" in result.stderr


def test_one_cause_under_many_scenarios_is_one_row():
    names = ["maintenance", "rate-limited", "bad-gateway-html", "empty-body"]
    code = f"import sys; sys.argv[1:] = []; source = open({CARELESS.split()[1]!r}).read(); "
    code += "exec(source.replace('range(3)', 'range(1)'))"

    result = klingkit(python(code), *(word for name in names for word in ("--scenario", name)))

    row = next(line for line in result.stdout.splitlines() if "never retries" in line)
    assert row.split()[:2] == ["4", "scenarios"]
    assert result.stdout.count("it printed:") == 1
    assert "4 scenarios: maintenance, rate-limited, bad-gateway-html, empty-body" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-program --fast"], "cannot run no-such-program: No such file or directory"),
        (["python 'client.py"], "cannot read the command: No closing quotation"),
        ([" "], "the command is empty"),
        (["python", "--scenario", "flak"], "did you mean flaky"),
    ],
)
def test_misuse_is_told_in_one_line(arguments, says):
    result = klingkit(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr.splitlines()[-1]


def test_the_table_has_a_row_for_each_run_and_prints_nothing_twice():
    result = klingkit(CARELESS, "--scenario", "timeout-after-create", "--scenario", "rate-limited")

    head, *rows = result.stdout.splitlines()[:4]
    assert head.split() == ["scenario", "outcome", "verdict", "why"]
    assert [row.split()[0] for row in rows] == ["(no", "timeout-after-create", "rate-limited"]
    assert result.stdout.splitlines()[-1] == "3 runs, 2 BAD"
    assert result.stdout.count("pays-twice") == 1
    # The output of a run that went well is nobody's business.
    assert result.stdout.count("trying again") == 1


# Running programs


@pytest.fixture
def commands():
    with Commands() as running:
        yield running


@pytest.mark.parametrize(("given", "kept"), [({}, ""), ({"NO_PROXY": "intra.example"}, "intra.example,")])
def test_no_proxy_stands_between_a_client_and_the_mock(commands, monkeypatch, given, kept):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    program = "import os, urllib.request as u; print(os.environ['NO_PROXY'], u.proxy_bypass('127.0.0.1'))"
    ended = commands.run([sys.executable, "-c", program], {}, PATIENCE_S)
    assert ended.output.strip() == f"{kept}127.0.0.1,localhost,::1 True"


def sleeping(pid_file):
    """A program that starts another one; both sleep."""
    child = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep({PATIENCE_S * 10})"
    return [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]


def until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has waited for yet is over too.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_program_that_takes_too_long_is_stopped_with_all_it_has_started(commands, tmp_path):
    ended = commands.run(sleeping(tmp_path / "pid"), {}, 2)

    assert ended.status is None
    until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_leaving_the_block_stops_what_runs(commands, tmp_path):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(commands.run(sleeping(tmp_path / "pid"), {}, PATIENCE_S * 5)))
    thread.start()
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    commands.stop()
    thread.join(PATIENCE_S)

    assert ended
    with pytest.raises(OSError, match="stopped"):
        commands.run([sys.executable, "-c", ""], {}, 1)


def test_the_end_of_what_a_program_printed_is_kept_out_and_err_alike(commands):
    code = f"import sys; print('x' * {2 * MAX_OUTPUT}); sys.stdout.flush(); print('last', file=sys.stderr); sys.exit(7)"

    status, output = commands.run([sys.executable, "-c", code], {}, PATIENCE_S)

    assert status == 7
    assert output.endswith("x\nlast")
    assert len(output) <= MAX_OUTPUT


def test_a_program_has_no_input_to_wait_for(commands):
    code = "import sys; print(repr(sys.stdin.read()))"

    assert commands.run([sys.executable, "-c", code], {}, PATIENCE_S) == (0, "''")

"""A drill judges what a client does after the end, with its key, within the limits, and what comes of it."""

import pytest

from kling_mock_server.testing.drill import judging
from kling_mock_server.testing.drill.answers import Codes
from kling_mock_server.testing.drill.clients import stop_after_s
from kling_mock_server.testing.drill.judging import Run
from support.drill_entries import (
    BUSY,
    DOWN,
    ENDED,
    FAILED,
    LATE,
    NOT_FOUND,
    WAITING,
    broken,
    create,
    download,
    entries_of,
    made,
    query,
    reasons,
)
from support.serving import PATH, documented

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

"""A drill judges what a client sends again, how soon, and how often."""

import json

import pytest

from kling_mock_server.testing.drill import judging
from support.drill_entries import BROKEN, BUSY, DOWN, LATE, LOST, NOT_FOUND, SLOW, broken, create, download, made, query

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

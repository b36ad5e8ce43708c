"""Scenarios: what becomes of an answer, and of a callback. No sockets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Response
from kling_mock_server.failures.scenarios import Delivery, answered, carried_out, delivered, library
from kling_mock_server.failures.scenarios.answering import merged
from kling_mock_server.failures.wire import Wire, WiredResponse
from kling_mock_server.protocol.envelope import answer
from support import serving
from support.scenarios import CALLBACK, GOOD, REFUSALS, REQUEST_ID, STATUSES, TASK, answer_of, each_code, step_of


@each_code
def test_a_refusal_is_told_as_the_contract_says(code):
    got = answer_of(step_of(refuse=code))

    assert got.status == STATUSES[code]
    assert json.loads(got.body) == {"code": code, "message": REFUSALS[code].message, "request_id": REQUEST_ID}


@each_code
def test_a_message_is_one_short_english_sentence(code):
    message = REFUSALS[code].message

    assert message.isascii()
    assert 1 <= len(message) <= 80


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (1001, "authorization-missing"),
        (1002, "authorization-invalid"),
        (1003, "authorization-not-yet-valid"),
        (1004, "authorization-expired"),
        (1303, "tasks-in-parallel"),
    ],
)
def test_a_code_that_one_rule_has_to_itself_is_told_in_its_words(code, rule):
    assert REFUSALS[code].message == serving.documented().every_rule[rule].message


def test_a_refusal_may_have_another_message_and_status():
    got = answer_of(step_of(refuse=1302, message="slow down", status=200))

    assert (got.status, json.loads(got.body)["message"]) == (200, "slow down")


@pytest.mark.parametrize(
    ("members", "status", "body", "content_type"),
    [
        ({"status": 502}, 502, b"", None),
        ({"body": ""}, 200, b"", None),
        ({"body": "<p>né</p>", "status": 502}, 502, "<p>né</p>".encode(), "text/plain; charset=utf-8"),
        ({"body": "<p>", "headers": {"content-type": "text/html"}}, 200, b"<p>", "text/html"),
        ({"body": "{}", "headers": {"Content-Type": None}}, 200, b"{}", None),
        ({"body": {"error": {"type": "x"}}, "status": 401}, 401, b'{"error":{"type":"x"}}', "application/json"),
        ({"body": []}, 200, b"[]", "application/json"),
    ],
)
def test_a_raw_answer_is_given_as_it_is(members, status, body, content_type):
    got = answer_of(step_of(**members))

    named = {name.lower(): value for name, value in got.headers.items()}
    assert (got.status, got.body, named.get("content-type")) == (status, body, content_type)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"refuse": 5000}, False),
        ({"status": 500}, False),
        ({"body": ""}, False),
        ({"refuse": 5000, "done": True}, True),
        ({"change": {"a": 1}}, True),
        ({"wire": {"end": "reset"}}, True),
        ({"task": {"ends": "never"}}, True),
        ({"refuse": 5000, "wire": {"end": "reset"}}, False),
    ],
)
def test_a_call_is_carried_out_unless_its_answer_is_replaced_beforehand(members, expected):
    assert carried_out(step_of(**members)) is expected


def test_an_answer_may_be_replaced_after_the_call_was_carried_out():
    assert answered(step_of(refuse=5002, done=True), GOOD, REQUEST_ID, REFUSALS).status == 504


def test_a_step_that_leaves_the_good_answer_in_place_needs_one():
    with pytest.raises(TypeError, match="there is none"):
        answered(step_of(headers={"X": "y"}), None, REQUEST_ID, REFUSALS)


def test_a_message_tells_the_texts_of_the_request_that_it_names():
    step = step_of(refuse=1201, message="no {task_id}, no {other}, no {n}: {}")

    got = answered(step, None, REQUEST_ID, REFUSALS, {"task_id": "order-17", "n": 5})

    assert json.loads(got.body)["message"] == "no order-17, no {other}, no {n}: {}"


def test_a_task_that_a_scenario_hides_is_refused_in_the_words_of_the_contract():
    rule = serving.documented().every_rule["task-unknown"]

    for name in ("task-not-found", "fresh-task-not-found"):
        step = library()[name].steps[0]
        assert (step.refuse, step.message) == (rule.code, rule.sentence(given="{task_id}"))


def test_headers_are_added_replaced_and_taken_out_whatever_their_case():
    good = Response(200, {"Content-Type": "application/json", "Link": "<x>", "X-Kept": "1"}, GOOD.body)

    got = answer_of(step_of(headers={"content-type": "text/plain", "LINK": None, "Retry-After": 2}), good)

    assert got == Response(200, {"X-Kept": "1", "content-type": "text/plain", "Retry-After": "2"}, GOOD.body)


@pytest.mark.parametrize("members", [{"change": {"a": 1}}, {"refuse": 1302}, {"status": 500}, {}])
def test_an_answer_leaves_as_its_wire_says(members):
    got = answer_of(step_of(wire={"percent": 50}, **members))

    assert isinstance(got, WiredResponse)
    assert got.wire == Wire(percent=50)


def test_an_answer_without_a_wire_leaves_as_usual():
    assert type(answer_of(step_of(change={"a": 1}))) is Response


def test_a_change_is_merged_into_the_good_answer():
    change = {"trace": 1, "message": None, "data": {"task_status": "paused", "task_result": {"videos": []}}}

    got = json.loads(answer_of(step_of(change=change)).body)

    changed = {**TASK, "task_status": "paused", "task_result": {"videos": []}}
    assert got == {"code": 0, "request_id": REQUEST_ID, "data": changed, "trace": 1}


def test_ids_become_numbers_to_the_last_digit():
    pointers = ["/data/task_id", "/data/task_result/videos/0/id", "/data/task_info/external_task_id", "/data/none/0"]

    got = answer_of(step_of(numeric=pointers)).body

    assert b'"task_id":825466120331415623' in got
    assert b'"id":825466120331415624' in got
    assert b'"external_task_id":"order-17"' in got


@pytest.mark.parametrize("members", [{"change": {"data": {}}}, {"numeric": ["/data/task_id"]}])
def test_a_call_refused_on_its_own_account_has_nothing_to_change(members):
    refused = answer(400, 1201, "The session does not exist", REQUEST_ID)

    assert answer_of(step_of(**members), refused) == refused


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


@given(values, values)
def test_a_merge_patch_does_what_its_standard_says(value, patch):
    before = json.dumps([value, patch])
    result = merged(value, patch)

    assert json.dumps([value, patch]) == before
    assert merged(result, patch) == result
    if not isinstance(patch, dict):
        assert result == patch
    elif not isinstance(value, dict):
        assert result == without_nulls(patch)
    else:
        for name in value.keys() | patch.keys():
            if name not in patch:
                assert result[name] == value[name]
            elif patch[name] is None:
                assert name not in result
            else:
                assert result[name] == merged(value.get(name), patch[name])


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (Delivery("end"), CALLBACK),
        (Delivery("end", percent=50), CALLBACK[: len(CALLBACK) // 2]),
        (Delivery("end", percent=0), b""),
        (Delivery("end", body="<html>"), b"<html>"),
        (Delivery("end", body="<html>", percent=50), b"<ht"),
    ],
)
def test_a_callback_may_be_cut_or_replaced(delivery, expected):
    assert delivered(delivery, CALLBACK) == expected


def test_a_callback_may_be_changed():
    got = json.loads(delivered(Delivery("end", change={"task_status": "failed", "task_result": None}), CALLBACK))

    assert got == {name: got[name] for name in TASK if name != "task_result"}
    assert got["task_status"] == "failed"


def test_a_callback_is_due_at_the_status_that_it_tells_unless_it_says_otherwise():
    assert [Delivery(status).due for status in ("submitted", "processing", "end")] == ["submitted", "processing", "end"]
    assert Delivery("end", when="before-reply").due == "before-reply"

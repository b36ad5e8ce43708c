"""Tasks: their way by the clock, what is told of them, and how they are found and listed."""

import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Request
from support.serving import NOW_MS, SESSION, payload
from support.tasks import BEGINS_MS, ENDS_MS, created
from support.workflow import CREATE, DAY_MS, VIDEO_URL, Caller, must_fit, task_path

pytest_plugins = ["support.task_fixtures"]


def test_the_helper_refuses_what_is_not_declared(mock):
    request, answer = Request("POST", CREATE), mock.create()
    must_fit(request, answer)
    for change in ({"extra": 1}, {"data": {**answer.data, "extra": 1}}, {"code": 1}, {"data": {}}):
        altered = type(answer)(answer.status, answer.headers, json.dumps({**answer.json, **change}).encode())
        with pytest.raises(jsonschema_rs.ValidationError):
            must_fit(request, altered)


# By the clock.


@pytest.mark.parametrize(
    ("advance_ms", "status", "updated_ms"),
    [
        (0, "submitted", 0),
        (BEGINS_MS - 1, "submitted", 0),
        (BEGINS_MS, "processing", BEGINS_MS),
        (ENDS_MS - 1, "processing", BEGINS_MS),
        (ENDS_MS, "succeed", ENDS_MS),
        (30 * DAY_MS, "succeed", ENDS_MS),
    ],
)
def test_a_task_goes_its_way_by_the_clock(mock, advance_ms, status, updated_ms):
    mock.put_world()
    task_id = created(mock)
    mock.advance(advance_ms)
    data = mock.query(task_id).data
    assert (data["task_status"], data["created_at"], data["updated_at"]) == (status, NOW_MS, NOW_MS + updated_ms)


@pytest.mark.parametrize(
    ("advance_ms", "status"), [(99, "submitted"), (100, "processing"), (299, "processing"), (300, "succeed")]
)
def test_at_the_fast_pace_it_takes_a_fraction_of_a_second(advance_ms, status):
    mock = Caller()
    mock.put_world()
    task_id = created(mock)
    mock.advance(advance_ms)
    assert mock.status(task_id) == status


def test_at_the_manual_pace_a_fresh_clock_stands_still(mock):
    first = mock.control("GET", "/clock")
    assert first["standing"] is True
    assert mock.control("GET", "/clock") == first


def test_at_the_manual_pace_it_stands_still_whatever_world_is_put(mock):
    mock.control("PUT", "/world", {"sessions": {}})
    assert mock.control("GET", "/clock")["standing"] is True
    mock.control("POST", "/reset")
    assert mock.control("GET", "/clock")["standing"] is True


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_at_any_other_pace_a_fresh_clock_follows_real_time(pace):
    assert Caller(pace=pace).control("GET", "/clock")["standing"] is False


def test_an_unknown_pace_is_an_error_that_names_those_there_are():
    with pytest.raises(ValueError, match="fast, real, manual"):
        Caller(pace="leisurely")


def test_a_task_that_has_begun_ends_at_the_same_time_however_the_clock_gets_there(mock):
    mock.put_world()
    task_id = created(mock)
    for _ in range(150):
        mock.advance(1000)
    assert mock.query(task_id).data["updated_at"] == NOW_MS + ENDS_MS


@given(steps=st.lists(st.integers(0, 100_000), max_size=8))
def test_a_status_never_goes_back(steps):
    mock = Caller(pace="manual")
    task_id = created(mock)
    order = ["submitted", "processing", "succeed"]
    seen = [mock.query(task_id).data]
    for step in steps:
        mock.advance(step)
        seen.append(mock.query(task_id).data)
    assert [order.index(data["task_status"]) for data in seen] == sorted(order.index(d["task_status"]) for d in seen)
    assert [data["updated_at"] for data in seen] == sorted(data["updated_at"] for data in seen)
    # Time adds up: what was advanced in steps is what was advanced.
    assert seen[-1]["task_status"] == order[(sum(steps) >= BEGINS_MS) + (sum(steps) >= ENDS_MS)]


def test_a_clock_may_be_advanced_beyond_all_time(mock):
    task_id = created(mock, callback_url="http://127.0.0.1:9/")
    for _ in range(1100):
        mock.advance(2**53)
    assert mock.status(task_id) == "succeed"
    assert mock.create().status == 400


# What is told of it.


def test_a_task_that_runs_has_no_result_yet(mock):
    mock.put_world()
    task_id = created(mock, external_task_id="order-1")
    mock.advance(BEGINS_MS)
    data = mock.query(task_id).data
    assert data == {
        "task_id": task_id,
        "task_status": "processing",
        "task_status_msg": "",
        "task_info": {"parent_video": data["task_info"]["parent_video"], "external_task_id": "order-1"},
        "created_at": NOW_MS,
        "updated_at": NOW_MS + BEGINS_MS,
    }


def test_a_task_that_has_succeeded_tells_all_that_the_vendor_documents(mock):
    mock.put_world()
    task_id = created(mock)
    mock.advance(ENDS_MS)
    data = mock.query(task_id).data
    (video,) = data["task_result"]["videos"]
    assert video.keys() == {"id", "url", "duration"}
    assert video["duration"] == data["task_info"]["parent_video"]["duration"] == "10"
    assert data["final_unit_deduction"] == "1"


@pytest.mark.parametrize(
    ("video_ms", "units", "duration"),
    [
        (2000, "0.5", "2"),
        (5000, "0.5", "5"),
        (5001, "1", "5.001"),
        (10_000, "1", "10"),
        (12_340, "1.5", "12.34"),
        (60_000, "6", "60"),
    ],
)
def test_every_started_five_seconds_of_video_cost_half_a_unit(mock, video_ms, units, duration):
    mock.put_world(sessions={SESSION: {"video_ms": video_ms, "faces": {"-1": [0, video_ms]}}})
    task_id = created(mock, sound_end_time=2000, sound_insert_time=0)
    mock.advance(ENDS_MS)
    data = mock.query(task_id).data
    assert (data["final_unit_deduction"], data["task_info"]["parent_video"]["duration"]) == (units, duration)


def test_a_video_that_was_given_by_its_url_is_told_by_its_url(mock):
    session = mock.identify(f"{VIDEO_URL}#duration=10000&face=0-10000").data["session_id"]
    answer = mock.post({**payload(face_id="0"), "session_id": session})
    parent = mock.query(answer.data["task_id"]).data["task_info"]["parent_video"]
    assert (parent["url"], parent["duration"]) == (VIDEO_URL, "10")


def test_a_video_that_was_given_by_its_id_is_told_by_its_id(mock):
    session = mock.identify(video_id="some-id#duration=10000&face=0-10000").data["session_id"]
    answer = mock.post({**payload(face_id="0"), "session_id": session})
    parent = mock.query(answer.data["task_id"]).data["task_info"]["parent_video"]
    assert parent["id"].startswith("some-id")
    assert mock.download(parent["url"]).status == 200


def test_a_failed_task_tells_why_and_costs_nothing(mock):
    mock.control("PUT", "/scenario", {"name": "failed-task"})
    task_id = created(mock)
    mock.advance(ENDS_MS)
    answer = mock.query(task_id)
    assert (answer.status, answer.code) == (200, 0)
    assert answer.data["task_status"] == "failed"
    assert answer.data["task_status_msg"] == "Failure to pass the risk control system"
    assert answer.data["final_unit_deduction"] == "0"
    assert "task_result" not in answer.data


# Found.


@pytest.mark.parametrize("external_id", ["order-1", "订单 1", "a b", "..", "%2F", "a+b", "é", "0", "\n", "x" * 10_000])
def test_a_task_is_found_by_both_of_its_ids(mock, external_id):
    task_id = created(mock, external_task_id=external_id)
    assert mock.query(external_id).data == mock.query(task_id).data
    assert mock.query(task_id).data["task_info"]["external_task_id"] == external_id


def test_an_id_that_looks_like_anothers_external_id_wins(mock):
    first = created(mock)
    second = created(mock, external_task_id=first)
    assert mock.query(first).data["task_id"] == first
    assert mock.query(second).data["task_info"]["external_task_id"] == first


@pytest.mark.parametrize("name", ["1", "0", "-1", "task", "9" * 18, "9" * 5000, "{task_id}", "\0", "null", " "])
def test_an_unknown_task_is_answered_as_observed_upstream(mock, name):
    created(mock)
    answer = mock.query(name)
    assert (answer.status, answer.code, answer.broken) == (400, 1201, ["task-unknown"])


def test_the_id_of_a_result_is_no_task(mock):
    assert mock.query(str(int(created(mock)) + 1)).status == 400


def test_a_task_is_the_accounts_own(mock):
    task_id = created(mock, "a", external_task_id="mine")
    assert [mock.query(name, "b").status for name in (task_id, "mine")] == [400, 400]


def test_an_external_id_that_only_the_world_knows_is_no_task(mock):
    mock.put_world(external_task_ids=["theirs"])
    assert mock.query("theirs").status == 400


def test_a_world_that_is_put_forgets_tasks(mock):
    task_id = created(mock, external_task_id="mine")
    mock.put_world()
    assert [mock.query(name).status for name in (task_id, "mine")] == [400, 400]
    assert mock.list().data == []


@pytest.mark.parametrize("prefix", ["/kling", ""])
def test_both_prefixes_lead_to_the_same_tasks(mock, prefix):
    task_id = created(mock)
    assert mock.ask("GET", prefix + task_path(task_id).removeprefix("/kling")).data["task_id"] == task_id


# Listed.


def ids_of(answer):
    return [data["task_id"] for data in answer.data]


def test_a_list_without_tasks_is_an_empty_array(mock):
    assert mock.list().data == []


def test_tasks_are_listed_the_newest_first(mock):
    ids = [created(mock) for _ in range(5)]
    assert ids_of(mock.list()) == ids[::-1]


def test_a_listed_task_is_told_like_a_queried_one(mock):
    created(mock, external_task_id="mine")
    mock.advance(BEGINS_MS)
    created(mock)
    mock.advance(ENDS_MS - BEGINS_MS)
    assert mock.list().data == [mock.query(task_id).data for task_id in ids_of(mock.list())]
    assert [data["task_status"] for data in mock.list().data] == ["processing", "succeed"]


def test_30_tasks_are_a_page_where_nobody_says_otherwise(mock):
    ids = [created(mock) for _ in range(31)][::-1]
    assert ids_of(mock.list()) == ids[:30]
    assert ids_of(mock.list(pageNum=2)) == ids[30:]


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 500])
def test_pages_are_the_list_in_pieces(mock, size):
    ids = [created(mock) for _ in range(7)][::-1]
    pages = [ids_of(mock.list(pageNum=number, pageSize=size)) for number in range(1, 9)]
    assert [task_id for page in pages for task_id in page] == ids
    assert [len(page) for page in pages] == sorted((len(page) for page in pages), reverse=True)


def test_beyond_the_last_task_pages_are_empty(mock):
    created(mock)
    assert mock.list(pageNum=1000, pageSize=500).data == []


@pytest.mark.parametrize("query", ["pageNum=0", "pageSize=501", "pageNum=x", "pageNum=1&pageSize="])
def test_a_page_that_there_cannot_be_is_refused(mock, query):
    answer = mock.ask("GET", CREATE, query=query)
    assert (answer.status, answer.code) == (400, 1201)


def test_a_list_is_the_accounts_own(mock):
    created(mock, "a")
    assert mock.list("b").data == []


def test_messages_name_the_id_as_observed_upstream(mock):
    assert mock.query("order-7").message == "Task not found by id/external id: order-7"
    mock.create(external_task_id="order-8")
    answer = mock.create(external_task_id="order-8")
    assert (answer.status, answer.code, answer.message) == (400, 1201, "External_task_id order-8 already exists")


def test_a_message_repeats_an_id_of_any_kind_cut(mock):
    assert mock.query("{limit}" * 100).message == f"Task not found by id/external id: {('{limit}' * 100)[:256]}"

"""`GET /_mock/tasks`: the tasks of an account with what became of their callbacks."""

import pytest

from kling_mock_server.adapters.handle import Handle
from support.serving import NOW_MS, PATH, Mock, payload


@pytest.fixture
def mock():
    mock = Mock(pace="manual")
    mock.put_world()
    yield mock
    mock.responder.close()


def create(mock, **fields):
    return mock.post({**payload(), **fields}).data["task_id"]


def tasks(mock, query=""):
    return mock.control("GET", f"/tasks{query}")


def settled(mock):
    assert Handle(mock.responder, "http://127.0.0.1", "key").wait_for_callbacks()


def test_the_newest_task_comes_first_as_the_api_has_it(mock):
    first, second = create(mock), create(mock)
    rows = tasks(mock)
    assert [row["task_id"] for row in rows] == [second, first]
    callbacks = rows[0].pop("callbacks")
    assert rows[0] == mock.ask("GET", f"{PATH}/{second}").data
    assert callbacks == {"attempts": [], "next": None}


def test_without_tasks_there_are_none(mock):
    assert tasks(mock) == []


@pytest.mark.parametrize(("query", "count"), [("?limit=1", 1), ("?limit=500", 3), ("", 3)])
def test_a_limit_takes_the_newest(mock, query, count):
    ids = [create(mock) for _ in range(3)]
    assert [row["task_id"] for row in tasks(mock, query)] == ids[::-1][:count]


@pytest.mark.parametrize("query", ["?limit=0", "?limit=501", "?page=1"])
def test_a_query_that_cannot_be_meant_is_refused(mock, query):
    assert mock.ask("GET", f"/_mock/tasks{query}").status == 400


def test_every_attempt_at_a_callback_is_told_and_the_next_one(mock):
    url = "http://127.0.0.1:9/nobody-listens"
    create(mock, callback_url=url)
    settled(mock)
    (row,) = tasks(mock)
    (attempt,) = row["callbacks"]["attempts"]
    assert attempt.pop("elapsed_ms") >= 0
    assert attempt.pop("error")
    assert attempt == {"at_ms": NOW_MS, "url": url, "task_status": "submitted", "attempt": 1, "status": 0}
    assert row["callbacks"]["next"] == {"due_ms": NOW_MS + 1000, "url": url, "task_status": "submitted", "attempt": 2}


def test_of_a_callback_that_may_not_be_sent_the_reason_is_told(mock):
    create(mock, callback_url="http://example.com/")
    settled(mock)
    (row,) = tasks(mock)
    assert "--allow-callbacks example.com" in row["callbacks"]["attempts"][0]["error"]


def test_the_callbacks_of_another_task_are_not_told(mock):
    create(mock, callback_url="http://127.0.0.1:9/")
    settled(mock)
    create(mock)
    assert tasks(mock)[0]["callbacks"] == {"attempts": [], "next": None}

"""So many tasks of an account run at once as it may have, and so many are kept."""

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.facts.task import Task
from kling_mock_server.protocol.envelope import encode
from kling_mock_server.protocol.task_json import created_json
from kling_mock_server.state import tables, tasks
from kling_mock_server.state.tables import MAX_TASKS
from kling_mock_server.state.tasks import RefusedTask, Tasks
from support.serving import world
from support.tasks import BEGINS_MS, ENDS_MS, created, handle_of
from support.workflow import DAY_MS, Caller

pytest_plugins = ["support.task_fixtures"]


# At once.


def limited(mock, concurrency, token="key"):
    return mock.control("PUT", "/limits", {"concurrency": concurrency}, token)


def test_without_a_limit_any_number_runs(mock):
    assert [mock.create().status for _ in range(50)] == [200] * 50


@pytest.mark.parametrize("concurrency", [0, 1, 3])
def test_one_task_too_many_is_refused_as_observed_upstream(mock, concurrency):
    limited(mock, concurrency)
    answers = [mock.create() for _ in range(concurrency + 1)]
    assert [answer.status for answer in answers] == [200] * concurrency + [429]
    assert (answers[-1].code, answers[-1].message) == (1303, "parallel task over resource pack limit")
    assert answers[-1].broken == ["tasks-in-parallel"]
    assert len(mock.list().data) == concurrency


@pytest.mark.parametrize(("advance_ms", "status"), [(0, 429), (BEGINS_MS, 429), (ENDS_MS - 1, 429), (ENDS_MS, 200)])
def test_a_slot_is_taken_from_submitted_to_the_end(mock, advance_ms, status):
    limited(mock, 1)
    created(mock)
    mock.advance(advance_ms)
    assert mock.create().status == status


def test_a_failed_task_gives_its_slot_back(mock):
    mock.control("PUT", "/scenario", {"name": "failed-task"})
    limited(mock, 1)
    created(mock)
    mock.advance(ENDS_MS)
    assert mock.create().status == 200


def test_a_task_that_never_ends_keeps_its_slot(mock):
    mock.control("PUT", "/scenario", {"name": "stuck-task"})
    limited(mock, 1)
    created(mock)
    mock.advance(30 * DAY_MS)
    assert mock.control("GET", "/limits")["running"] == 1


def test_other_calls_take_no_slot(mock):
    limited(mock, 0)
    assert [mock.identify().status, mock.speak().status, mock.list().status] == [200, 200, 200]
    assert mock.query("1").status == 400


def test_a_limit_counts_the_tasks_that_run_already(mock):
    created(mock)
    created(mock)
    mock.advance(ENDS_MS)
    created(mock)
    limited(mock, 2)
    assert [mock.create().status for _ in range(2)] == [200, 429]


def test_a_limit_that_is_lifted_limits_nothing(mock):
    limited(mock, 1)
    created(mock)
    assert limited(mock, None) == {"concurrency": None, "running": 1}
    assert mock.create().status == 200
    assert limited(mock, 2) == {"concurrency": 2, "running": 2}
    assert mock.create().status == 429


def test_a_limit_is_the_accounts_own(mock):
    limited(mock, 0, "a")
    assert [mock.create("a").status, mock.create("b").status] == [429, 200]


def test_a_limit_can_be_there_from_the_beginning():
    mock = Caller(concurrency=1, pace="manual")
    assert [mock.create().status for _ in range(2)] == [200, 429]


def test_a_reset_goes_back_to_the_limit_of_the_beginning():
    mock = Caller(concurrency=1, pace="manual")
    limited(mock, None)
    mock.control("POST", "/reset")
    assert mock.control("GET", "/limits") == {"concurrency": 1, "running": 0}


def test_a_world_that_is_put_keeps_the_limit_and_frees_the_slots(mock):
    limited(mock, 1)
    created(mock)
    mock.put_world()
    assert mock.control("GET", "/limits") == {"concurrency": 1, "running": 0}


def test_a_task_that_is_refused_for_want_of_a_slot_takes_no_external_id(mock):
    limited(mock, 0)
    assert mock.create(external_task_id="mine").status == 429
    limited(mock, 1)
    assert mock.create(external_task_id="mine").status == 200


def test_a_wrong_request_is_told_what_is_wrong_before_anything_is_said_of_slots(mock):
    limited(mock, 0)
    assert mock.create(sound_end_time=1).broken[0] == "clip-too-short"


def at_once(count, work):
    """Run `work(number)` in so many threads that begin together; returns what they returned."""
    together, results = threading.Barrier(count), [None] * count

    def run(number):
        together.wait(20)
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_of_many_requests_at_once_as_many_are_accepted_as_there_are_slots(mock):
    limited(mock, 5)
    statuses = at_once(20, lambda _: mock.create().status)
    assert sorted(statuses) == [200] * 5 + [429] * 15
    assert mock.control("GET", "/limits") == {"concurrency": 5, "running": 5}


def test_of_many_requests_at_once_with_one_external_id_exactly_one_is_accepted(mock):
    answers = at_once(20, lambda _: mock.create(external_task_id="mine"))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 19
    (accepted,) = [answer for answer in answers if answer.status == 200]
    assert mock.query("mine").data["task_id"] == accepted.data["task_id"]
    assert {tuple(answer.broken) for answer in answers if answer.status == 400} == {("external-task-id-duplicate",)}


def test_a_world_that_changes_under_a_request_is_no_error_of_the_server(mock):
    def work(number):
        if number % 4:
            return [mock.create(external_task_id="mine").status for _ in range(30)]
        for _ in range(30):
            mock.control("PUT", "/world", {**world(), "sessions": {}} if number % 8 else world())
        return []

    statuses = {status for answers in at_once(8, work) for status in answers}
    assert statuses <= {200, 400}


@given(st.text(), st.integers(0, 2**52))
def test_the_answer_to_a_creation_is_written_as_it_would_be_encoded(external_task_id, created_ms):
    task = Task("1", external_task_id, created_ms, 0, None, True, "", "", "", 1, "")
    created = created_json(task)
    assert created.text == encode(dict(created))


def test_an_external_id_that_is_taken_and_given_back_all_the_time_is_refused(mock, monkeypatch):
    def never(self, *task, **limits):
        return RefusedTask("facts.task")

    monkeypatch.setattr(Tasks, "create", never)
    answer = mock.create(external_task_id="mine")
    assert (answer.status, answer.broken) == (400, ["external-task-id-duplicate"])


# Bounds.


def test_an_account_keeps_so_many_tasks_and_forgets_the_oldest_with_all_that_hangs_on_it(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", replace(tables.TASKS, max_rows=3))
    mock = Caller(pace="manual")
    first = created(mock, external_task_id="first", callback_url="http://127.0.0.1:9/")
    for _ in range(3):
        created(mock)
    assert mock.query(first).status == 400
    assert mock.create(external_task_id="first").status == 200
    assert len(mock.list().data) == 3
    # Its callback is gone, too: nobody stumbles over it.
    handle_of(mock).clock.advance(ENDS_MS)
    assert handle_of(mock).wait_for_callbacks()
    assert [entry for entry in mock.journal()["entries"] if entry["operation"] == "callback"] == []


def test_thousands_of_tasks_are_kept():
    assert MAX_TASKS >= 1000


def test_without_upstreams_state_the_newer_task_keeps_the_external_id_when_the_older_is_forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", replace(tables.TASKS, max_rows=2))
    mock = Caller(upstream_state=False, pace="manual")
    for _ in range(2):
        newer = created(mock, external_task_id="mine")
    created(mock)
    assert mock.query("mine").data["task_id"] == newer

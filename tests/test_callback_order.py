"""Callbacks come in order, and those of a world that is gone come no more."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_mock_server.state import tables
from support.callbacks import BEGINS_MS, EACH_CHANGE, ENDS_MS, GAPS_MS, HOUR_MS, CallbackClient, mocked
from support.receivers import HANG, HANG_UP, receiving
from support.serving import world

pytest_plugins = ["support.callback_fixtures"]

# Order


def test_an_hour_delivers_what_became_due_in_order_across_tasks(kling, receiver):
    first = kling.create(receiver.url)
    kling.deliver(1000)
    second = kling.create(receiver.url)
    kling.deliver(BEGINS_MS)
    third = kling.create(receiver.url)
    kling.deliver()
    receiver.answer()
    kling.deliver(HOUR_MS)
    assert [(one.json["task_id"], one.status) for one in receiver.received] == [
        (third, "processing"),
        (first, "succeed"),
        (second, "succeed"),
        (third, "succeed"),
    ]


created_after = st.lists(st.integers(0, 2 * ENDS_MS), min_size=1, max_size=6)
steps = st.lists(st.integers(1, ENDS_MS), max_size=5)


@pytest.fixture(scope="module")
def bench():
    """A mock and a receiver for many examples, each of which has an account of its own."""
    numbers = count(1)
    with mocked() as kling, receiving() as receiver:
        yield lambda: CallbackClient(kling.responder, "", f"example-{next(numbers)}"), receiver


@given(created_after, steps)
@settings(deadline=None, max_examples=40)
def test_the_callbacks_of_an_account_come_by_the_time_at_which_they_are_due(bench, gaps_ms, steps):
    new_client, receiver = bench
    kling = new_client()
    receiver.answer()
    for gap_ms in gaps_ms:
        kling.create(receiver.url)
        kling.deliver(gap_ms)
    for by_ms in [*steps, HOUR_MS]:
        kling.deliver(by_ms)
    told = [(one.json["updated_at"], one.json["task_id"]) for one in receiver.received]
    assert told == sorted(told)
    assert len(told) == 3 * len(gaps_ms)


ANSWERS = [200, 204, 302, 404, 500, HANG_UP]


@given(st.lists(st.sampled_from(ANSWERS), max_size=15))
@settings(deadline=None, max_examples=60)
def test_whatever_a_receiver_answers_it_is_told_every_status_in_order(bench, answers):
    new_client, receiver = bench
    kling = new_client()
    receiver.answer(*answers)
    kling.create(receiver.url)
    for _ in range(1 + 3 * (1 + len(GAPS_MS))):
        kling.deliver(HOUR_MS)
    expected, left = [], iter(answers)
    for status in EACH_CHANGE:
        for _ in range(1 + len(GAPS_MS)):
            expected.append((status, next(left, 200)))
            if expected[-1][1] in (200, 204):
                break
    assert receiver.statuses == [status for status, _ in expected]
    assert [status for status, _ in kling.attempts] == [0 if said == HANG_UP else said for _, said in expected]


# What is forgotten


def put_world(kling):
    kling.world.put(world())


@pytest.mark.parametrize("forget", [put_world, CallbackClient.reset], ids=["a world is put", "reset"])
def test_what_was_to_be_sent_is_forgotten(kling, receiver, forget):
    kling.create(receiver.url)
    kling.deliver()
    forget(kling)
    kling.deliver(HOUR_MS)
    assert receiver.statuses == ["submitted"]


@pytest.mark.parametrize("forget", [put_world, CallbackClient.reset], ids=["a world is put", "reset"])
def test_what_is_on_its_way_is_forgotten_too(kling, forget):
    with receiving(HANG) as receiver:
        kling.create(receiver.url)
        receiver.wait_for(1)
        forget(kling)
        before = kling.attempts
        receiver.release()
        for _ in range(5):
            kling.deliver(HOUR_MS)
        assert (receiver.statuses, kling.attempts) == (["submitted"], before)


def test_the_callbacks_of_a_task_that_made_room_are_forgotten(kling, receiver, monkeypatch):
    for table in (tables.TASKS, tables.OUTBOXES):
        monkeypatch.setitem(table.__dict__, "max_rows", 3)
    kling.create(receiver.url)
    kling.deliver()
    for _ in range(4):
        kling.create("")
    kling.deliver(HOUR_MS)
    assert receiver.statuses == ["submitted"]


def test_other_tasks_go_on_after_a_world_was_put_while_something_was_on_its_way(kling):
    with receiving(HANG) as receiver:
        kling.create(receiver.url)
        receiver.wait_for(1)
        kling.world.put(world())
        task_id = kling.create(receiver.url)
        receiver.release()
        kling.deliver(HOUR_MS)
        assert [one.json["task_id"] for one in receiver.received[1:]] == [task_id] * 3

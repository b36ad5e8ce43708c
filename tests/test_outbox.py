"""When the store is told to look at an account's callbacks again, in real time."""

import pytest

from kling_contracts.facts.task import Task
from kling_mock_server.state import outbox
from kling_mock_server.state.account import Account
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.clock import MAX_TIME_MS
from kling_mock_server.state.journal import journal_table
from kling_mock_server.state.pace import PACES
from kling_mock_server.state.stores.store import MemoryStore, real_ms
from kling_mock_server.state.tables import Message, Outbox
from support.serving import documented

AFTER_MS = 5_000


@pytest.fixture
def account():
    initial = InitialState(documented().operation.example_world, PACES["real"])
    return Account("key", MemoryStore(), initial, journal_table(documented()))


def create(account, after_ms):
    """Create a task of which one callback is due `after_ms` later."""
    now_ms = account.clock.now_ms()
    task = Task("1", "", now_ms, now_ms, None, True, "", "1", "", 5000, "", "http://kling.example")
    message = Message("processing", now_ms + after_ms, "msg_1")
    account.tasks.create(task, Outbox(task.id, "http://127.0.0.1:9/", (message,), 0, message.at_ms))


def test_a_callback_schedules_the_worker_for_when_it_is_due(account):
    create(account, AFTER_MS)
    scheduled_ms = account.state.store.next_scheduled_ms()
    assert 0 <= scheduled_ms - real_ms() <= AFTER_MS


def test_a_clock_that_is_advanced_schedules_it_earlier_by_as_much(account):
    create(account, AFTER_MS)
    scheduled_ms = account.state.store.next_scheduled_ms()
    account.clock.advance(2000)
    assert account.state.store.next_scheduled_ms() == scheduled_ms - 2000


def test_nothing_is_scheduled_before_1970(account):
    # A store counts milliseconds from there.
    create(account, AFTER_MS)
    account.clock.advance(MAX_TIME_MS)
    assert account.state.store.next_scheduled_ms() == 0
    assert account.state.transaction(lambda rows: outbox.take(rows, "127.0.0.1:9")).message.id == "msg_1"

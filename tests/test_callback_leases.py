"""Several processes on one store: every callback is sent once, and survives whoever was to send it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kling_mock_server.outgoing import callback_worker
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.webhooks import Attempt, Targets, post
from kling_mock_server.state import outbox, tables
from kling_mock_server.state.stores.sqlite import SqliteStore
from kling_mock_server.state.stores.store import MemoryStore, StoreDownError, real_ms
from support.callbacks import EACH_CHANGE, HOUR_MS, CallbackClient, responder_on
from support.receivers import HANG, receiving
from support.serving import NOW_MS, PATIENCE_S

pytest_plugins = ["support.callback_fixtures"]


@pytest.fixture(params=["memory", "sqlite"])
def store_of(request, tmp_path):
    """Return a store that is the same one at every call, as several processes have it."""
    memory = MemoryStore()
    return lambda: memory if request.param == "memory" else SqliteStore(str(tmp_path / "store"))


def test_what_is_due_survives_a_restart(store_of, receiver):
    with responder_on(store_of()) as before:
        kling = CallbackClient(before, "", "key")
        kling.create(receiver.url)
        kling.deliver()
    with responder_on(store_of()) as after:
        CallbackClient(after, "", "key").deliver(HOUR_MS)
    assert receiver.statuses == EACH_CHANGE


def test_what_became_due_in_between_is_sent_without_anybody_asking(store_of, receiver):
    store = store_of()
    with responder_on(store) as before:
        kling = CallbackClient(before, "", "key")
        kling.create(receiver.url)
        kling.deliver()
        before.resources.callback_worker.close()
        kling.clock.advance(HOUR_MS)
    assert receiver.statuses == ["submitted"]
    with responder_on(store_of()):
        receiver.wait_for(3)
    assert receiver.statuses == EACH_CHANGE


@pytest.mark.parametrize("round_", range(3))
def test_two_workers_on_one_store_deliver_every_callback_once(store_of, receiver, round_):
    barrier = threading.Barrier(2)
    stores = store_of(), store_of()
    for store in stores:
        store.shared = True
    with responder_on(stores[0]) as one, responder_on(stores[1]) as other:
        clients = [CallbackClient(responder, "", f"key-{number}") for responder in (one, other) for number in range(3)]
        for kling in clients * 2:
            kling.create(receiver.url)
        for kling in clients[:3]:
            kling.clock.advance(HOUR_MS)

        def race(responder):
            barrier.wait(PATIENCE_S)
            responder.resources.callback_worker.nudge()
            return [
                CallbackClient(responder, "", f"key-{number}").wait_for_callbacks(PATIENCE_S) for number in range(3)
            ]

        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(race, (one, other))) == [[True] * 3] * 2
    told = [(one.json["task_id"], one.status) for one in receiver.received]
    assert len(told) == len(set(told)) == 4 * 3 * 3


def test_who_waits_for_callbacks_waits_for_those_that_another_process_sends(store_of):
    stores = store_of(), store_of()
    for store in stores:
        store.shared = True
    with responder_on(stores[0]) as sending, receiving(HANG) as receiver:
        CallbackClient(sending, "", "key").create(receiver.url)
        receiver.wait_for(1)
        with responder_on(stores[1]) as other, ThreadPoolExecutor(1) as threads:
            kling = CallbackClient(other, "", "key")
            assert not kling.wait_for_callbacks(0)
            waiting = threads.submit(kling.wait_for_callbacks, 10 * PATIENCE_S)
            receiver.release()
            assert waiting.result(PATIENCE_S)


class _Time:
    """Real time, and what it was moved on by."""

    def __init__(self):
        self.by_ms = 0

    def __call__(self):
        return real_ms() + self.by_ms


@pytest.fixture
def later(monkeypatch):
    later = _Time()
    monkeypatch.setattr(outbox, "real_ms", later)
    monkeypatch.setattr(callback_worker, "real_ms", later)
    return later


def taking(url):
    """Return the work that takes the next callback to a URL."""
    return lambda rows: outbox.take(rows, tables.receiver_of(url))


def killed_while_sending(responder, url):
    """Leave an account as a process does that is killed in the middle of an attempt."""
    responder.resources.callback_worker.close()
    kling = CallbackClient(responder, "", "key")
    kling.create(url)
    account = responder.accounts.of_token("key")
    return account.state, account.state.transaction(taking(url))


def test_who_takes_over_from_a_process_that_was_killed_waits_for_the_lease(receiver, later):
    store = MemoryStore()
    with responder_on(store) as dead, responder_on(store) as alive:
        killed_while_sending(dead, receiver.url)
        kling = CallbackClient(alive, "", "key")
        later.by_ms = outbox.LEASE_MS // 2
        assert not kling.wait_for_callbacks(0.05)
        assert receiver.received == []
        later.by_ms = outbox.LEASE_MS
        assert kling.wait_for_callbacks(PATIENCE_S)
    assert receiver.statuses == ["submitted"]


def test_who_was_only_slow_does_not_disturb_who_took_over(receiver, later):
    store = MemoryStore()
    with responder_on(store) as slow, responder_on(store) as alive, receiving(HANG) as hanging:
        its_state, due = killed_while_sending(slow, hanging.url)
        later.by_ms = outbox.LEASE_MS
        alive.resources.callback_worker.nudge()
        hanging.wait_for(1)
        its_state.transaction(lambda rows: outbox.settle(rows, due, None))
        assert its_state.transaction(taking(hanging.url)) is None
        kling = CallbackClient(alive, "", "key")
        kling.clock.advance(HOUR_MS)
        assert its_state.transaction(taking(hanging.url)) is None
        hanging.release()
        kling.deliver()
        assert hanging.statuses == EACH_CHANGE


def test_a_process_that_was_held_up_past_its_lease_sends_nothing_any_more(receiver, later):
    # Else the first callback of the task would come after the last.
    store = MemoryStore()
    with responder_on(store) as held_up, responder_on(store) as alive:
        _, due = killed_while_sending(held_up, receiver.url)
        later.by_ms = outbox.LEASE_MS
        kling = CallbackClient(alive, "", "key")
        kling.deliver(HOUR_MS)
        assert receiver.statuses == EACH_CHANGE
        sender = held_up.resources.callback_worker.sender
        assert sender.attempt(held_up.accounts.of_token("key"), due) is None
    assert receiver.statuses == EACH_CHANGE


def test_a_process_that_is_held_up_while_it_connects_sends_nothing(later):
    def held_up(url, *rest):
        later.by_ms = outbox.LEASE_MS
        return post(url, *rest)

    store = MemoryStore()
    with responder_on(store) as responder, receiving() as receiver:
        state, due = killed_while_sending(responder, receiver.url)
        account = responder.accounts.of_token("key")
        assert CallbackSender(Targets(), post=held_up).attempt(account, due) is None
        assert (receiver.received, list(account.journal.entries)[1:]) == ([], [])
        # Another try may follow at once.
        assert state.transaction(taking(receiver.url)).outbox == due.outbox


@pytest.mark.parametrize(
    ("after_ms", "timeout_s"), [(0, 5.0), (outbox.LEASE_MS - 5000, 5.0), (outbox.LEASE_MS - 1, 0.001)]
)
def test_an_attempt_ends_with_its_lease(after_ms, timeout_s, monkeypatch):
    timeouts = []

    def answer(url, body, headers, timeout_s, may_send):
        timeouts.append(timeout_s)
        return Attempt(200, "")

    monkeypatch.setattr(outbox, "real_ms", lambda: NOW_MS)
    with responder_on(MemoryStore()) as responder:
        _, due = killed_while_sending(responder, "http://127.0.0.1:9/")
        monkeypatch.setattr(outbox, "real_ms", lambda: NOW_MS + after_ms)
        CallbackSender(Targets(), post=answer).attempt(responder.accounts.of_token("key"), due)
    assert timeouts == [timeout_s]


def test_nothing_is_sent_at_the_very_end_of_a_lease_and_another_process_may(monkeypatch):
    monkeypatch.setattr(outbox, "real_ms", lambda: NOW_MS)
    with responder_on(MemoryStore()) as responder:
        state, due = killed_while_sending(responder, "http://127.0.0.1:9/")
        monkeypatch.setattr(outbox, "real_ms", lambda: NOW_MS + outbox.LEASE_MS - 1)
        assert state.transaction(taking("http://127.0.0.1:9/")) is None
        monkeypatch.setattr(outbox, "real_ms", lambda: NOW_MS + outbox.LEASE_MS)
        assert state.transaction(taking("http://127.0.0.1:9/")).outbox == due.outbox
        sent = []
        sender = CallbackSender(Targets(), post=lambda *asked: sent.append(asked) or Attempt(200, ""))
        assert sender.attempt(responder.accounts.of_token("key"), due) is None
        assert sent == []


def test_a_worker_waits_while_an_attempt_is_made(kling, monkeypatch):
    with receiving(HANG) as receiver:
        kling.create(receiver.url)
        receiver.wait_for(1)
        kling.create(receiver.url)
        store = kling.responder.accounts.store
        assert store.due(real_ms()) == []
        assert store.next_scheduled_ms() > real_ms() + outbox.LEASE_MS // 2


class _Flaky(MemoryStore):
    """A store that several processes share, and that cannot be used at times."""

    shared = True
    down = False

    def due(self, now_ms):
        if self.down:
            raise StoreDownError("gone for lunch")
        return super().due(now_ms)


def test_a_store_that_was_down_for_a_while_stops_nothing(receiver, monkeypatch):
    monkeypatch.setattr(callback_worker, "STORE_DOWN_S", 0.01)
    store = _Flaky()
    with responder_on(store) as responder:
        store.down = True
        kling = CallbackClient(responder, "", "key")
        kling.create(receiver.url)
        assert not kling.wait_for_callbacks(0.05)
        store.down = False
        kling.deliver(HOUR_MS)
    assert receiver.statuses == EACH_CHANGE

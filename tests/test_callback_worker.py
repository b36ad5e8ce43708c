"""The worker: receivers that hang hold up nobody, and its own errors are logged."""

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from kling_mock_server.adapters.handle import Handle
from kling_mock_server.outgoing import callback_worker
from kling_mock_server.state.journal import digest_of
from support.callbacks import EACH_CHANGE, ENDS_MS, CallbackClient, mocked, patient, play
from support.receivers import HANG, HANG_UP, receiving
from support.serving import PATIENCE_S, Mock, new_app, payload, world

pytest_plugins = ["support.callback_fixtures"]


def test_creations_are_answered_while_the_receiver_of_twenty_accounts_hangs():
    with patient() as kling, receiving(*[HANG] * 20) as hanging:
        everyone = [CallbackClient(kling.responder, "", f"key-{number}") for number in range(20)]
        for one in everyone:
            one.create(hanging.url)
        hanging.wait_for(callback_worker.LANE_THREADS)
        for one in everyone:
            one.create(hanging.url)
        # Else they would have waited for what never came.
        assert len(hanging.received) == hanging.hanging == callback_worker.LANE_THREADS
        hanging.release()
        assert all(one.wait_for_callbacks(PATIENCE_S) for one in everyone)


def test_tasks_whose_receiver_hangs_hold_up_no_other_receiver_of_their_account():
    with patient() as kling, receiving(*[HANG] * 5) as hanging, receiving() as good:
        for _ in range(5):
            kling.create(hanging.url)
        hanging.wait_for(1)
        kling.create(good.url)
        kling.clock.advance(ENDS_MS)
        good.wait_for(3)
        assert (good.statuses, len(hanging.received), hanging.hanging) == (EACH_CHANGE, 1, 1)


def test_receivers_that_hang_hold_up_nobody_else():
    with patient() as kling, ExitStack() as stack, receiving() as good:
        hanging = [stack.enter_context(receiving(*[HANG] * 20)) for _ in range(4)]
        for number in range(48):
            CallbackClient(kling.responder, "", f"key-{number}").create(hanging[number % 4].url)
        for one in hanging:
            one.wait_for(callback_worker.LANE_THREADS)
        kling.create(good.url)
        kling.deliver(ENDS_MS)
        assert good.statuses == EACH_CHANGE
        assert [one.hanging for one in hanging] == [callback_worker.LANE_THREADS] * 4


def test_a_receiver_that_did_not_answer_has_one_thread_until_it_does(monkeypatch):
    monkeypatch.setattr(callback_worker, "TURN_S", 0.0)
    with patient() as kling, receiving(HANG_UP, *[HANG] * 9) as receiver:
        kling.create(receiver.url)
        kling.deliver()
        others = [CallbackClient(kling.responder, "", f"key-{number}") for number in range(5)]
        for one in others:
            one.create(receiver.url)
        receiver.wait_for(2)
        assert not kling.responder.resources.callback_worker.wait_until_idle(digest_of("key-0"), 0.0)
        assert receiver.hanging == 1


def test_a_receiver_that_hangs_holds_up_its_own_account_alone():
    with patient() as kling, receiving(HANG) as hanging, receiving() as good:
        other = CallbackClient(kling.responder, "", "another")
        kling.create(hanging.url)
        hanging.wait_for(1)
        other.create(good.url)
        other.deliver(ENDS_MS)
        assert (good.statuses, kling.attempts) == (EACH_CHANGE, [])


def test_an_account_with_much_to_send_takes_turns_with_the_others(monkeypatch):
    monkeypatch.setattr(callback_worker, "THREADS", 1)
    monkeypatch.setattr(callback_worker, "TURN_S", 0.0)
    with patient() as kling, receiving(HANG) as busy, receiving() as good:
        other = CallbackClient(kling.responder, "", "another")
        kling.create(busy.url)
        busy.wait_for(1)
        for _ in range(20):
            kling.create(busy.url)
        other.create(good.url)
        busy.release()
        assert other.wait_for_callbacks(PATIENCE_S)
        assert len(kling.attempts) < 20


def test_a_mock_that_is_closed_has_noted_what_it_was_sending():
    with receiving(HANG) as receiver, mocked() as kling:
        kling.create(receiver.url)
        receiver.wait_for(1)
        with ThreadPoolExecutor(1) as threads:
            closing = threads.submit(kling.responder.close)
            receiver.release()
            closing.result(PATIENCE_S)
        assert len(kling.attempts) == 1


def test_threads_end_with_the_mock(receiver):
    before = set(threading.enumerate())
    with mocked() as kling:
        kling.create(receiver.url)
        kling.deliver()
        assert set(threading.enumerate()) - before
    assert {one.name for one in set(threading.enumerate()) - before if "klingkit" in one.name} == set()


def test_a_callback_that_is_due_in_a_thousand_years_holds_up_no_other(kling, receiver):
    kling.world.put({name: member for name, member in world().items() if name != "now_ms"})
    play(kling, {"status": "submitted", "after_ms": 2**53 - 1})
    kling.create(receiver.url)
    assert kling.wait_for_callbacks(PATIENCE_S)
    play(kling, {"status": "submitted"})
    kling.create(receiver.url)
    assert kling.wait_for_callbacks(PATIENCE_S)
    assert receiver.statuses == ["submitted"]


class BlockedError(RuntimeError):
    """What pytest-socket raises where a test opens a socket."""


@pytest.mark.parametrize(
    ("forbidden", "url"),
    [
        ("socket", "http://127.0.0.1:9/cb"),
        ("getaddrinfo", "http://127.0.0.1:9/cb"),
        ("getaddrinfo", "http://localhost:9/cb"),
    ],
)
def test_a_callback_that_another_library_forbids_is_journalled_and_logged(monkeypatch, caplog, forbidden, url):
    def forbid(*_, **__):
        raise BlockedError(f"A test tried to use socket.{forbidden}.")

    monkeypatch.setattr(socket, forbidden, forbid)
    responder = new_app().responder
    mock = Mock(responder)
    mock.post({**payload(), "callback_url": url})
    handle = Handle(responder, "http://mock", "key")
    handle.wait_for_callbacks(PATIENCE_S)
    entries = [entry for entry in handle.journal if entry.operation == "callback"]
    assert entries[0].answer == f"it was not sent: BlockedError: A test tried to use socket.{forbidden}."
    assert f"the callback to {url} was not sent" in caplog.text
    responder.close()


def test_an_error_of_the_worker_itself_is_logged(monkeypatch, caplog):
    logged = threading.Event()
    monkeypatch.setattr(logging.getLogger("klingkit"), "filters", [lambda record: logged.set() or True])
    responder = new_app().responder
    monkeypatch.setattr(responder.resources.callback_worker, "sender", None)
    Mock(responder).post({**payload(), "callback_url": "http://127.0.0.1:9/cb"})
    assert logged.wait(PATIENCE_S)
    responder.close()
    assert "the callbacks of account" in caplog.text

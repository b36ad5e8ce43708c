"""Callbacks that a scenario bends: early, twice, late, unsigned, or lost."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from standardwebhooks import Webhook, WebhookVerificationError

from kling_mock_server.outgoing import callback_worker
from support.callbacks import (
    BEGINS_MS,
    EACH_CHANGE,
    ENDS_MS,
    GAPS_MS,
    HOUR_MS,
    SECRET,
    CallbackClient,
    mocked,
    patient,
    play,
)
from support.receivers import HANG, receiving
from support.serving import PATIENCE_S

pytest_plugins = ["support.callback_fixtures"]


def test_a_callback_arrives_before_the_reply(kling, receiver):
    kling.play("callback-before-reply")
    task_id = kling.create(receiver.url)
    assert [one.json["task_id"] for one in receiver.received] == [task_id]
    kling.deliver(HOUR_MS)
    assert receiver.statuses == EACH_CHANGE


def test_a_reply_waits_for_no_receiver_for_ever(kling, monkeypatch):
    monkeypatch.setattr(callback_worker, "BEFORE_REPLY_S", 0.05)
    kling.play("callback-before-reply")
    with receiving(HANG) as receiver:
        kling.create(receiver.url)
        assert kling.attempts == []
        receiver.wait_for(1)


def test_a_few_replies_alone_wait_for_receivers_that_hang(monkeypatch):
    monkeypatch.setattr(callback_worker, "BEFORE_REPLY_S", PATIENCE_S)
    with patient() as kling, receiving(*[HANG] * 9) as receiver, ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(callback_worker.MAX_WAITING))
        stack.callback(receiver.release)
        waiters = [
            CallbackClient(kling.responder, "", f"key-{number}") for number in range(callback_worker.MAX_WAITING)
        ]
        for one in (*waiters, kling):
            one.play("callback-before-reply")
        waiting = [threads.submit(one.create, receiver.url) for one in waiters]
        begun = kling.responder.resources.callback_worker.begun
        # A receiver may have its callback before the reply begins to wait for it.
        assert all(begun.acquire(timeout=PATIENCE_S) for _ in waiters)
        receiver.wait_for(len(waiters))
        kling.create(receiver.url)
        assert not any(one.done() for one in waiting)


def test_the_receiver_may_ask_for_the_task_before_the_reply(kling):
    asked = []

    class Curious(list):
        def append(self, received):
            asked.append(kling.query(received.json["task_id"])["task_status"])
            super().append(received)

    kling.play("callback-before-reply")
    with receiving() as receiver:
        receiver.received = Curious()
        kling.create(receiver.url)
    assert asked == ["submitted"]


def signed(*, scenario):
    """Play a scenario with a secret to its end; returns what came, and the secret's verdict on each."""
    with receiving() as receiver, mocked(webhook_secrets=(SECRET,)) as kling:
        kling.play(scenario)
        kling.create(receiver.url)
        for by_ms in (0, BEGINS_MS, HOUR_MS):
            kling.deliver(by_ms)
        return receiver.received, [_is_genuine(one) for one in receiver.received]


def _is_genuine(received):
    try:
        Webhook(SECRET).verify(received.body, received.headers)
    except WebhookVerificationError:
        return False
    except json.JSONDecodeError:
        # It reads what it has found genuine.
        return True
    return True


def test_duplicates_are_messages_of_their_own():
    received, genuine = signed(scenario="callbacks-duplicated")
    assert [one.status for one in received] == [status for status in EACH_CHANGE for _ in range(2)]
    assert len({one.message_id for one in received}) == 6
    assert all(genuine)


def test_redeliveries_are_the_very_same_message():
    received, genuine = signed(scenario="callbacks-redelivered")
    assert [one.status for one in received] == [status for status in EACH_CHANGE for _ in range(3)]
    assert len({(one.message_id, one.body) for one in received}) == 3
    assert all(genuine)


def test_the_end_may_be_told_first():
    received, genuine = signed(scenario="callbacks-out-of-order")
    assert [one.status for one in received] == EACH_CHANGE[::-1]
    assert all(genuine)


def test_malformed_callbacks_are_signed_all_the_same():
    (half, page), genuine = signed(scenario="callbacks-malformed")
    assert half.body.startswith(b'{"task_id":"')
    assert (half.status, page.body) == (None, b"<html><body>502 Bad Gateway</body></html>")
    assert genuine == [True, True]


def test_a_forged_callback_does_not_verify_and_the_true_ones_follow():
    received, genuine = signed(scenario="callback-forged")
    assert [one.status for one in received] == ["submitted", "failed", "processing", "succeed"]
    assert genuine == [True, False, True, True]
    assert "task_result" not in received[1].json


def test_no_callback_comes_where_a_scenario_says_so():
    assert signed(scenario="callbacks-never") == ([], [])


def test_a_callback_may_come_unsigned(receiver):
    with mocked(webhook_secrets=(SECRET,)) as kling:
        play(kling, {"status": "submitted", "signature": "none"})
        kling.create(receiver.url)
        kling.deliver()
    assert receiver.statuses == ["submitted"]
    assert receiver.received[0].message_id is None


def test_callbacks_of_a_scenario_are_due_by_time_and_then_by_place(kling, receiver):
    play(
        kling,
        {"status": "end"},
        {"status": "processing", "after_ms": ENDS_MS},
        {"status": "processing", "when": "submitted"},
        {"status": "submitted"},
    )
    kling.create(receiver.url)
    kling.deliver()
    assert receiver.statuses == ["processing", "submitted"]
    kling.deliver(ENDS_MS - 1)
    assert len(receiver.received) == 2
    kling.deliver(1)
    assert receiver.statuses[2:] == ["succeed"]
    kling.deliver(BEGINS_MS)
    assert receiver.statuses[2:] == ["succeed", "processing"]


def test_a_callback_of_a_scenario_is_retried_like_any_other(kling, receiver):
    kling.play("callbacks-redelivered")
    receiver.answer(503, 200)
    kling.create(receiver.url)
    kling.deliver()
    kling.deliver(GAPS_MS[0])
    assert receiver.statuses == ["submitted"] * 4
    assert [status for status, _ in kling.attempts] == [503, 200, 200, 200]


def test_a_creation_whose_answer_is_lost_sends_its_callbacks(kling, receiver):
    kling.play("timeout-after-create")
    assert kling.post(receiver.url).code == 5002
    kling.deliver(HOUR_MS)
    assert receiver.statuses == EACH_CHANGE


def test_callbacks_are_json_without_spaces(kling, receiver):
    kling.create(receiver.url, external_task_id="订单")
    kling.deliver()
    [one] = receiver.received
    assert one.body == json.dumps(one.json, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_task_that_ends_before_others_begin_is_at_its_end_by_then(kling, receiver):
    play(kling, task={"ends": "failed", "message": "no", "after_ms": 1000})
    task_id = kling.create(receiver.url)
    kling.clock.advance(999)
    assert kling.query(task_id)["task_status"] == "submitted"
    kling.clock.advance(1)
    assert kling.query(task_id)["task_status"] == "failed"

"""Callbacks: what is sent and signed, what is retried, and what the journal says of it."""

import pytest
from standardwebhooks import Webhook

from support.callbacks import (
    BEGINS_MS,
    EACH_CHANGE,
    ENDS_MS,
    GAPS_MS,
    HOUR_MS,
    NEW_SECRET,
    SECRET,
    CallbackClient,
    mocked,
)
from support.ports import refusing_port
from support.receivers import HANG_UP, receiving
from support.serving import NOW_MS, SESSION, world

pytest_plugins = ["support.callback_fixtures"]

# What is sent


def test_a_task_tells_every_status_once_it_is_reached(kling, receiver):
    kling.create(receiver.url)
    told = []
    for by_ms in (0, BEGINS_MS - 1, 1, ENDS_MS - BEGINS_MS - 1, 1, HOUR_MS):
        kling.deliver(by_ms)
        told.append(receiver.statuses)
    assert told == [EACH_CHANGE[:1], EACH_CHANGE[:1], EACH_CHANGE[:2], EACH_CHANGE[:2], EACH_CHANGE, EACH_CHANGE]


def test_a_callback_is_flat(kling, receiver):
    kling.world.put(world())
    task_id = kling.create(receiver.url, external_task_id="order-17")
    kling.deliver(ENDS_MS)
    told = receiver.received[-1].json
    [video] = told["task_result"]["videos"]
    assert told == {
        "task_id": task_id,
        "task_status": "succeed",
        "task_status_msg": "",
        "task_info": {
            "parent_video": {"id": SESSION, "url": told["task_info"]["parent_video"]["url"], "duration": "10"},
            "external_task_id": "order-17",
        },
        "task_result": {"videos": [{"id": video["id"], "url": video["url"], "duration": "10"}]},
        "final_unit_deduction": "1",
        "created_at": NOW_MS,
        "updated_at": NOW_MS + ENDS_MS,
    }


def test_a_callback_says_what_a_query_says_at_that_moment(kling, receiver):
    task_id, queried = kling.create(receiver.url), []
    for by_ms in (0, BEGINS_MS, ENDS_MS - BEGINS_MS):
        kling.deliver(by_ms)
        queried.append(kling.query(task_id))
    assert [one.json for one in receiver.received] == queried


def test_a_callback_that_is_late_says_what_was_so_then(kling, receiver):
    task_id = kling.create(receiver.url)
    kling.deliver(HOUR_MS)
    created_ms = kling.query(task_id)["created_at"]
    assert [(one.status, one.json["updated_at"] - created_ms) for one in receiver.received] == [
        ("submitted", 0),
        ("processing", BEGINS_MS),
        ("succeed", ENDS_MS),
    ]
    assert [one.json.keys() & {"task_result"} for one in receiver.received[:2]] == [set(), set()]


def test_a_failed_task_tells_why(kling, receiver):
    kling.play("failed-task")
    kling.create(receiver.url)
    kling.deliver(ENDS_MS)
    told = receiver.received[-1].json
    assert (told["task_status"], told["task_status_msg"]) == ("failed", "Failure to pass the risk control system")
    assert told["final_unit_deduction"] == "0"
    assert "task_result" not in told


def test_a_task_that_never_ends_tells_no_end(kling, receiver):
    kling.play("stuck-task")
    kling.create(receiver.url)
    kling.deliver(1000 * HOUR_MS)
    assert receiver.statuses == ["submitted", "processing"]


def test_it_is_json_by_post(kling, receiver):
    kling.create(f"{receiver.url}?order=17")
    kling.deliver()
    assert receiver.received[0].path == "/callback?order=17"
    assert receiver.received[0].headers["content-type"] == "application/json"
    assert [entry.method for entry in kling.journal if entry.operation == "callback"] == ["POST"]


def test_without_a_callback_url_nothing_is_sent(kling, receiver):
    kling.create("")
    kling.deliver(HOUR_MS)
    assert (receiver.received, kling.attempts) == ([], [])


def test_a_creation_that_is_refused_sends_nothing(kling, receiver):
    assert kling.post(receiver.url, session_id="unknown").status == 400
    kling.deliver(HOUR_MS)
    assert receiver.received == []


# Signatures


def test_without_a_secret_there_are_no_webhook_headers(kling, receiver):
    kling.create(receiver.url)
    kling.deliver(ENDS_MS)
    assert [name for one in receiver.received for name in one.headers if name.startswith("webhook")] == []


@pytest.mark.parametrize("secrets", [(SECRET,), (SECRET, NEW_SECRET)], ids=["one secret", "two secrets"])
def test_callbacks_are_signed_by_every_secret(secrets, receiver):
    with mocked(webhook_secrets=secrets) as kling:
        kling.create(receiver.url)
        kling.deliver(ENDS_MS)
    for one in receiver.received:
        assert len(one.headers["webhook-signature"].split(" ")) == len(secrets)
        assert [Webhook(secret).verify(one.body, one.headers) for secret in secrets] == [one.json] * len(secrets)


def test_every_message_has_an_id_of_its_own_and_keeps_it(receiver):
    receiver.answer(503, HANG_UP, 200, 503)
    with mocked(webhook_secrets=(SECRET,)) as kling:
        kling.create(receiver.url)
        kling.create(receiver.url)
        kling.deliver()
        for _ in range(4):
            kling.deliver(HOUR_MS)
    ids = {}
    for one in receiver.received:
        ids.setdefault((one.json["task_id"], one.status), []).append(one.message_id)
    assert len(ids) == 6
    assert len({each for found in ids.values() for each in found}) == 6
    assert sorted(len(found) for found in ids.values()) == [1, 1, 1, 1, 2, 3]


# Retries


def test_a_callback_is_tried_five_times_with_growing_gaps(kling, receiver):
    receiver.answer(*[503] * 5)
    kling.create(receiver.url)
    kling.deliver()
    tries = [len(receiver.received)]
    for gap_ms in GAPS_MS:
        kling.deliver(gap_ms - 1)
        tries.append(len(receiver.received))
        kling.deliver(1)
        tries.append(len(receiver.received))
    assert tries == [1, 1, 2, 2, 3, 3, 4, 4, 6]
    assert receiver.statuses == ["submitted"] * 5 + ["processing"]
    assert len({one.body for one in receiver.received[:5]}) == 1


def test_who_takes_it_in_the_end_gets_it_no_more(kling, receiver):
    receiver.answer(500, HANG_UP, 404, 429, 200)
    kling.create(receiver.url)
    kling.deliver()
    for gap_ms in GAPS_MS:
        kling.deliver(gap_ms)
    assert receiver.statuses == ["submitted"] * 5 + ["processing"]
    kling.deliver(HOUR_MS)
    assert receiver.statuses == ["submitted"] * 5 + ["processing", "succeed"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_takes_it(kling, receiver, status):
    receiver.answer(status)
    kling.create(receiver.url)
    kling.deliver()
    kling.deliver(GAPS_MS[0])
    assert receiver.statuses == ["submitted"]


def test_a_retry_goes_by_the_clock_of_the_account_alone(receiver):
    receiver.answer(503, 503)
    with mocked() as slow:
        fast = CallbackClient(slow.responder, "", "another")
        slow.create(receiver.url)
        slow.deliver()
        fast.create(receiver.url)
        fast.deliver()
        fast.deliver(GAPS_MS[0])
        slow.deliver()
        assert [len(slow.attempts), len(fast.attempts)] == [1, 2]


def test_what_is_not_taken_holds_up_no_other_task(kling):
    with receiving(*[HANG_UP] * 9) as bad, receiving() as good:
        kling.create(bad.url)
        kling.create(good.url)
        kling.deliver(ENDS_MS)
        assert (bad.statuses, good.statuses) == (["submitted"], EACH_CHANGE)


# The journal


def test_every_attempt_is_in_the_journal(kling, receiver):
    receiver.answer(503, HANG_UP, 200)
    kling.create(receiver.url)
    kling.deliver()
    for gap_ms in GAPS_MS[:2]:
        kling.deliver(gap_ms)
    assert kling.attempts == [(503, ""), (0, "the receiver hung up without an answer"), (200, "")]
    entry = kling.journal[-1]
    assert (entry.path, entry.payload["task_status"], entry.token) == (receiver.url, "submitted", "")
    assert entry.at_ms == kling.clock.now_ms()


def test_a_receiver_that_is_not_there_is_in_the_journal(kling):
    with refusing_port() as port:
        kling.create(f"http://127.0.0.1:{port}/")
        kling.deliver()
    assert kling.attempts == [(0, "nothing listens there: the connection was refused")]


def test_the_journal_is_that_of_the_account(receiver):
    with mocked() as kling:
        other = CallbackClient(kling.responder, "", "another")
        kling.create(receiver.url)
        kling.deliver()
        other.deliver()
        assert (kling.attempts, other.attempts) == ([(200, "")], [])

"""Callbacks: what is sent, to whom, when and how often, and what the journal says of it."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from kling_mock_server.adapters.handle import Handle
from kling_mock_server.core.resources import resources_of
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.scenarios import scenario_from_json
from kling_mock_server.outgoing import callback_worker
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.outgoing.webhooks import Attempt, Targets, post
from kling_mock_server.state import outbox, tables
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import digest_of
from kling_mock_server.state.pace import PACES
from kling_mock_server.state.stores.sqlite import SqliteStore
from kling_mock_server.state.stores.store import MemoryStore, StoreDownError, real_ms
from support.receivers import HANG, HANG_UP, receiving
from support.serving import NOW_MS, PATH, PATIENCE_S, SESSION, Mock, documented, new_app, payload, world

BEGINS_MS, ENDS_MS = PACES["manual"].begins_after_ms, PACES["manual"].ends_after_ms
HOUR_MS = 3_600_000
GAPS_MS = (1_000, 2_000, 4_000, 8_000)
EACH_CHANGE = ["submitted", "processing", "succeed"]
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
NEW_SECRET = "whsec_YW5vdGhlciBzZWNyZXQsIGZvciBhIGNoYW5nZQ=="


class Client(Handle):
    """An account whose clock stands still, and its client."""

    def post(self, url, **changes):
        return Mock(self.responder).post({**payload(), "callback_url": url, **changes}, self.token)

    def create(self, url, **changes):
        answer = self.post(url, **changes)
        assert answer.status == 200, answer.body
        return answer.data["task_id"]

    def query(self, task_id):
        return Mock(self.responder).ask("GET", f"{PATH}/{task_id}", token=self.token).data

    def deliver(self, by_ms=0):
        """Advance the clock, and wait until what is due was tried."""
        self.clock.advance(by_ms)
        assert self.wait_for_callbacks(PATIENCE_S)

    @property
    def attempts(self):
        """Status and reason of every attempt in the journal."""
        return [(entry.status, entry.answer) for entry in self.journal if entry.operation == "callback"]


@contextmanager
def mocked(**options):
    """Yield a client of a new mock."""
    with closing(new_app(pace="manual", **options).responder) as responder:
        yield Client(responder, "", "key")


BEGINNING = InitialState(documented().operation.example_world, PACES["manual"])


class ObservedWorker(CallbackWorker):
    """Counts the replies that have begun to wait."""

    def __init__(self, *arguments):
        self.begun = threading.Semaphore(0)
        super().__init__(*arguments)

    def wait_until_idle(self, account, timeout_s):
        self.begun.release()
        return super().wait_until_idle(account, timeout_s)


@contextmanager
def patient():
    """Yield a client of a new mock that waits for its receivers for as long as a test does."""
    accounts = Accounts(documented(), BEGINNING)
    waits = ObservedWorker(accounts, CallbackSender(Targets(), timeout_s=PATIENCE_S))
    resources = resources_of(documented(), accounts)._replace(callback_worker=waits)
    with closing(Responder(documented(), accounts, resources=resources)) as responder:
        yield Client(responder, "", "key")


@contextmanager
def responder_on(store):
    """Yield a mock on a store that others use too."""
    with closing(Responder(documented(), Accounts(documented(), BEGINNING, store=store))) as responder:
        yield responder


@pytest.fixture
def kling():
    with mocked() as kling:
        yield kling


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def play(kling, *callbacks, **step):
    """Play a scenario of creations."""
    step |= {"callbacks": list(callbacks)} if callbacks else {}
    kling.play(scenario_from_json({"name": "mine", "steps": [{"call": "create", "times": "always", **step}]}))


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
        fast = Client(slow.responder, "", "another")
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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kling.create(f"http://127.0.0.1:{port}/")
    kling.deliver()
    assert kling.attempts == [(0, "nothing listens there: the connection was refused")]


def test_the_journal_is_that_of_the_account(receiver):
    with mocked() as kling:
        other = Client(kling.responder, "", "another")
        kling.create(receiver.url)
        kling.deliver()
        other.deliver()
        assert (kling.attempts, other.attempts) == ([(200, "")], [])


# Targets


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_nothing(kling, receiver, status):
    with receiving() as elsewhere:
        receiver.answer((status, {"Location": elsewhere.url}))
        kling.create(receiver.url)
        kling.deliver()
        assert (kling.attempts, elsewhere.received) == ([(status, "")], [])
        kling.deliver(GAPS_MS[0])
    assert receiver.statuses == ["submitted", "submitted"]


@pytest.fixture
def packets(monkeypatch):
    """Every name that is looked up and every address that is connected to from now on."""
    seen = []

    def looked_up(host, *_, **__):
        seen.append(host)
        raise OSError("no network")

    def connected(_, address):
        seen.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    return seen


@pytest.mark.parametrize("host", ["192.0.2.1", "kling.example", "[2001:db8::1]", "127.0.0.1.nip.example"])
def test_a_target_outside_this_machine_is_refused_without_a_packet(kling, packets, host):
    kling.create(f"http://{host}/callback")
    kling.deliver(HOUR_MS)
    reason = (
        f"callbacks to {host.strip('[]')} are not allowed: start the mock with --allow-callbacks {host.strip('[]')}"
    )
    assert (kling.attempts, packets) == ([(0, reason)] * 3, [])


@pytest.mark.parametrize("url", ["not a URL", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1:99999/"])
def test_a_url_that_nothing_can_be_sent_to_is_refused_without_a_packet(kling, packets, url):
    kling.create(url)
    kling.deliver()
    [(status, reason)] = kling.attempts
    assert (status, packets) == (0, [])
    assert reason.startswith("the callback URL ")


def test_a_host_that_is_allowed_is_called(receiver, monkeypatch):
    looked_up = socket.getaddrinfo

    def names(host, *rest, **options):
        return looked_up("127.0.0.1" if host == "hooks.example" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", names)
    with mocked(callback_hosts=("hooks.example",)) as kling:
        kling.create(receiver.url.replace("127.0.0.1", "hooks.example"))
        kling.create(receiver.url.replace("127.0.0.1", "other.example"))
        kling.deliver()
        assert sorted(status for status, _ in kling.attempts) == [0, 200]
    assert len(receiver.received) == 1


# Off the request path


def test_creations_are_answered_while_the_receiver_of_twenty_accounts_hangs():
    with patient() as kling, receiving(*[HANG] * 20) as hanging:
        everyone = [Client(kling.responder, "", f"key-{number}") for number in range(20)]
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
            Client(kling.responder, "", f"key-{number}").create(hanging[number % 4].url)
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
        others = [Client(kling.responder, "", f"key-{number}") for number in range(5)]
        for one in others:
            one.create(receiver.url)
        receiver.wait_for(2)
        assert not kling.responder.resources.callback_worker.wait_until_idle(digest_of("key-0"), 0.0)
        assert receiver.hanging == 1


def test_a_receiver_that_hangs_holds_up_its_own_account_alone():
    with patient() as kling, receiving(HANG) as hanging, receiving() as good:
        other = Client(kling.responder, "", "another")
        kling.create(hanging.url)
        hanging.wait_for(1)
        other.create(good.url)
        other.deliver(ENDS_MS)
        assert (good.statuses, kling.attempts) == (EACH_CHANGE, [])


def test_an_account_with_much_to_send_takes_turns_with_the_others(monkeypatch):
    monkeypatch.setattr(callback_worker, "THREADS", 1)
    monkeypatch.setattr(callback_worker, "TURN_S", 0.0)
    with patient() as kling, receiving(HANG) as busy, receiving() as good:
        other = Client(kling.responder, "", "another")
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
        yield lambda: Client(kling.responder, "", f"example-{next(numbers)}"), receiver


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


@pytest.mark.parametrize("forget", [put_world, Client.reset], ids=["a world is put", "reset"])
def test_what_was_to_be_sent_is_forgotten(kling, receiver, forget):
    kling.create(receiver.url)
    kling.deliver()
    forget(kling)
    kling.deliver(HOUR_MS)
    assert receiver.statuses == ["submitted"]


@pytest.mark.parametrize("forget", [put_world, Client.reset], ids=["a world is put", "reset"])
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


# Several processes


@pytest.fixture(params=["memory", "sqlite"])
def store_of(request, tmp_path):
    """Return a store that is the same one at every call, as several processes have it."""
    memory = MemoryStore()
    return lambda: memory if request.param == "memory" else SqliteStore(str(tmp_path / "store"))


def test_what_is_due_survives_a_restart(store_of, receiver):
    with responder_on(store_of()) as before:
        kling = Client(before, "", "key")
        kling.create(receiver.url)
        kling.deliver()
    with responder_on(store_of()) as after:
        Client(after, "", "key").deliver(HOUR_MS)
    assert receiver.statuses == EACH_CHANGE


def test_what_became_due_in_between_is_sent_without_anybody_asking(store_of, receiver):
    store = store_of()
    with responder_on(store) as before:
        kling = Client(before, "", "key")
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
        clients = [Client(responder, "", f"key-{number}") for responder in (one, other) for number in range(3)]
        for kling in clients * 2:
            kling.create(receiver.url)
        for kling in clients[:3]:
            kling.clock.advance(HOUR_MS)

        def race(responder):
            barrier.wait(PATIENCE_S)
            responder.resources.callback_worker.nudge()
            return [Client(responder, "", f"key-{number}").wait_for_callbacks(PATIENCE_S) for number in range(3)]

        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(race, (one, other))) == [[True] * 3] * 2
    told = [(one.json["task_id"], one.status) for one in receiver.received]
    assert len(told) == len(set(told)) == 4 * 3 * 3


def test_who_waits_for_callbacks_waits_for_those_that_another_process_sends(store_of):
    stores = store_of(), store_of()
    for store in stores:
        store.shared = True
    with responder_on(stores[0]) as sending, receiving(HANG) as receiver:
        Client(sending, "", "key").create(receiver.url)
        receiver.wait_for(1)
        with responder_on(stores[1]) as other, ThreadPoolExecutor(1) as threads:
            kling = Client(other, "", "key")
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
    kling = Client(responder, "", "key")
    kling.create(url)
    account = responder.accounts.admit("key", responder.contract.request_rules)
    return account.state, account.state.transaction(taking(url))


def test_who_takes_over_from_a_process_that_was_killed_waits_for_the_lease(receiver, later):
    store = MemoryStore()
    with responder_on(store) as dead, responder_on(store) as alive:
        killed_while_sending(dead, receiver.url)
        kling = Client(alive, "", "key")
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
        its_state.transaction(lambda rows: outbox.settle(rows, due, done=True))
        assert its_state.transaction(taking(hanging.url)) is None
        kling = Client(alive, "", "key")
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
        kling = Client(alive, "", "key")
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
        kling = Client(responder, "", "key")
        kling.create(receiver.url)
        assert not kling.wait_for_callbacks(0.05)
        store.down = False
        kling.deliver(HOUR_MS)
    assert receiver.statuses == EACH_CHANGE


# Scenarios


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
        waiters = [Client(kling.responder, "", f"key-{number}") for number in range(callback_worker.MAX_WAITING)]
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


class BlockedError(RuntimeError):
    """What pytest-socket raises where a test opens a socket."""


def test_a_callback_that_another_library_forbids_is_journalled_and_logged(monkeypatch, caplog):
    def forbid(*_, **__):
        raise BlockedError("A test tried to use socket.socket.")

    responder = new_app().responder
    sender = responder.resources.callback_worker.sender
    monkeypatch.setattr(responder.resources.callback_worker, "sender", sender._replace(post=forbid))
    mock = Mock(responder)
    mock.post({**payload(), "callback_url": "http://127.0.0.1:9/cb"})
    handle = Handle(responder, "http://mock", "key")
    handle.wait_for_callbacks(PATIENCE_S)
    entries = [entry for entry in handle.journal if entry.operation == "callback"]
    assert entries[0].answer == "it was not sent: BlockedError: A test tried to use socket.socket."
    assert "the callback to http://127.0.0.1:9/cb was not sent" in caplog.text
    responder.close()


def test_an_error_of_the_worker_itself_is_logged(monkeypatch, caplog):
    responder = new_app().responder
    worker = responder.resources.callback_worker
    monkeypatch.setattr(worker, "sender", None)
    Mock(responder).post({**payload(), "callback_url": "http://127.0.0.1:9/cb"})
    worker.wait_until_idle(digest_of("key"), 1)
    responder.close()
    assert "the callbacks of account" in caplog.text

"""Thousands of callbacks beside receivers that hang: `make soak`, or `python -m hostile.callbacks [STORE_URL…]`.

Every callback must arrive, those of one task in order, and none more than a second late.
"""

import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from socket import create_server
from typing import NamedTuple

from kling_contracts import Contract
from kling_contracts.facts.task import Task
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.outgoing.webhooks import Targets
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores.store import real_ms
from kling_mock_server.state.tables import Message, Outbox
from support.receivers import receiving
from support.redis_server import redis_server
from support.serving import PATIENCE_S

STATUSES = ("submitted", "processing", "succeed", "failed")
"""Of one task; the mock sends whatever a scenario says, so that four of them can be told apart."""
MAX_LATE_S = 1.0
HANGING_TASKS = 5
"""Tasks of each account at each receiver that hangs, all due at once."""


class CallbackLoad(NamedTuple):
    """How many callbacks of how many accounts are due within `over_s` seconds, `lead_s` seconds from now on."""

    callbacks: int = 10_000
    accounts: int = 100
    over_s: float = 120.0
    lead_s: float = 60.0
    hanging: int = 3


class CallbackOutcome(NamedTuple):
    """What came of it."""

    missing: int
    disordered: list[str]
    """Tasks whose callbacks arrived in another order than they were due."""
    late_s: float
    """How late the latest came, in seconds."""

    @property
    def is_good(self):
        return not self.missing and not self.disordered and self.late_s <= MAX_LATE_S


def run(url, load, seed=0):
    """Send callbacks from a store and return the `CallbackOutcome`."""
    contract = Contract.load()
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(url)))
        accounts = Accounts(contract, InitialState(contract.operation.example_world), store=store)
        good = stack.enter_context(receiving())
        worker = stack.enter_context(closing(CallbackWorker(accounts, CallbackSender(Targets()))))
        # They hang up before the worker waits for its last attempts.
        hanging = [stack.enter_context(create_server(("127.0.0.1", 0), backlog=100)) for _ in range(load.hanging)]
        everyone = [accounts.of_token(f"soak-{number}") for number in range(load.accounts)]
        begins_ms = real_ms() + int(load.lead_s * 1000)
        for account in everyone:
            for number in range(load.hanging * HANGING_TASKS):
                port = hanging[number % load.hanging].getsockname()[1]
                _create(account, str(10**16 + 2 * number), f"http://127.0.0.1:{port}/", [begins_ms])
        due_ms = _tasks(everyone, good.url, begins_ms, load, random.Random(seed))
        # Until here nothing is sent: whatever was due before is due now.
        ready_ms = real_ms()
        worker.nudge()
        _wait_for(good, load.callbacks, max(begins_ms, ready_ms) / 1000 + load.over_s + PATIENCE_S)
        return _outcome(good.received, {sent: max(at_ms, ready_ms) for sent, at_ms in due_ms.items()})


def _tasks(everyone, url, begins_ms, load, chance):
    """Create tasks whose callbacks are due evenly; return when each is due, by task and status."""
    times = [begins_ms + int(number * load.over_s * 1000 / load.callbacks) for number in range(load.callbacks)]
    chance.shuffle(times)
    due_ms = {}
    for number in range(0, load.callbacks, len(STATUSES)):
        account, task_id = everyone[number % len(everyone)], str(10**17 + 2 * number)
        at_ms = sorted(times[number : number + len(STATUSES)])
        moved_ms = _create(account, task_id, url, at_ms)
        due_ms |= {(task_id, status): at + moved_ms for status, at in zip(STATUSES, at_ms, strict=False)}
    return due_ms


def _create(account, task_id, url, at_ms):
    """Create one task; return how much later than asked for it was created, in ms."""
    now_ms = account.clock.now_ms()
    messages = tuple(
        Message(status, at, f"msg_{task_id}_{status}") for status, at in zip(STATUSES, at_ms, strict=False)
    )
    task = Task(task_id, "", now_ms, at_ms[0], at_ms[-1], True, "", "1", "", 5000, "", "http://kling.example")
    created = account.tasks.create(task, Outbox(task_id, url, messages, 0, messages[0].at_ms))
    return created.created_ms - now_ms


def _wait_for(receiver, count, until_s):
    while len(receiver.received) < count and time.time() < until_s:
        time.sleep(0.05)


def _outcome(received, due_ms):
    arrived = {}
    for one in received:
        arrived.setdefault((one.json["task_id"], one.status), one.at_s)
    told = {}
    for task_id, status in arrived:
        told.setdefault(task_id, []).append(status)
    disordered = [task_id for task_id, statuses in told.items() if statuses != sorted(statuses, key=STATUSES.index)]
    late_s = max((at_s - due_ms[sent] / 1000 for sent, at_s in arrived.items()), default=0.0)
    return CallbackOutcome(len(due_ms) - len(arrived), disordered, late_s)


def main(*urls):
    with ExitStack() as stack:
        outcomes = [_told(url) for url in urls or every_store(stack)]
    sys.exit(not all(outcome.is_good for outcome in outcomes))


def _told(url):
    outcome = missing, disordered, late_s = run(url, CallbackLoad())
    print(f"{url}: {missing} missing, {len(disordered)} tasks out of order, the latest {late_s:.2f} s late", flush=True)
    return outcome


def every_store(stack):
    """Return the URL of one store of each kind that this machine has."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    urls = ["memory:", f"sqlite:///{Path(folder, 'soak.db')}"]
    if shutil.which("redis-server") or shutil.which("valkey-server"):
        urls.append(stack.enter_context(redis_server()).url)
    return urls


if __name__ == "__main__":
    main(*sys.argv[1:])

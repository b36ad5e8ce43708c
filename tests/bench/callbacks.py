"""What a callback costs beside many others that wait, on every store."""

import shutil
import tempfile
import time
from contextlib import ExitStack, closing

from bench.measure import Figure, ratio
from kling_contracts import Contract
from kling_contracts.facts.task import Task
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.webhooks import Attempt, Targets
from kling_mock_server.state import outbox
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores.store import real_ms
from kling_mock_server.state.tables import Message, Outbox
from support.redis_server import redis_server

FEW, MANY = 10, 10_000
URL = "http://127.0.0.1:9/"
HOUR_MS = 3_600_000


def figures():
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        # Of a server, its own time counts too.
        stores = {
            "memory": ("memory:", time.process_time),
            "SQLite": (f"sqlite:///{folder}/bench.db", time.process_time),
        }
        if shutil.which("redis-server") or shutil.which("valkey-server"):
            stores["Redis"] = stack.enter_context(redis_server()).url, time.perf_counter
        for name, (url, clock) in stores.items():
            yield Figure(f"a callback with {MANY:,} waiting / with {FEW}, {name}", _growth(url, clock), 1.2)


def _growth(url, clock):
    contract = Contract.load()
    with closing(open_store(url)) as store:
        accounts = Accounts(contract, InitialState(contract.operation.example_world), store=store)
        few, many = (_sender(accounts.of_token(f"bench-{waiting}"), waiting) for waiting in (FEW, MANY))
        return ratio(many, few, 200, clock=clock)


def _sender(account, waiting):
    """Let so many callbacks wait, and return a call that adds one that is due and sends it."""
    now_ms = account.clock.now_ms()
    boxes = [_created(account, str(10**17 + 2 * number), now_ms) for number in range(waiting)]
    sender = CallbackSender(Targets(), post=lambda *_: Attempt(200, ""))
    due_now = boxes[waiting // 2]._replace(due_ms=now_ms)

    def send():
        account.state.transaction(lambda rows: outbox.add(rows, due_now))
        [queue] = [queue for queue in account.state.store.due(real_ms()) if queue[0] == account.key]
        due = account.state.transaction(lambda rows: outbox.take(rows, queue[1]))
        assert sender.attempt(account, due)

    return send


def _created(account, task_id, now_ms):
    due_ms = now_ms + HOUR_MS
    task = Task(task_id, "", now_ms, now_ms, due_ms, True, "", "1", "", 5000, "", "http://kling.example")
    box = Outbox(task_id, URL, (Message("succeed", due_ms, f"msg_{task_id}"),), 0, due_ms)
    account.tasks.create(task, box)
    return box

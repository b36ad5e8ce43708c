"""Tasks that hold an account's place until its client has met the refusal, for scenarios about running tasks."""

import threading
from typing import Final, NamedTuple

from kling_contracts.facts.task import Task
from kling_mock_server.adapters.handle import Handle
from kling_mock_server.failures.scenarios import Scenario
from kling_mock_server.state.account import Account
from kling_mock_server.state.journal import Entry, digest_of
from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import TASKS
from kling_mock_server.state.tasks import RefusedTask

FREE_AFTER_MS: Final = 1000
"""The time after the first refusal at which the place is free again."""


class _Slot(NamedTuple):
    account: Account
    task: Task


class Slots:
    """The places that are held in the accounts of one mock."""

    def __init__(self) -> None:
        self._held: list[_Slot] = []
        self._busy: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    def hold(self, handle: Handle, scenario: Scenario) -> None:
        """Let a task run in the account where the scenario is about running ones."""
        if not any(step.while_running for step in scenario.steps):
            return
        responder = handle.responder
        self._busy = frozenset(rule.code for rule in responder.contract.account_rules.values())
        account = responder.accounts.of(digest_of(handle.token))
        endless = _endless(responder.resources.ids.next(), account.clock.now_ms(), handle.url)
        task = account.tasks.create(endless)
        if isinstance(task, RefusedTask):
            return
        with self._lock:
            self._held.append(_Slot(account, task))

    def see(self, entry: Entry) -> None:
        """End the task soon after the client was told that there is no place."""
        if entry.code not in self._busy or not self._held:
            return
        with self._lock:
            met = [slot for slot in self._held if _has(slot.account, entry)]
            for slot in met:
                self._held.remove(slot)
                _end(slot)


def _endless(task_id: str, now_ms: int, origin: str) -> Task:
    return Task(
        id=task_id,
        external_task_id="",
        created_ms=now_ms,
        begins_ms=now_ms,
        ends_ms=None,
        succeeds=True,
        message="",
        video_id=task_id,
        video_url="",
        video_ms=5000,
        session_id="",
        origin=origin,
    )


def _has(account: Account, entry: Entry) -> bool:
    return any(one.request_id == entry.request_id for one in account.journal.entries)


def _end(slot: _Slot) -> None:
    ended = slot.task._replace(ends_ms=slot.account.clock.now_ms() + FREE_AFTER_MS)

    def work(rows: Transaction) -> None:
        rows.put(TASKS, ended.id, ended)

    slot.account.state.transaction(work)

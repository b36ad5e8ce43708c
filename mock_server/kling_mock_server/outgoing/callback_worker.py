"""Sends callbacks, off the request path: what is due, in order, one account's to one receiver one after the other.

A receiver, named by host and port, has a lane: some threads at most, and one where it does not answer. A receiver that
hangs keeps its own lane busy and delays no other.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.state import outbox
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.stores.store import StoreDownError, real_ms

_LOG: Final = logging.getLogger("klingkit")

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

THREADS: Final = 256
"""Callbacks that are sent at once."""
LANE_THREADS: Final = 8
"""Callbacks that are sent to one receiver at once, each of another account; one where it did not answer the last."""
MAX_SILENT: Final = 1000
"""Receivers of which it is remembered that they did not answer."""
TURN_S: Final = 1.0
"""How long an account goes on sending to a receiver before it is the turn of those that wait for a thread."""
LOOK_AGAIN_S: Final = 0.1
"""How often a store that other processes share is asked what is due."""
BEFORE_REPLY_S: Final = 3.0
"""How long a reply waits for the callbacks that a scenario wants to come before it."""
MAX_WAITING: Final = 4
"""Replies that may wait for callbacks at once: half of the server's threads answer on."""
STORE_DOWN_S: Final = 1.0
"""How long a store that cannot be used is left alone."""
_REST: Final = 4
"""How many times as long as a look at the store took nobody looks again: thousands of queues may be due whose receivers
hang, and each callback that was sent announces a change."""
_MAX_REST_S: Final = 0.05
_HOUR_S: Final = 3600.0
"""No pause is longer: a system's clock may be set, and a thread cannot wait for a thousand years."""

Queue = tuple[str, str]
"""The callbacks of one account (its key) to one receiver."""


class CallbackWorker:
    """Sends the callbacks of one mock's accounts.

    Its threads start with the first callback, or at once where some may be left from before.
    """

    def __init__(self, accounts: Accounts, sender: CallbackSender) -> None:
        self.sender = sender
        self.watch: Callable[[Entry], None] | None = None
        """Called with every attempt that is journalled."""
        self._accounts = accounts
        self._store = accounts.store
        accounts.on_due = self._look_anew
        self._changed = threading.Condition()
        self._changes = 0
        """The number of times that something may have become due, or was sent."""
        self._busy: set[Queue] = set()
        self._lanes: Counter[str] = Counter()
        """How many callbacks are being sent to each receiver."""
        self._silent: set[str] = set()
        """Receivers that did not answer when they were last called."""
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._replies = threading.BoundedSemaphore(MAX_WAITING)
        if self._store.shared or self._store.next_scheduled_ms() is not None:
            self.nudge()

    def nudge(self) -> None:
        """Look for what is due: something may have been added, or a clock advanced."""
        with self._changed:
            if self._closed:
                return
            if self._thread is None:
                self._start()
            self._announce()

    def _look_anew(self) -> None:
        # A mock that was never given a callback URL needs no thread.
        if self._thread:
            self.nudge()

    def send_before_reply(self, account: str) -> None:
        """Return when what is due of an account was sent once, or it takes too long, or too many replies wait."""
        if self._replies.acquire(blocking=False):
            try:
                self.wait_until_idle(account, BEFORE_REPLY_S)
            finally:
                self._replies.release()

    def wait_until_idle(self, account: str, timeout_s: float) -> bool:
        """Wait until nothing of an account is due or being sent; return False where that took too long."""
        self.nudge()
        ends_at = monotonic() + timeout_s
        while True:
            changes = self._changes
            if not self._has_work(account):
                return True
            left_s = ends_at - monotonic()
            if left_s <= 0 or self._closed:
                return False
            # Callbacks that other processes send are not announced here.
            self._wait_for_change(changes, min(left_s, LOOK_AGAIN_S) if self._store.shared else left_s)

    def close(self) -> None:
        """Begin nothing more; returns when what is being sent has arrived or run into its timeout."""
        with self._changed:
            self._closed = True
            self._announce()
        if self._thread and self._pool:
            self._thread.join()
            self._pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        # At first use: most mocks are never given a callback URL.
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="klingkit callbacks")
        self._thread = threading.Thread(target=self._run, name="klingkit callback worker", daemon=True)
        self._thread.start()

    def _announce(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def _has_work(self, key: str) -> bool:
        with self._changed:
            if any(key == account for account, _ in self._busy):
                return True
        return self._accounts.of(key).state.transaction(outbox.is_due)

    def _run(self) -> None:
        while not self._closed:
            changes, began_s = self._changes, monotonic()
            try:
                pause_s = self._look()
                self._rest(min((monotonic() - began_s) * _REST, _MAX_REST_S))
            except StoreDownError:
                pause_s = STORE_DOWN_S
            except Exception:
                _LOG.exception("the callback worker failed, and goes on")
                pause_s = STORE_DOWN_S
            self._wait_for_change(changes, pause_s)

    def _wait_for_change(self, changes: int, pause_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._changes != changes, pause_s)

    def _look(self) -> float:
        """Begin what is due; return in how many seconds to look again, if nothing changes before."""
        # Not under the lock: a create call would wait for a slow store.
        due = self._store.due(real_ms())
        with self._changed:
            for queue in due:
                if not self._closed and queue not in self._busy and self._has_room(queue[1]):
                    self._begin(queue)
        if due:
            # It is being sent by now, and its end is announced.
            return LOOK_AGAIN_S
        pauses = [LOOK_AGAIN_S if self._store.shared else _HOUR_S]
        scheduled_ms = self._store.next_scheduled_ms()
        if scheduled_ms is not None:
            pauses.append(max(scheduled_ms - real_ms(), 1) / 1000)
        return min(pauses)

    def _has_room(self, receiver: str) -> bool:
        return self._lanes[receiver] < (1 if receiver in self._silent else LANE_THREADS)

    def _begin(self, queue: Queue) -> None:
        assert self._pool is not None
        try:
            self._pool.submit(self._send_due, queue)
        except RuntimeError:
            # The process is ending, and the mock was not closed.
            self._closed = True
        else:
            self._busy.add(queue)
            self._lanes[queue[1]] += 1

    def _send_due(self, queue: Queue) -> None:
        try:
            self._send_for_a_turn(*queue)
        except StoreDownError:
            # A store that cannot write may still read: the account would be due again at once.
            self._rest(STORE_DOWN_S)
        except Exception:
            # Nobody asks for the result of this job: without a line here the error would be lost.
            _LOG.exception("the callbacks of account %s failed, and are tried again", queue[0])
            self._rest(STORE_DOWN_S)
        finally:
            with self._changed:
                self._busy.discard(queue)
                self._leave_lane(queue[1])
                self._announce()

    def _send_for_a_turn(self, key: str, receiver: str) -> None:
        ends_at = monotonic() + TURN_S
        account = self._accounts.of(key)
        while not self._closed:
            due = account.state.transaction(lambda rows: outbox.take(rows, receiver))
            if due is None:
                return
            entry = self.sender.attempt(account, due)
            if entry:
                self._note(receiver, entry)
            if monotonic() >= ends_at:
                return

    def _note(self, receiver: str, entry: Entry) -> None:
        with self._changed:
            self._silent.discard(receiver)
            if not entry.status and len(self._silent) < MAX_SILENT:
                self._silent.add(receiver)
        if self.watch:
            self.watch(entry)

    def _leave_lane(self, receiver: str) -> None:
        self._lanes[receiver] -= 1
        if not self._lanes[receiver]:
            # A receiver that is called no more is forgotten.
            del self._lanes[receiver]

    def _rest(self, for_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, for_s)

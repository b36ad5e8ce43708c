"""Sends callbacks, off the request path: what is due, in order, one account's one after the other."""

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.state import outbox
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.stores.store import StoreDownError, real_ms
from kling_mock_server.state.tables import OUTBOXES

_LOG: Final = logging.getLogger("klingkit")

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

THREADS: Final = 64
"""Accounts whose callbacks are sent at once; a receiver that is slow holds up its own account's alone."""
TURN_S: Final = 1.0
"""How long an account goes on sending before it is the turn of those that wait for a thread."""
LOOK_AGAIN_S: Final = 0.1
"""How often a store that other processes share is asked what is due."""
BEFORE_REPLY_S: Final = 3.0
"""How long a reply waits for the callbacks that a scenario wants to come before it."""
MAX_WAITING: Final = 4
"""Replies that may wait for callbacks at once: half of the server's threads answer on."""
STORE_DOWN_S: Final = 1.0
"""How long a store that cannot be used is left alone."""
_HOUR_S: Final = 3600.0
"""No pause is longer: a system's clock may be set, and a thread cannot wait for a thousand years."""


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
        self._busy: set[str] = set()
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
        with self._changed:
            while self._has_work(account):
                left_s = ends_at - monotonic()
                if left_s <= 0 or self._closed:
                    return False
                # Callbacks that other processes send are not announced here.
                self._changed.wait(min(left_s, LOOK_AGAIN_S) if self._store.shared else left_s)
        return True

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
        if key in self._busy:
            return True
        account = self._accounts.of(key)
        return outbox.is_due(account.state.view(OUTBOXES), account.clock.now_ms())

    def _run(self) -> None:
        while not self._closed:
            changes = self._changes
            try:
                pause_s = self._look()
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
        due, scheduled_ms = self._store.due(real_ms()), self._store.next_scheduled_ms()
        with self._changed:
            for key in due:
                if key not in self._busy and not self._closed:
                    self._begin(key)
        # The due callback is being sent by now, and its end is announced.
        pauses = [LOOK_AGAIN_S if due or self._store.shared else _HOUR_S]
        if scheduled_ms is not None and not due:
            pauses.append(max(scheduled_ms - real_ms(), 1) / 1000)
        return min(pauses)

    def _begin(self, key: str) -> None:
        assert self._pool is not None
        try:
            self._pool.submit(self._send_due, key)
        except RuntimeError:
            # The process is ending, and the mock was not closed.
            self._closed = True
        else:
            self._busy.add(key)

    def _send_due(self, key: str) -> None:
        ends_at = monotonic() + TURN_S
        try:
            account = self._accounts.of(key)
            while not self._closed:
                due = account.state.transaction(outbox.take)
                if due is None:
                    break
                entry = self.sender.attempt(account, due)
                if entry and self.watch:
                    self.watch(entry)
                if monotonic() >= ends_at:
                    break
        except StoreDownError:
            # A store that cannot write may still read: the account would be due again at once.
            with self._changed:
                self._changed.wait_for(lambda: self._closed, STORE_DOWN_S)
        except Exception:
            # Nobody asks for the result of this job: without a line here the error would be lost.
            _LOG.exception("the callbacks of account %s failed, and are tried again", key)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, STORE_DOWN_S)
        finally:
            with self._changed:
                self._busy.discard(key)
                self._announce()

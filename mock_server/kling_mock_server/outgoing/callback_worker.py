"""Sends callbacks, off the request path: what is due, in order, one account's one after the other."""

import json
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from kling_contracts import Report
from kling_contracts.http import JSON_TYPE
from kling_mock_server.outgoing.webhooks import Attempt, Targets, post, signature_headers
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.protocol.task_json import state_json
from kling_mock_server.state.account import Account
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import Entry, kept
from kling_mock_server.state.stores.store import StoreDownError, real_ms
from kling_mock_server.state.tasks import Due

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

THREADS: Final = 16
"""Accounts whose callbacks are sent at once; a receiver that is slow holds up its own account's alone."""
TURN_S: Final = 1.0
"""How long an account goes on sending before it is the turn of those that wait for a thread."""
LOOK_AGAIN_S: Final = 0.1
"""How often a store that other processes share is asked what is due."""
BEFORE_REPLY_S: Final = 3.0
"""How long a reply waits for the callbacks that a scenario wants to come before it."""
MAX_WAITING: Final = 4
"""So many replies may wait for callbacks at once: half of the server's threads answer on."""
STORE_DOWN_S: Final = 1.0
"""How long a store that cannot be used is left alone."""
_HOUR_S: Final = 3600.0
"""No pause is longer: a system's clock may be set, and a thread cannot wait for a thousand years."""
_ANOTHER_SECRET: Final = "d3Jvbmc="

Post = Callable[[str, bytes, dict[str, str]], Attempt]


class CallbackWorker:
    """Sends the callbacks of one mock's accounts.

    Its threads start with the first callback, or at once where some may be left from before.
    """

    def __init__(self, accounts: Accounts, targets: Targets, secrets: tuple[str, ...] = (), send: Post = post) -> None:
        self.targets = targets
        self.watch: Callable[[Entry], None] | None = None
        """Called with every attempt that is journalled."""
        self._accounts = accounts
        self._store = accounts.store
        accounts.alarm = self._look_anew
        self._secrets = secrets
        self._send = send
        self._news = threading.Condition()
        self._told = 0
        """How often there were news."""
        self._busy: set[str] = set()
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._replies = threading.BoundedSemaphore(MAX_WAITING)
        if self._store.shared or self._store.next_wake_ms() is not None:
            self.nudge()

    def nudge(self) -> None:
        """Look for what is due: something may have been added, or a clock advanced."""
        with self._news:
            if self._closed:
                return
            if self._thread is None:
                self._start()
            self._tell()

    def _look_anew(self) -> None:
        # Who was never given a callback URL needs no thread.
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
        with self._news:
            while self._has_work(account):
                left_s = ends_at - monotonic()
                if left_s <= 0 or self._closed:
                    return False
                # Of what other processes send there are no news here.
                self._news.wait(min(left_s, LOOK_AGAIN_S) if self._store.shared else left_s)
        return True

    def close(self) -> None:
        """Begin nothing more; returns when what is being sent has arrived or run into its timeout."""
        with self._news:
            self._closed = True
            self._tell()
        if self._thread and self._pool:
            self._thread.join()
            self._pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        # At first use: most mocks are never given a callback URL.
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="klingkit callbacks")
        self._thread = threading.Thread(target=self._run, name="klingkit courier", daemon=True)
        self._thread.start()

    def _tell(self) -> None:
        self._told += 1
        self._news.notify_all()

    def _has_work(self, account: str) -> bool:
        return account in self._busy or self._accounts.of(account).tasks.has_due()

    def _run(self) -> None:
        while not self._closed:
            told = self._told
            try:
                pause_s = self._look()
            except StoreDownError:
                pause_s = STORE_DOWN_S
            self._wait_for_news(told, pause_s)

    def _wait_for_news(self, told: int, pause_s: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._told != told, pause_s)

    def _look(self) -> float:
        """Begin what is due; return in how many seconds to look again, if there are no news before."""
        # Not under the lock: who creates a task would wait for a slow store.
        due, wake_ms = self._store.due(real_ms()), self._store.next_wake_ms()
        with self._news:
            for key in due:
                if key not in self._busy and not self._closed:
                    self._begin(key)
        # What is due is busy by now, and brings news.
        pauses = [LOOK_AGAIN_S if due or self._store.shared else _HOUR_S]
        if wake_ms is not None and not due:
            pauses.append(max(wake_ms - real_ms(), 1) / 1000)
        return min(pauses)

    def _begin(self, key: str) -> None:
        assert self._pool is not None
        try:
            self._pool.submit(self._send_due, key)
        except RuntimeError:
            # The process is ending, and nobody has closed the mock.
            self._closed = True
        else:
            self._busy.add(key)

    def _send_due(self, key: str) -> None:
        ends_at = monotonic() + TURN_S
        try:
            account = self._accounts.of(key)
            while not self._closed:
                due = account.tasks.take_due()
                if due is None:
                    break
                self._attempt(account, due)
                if monotonic() >= ends_at:
                    break
        except StoreDownError:
            # What cannot be written may well be read: the account would be due again at once.
            with self._news:
                self._news.wait_for(lambda: self._closed, STORE_DOWN_S)
        finally:
            with self._news:
                self._busy.discard(key)
                self._tell()

    def _attempt(self, account: Account, due: Due) -> None:
        body = _body(account, due)
        refusal = self.targets.refusal(due.outbox.url)
        attempt = Attempt(0, refusal, 0) if refusal else self._send(due.outbox.url, body, self._headers(due, body))
        entry = Entry(
            at_ms=account.clock.now_ms(),
            method="POST",
            path=due.outbox.url,
            token="",
            body=kept(body),
            status=attempt.status,
            code=0,
            answer=attempt.error,
            request_id=new_request_id(),
            report=Report(),
            operation="callback",
        )
        # A target that may not be called stays one: nothing is gained by trying again.
        if account.tasks.settle(due, done=attempt.delivered or bool(refusal)):
            account.journal.record(entry)
            if self.watch:
                self.watch(entry)

    def _headers(self, due: Due, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": JSON_TYPE}
        signature = due.message.signature
        if signature == "none":
            return headers
        secrets = (_ANOTHER_SECRET,) if signature == "bad" else self._secrets
        return headers | signature_headers(secrets, due.message.id, real_ms() // 1000, body)


def _body(account: Account, due: Due) -> bytes:
    """The task as it was when its status changed, whatever it has become since."""
    message, task = due.message, due.task
    value = state_json(task, message.status, task.reached_ms(message.status), account.key)
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if message.change is None and message.body is None and message.percent == _WHOLE:
        return body
    # At first use: callbacks that are wrong on purpose are for scenarios.
    from kling_mock_server.failures.scenarios import Delivery, delivered

    plan = Delivery(message.status, change=message.change, body=message.body, percent=message.percent)
    return delivered(plan, body)


_WHOLE: Final = 100

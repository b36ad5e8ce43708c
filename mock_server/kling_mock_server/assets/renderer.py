"""Renders the videos of tasks off the request path, where `klingkit[render]` is installed."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from time import sleep
from typing import TYPE_CHECKING, Final

from kling_contracts import Report
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.protocol.names import FILES_PREFIX, RENDER
from kling_mock_server.state.account import Account
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.tables import RESULTS

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from kling_mock_server.assets.rendering import RenderPlan

    Gather = Callable[[], RenderPlan | None]
    """Gathers what a video is rendered from; None where its sound cannot be had."""

Key = tuple[str, str]
"""Account and task."""

_LOG: Final = logging.getLogger("klingkit")
MAX_PLANNED: Final = 8
"""Videos that can still be rendered, each with its sound in memory; an older task gets a neutral one.
"""
PATIENCE_S: Final = 30.0
"""How long a download waits for a video that is being rendered."""
MAX_PATIENT: Final = 2
"""Downloads that may wait at once: the others hold up no thread of the server."""
_LOOK_AGAIN_S: Final = 0.05


class Renderer:
    """One video after the other, in a thread of its own that starts at first use.

    Nothing is rendered before somebody sees that the task has succeeded: most tasks of a test suite never get there.
    """

    def __init__(self) -> None:
        self._planned: deque[tuple[Account, str, Gather]] = deque(maxlen=MAX_PLANNED)
        self._rendering: dict[Key, Future[None]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._patient = threading.BoundedSemaphore(MAX_PATIENT)

    @property
    def can_render(self) -> bool:
        """Whether `klingkit[render]` is installed."""
        return _can_render()

    def plan(self, account: Account, task_id: str, gather: "Gather") -> None:
        """Remember how to render a task's video; at once, where another process may be asked for it."""
        self._planned.append((account, task_id, gather))
        if account.state.store.shared:
            self.begin(account.key, task_id)

    def begin(self, account: str, task_id: str) -> None:
        """Begin to render a task's video, if that was planned and not yet begun."""
        key = (account, task_id)
        with self._lock:
            planned = next((one for one in list(self._planned) if (one[0].key, one[1]) == key), None)
            if planned is None or key in self._rendering or len(self._rendering) >= MAX_PLANNED:
                return
            with suppress(ValueError):
                # A newer one may have pushed it out just now.
                self._planned.remove(planned)
            future = self._rendering[key] = self._thread().submit(_render, *planned)
        # Not under the lock: one that is done already calls at once.
        future.add_done_callback(lambda _: self._done(key))

    def wait_for(self, account: str, task_id: str, elsewhere: Callable[[], bool] = lambda: False) -> None:
        """Wait until a task's video is rendered, if it is going to be and there is patience left.

        `elsewhere` tells whether another process may be rendering it.
        """
        self.begin(account, task_id)
        with self._lock:
            future = self._rendering.get((account, task_id))
        if future is None and not (self.can_render and elsewhere()):
            return
        if not self._patient.acquire(blocking=False):
            return
        try:
            self._wait(future, elsewhere)
        finally:
            self._patient.release()

    def _wait(self, future: "Future[None] | None", elsewhere: Callable[[], bool]) -> None:
        if future:
            from concurrent.futures import wait

            wait([future], PATIENCE_S)
        else:
            while elsewhere():
                sleep(_LOOK_AGAIN_S)

    def close(self) -> None:
        """Render nothing more; a video that is being rendered is finished."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._planned.clear()
        # Not under the lock: what is cancelled is done at once.
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)

    def _thread(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="klingkit renders")
        return self._pool

    def _done(self, key: Key) -> None:
        with self._lock:
            self._rendering.pop(key, None)
            left = next((one for one in self._planned if one[0].state.store.shared), None)
        if left:
            self.begin(left[0].key, left[1])


@cache
def _can_render() -> bool:
    from kling_mock_server.assets.rendering import available

    return available()


def _journal(account: Account, task_id: str, error: Exception) -> None:
    """Journal and log that a video cannot be rendered."""
    reason = f"cannot be rendered, and a neutral one is served: {type(error).__name__}: {error}"
    _LOG.error("the video of task %s %s", task_id, reason, exc_info=error)
    account.journal.record(
        Entry(
            at_ms=account.clock.now_ms(),
            method="",
            path=f"{FILES_PREFIX}/{account.key}/results/{task_id}",
            token="",
            body=b"",
            status=0,
            code=0,
            answer=f"The video {reason}",
            request_id=new_request_id(),
            report=Report(),
            operation=RENDER,
            details={"task_id": task_id},
        )
    )


def _render(account: Account, task_id: str, gather: "Gather") -> None:
    from kling_mock_server.assets.rendering import render

    video = b""
    try:
        plan = gather()
        video = render(plan) if plan else b""
    except Exception as error:
        # A sound that does not decode here, a version of a library that nobody tried.
        _journal(account, task_id, error)
    # That there is none is for others to know who wait for it.
    if video or account.state.store.shared:
        account.state.transaction(lambda rows: rows.put(RESULTS, task_id, video))

"""Renders the videos of tasks off the request path, where `klingkit[render]` is installed."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from kling_contracts import Report
from kling_mock_server.assets.elsewhere import Elsewhere
from kling_mock_server.assets.library import RENDERED_MS
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.protocol.names import FILES_PREFIX, RENDER
from kling_mock_server.state.account import Account
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.stores.store import StoreDownError
from kling_mock_server.state.tables import RESULTS

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from kling_mock_server.assets.rendering import RenderPlan

    Gather = Callable[[], RenderPlan | None]
    """Gathers what a video is rendered from; None where its sound cannot be had."""

Key = tuple[str, str]
"""Account and task."""

_LOG: Final = logging.getLogger("klingkit")
MAX_PLANNED: Final = 64
"""Videos that can still be rendered; an older task gets a neutral one."""
MAX_PLANNED_BYTES: Final = 32 * 1024 * 1024
"""Bytes of the requests that they are rendered from, the last one always among them."""
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of rendered videos that are kept for equal requests to come."""
ENDED: Final = "the mock ended before"
WORKERS: Final = 2
"""Videos that are rendered at once; while one is encoded, others can be answered."""
TOO_MANY: Final = f"{MAX_PLANNED} other videos are to be rendered before"


class _Planned(NamedTuple):
    """A video that can be rendered; `size`: bytes that it takes until then."""

    account: Account
    task_id: str
    gather: "Gather"
    size: int


class _Begun:
    """A video that is being rendered, or waits for its turn."""

    __slots__ = ("done", "is_awaited", "is_started", "planned")

    def __init__(self, planned: _Planned) -> None:
        self.planned = planned
        self.is_awaited = False
        """Whether a download waits for it: it is rendered before those for which none does."""
        self.is_started = False
        self.done: Future[str] = _new_future()


class Renderer:
    """Renders in threads of its own that start at first use; equal requests share one video.

    Nothing is rendered before somebody asks for the task: in a test suite most are not heard of again.
    """

    def __init__(self) -> None:
        self._planned: OrderedDict[Key, _Planned] = OrderedDict()
        self._size = 0
        """Bytes that the planned ones take."""
        self._begun: dict[Key, _Begun] = {}
        self._videos = _Videos()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._elsewhere = Elsewhere()

    @property
    def can_render(self) -> bool:
        """Whether `klingkit[render]` is installed."""
        return _can_render()

    def plan(self, account: Account, task_id: str, gather: "Gather", size: int = 0) -> None:
        """Remember how to render a task's video, `size` bytes; at once, where another process may be asked for it."""
        with self._lock:
            self._planned[account.key, task_id] = _Planned(account, task_id, gather, size)
            self._size += size
            while len(self._planned) > MAX_PLANNED or (self._size > MAX_PLANNED_BYTES and len(self._planned) > 1):
                self._size -= self._planned.popitem(last=False)[1].size
        if account.state.store.shared:
            self.begin(account.key, task_id)

    def begin(self, account: str, task_id: str) -> None:
        """Begin to render a task's video, if that was planned and not yet begun."""
        key = (account, task_id)
        with self._lock:
            if key not in self._planned or len(self._begun) >= MAX_PLANNED or self._closed:
                return
            try:
                self._thread().submit(self._render_next)
            except RuntimeError:
                # The process is ending.
                self._closed = True
                return
            planned = self._planned.pop(key)
            self._size -= planned.size
            self._begun[key] = _Begun(planned)

    def awaited(self, account: str, task_id: str, elsewhere: Callable[[], bool] = lambda: False) -> "Future[str]":
        """Return what is done once a task's video is rendered, or cannot be; it is rendered before what nobody awaits.

        It is done already where there is nothing to wait for. Its result is why the video is not going to be there, and
        empty where it may be. `elsewhere` tells whether another process may be rendering it.
        """
        self.begin(account, task_id)
        key = (account, task_id)
        with self._lock:
            begun = self._begun.get(key)
            if begun:
                begun.is_awaited = True
                return begun.done
            is_too_many = key in self._planned and not self._closed
        if not is_too_many and self.can_render and elsewhere():
            return self._elsewhere.watch(elsewhere)
        done = _new_future()
        done.set_result(TOO_MANY if is_too_many else "")
        return done

    def close(self) -> None:
        """Render nothing more; a video that is being rendered is finished."""
        with self._lock:
            pool, self._pool, self._closed = self._pool, None, True
            self._planned.clear()
            dropped = []
            for key, begun in list(self._begun.items()):
                if not begun.is_started:
                    del self._begun[key]
                    dropped.append(begun)
        # Not under the lock: whoever waits goes on at once, and may ask again.
        for begun in dropped:
            begun.done.set_result(ENDED)
        self._elsewhere.close()
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)

    def wait_for_shared(self) -> None:
        """Wait until the videos that are being rendered are kept where other processes wait for them."""
        from concurrent.futures import wait

        with self._lock:
            shared = [begun.done for begun in self._begun.values() if begun.planned.account.state.store.shared]
        wait(shared, RENDERED_MS / 1000)

    def _thread(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="klingkit renders")
        return self._pool

    def _render_next(self) -> None:
        with self._lock:
            waiting = [(key, begun) for key, begun in self._begun.items() if not begun.is_started]
            if not waiting:
                return
            key, begun = next((one for one in waiting if one[1].is_awaited), waiting[0])
            begun.is_started = True
        try:
            _render(begun.planned, self._videos)
        finally:
            with self._lock:
                del self._begun[key]
                left = next((key for key, one in self._planned.items() if one.account.state.store.shared), None)
            begun.done.set_result("")
            if left:
                self.begin(*left)


def _new_future() -> "Future[str]":
    from concurrent.futures import Future

    return Future()


@cache
def _can_render() -> bool:
    return find_spec("av") is not None


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


class _Videos:
    """The videos that were rendered last, by what they were rendered from. It may be shared by threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[RenderPlan, bytes] = OrderedDict()
        self._size = 0
        self._made: dict[RenderPlan, threading.Lock] = {}
        """Those that are being rendered: an equal one waits for it."""
        self._lock = threading.Lock()

    def of(self, plan: "RenderPlan") -> bytes:
        """Return the video of a plan, rendered now where none of an equal one is kept."""
        from kling_mock_server.assets.rendering import render

        # Its sound may be megabytes.
        key = plan._replace(sound=sha256(plan.sound).digest())
        with self._lock:
            made = self._made.setdefault(key, threading.Lock())
        with made:
            try:
                video = self._taken(key) or render(plan)
                self._keep(key, video)
                return video
            finally:
                with self._lock:
                    self._made.pop(key, None)

    def _taken(self, key: "RenderPlan") -> bytes | None:
        with self._lock:
            video = self._kept.pop(key, None)
            self._size -= len(video or b"")
            return video

    def _keep(self, key: "RenderPlan", video: bytes) -> None:
        with self._lock:
            self._size += len(video) - len(self._kept.pop(key, b""))
            self._kept[key] = video
            while self._size > MAX_KEPT_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])


def _render(planned: _Planned, videos: _Videos) -> None:
    account, task_id = planned.account, planned.task_id
    try:
        video = _rendered(planned, videos)
        # That there is none is for others to know who wait for it.
        if video or account.state.store.shared:
            account.state.transaction(lambda rows: rows.put(RESULTS, task_id, video))
    except StoreDownError as error:
        _LOG.error("the video of task %s cannot be kept, and a neutral one is served: %s", task_id, error)


def _rendered(planned: _Planned, videos: _Videos) -> bytes:
    from kling_mock_server.assets.rendering import titled

    try:
        plan = planned.gather()
        return titled(videos.of(plan), planned.task_id) if plan else b""
    except StoreDownError:
        raise
    except Exception as error:
        # A sound that does not decode here, a version of a library that nobody tried.
        _journal(planned.account, planned.task_id, error)
    return b""

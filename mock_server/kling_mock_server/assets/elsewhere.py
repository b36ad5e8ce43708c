"""Waits for what other processes do: nobody tells this one of it, so it looks again and again."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kling_mock_server.state.stores.store import StoreDownError

if TYPE_CHECKING:
    from concurrent.futures import Future

LOOK_AGAIN_S: Final = 0.05


class Elsewhere:
    """One thread that looks for all who wait; it runs as long as somebody does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[Future[str], Callable[[], bool]] = {}
        self._closed = threading.Event()

    def watch(self, is_awaited: Callable[[], bool]) -> "Future[str]":
        """Return what is done once `is_awaited` returns False, the store is down or this one is closed."""
        from concurrent.futures import Future

        done: Future[str] = Future()
        with self._lock:
            self._watched[done] = is_awaited
            if len(self._watched) == 1:
                threading.Thread(target=self._look, name="klingkit looks elsewhere", daemon=True).start()
        return done

    def close(self) -> None:
        """Let go of all who wait."""
        self._closed.set()

    def _look(self) -> None:
        while True:
            is_closed = self._closed.wait(LOOK_AGAIN_S)
            with self._lock:
                watched = list(self._watched.items())
            ended = [done for done, is_awaited in watched if is_closed or not _holds(is_awaited)]
            with self._lock:
                for done in ended:
                    del self._watched[done]
                is_last = not self._watched
            for done in ended:
                done.set_result("")
            if is_last:
                return


def _holds(is_awaited: Callable[[], bool]) -> bool:
    try:
        return is_awaited()
    except StoreDownError:
        # Those who wait are going to meet the same.
        return False

"""An answer that is made once something is there; until then its connection may wait without a thread."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kling_contracts import Response

if TYPE_CHECKING:
    from concurrent.futures import Future


class LateResponse:
    """An answer that is made when `ready` is done or `patience_s` have passed.

    It is finished or abandoned, whatever comes first, and that once. `ready` may be shared: nobody cancels it.
    """

    __slots__ = ("_abandoned", "_ended", "_make", "_turn", "patience_s", "ready")

    def __init__(
        self,
        ready: "Future[Any]",
        patience_s: float,
        make: Callable[[bool], Response],
        abandoned: Callable[[], None],
        ended: Callable[[], object],
    ) -> None:
        """`make` returns the answer, told whether `ready` is done. `abandoned` is called in its place where nobody is
        there any more to be answered, `ended` when the answer is made, and before `abandoned`."""
        self.ready = ready
        self.patience_s = patience_s
        self._make = make
        self._abandoned = abandoned
        self._ended = ended
        self._turn = threading.Lock()

    def then(self, change: Callable[[Response], Response]) -> "LateResponse":
        """Return a response in place of this one, with its answer changed."""
        make = self._make
        return LateResponse(
            self.ready, self.patience_s, lambda is_ready: change(make(is_ready)), self._abandoned, self._ended
        )

    def waited_for(self) -> Response:
        """Wait in this thread and return the answer."""
        from concurrent.futures import wait

        wait((self.ready,), self.patience_s)
        return self.finish()

    def finish(self) -> Response:
        """Return the answer as it is by now. To be called once.

        Raises `concurrent.futures.CancelledError` where it was abandoned a moment before.
        """
        from concurrent.futures import CancelledError

        if not self._turn.acquire(blocking=False):
            raise CancelledError
        try:
            return self._make(self.ready.done())
        finally:
            self._ended()

    def abandon(self) -> None:
        """Free all that waits, unless the answer was made, or is being made."""
        if self._turn.acquire(blocking=False):
            self._ended()
            self._abandoned()

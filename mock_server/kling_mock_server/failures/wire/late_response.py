"""An answer that is made once something is there; until then its connection may wait without a thread."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kling_contracts import Response

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True, eq=False)
class LateResponse:
    """An answer that `make` makes when `ready` is done or `patience_s` have passed.

    It is finished or abandoned, whatever comes first, and that once. `ready` may be shared: nobody cancels it.
    """

    ready: "Future[Any]"
    patience_s: float
    make: Callable[[bool], Response]
    """Returns the answer, told whether `ready` is done."""
    abandoned: Callable[[], None]
    """Called in place of `make` where nobody is there any more to be answered."""
    ended: Callable[[], object]
    """Called when the answer is made, and before `abandoned`."""
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def then(self, change: Callable[[Response], Response]) -> "LateResponse":
        """Return this response in place of itself, with its answer changed."""
        return replace(self, make=lambda is_ready: change(self.make(is_ready)))

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
            return self.make(self.ready.done())
        finally:
            self.ended()

    def abandon(self) -> None:
        """Free all that waits, unless the answer was made, or is being made."""
        if self._turn.acquire(blocking=False):
            self.ended()
            self.abandoned()

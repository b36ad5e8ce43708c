"""Downloads that wait for a video that is being rendered: how many of them, and what the others get."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kling_contracts import Note, Response
from kling_mock_server.failures.wire.late_response import LateResponse

if TYPE_CHECKING:
    from concurrent.futures import Future

PATIENCE_S: Final = 30.0
"""How long a download waits for a video that is being rendered."""
MAX_WAITING: Final = 200
"""Downloads that may wait at once without a thread: each keeps a connection open."""
MAX_HOLDING: Final = 4
"""Downloads that may wait at once in the thread that answers them: the others hold up no thread of a server."""
_TOO_LATE: Final = "it is not rendered after {:g} s"
HUNG_UP: Final = "The connection ended before the video was rendered"


class LateDownloads:
    """The downloads of one mock. It may be shared by threads."""

    def __init__(self) -> None:
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._holding = threading.BoundedSemaphore(MAX_HOLDING)

    def answer(
        self,
        awaited: "Future[str] | None",
        make: Callable[[tuple[Note, ...]], Response],
        abandoned: Callable[[], None],
        *,
        detaches: bool,
    ) -> Response | LateResponse:
        """Return what `make` makes when `awaited` (see `Renderer.awaited`) is done; late where the caller detaches.

        `make` takes notes, that the video it sends is not the rendered one. `abandoned` is called in its place where
        the connection ends before.
        """
        if awaited is None:
            return make(())
        if awaited.done():
            return make(_notes(awaited.result()))
        seats, most = (self._waiting, MAX_WAITING) if detaches else (self._holding, MAX_HOLDING)
        if not seats.acquire(blocking=False):
            return make(_notes(f"{most} other downloads wait for theirs"))
        late = LateResponse(
            ready=awaited,
            patience_s=PATIENCE_S,
            make=lambda is_ready: make(_notes(awaited.result() if is_ready else _TOO_LATE.format(PATIENCE_S))),
            abandoned=abandoned,
            ended=seats.release,
        )
        return late if detaches else late.waited_for()


def _notes(reason: str) -> tuple[Note, ...]:
    if not reason:
        return ()
    return (Note("", f"the neutral video is sent in place of the rendered one: {reason}"),)

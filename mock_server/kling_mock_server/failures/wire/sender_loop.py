"""The thread of the background sender: waits, sends and hangs up for hundreds of connections."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from typing import Final

from kling_contracts import Response
from kling_mock_server.failures.wire import Wire, WiredResponse, script
from kling_mock_server.failures.wire.late_response import LateResponse

LIMIT: Final = 500
"""Connections at once; one more ends the oldest."""
SILENCE_S: Final = 600.0
"""How long a connection may hang, or its client take no byte."""
LINGER_S: Final = 2.0
"""How long a client has to hang up too: what it still sends to a closed socket would turn the end into a reset."""
CLOSING_S: Final = 5.0
"""How long the end waits for late answers, as long as waitress does for its threads."""
_POLL_S: Final = 0.005
_CHUNK: Final = 64 * 1024

_pause = asyncio.sleep


class SenderLoop(threading.Thread):
    """Sends answers from `start()` to `stop()`."""

    def __init__(self) -> None:
        super().__init__(name="klingkit background sender", daemon=True)
        # The kind that watches sockets, on every system.
        self._loop = asyncio.SelectorEventLoop()
        # In the order in which they came.
        self._playing: dict[asyncio.Task[None], None] = {}
        self._awaited: set[LateResponse] = set()
        """Late answers that are not sent yet."""

    def run(self) -> None:
        """Play until stopped, then hang up on everyone."""
        with asyncio.Runner(loop_factory=lambda: self._loop):
            self._loop.run_forever()

    def play(self, connection: socket.socket, answer: WiredResponse | LateResponse, method: str) -> None:
        """Answer a request of that method on a connection, which is then closed.

        Bytes from the client are dropped meanwhile; once it hangs up, nothing more is sent.
        """
        self._loop.call_soon_threadsafe(self._admit, connection, answer, method)

    def stop(self) -> None:
        """Send late answers for `CLOSING_S` more, then hang up on everyone; returns when the thread has ended.

        To be called once.
        """
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self.join()

    async def _end(self) -> None:
        latest_s = self._loop.time() + CLOSING_S
        while self._awaited and self._loop.time() < latest_s:
            await asyncio.sleep(_POLL_S)
        self._loop.stop()

    def _admit(self, connection: socket.socket, answer: WiredResponse | LateResponse, method: str) -> None:
        if len(self._playing) >= LIMIT:
            oldest = next(iter(self._playing))
            del self._playing[oldest]
            oldest.cancel()
        connection.setblocking(False)
        if isinstance(answer, LateResponse):
            self._awaited.add(answer)
        task = self._loop.create_task(self._play(connection, answer, method))
        self._playing[task] = None
        self._loop.add_reader(connection, _drop, connection, task)
        # Not at the end of `_play`, which never begins where it is cancelled at once.
        task.add_done_callback(partial(self._dismiss, connection, answer))

    def _dismiss(
        self, connection: socket.socket, answer: WiredResponse | LateResponse, task: "asyncio.Task[None]"
    ) -> None:
        self._playing.pop(task, None)
        self._loop.remove_reader(connection)
        connection.close()
        if isinstance(answer, LateResponse):
            self._awaited.discard(answer)
            # Not here: it is journalled, and a store may take its time.
            self._loop.run_in_executor(None, answer.abandon)

    async def _play(self, connection: socket.socket, answer: WiredResponse | LateResponse, method: str) -> None:
        # A timeout is one of them, too.
        with suppress(OSError):
            response = await _made(answer) if isinstance(answer, LateResponse) else answer
            for piece in script(response, method, formatdate(usegmt=True)):
                await _pause(piece.wait_ms / 1000)
                async with asyncio.timeout(SILENCE_S):
                    await self._loop.sock_sendall(connection, piece.data)
            if isinstance(answer, LateResponse):
                self._awaited.discard(answer)
            async with asyncio.timeout(SILENCE_S):
                await _ENDS[response.wire.end](connection)


async def _made(late: LateResponse) -> WiredResponse:
    """Wait for an answer, without a thread until it can be made."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        # A loop that has ended has nobody to tell.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ready.set)

    late.ready.add_done_callback(tell)
    with suppress(TimeoutError):
        async with asyncio.timeout(late.patience_s):
            await ready.wait()
    made: Response = await loop.run_in_executor(None, late.finish)
    return made if isinstance(made, WiredResponse) else WiredResponse(made.status, made.headers, made.body, Wire())


def _drop(connection: socket.socket, task: "asyncio.Task[None]") -> None:
    try:
        gone = not connection.recv(_CHUNK)
    except BlockingIOError:
        return
    except OSError:
        gone = True
    if gone:
        task.cancel()


async def _close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    await asyncio.sleep(LINGER_S)


async def _reset(connection: socket.socket) -> None:
    # A reset throws away what the client's system has not yet taken.
    while _is_under_way(connection):
        await asyncio.sleep(_POLL_S)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _hang(_: socket.socket) -> None:
    await asyncio.Event().wait()


_ENDS: Final[Mapping[str, Callable[[socket.socket], Awaitable[None]]]] = {
    "close": _close,
    "reset": _reset,
    "hang": _hang,
}


def _is_under_way(connection: socket.socket) -> bool:
    """Whether bytes were sent that have not arrived; False on systems that do not tell."""
    try:
        import fcntl
        import termios

        unacknowledged = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    except (ImportError, OSError):
        return False
    return any(unacknowledged)

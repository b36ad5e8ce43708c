"""The thread of the background sender: waits, sends and hangs up for hundreds of connections."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from kling_mock_server.failures.wire import Piece

LIMIT: Final = 500
"""Connections at once; one more ends the oldest."""
SILENCE_S: Final = 600.0
"""How long a connection may hang, or its client take no byte."""
LINGER_S: Final = 2.0
"""How long a client has to hang up too: what it still sends to a closed socket would turn the end into a reset."""
_POLL_S: Final = 0.005
_CHUNK: Final = 64 * 1024

_pause = asyncio.sleep


class SenderLoop(threading.Thread):
    """Plays scripts from `start()` to `stop()`."""

    def __init__(self) -> None:
        super().__init__(name="klingkit background sender", daemon=True)
        # The kind that watches sockets, on every system.
        self._loop = asyncio.SelectorEventLoop()
        # In the order in which they came.
        self._playing: dict[asyncio.Task[None], None] = {}

    def run(self) -> None:
        """Play until stopped, then hang up on everyone."""
        with asyncio.Runner(loop_factory=lambda: self._loop):
            self._loop.run_forever()

    def play(self, connection: socket.socket, script: Iterable[Piece], end: str) -> None:
        """Play a script on a connection, which is then closed.

        Bytes from the client are dropped meanwhile; once it hangs up, the script is over.
        """
        self._loop.call_soon_threadsafe(self._admit, connection, script, end)

    def stop(self) -> None:
        """Hang up on everyone; returns when the thread has ended. To be called once."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join()

    def _admit(self, connection: socket.socket, script: Iterable[Piece], end: str) -> None:
        if len(self._playing) >= LIMIT:
            oldest = next(iter(self._playing))
            del self._playing[oldest]
            oldest.cancel()
        connection.setblocking(False)
        task = self._loop.create_task(_play(connection, script, end))
        self._playing[task] = None
        self._loop.add_reader(connection, _drop, connection, task)
        # Not at the end of `_play`, which never begins where it is cancelled at once.
        task.add_done_callback(partial(self._dismiss, connection))

    def _dismiss(self, connection: socket.socket, task: "asyncio.Task[None]") -> None:
        self._playing.pop(task, None)
        self._loop.remove_reader(connection)
        connection.close()


def _drop(connection: socket.socket, task: "asyncio.Task[None]") -> None:
    try:
        gone = not connection.recv(_CHUNK)
    except BlockingIOError:
        return
    except OSError:
        gone = True
    if gone:
        task.cancel()


async def _play(connection: socket.socket, script: Iterable[Piece], end: str) -> None:
    loop = asyncio.get_running_loop()
    # A timeout is one of them, too.
    with suppress(OSError):
        for piece in script:
            await _pause(piece.wait_ms / 1000)
            async with asyncio.timeout(SILENCE_S):
                await loop.sock_sendall(connection, piece.data)
        async with asyncio.timeout(SILENCE_S):
            await _ENDS[end](connection)


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

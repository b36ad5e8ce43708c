"""The thread that plays wired answers, beside those that answer requests."""

import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kling_mock_server.failures.wire import Piece

if TYPE_CHECKING:
    from kling_mock_server.failures.wire.sender_loop import SenderLoop


class BackgroundSender:
    """One sender, whose thread starts at first use. It may be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: SenderLoop | None = None
        self._closed = False

    def open(self) -> None:
        """Start the thread ahead of `take`, which then does not have to wait for it."""
        # At first use: asyncio would cost every start of the mock.
        from kling_mock_server.failures.wire.sender_loop import SenderLoop

        with self._lock:
            if not self._loop and not self._closed:
                self._loop = SenderLoop()
                self._loop.start()

    def take(self, connection: socket.socket, script: Iterable[Piece], end: str) -> None:
        """Send the pieces, then end the connection as `Wire.end` says; it belongs to the sender from now on.

        A sender that is closed hangs up.
        """
        self.open()
        with self._lock:
            if self._loop and not self._closed:
                self._loop.play(connection, script, end)
            else:
                connection.close()

    def close(self) -> None:
        """Hang up on everyone; returns when the thread has ended."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop:
            loop.stop()

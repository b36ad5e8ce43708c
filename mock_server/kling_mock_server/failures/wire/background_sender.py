"""The thread that plays wired answers and waits for late ones, beside those that answer requests."""

import socket
import threading
from typing import TYPE_CHECKING

from kling_mock_server.failures.wire import WiredResponse
from kling_mock_server.failures.wire.late_response import LateResponse

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

    def take(self, connection: socket.socket, answer: WiredResponse | LateResponse, method: str) -> None:
        """Send what answers a request of that method; the connection belongs to the sender from now on.

        A sender that is closed hangs up.
        """
        self.open()
        with self._lock:
            if self._loop and not self._closed:
                self._loop.play(connection, answer, method)
                return
        connection.close()
        if isinstance(answer, LateResponse):
            answer.abandon()

    def close(self) -> None:
        """Send the late answers that are ready within seconds, and hang up on everyone; returns when that is done."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop:
            loop.stop()

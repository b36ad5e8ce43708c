"""Where wired answers are played, beside the threads that answer requests."""

import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kling_mock_server.failures.wire import Piece

if TYPE_CHECKING:
    from kling_mock_server.failures.wire.sender_loop import SenderLoop


class BackgroundSender:
    """One lane, whose thread starts at first use. It may be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._player: SenderLoop | None = None
        self._closed = False

    def open(self) -> None:
        """Start the thread ahead of `take`, which then does not have to wait for it."""
        # At first use: asyncio would cost every start of the mock.
        from kling_mock_server.failures.wire.sender_loop import SenderLoop

        with self._lock:
            if not self._player and not self._closed:
                self._player = SenderLoop()
                self._player.start()

    def take(self, connection: socket.socket, script: Iterable[Piece], end: str) -> None:
        """Send the pieces, then end the connection as `Wire.end` says; it is the lane's from now on.

        A lane that is closed hangs up.
        """
        self.open()
        with self._lock:
            if self._player and not self._closed:
                self._player.play(connection, script, end)
            else:
                connection.close()

    def close(self) -> None:
        """Hang up on everyone; returns when the thread has ended."""
        with self._lock:
            player, self._player, self._closed = self._player, None, True
        if player:
            player.stop()

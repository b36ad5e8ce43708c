"""Takes a connection out of waitress' hands, so that a slow answer holds up none of its threads."""

import socket
import time
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import build_http_date

from kling_mock_server.failures.wire import DETACH, WiredResponse, script
from kling_mock_server.failures.wire.background_sender import BackgroundSender


class _Task(WSGITask):  # type: ignore[misc]
    """Calls the application, which may detach the connection instead of returning an answer."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        # Not a method of the task, which holds the environ: the two would wait for the garbage collector.
        environ[DETACH] = self.channel.detach
        return environ

    def finish(self) -> None:
        if self.channel.parting:
            # The application returned nothing, so not even a head has been written.
            self.close_on_finish = True
        else:
            super().finish()


class DetachableChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that goes to the background sender instead of being closed, where its last answer is wired."""

    task_class = _Task

    def __init__(
        self, sender: BackgroundSender, error_task: Callable[..., ErrorTask], *args: Any, **options: Any
    ) -> None:
        self.parting: tuple[WiredResponse, str] | None = None
        self._sender = sender
        self.error_task_class = error_task
        super().__init__(*args, **options)

    def detach(self, response: WiredResponse, method: str) -> None:
        """Send this response from elsewhere once the connection is closed here."""
        # Here in a thread that may wait; the loop, which closes, serves everyone.
        self._sender.open()
        self.parting = (response, method)

    def handle_close(self) -> None:
        """Close the connection, or hand it over."""
        # Waitress first sends what it owes to a client that pipelines, unless that client is gone.
        if self.parting and self.socket and not self.total_outbufs_len:
            response, method = self.parting
            connection = socket.socket(fileno=self.socket.detach())
            date = build_http_date(time.time())
            self._sender.take(connection, script(response, method, date), response.wire.end)
        super().handle_close()

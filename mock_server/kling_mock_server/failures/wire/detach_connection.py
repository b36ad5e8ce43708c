"""Takes a connection out of waitress' hands, so that a slow answer holds up none of its threads."""

import socket
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from kling_mock_server.failures.wire import DETACH, WiredResponse
from kling_mock_server.failures.wire.background_sender import BackgroundSender
from kling_mock_server.failures.wire.late_response import LateResponse


class DetachableTask(WSGITask):  # type: ignore[misc]
    """Calls the application, which may detach the connection instead of returning an answer."""

    def get_environment(self) -> dict[str, Any]:
        """Return the environment of WSGI, in which the application finds how to detach the connection."""
        environ: dict[str, Any] = super().get_environment()
        # Not a method of the task, which holds the environ: the two would wait for the garbage collector.
        environ[DETACH] = self.channel.detach
        return environ

    def finish(self) -> None:
        """End the answer, or the connection where it is detached."""
        if self.channel.is_detached:
            # The application returned nothing, so not even a head has been written.
            self.close_on_finish = True
        else:
            super().finish()


class DetachableChannel(HTTPChannel):  # type: ignore[misc]
    """A connection that goes to the background sender in place of being closed, where its answer is wired or late."""

    task_class = DetachableTask

    def __init__(
        self, sender: BackgroundSender, error_task: Callable[..., ErrorTask], *args: Any, **options: Any
    ) -> None:
        self.is_detached = False
        self._parting: tuple[WiredResponse | LateResponse, str] | None = None
        self._sender = sender
        self.error_task_class = error_task
        super().__init__(*args, **options)

    def detach(self, answer: WiredResponse | LateResponse, method: str) -> None:
        """Send this answer from elsewhere once the connection is closed here."""
        # Here in a thread that may wait; the loop, which closes, serves everyone.
        self._sender.open()
        self._parting = (answer, method)
        self.is_detached = True

    def handle_close(self) -> None:
        """Close the connection, or hand it over."""
        parting, self._parting = self._parting, None
        if parting:
            answer, method = parting
            # Waitress first sends what it owes to a client that pipelines, unless that client is gone.
            if self.socket and not self.total_outbufs_len:
                self._sender.take(socket.socket(fileno=self.socket.detach()), answer, method)
            elif isinstance(answer, LateResponse):
                answer.abandon()
        super().handle_close()

"""The mock on a free port of this machine, served by a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from operator import methodcaller
from typing import Self, Unpack

from kling_mock_server.adapters.flask_app import MockApp
from kling_mock_server.adapters.handle import Handle
from kling_mock_server.adapters.options import MockOptions, new_responder, token_for
from kling_mock_server.adapters.waitress_server import end, listen, stop
from kling_mock_server.failures.wire.background_sender import BackgroundSender

__all__ = ["live"]

HOST = "127.0.0.1"


@contextmanager
def live(**options: Unpack[MockOptions]) -> Iterator[Handle]:
    """Serve a mock until the end of the block; yields a handle on one account of it.

    Options and errors are those of `create_app`.
    """
    with LiveServer(**options) as server:
        yield server.new_handle()


class LiveServer:
    """A mock that listens from `with` to the end of the block; `files_apart`: its files have a port of their own."""

    def __init__(self, *, files_apart: bool = False, **options: Unpack[MockOptions]) -> None:
        self.responder = new_responder(**options)
        self._files_apart = files_apart
        self._options = options
        self._numbers = count(1)

    def __enter__(self) -> Self:
        self._sender = BackgroundSender()
        self._listeners: list[_Listener] = []
        file_origin = self._listen() if self._files_apart else ""
        self.url = self._listen(file_origin)
        return self

    def _listen(self, file_origin: str = "") -> str:
        listener = _Listener(MockApp(self.responder, file_origin), self._sender)
        self._listeners.append(listener)
        return listener.url

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.stop()
        # Up to here, the loop may still hand a connection over.
        end(self.responder, self._sender)

    def new_handle(self) -> Handle:
        """Return a handle on an account of its own; where `tokens` closes the list, on the first one's, reset."""
        handle = Handle(self.responder, self.url, token_for(self._options, f"key-{next(self._numbers)}"))
        handle.reset()
        return handle


class _Listener:
    """One port of this machine, served by a thread."""

    def __init__(self, app: MockApp, sender: BackgroundSender) -> None:
        self._server = listen(app, HOST, 0, sender)
        self.url = f"http://{HOST}:{self._server.effective_port}"
        self._thread = threading.Thread(target=self._server.run, name=f"klingkit at {self.url}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        stop(self._server, self._thread, methodcaller("end"))

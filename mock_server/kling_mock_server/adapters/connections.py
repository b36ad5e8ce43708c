"""How many connections the server of `serve` holds, and which of them makes room for another."""

import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask

from kling_mock_server.adapters.event_loop import EventLoop
from kling_mock_server.failures.wire.background_sender import BackgroundSender
from kling_mock_server.failures.wire.detach_connection import DetachableChannel, DetachableTask

MAX_CONNECTIONS: Final = 10_000
"""Connections beyond which the one longest silent is closed, however many files may be open."""
MIN_CONNECTIONS: Final = 100
_FILES_EACH: Final = 4
"""Open files of one connection at worst: its socket, and a temporary file each for a large body that is answered, the
one that follows it, and a large answer."""
_OTHER_FILES: Final = 700
"""Open files beside them: the wired answers (500), callbacks, fetches, the store, modules."""


def raise_open_files() -> None:
    """Raise this process' limit of open files to the highest that the system grants without asking for rights."""
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MAX_CONNECTIONS * _FILES_EACH + _OTHER_FILES
    # macOS grants less than the hard limit says.
    for wanted in (hard, enough, 10_240):
        if soft in (resource.RLIM_INFINITY, hard) or 0 <= wanted <= soft:
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        return


def connections_at_once() -> int:
    """Return how many connections this process may hold, by its limit of open files."""
    if sys.platform == "win32":
        # Its `select` takes 512 sockets, the listening ones included.
        return 500
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, (soft - _OTHER_FILES) // _FILES_EACH))


def server_of(
    app: Any, sender: BackgroundSender, error_task: Callable[..., ErrorTask] = ErrorTask, **adjustments: Any
) -> Any:
    """Return a server of waitress with our connections, bound but not serving.

    `sender` plays the answers for which a connection is detached; `error_task` makes the task (of channel and request)
    that answers what never becomes a request. Raises `OSError` or `ValueError` where it cannot be bound.
    """
    dispatchers: dict[int, Any] = {}
    limit = connections_at_once()
    server = create_server(app, dispatchers, connection_limit=limit, channel_request_lookahead=1, **adjustments)
    server.asyncore = loop = EventLoop()
    for listening in dispatchers.values():
        if isinstance(listening, BaseWSGIServer):
            listening.channel_class = partial(_Channel, loop, sender, error_task)
            listening.pull_trigger = partial(_wake, listening)
            listening.handle_accept = partial(_accept_waiting, listening)
    return server


def _wake(server: BaseWSGIServer) -> None:
    # Waitress calls it after every answer, and within one that cannot be sent at once.
    channel = getattr(_SERVED, "channel", None)
    if channel is None:
        server.trigger.pull_trigger()
    else:
        channel.wake_loop()


_SERVED: Final = threading.local()
"""The connection, `channel`, whose request a thread answers, or has answered last."""


def _accept_waiting(server: BaseWSGIServer) -> None:
    # Waitress takes one for each turn of its loop.
    for _ in range(_ACCEPTED_AT_ONCE):
        held = len(server.active_channels)
        BaseWSGIServer.handle_accept(server)
        if len(server.active_channels) <= held:
            return


class _Task(DetachableTask):
    """Sends the head of an answer with the beginning of its body, where waitress sends one after the other."""

    def write(self, data: bytes) -> None:
        """Send a part of the body, and the head before the first one."""
        if self.wrote_header or len(data) > _MAX_JOINED:
            super().write(data)
            return
        self.channel.join_writes()
        try:
            super().write(data)
        finally:
            self.channel.send_joined()


class _Request(HTTPRequestParser):  # type: ignore[misc]
    path = ""
    """Waitress names it in its log, even of what was never read as a request."""


class _Channel(DetachableChannel):
    """A connection that makes room for a new one where there are too many, and wakes the loop only where it has to."""

    task_class = _Task
    parser_class = _Request

    def __init__(self, loop: EventLoop, *args: Any, **options: Any) -> None:
        self._loop = loop
        self._joined: list[bytes] | None = None
        """Parts of an answer that are to be sent in one piece; None: each is sent at once."""
        self.is_set_aside = False
        """Whether the loop has stopped to wait for its next request."""
        self._needs_help = False
        """Whether the thread that answers could not send all by itself."""
        super().__init__(*args, **options)

    def readable(self) -> bool:
        """Return whether data can be taken: of one more request, too, while the first is answered."""
        count = len(self.requests)
        return not (
            self.will_close
            or self.close_when_flushed
            or self._is_behind
            or count > self.adj.channel_request_lookahead
            or (count and self.is_set_aside)
        )

    def writable(self) -> bool:
        """Return whether the loop has to send, or to close."""
        return bool(self._is_behind or self.will_close or self.close_when_flushed)

    @property
    def _is_behind(self) -> bool:
        """Whether bytes are left that no thread sends."""
        return bool(self.total_outbufs_len) and (self._needs_help or not self.requests)

    def handle_read(self) -> None:
        """Take data; the end of the connection only once all is answered, which a client may still wait for."""
        if self.requests and not self._has_data():
            self.is_set_aside = True
        else:
            super().handle_read()

    def _has_data(self) -> bool:
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def service(self) -> None:
        """Answer one request, in a thread of its own."""
        _SERVED.channel = self
        self._needs_help = bool(self.total_outbufs_len)
        super().service()

    def write_soon(self, data: Any) -> int:
        """Send data, or keep it for `send_joined`."""
        if self._joined is None:
            return int(super().write_soon(data))
        self._joined.append(data)
        return len(data)

    def join_writes(self) -> None:
        """Keep what is written from now on."""
        self._joined = []

    def send_joined(self) -> None:
        """Send what was kept, in one piece."""
        kept, self._joined = self._joined, None
        super().write_soon(b"".join(kept or ()))

    def wake_loop(self) -> None:
        """Let the loop look at the connection where something is left to it, for the thread that answers."""
        # Only ever set here: the thread of the next request may have begun.
        if self.total_outbufs_len:
            self._needs_help = True
        if self._needs_help or self.is_set_aside or self.close_when_flushed or self.will_close:
            self.server.trigger.pull_trigger()

    def _flush_some(self, do_close: bool = True) -> bool:
        # Waitress takes no lock in its loop where no request is left, and may ask for a body in a thread meanwhile.
        with self.outbuf_lock:
            return bool(super()._flush_some(do_close=do_close))

    def handle_close(self) -> None:
        """Close the connection; a thread that answers leaves that to the loop, which may be looking at it."""
        if hasattr(_SERVED, "channel"):
            self.will_close = True
        else:
            super().handle_close()

    def end(self) -> None:
        """Close the connection once everything is sent; called in the loop's thread."""
        self.close_when_flushed = True
        self._loop.change(self)

    def add_channel(self, map: Any = None) -> None:
        """Join the server's connections; where they are too many, the one longest silent is closed."""
        super().add_channel(map)
        self._loop.change(self)
        channels = self.server.active_channels
        # Below the limit at which waitress takes no connection any more: its own sockets count there, too.
        if len(channels) > self.adj.connection_limit - _SPARE:
            others = [channel for channel in list(channels.values()) if channel is not self]
            silent = [channel for channel in others if not channel.requests and not channel.will_close]
            if silent:
                longest_silent = min(silent, key=lambda channel: channel.last_activity)
                longest_silent.will_close = True
                self._loop.change(longest_silent)

    def del_channel(self, map: Any = None) -> None:
        """Leave the server's connections."""
        self._loop.forget(self._fileno)
        super().del_channel(map)

    def send_continue(self) -> None:
        """Ask for the body; a request that announces none is complete (RFC 9110, section 10.1.1)."""
        if self.request.completed:
            self.request.expect_continue = False
        else:
            super().send_continue()


_SPARE: Final = 10
_MAX_JOINED: Final = 64 * 1024
"""Bytes of a body that are copied to be sent with its head."""
_ACCEPTED_AT_ONCE: Final = 64

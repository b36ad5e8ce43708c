"""How many connections the server of `serve` holds, and which of them makes room for another."""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from kling_mock_server.adapters.event_loop import EventLoop
from kling_mock_server.failures.wire.background_sender import BackgroundSender
from kling_mock_server.failures.wire.detach_connection import DetachableChannel

MAX_CONNECTIONS: Final = 10_000
"""Connections beyond which the one longest silent is closed, however many files may be open."""
MIN_CONNECTIONS: Final = 100
_FILES_EACH: Final = 3
"""Open files of one connection at worst: its socket, and a temporary file each for a large body and a large answer."""
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


def install(
    servers: Iterable[Any], loop: EventLoop, sender: BackgroundSender, error_task: Callable[..., ErrorTask]
) -> None:
    """Give the servers among these dispatchers of waitress our connections; none may be running yet.

    `loop` is the one that they will run; `error_task` makes the task (of channel and request) that answers what never
    becomes a request; `sender` plays the answers for which a connection is detached.
    """
    for server in servers:
        if isinstance(server, BaseWSGIServer):
            server.channel_class = partial(_Channel, loop, sender, error_task)
            server.handle_accept = partial(_accept_waiting, server)


def _accept_waiting(server: BaseWSGIServer) -> None:
    # Waitress takes one for each turn of its loop.
    for _ in range(_ACCEPTED_AT_ONCE):
        held = len(server.active_channels)
        BaseWSGIServer.handle_accept(server)
        if len(server.active_channels) <= held:
            return


class _Channel(DetachableChannel):
    """A connection that makes room for a new one where there are too many."""

    def __init__(self, loop: EventLoop, *args: Any, **options: Any) -> None:
        self._loop = loop
        super().__init__(*args, **options)

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
_ACCEPTED_AT_ONCE: Final = 64

"""The loop of the server of `serve`: it looks at connections on which something happened, and not at all of them."""

import selectors
import time
from typing import Any, Final

from waitress import wasyncore


class EventLoop:
    """Stands in for the module whose `loop` a waitress server runs. Its methods are for the thread of the loop alone.

    Waitress asks every connection before every event what it waits for, which takes milliseconds among thousands. It
    also waits for no data of a connection whose request is answered, and is told when it is; here a connection is set
    aside only where data came that it cannot take yet.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._awaited: dict[int, int] = {}
        """The events that are waited for, by file descriptor."""
        self._changed: dict[Any, None] = {}
        """Connections that may wait for other events than before."""

    def change(self, connection: Any) -> None:
        """Ask a connection again what it waits for."""
        self._changed[connection] = None

    def forget(self, fileno: int) -> None:
        """Wait no longer for events of a file descriptor that is about to be closed."""
        if self._awaited.pop(fileno, 0):
            self._selector.unregister(fileno)

    def loop(self, timeout: float, map: dict[int, Any], **_: Any) -> None:
        """Handle events until no socket is left in `map`; `timeout` in seconds is the longest wait for one."""
        # Listening sockets and the trigger: they change without an event of their own.
        standing, all_at_s = list(map.values()), 0.0
        try:
            while map:
                now_s = time.monotonic()
                if now_s >= all_at_s:
                    # Waitress marks silent connections to be closed.
                    self._ask(list(map.values()))
                    all_at_s = now_s + timeout
                else:
                    self._ask([*standing, *self._changed])
                for key, events in self._selector.select(timeout):
                    self._handle(map, key, events)
        finally:
            self._awaited.clear()
            self._selector.close()

    def _ask(self, connections: list[Any]) -> None:
        self._changed.clear()
        for connection in connections:
            # Before the rest: its thread takes the request away last, when all else is set.
            is_working = bool(getattr(connection, "requests", None))
            fileno = connection._fileno
            if fileno is not None and (self._await(fileno, connection) or is_working):
                self._changed[connection] = None

    def _await(self, fileno: int, connection: Any) -> bool:
        """Wait for the events that a connection asks for; return whether it has something to write, or to end."""
        is_writing = bool(connection.writable()) and not connection.accepting
        before = self._awaited.get(fileno, 0)
        events = _WRITE if is_writing else 0
        if connection.readable():
            connection.is_set_aside = False
            events |= _READ
        elif not getattr(connection, "is_set_aside", True):
            events |= before & _READ
        if events != before:
            if not before:
                self._selector.register(fileno, events, connection)
            elif events:
                self._selector.modify(fileno, events, connection)
            else:
                self._selector.unregister(fileno)
            self._awaited[fileno] = events
        return is_writing

    def _handle(self, map: dict[int, Any], key: selectors.SelectorKey, events: int) -> None:
        connection = key.data
        self.change(connection)
        if events & _READ and _is_busy(connection):
            events &= ~_READ
        for event, handle in ((_READ, wasyncore.read), (_WRITE, wasyncore.write)):
            # An event before this one may have closed it, and another connection may have its number by now.
            if events & event and map.get(key.fd) is connection:
                handle(connection)


def _is_busy(connection: Any) -> bool:
    """Return whether a connection cannot take data before it has sent some or has answered; it is set aside then."""
    if connection.readable():
        return False
    connection.is_set_aside = True
    # Asked again: a thread that has finished before the line above has not told the loop.
    return not connection.readable()


_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE

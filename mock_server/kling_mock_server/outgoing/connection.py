"""Connections that we open ourselves: no proxy, and bounded in time from the first packet to the last."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote

if TYPE_CHECKING:
    from http.client import HTTPConnection

_SAFE: Final = "/?%:@!$&'()*+,;=~"


@contextmanager
def connected(parts: SplitResult, timeout_s: float) -> Iterator["HTTPConnection"]:
    """Connect to the host of an http(s) URL, and hang up at the end of the block or after `timeout_s` seconds.

    Connecting counts: the block has what is left of the time. Only a host of several addresses that answer to nothing
    takes longer, as each of them is tried for that long; how long a name may take to look up is the system's choice.
    The block begins in time or not at all.

    Raises `TimeoutError` where the time is over, another `OSError` where nothing answers, `ValueError` for a port that
    is none.
    """
    # At first use: most mocks and checks never open a connection.
    from http.client import HTTPException

    ends_at = monotonic() + timeout_s
    with closing(_connection(parts, timeout_s)) as connection:
        connection.connect()
        left_s = ends_at - monotonic()
        if left_s <= 0:
            raise TimeoutError(f"not connected within {timeout_s:g} s")
        deadline = _Deadline(connection.sock, left_s)
        try:
            yield connection
        except (OSError, HTTPException):
            # Being hung up on is how the block learns that the time is over.
            if not deadline.passed:
                raise
        finally:
            deadline.cancel()
        if deadline.passed:
            raise TimeoutError(f"not done within {timeout_s:g} s")


def target_of(parts: SplitResult) -> str:
    """Return what the request line asks for: path and query, with what cannot stand there percent-encoded."""
    path = quote(parts.path or "/", safe=_SAFE)
    return f"{path}?{quote(parts.query, safe=_SAFE)}" if parts.query else path


def _connection(parts: SplitResult, timeout_s: float) -> "HTTPConnection":
    from http.client import HTTPConnection, HTTPSConnection

    kind = HTTPSConnection if parts.scheme.lower() == "https" else HTTPConnection
    # Without a port http.client would look for one in the host, and find the last group of an IPv6 address.
    port = kind.default_port if parts.port is None else parts.port
    return kind(parts.hostname or "", port, timeout=timeout_s)


class _Deadline(Timer):
    """Hangs up in time: a server that sends a byte now and then never runs into the socket's own timeout."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        super().__init__(timeout_s, self._hang_up)
        self.daemon = True
        self.passed = False
        self._sock = sock
        self.start()

    def _hang_up(self) -> None:
        self.passed = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

"""Clients that no router can see: they would look up the vendor's host, and call it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class UnseenClientError(AssertionError):
    """A client other than httpx and httpx2 was about to call a host that a respx router stands for."""


@contextmanager
def refused_lookups(host: str) -> Iterator[list[UnseenClientError]]:
    """Let every look-up of a host fail, whichever library asks; yields the errors that were raised."""
    look_up, raised = socket.getaddrinfo, []

    def refuse(name: Any, *args: Any, **options: Any) -> Any:
        asked = name.decode("ascii", "replace") if isinstance(name, bytes) else name
        if not isinstance(asked, str) or asked.rstrip(".").lower() != host.lower():
            return look_up(name, *args, **options)
        # No OSError: a client takes one for a network that is down, and tries again.
        error = UnseenClientError(
            f"kling_respx answers httpx and httpx2 alone, and another client was about to call {host}: "
            "use kling_server for it"
        )
        raised.append(error)
        raise error

    socket.getaddrinfo = refuse  # type: ignore[assignment]
    try:
        yield raised
    finally:
        socket.getaddrinfo = look_up

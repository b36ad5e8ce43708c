"""The only place that opens a URL: bounded in size and time, no redirects, no proxy."""

import socket
from contextlib import suppress
from threading import Timer
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urlsplit

from kling_contracts.facts import Absent, Fetch, Unknown, measure, unfetched
from kling_contracts.world import File

if TYPE_CHECKING:
    from http.client import HTTPResponse

TIMEOUT_S: Final = 5.0
"""How long one download may take in all."""

POLICIES: Final = ("loopback", "any", "none")
"""Whose URLs are fetched: those of this machine, all, none."""

_CHUNK: Final = 64 * 1024
_REFUSED: Final = Unknown("the fetch policy does not allow its host")
_UNREACHABLE: Final = Absent("the URL does not answer")


def fetcher(policy: str, largest: int | None) -> Fetch:
    """Return how URLs are resolved under a policy of `POLICIES`; raises `ValueError` for another.

    `largest` (bytes): a file that is longer is not read to its end.
    """
    if policy not in POLICIES:
        raise ValueError(f"unknown fetch policy {policy!r}; there are: {', '.join(POLICIES)}")
    if policy == "none":
        return unfetched
    return Fetcher(policy == "loopback", largest)


class Fetcher:
    """Downloads and measures audio files."""

    def __init__(self, loopback_only: bool, largest: int | None) -> None:
        self.loopback_only = loopback_only
        self.largest = largest

    def __call__(self, url: str) -> File | Unknown:
        """Return what the URL holds, `Absent` where it does not answer, `Unknown` where it may not be fetched."""
        # At first use: most mocks and checks never open a URL.
        from http.client import HTTPException

        try:
            parts = urlsplit(url)
            if self.loopback_only and not _is_loopback(parts.hostname or ""):
                return _REFUSED
            return self._download(parts)
        except (OSError, ValueError, HTTPException):
            return _UNREACHABLE

    def _download(self, parts: SplitResult) -> File | Unknown:
        from http.client import HTTPConnection, HTTPSConnection

        secure = parts.scheme.lower() == "https"
        kind = HTTPSConnection if secure else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        connection.connect()
        deadline = _Deadline(connection.sock)
        try:
            connection.request("GET", _target(parts), headers={"User-Agent": "klingkit"})
            response = connection.getresponse()
            file = self._measured(response) if response.status == 200 else _UNREACHABLE
            return _UNREACHABLE if deadline.passed else file
        finally:
            deadline.cancel()
            connection.close()

    def _measured(self, response: "HTTPResponse") -> File | Unknown:
        from kling_contracts import audio

        data = bytearray()
        while chunk := response.read1(_CHUNK):
            data += chunk
            if self.largest is not None and len(data) > self.largest:
                return File(audio.identify(bytes(data)) or "unknown", len(data), None, None)
        return _UNREACHABLE if response.length else measure(bytes(data))


class _Deadline(Timer):
    """Hangs up in time: a server that sends a byte now and then never runs into the socket's own timeout."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(TIMEOUT_S, self._hang_up)
        self.daemon = True
        self.passed = False
        self._sock = sock
        self.start()

    def _hang_up(self) -> None:
        self.passed = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_SAFE)
    return f"{path}?{quote(parts.query, safe=_SAFE)}" if parts.query else path


_SAFE: Final = "/?%:@!$&'()*+,;=~"


def _is_loopback(host: str) -> bool:
    """Judged before anything is sent; a name is looked up only where it says that it is this machine."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        if host != "localhost" and not host.endswith(".localhost"):
            return False
    addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)

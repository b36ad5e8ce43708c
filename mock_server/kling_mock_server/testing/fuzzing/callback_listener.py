"""A listener for the callbacks of a server under attack, which takes whatever comes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

from kling_mock_server.testing.fuzzing.target import TargetError

MAX_BYTES: Final = 1024 * 1024
"""Bytes of a callback that are read."""
MAX_BODIES: Final = 100
"""Callbacks that are kept."""
_PORTS: Final = {"http": 80, "https": 443}
_MAX_LINE: Final = 256
"""Bytes of the line before a chunk that are read."""


class CallbackListener:
    """Listens while it is open. `url` is where the server finds it; empty: on this machine, at any free port.

    Raises `TargetError` where it cannot listen at the port of that URL.
    """

    def __init__(self, url: str = "") -> None:
        self.bodies: list[bytes] = []
        """The callbacks so far, as they came."""
        self._came = threading.Condition()
        self._server = _server(url, _handler(self._take))
        base = url.rstrip("/") or f"http://127.0.0.1:{self._server.server_port}"
        # Callbacks of a run before this one lead elsewhere.
        self._path = f"/{token_hex(8)}"
        self.url = f"{base}{self._path}"
        """The `callback_url` of a task."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def wait_for(self, is_enough: Callable[[Sequence[bytes]], bool], timeout_s: float) -> bool:
        """Wait until the bodies that came are enough, at most so many seconds; return whether they are."""
        with self._came:
            return self._came.wait_for(lambda: is_enough(self.bodies), timeout_s)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, path: str, body: bytes) -> None:
        if path.endswith(self._path) and len(self.bodies) < MAX_BODIES:
            with self._came:
                self.bodies.append(body)
                self._came.notify_all()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a server under attack may hang up at any time."""


def _server(url: str, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    parts = urlsplit(url)
    if url and (parts.scheme not in _PORTS or not parts.hostname):
        raise TargetError(f"--callback-url {url} is not an http(s) URL")
    if parts.query or parts.fragment:
        raise TargetError(f"--callback-url {url} has a query or fragment, and a path is added to it")
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return _Server(("" if url else "127.0.0.1", port), handler)
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"cannot listen for callbacks at the port of {url}: {reason}") from None


def _handler(take: Callable[[str, bytes], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                body = _body(self.headers, self.rfile)
            except ValueError as error:
                self.send_error(400, str(error))
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            take(self.path, body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _body(headers: Message, file: BufferedIOBase) -> bytes:
    """Return the body that follows a head, of a longer one its first `MAX_BYTES`.

    Raises `ValueError` where it is not whole: its sender has hung up, and may try again.
    """
    if headers.get("Transfer-Encoding", "").lower() != "chunked":
        return _read(file, _size(headers.get("Content-Length", "0"), 10), MAX_BYTES)
    return b"".join(_chunks(file))


def _chunks(file: BufferedIOBase) -> Iterator[bytes]:
    left = MAX_BYTES
    while left:
        size = _size(file.readline(_MAX_LINE).partition(b";")[0].decode("latin-1"), 16)
        yield _read(file, size, left)
        left -= min(size, left)
        file.readline(_MAX_LINE)
        if not size:
            return


def _size(digits: str, base: int) -> int:
    try:
        return max(0, int(digits[:_MAX_LINE], base))
    except ValueError:
        raise ValueError("the length of the body is not a number") from None


def _read(file: BufferedIOBase, size: int, most: int) -> bytes:
    wanted = min(size, most)
    data = file.read(wanted)
    if len(data) < wanted:
        raise ValueError("the body is not whole")
    return data

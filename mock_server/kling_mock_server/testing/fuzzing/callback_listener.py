"""A listener for the callbacks of a server under attack, which takes whatever comes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

from kling_mock_server.testing.fuzzing.target import TargetError

MAX_BYTES: Final = 1024 * 1024
"""Bytes of a callback that are read."""
MAX_BODIES: Final = 100
"""Callbacks that are kept."""
_PORTS: Final = {"http": 80, "https": 443}


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

    def wait_for(self, is_enough: Any, timeout_s: float) -> bool:
        """Wait until the bodies that came are enough, at most so many seconds; return whether they are."""
        with self._came:
            return bool(self._came.wait_for(lambda: is_enough(self.bodies), timeout_s))

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


def _server(url: str, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    parts = urlsplit(url)
    if url and (parts.scheme not in _PORTS or not parts.hostname):
        raise TargetError(f"--callback-url {url} is not an http(s) URL")
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return ThreadingHTTPServer(("" if url else "127.0.0.1", port), handler)
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetError(f"cannot listen for callbacks at the port of {url}: {reason}") from None


def _handler(take: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            body = self.rfile.read(min(int(length), MAX_BYTES)) if length.isdecimal() else b""
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            take(self.path, body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler

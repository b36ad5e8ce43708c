"""A wired answer as httpx meets it where there is no connection: the same errors, and no waiting.

httpx2 has the same classes under the same names; the request tells which of both asks.
"""

import errno
import os
import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from kling_mock_server.failures.wire import WiredResponse, body_pieces, claimed_length, headers

if TYPE_CHECKING:
    import httpx


def library_of(request: "httpx.Request") -> Any:
    """Return the module of the library that a request belongs to: httpx, or httpx2."""
    return sys.modules[type(request).__module__.partition(".")[0]]


def played(answer: WiredResponse, request: "httpx.Request") -> "httpx.Response":
    """Return the response, whose body may raise when it is read.

    Waits are not waited for. One that is longer than the request's read timeout raises; like the real one, that
    timeout is on each silence, not on their sum. Nor does what happens after a body that is whole: it is not seen.

    Raises `httpx.ReadTimeout` where the head comes too late, or never. Raises `httpx.ReadError` where the connection is
    reset before the head. Raises `httpx.RemoteProtocolError` where it is closed before the head.
    """
    _wait(answer.wire.delay_ms, request)
    if not answer.wire.head:
        raise _end(answer, request, _NO_HEAD)
    library = library_of(request)
    response: httpx.Response = library.Response(
        answer.status, headers=headers(answer), stream=_stream_class(library)(answer, request)
    )
    return response


@cache
def _stream_class(library: ModuleType) -> Any:
    return type("Stream", (_Body, library.SyncByteStream, library.AsyncByteStream), {})


class _Body:
    """The bytes that are sent, then what their being too few leads to."""

    def __init__(self, answer: WiredResponse, request: "httpx.Request") -> None:
        self._answer = answer
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        claimed = missing = claimed_length(self._answer, self._request.method)
        for wait_ms, data in body_pieces(self._answer, self._request.method):
            if not missing:
                return
            _wait(wait_ms, self._request)
            yield data[:missing]
            missing -= min(missing, len(data))
        if missing:
            raise _end(self._answer, self._request, _CUT.format(received=claimed - missing, claimed=claimed))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for data in self:
            yield data


def _wait(wait_ms: int, request: "httpx.Request") -> None:
    patience_s = _patience_s(request)
    if patience_s is not None and wait_ms / 1000 > patience_s:
        raise _timeout(request)


def _patience_s(request: "httpx.Request") -> float | None:
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts.get("read")


def _end(answer: WiredResponse, request: "httpx.Request", closed: str) -> Exception:
    if answer.wire.end == "hang" and _patience_s(request) is not None:
        return _timeout(request)
    if answer.wire.end == "reset":
        return _error("ReadError", f"[Errno {errno.ECONNRESET}] {os.strerror(errno.ECONNRESET)}", request)
    # A client that waits for a hanging connection sees it closed in the end.
    return _error("RemoteProtocolError", closed, request)


def _timeout(request: "httpx.Request") -> Exception:
    return _error("ReadTimeout", "timed out", request)


def _error(name: str, message: str, request: "httpx.Request") -> Exception:
    error: Exception = getattr(library_of(request), name)(message, request=request)
    return error


_NO_HEAD: Final = "Server disconnected without sending a response."
_CUT: Final = (
    "peer closed connection without sending complete message body (received {received} bytes, expected {claimed})"
)

"""The adapter for httpx and httpx2: a responder below a base URL, for any transport that takes a function."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kling_contracts import Request
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.wire import WiredResponse
from kling_mock_server.failures.wire.in_httpx import library_of, played

if TYPE_CHECKING:
    import httpx


class HttpxTransport:
    """A responder below a base URL. Raises `ValueError` for one that is not http(s)."""

    def __init__(self, responder: Responder, base_url: str) -> None:
        self.base = _url(base_url)
        if self.base.scheme not in ("http", "https") or not self.base.host:
            raise ValueError(f"not an http(s) URL: {base_url!r}")
        self.prefix = self.base.path.rstrip("/")
        self._origin = str(self.base).rstrip("/")
        self._responder = responder

    def is_below(self, url: "httpx.URL") -> bool:
        """Return whether a URL lies below the base: a prefix ends where a segment does, /api is no base of /apiary."""
        same_origin = (url.scheme, url.host, url.port) == (self.base.scheme, self.base.host, self.base.port)
        return same_origin and f"{url.path}/".startswith(f"{self.prefix}/")

    def answer(self, request: "httpx.Request") -> "httpx.Response":
        """Answer one request whose body was read; that its URL lies below the base is the caller's part."""
        asked = self._asked(request)
        if len(asked.body) > self._responder.largest_body:
            answer = self._responder.refuse(asked, "body-too-large")
        else:
            answer = self._responder.respond(asked)
        if isinstance(answer, WiredResponse):
            return played(answer, request)
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        content = b"" if request.method == "HEAD" else answer.body
        response: httpx.Response = library_of(request).Response(answer.status, headers=headers, content=content)
        return response

    def _asked(self, request: "httpx.Request") -> Request:
        path = request.url.path.removeprefix(self.prefix)
        query = request.url.query.decode("ascii")
        return Request(request.method, path, dict(request.headers), request.content, query, self._origin)


def _url(text: str) -> "httpx.URL":
    # The class is the same in both libraries; one of them is enough.
    library = import_module("httpx" if find_spec("httpx") else "httpx2")
    url: httpx.URL = library.URL(text)
    return url

"""The httpx adapter: a responder below a base URL, for any transport that takes a function."""

import httpx

from kling_contracts import Request
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.wire import WiredResponse
from kling_mock_server.failures.wire.in_httpx import played


class HttpxTransport:
    """A responder below a base URL. Raises `ValueError` for one that is not http(s)."""

    def __init__(self, responder: Responder, base_url: str) -> None:
        self.base = httpx.URL(base_url)
        if self.base.scheme not in ("http", "https") or not self.base.host:
            raise ValueError(f"not an http(s) URL: {base_url!r}")
        self.prefix = self.base.path.rstrip("/")
        self._origin = str(self.base).rstrip("/")
        self._responder = responder

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request whose body was read; that its URL lies below the base is the caller's part."""
        asked = self._asked(request)
        if len(asked.body) > self._responder.largest_body:
            answer = self._responder.refuse(asked, "body-too-large")
        else:
            answer = self._responder.respond(asked)
        if isinstance(answer, WiredResponse):
            return played(answer, request)
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        return httpx.Response(answer.status, headers=headers, content=b"" if request.method == "HEAD" else answer.body)

    def _asked(self, request: httpx.Request) -> Request:
        path = request.url.path.removeprefix(self.prefix)
        query = request.url.query.decode("ascii")
        return Request(request.method, path, dict(request.headers), request.content, query, self._origin)

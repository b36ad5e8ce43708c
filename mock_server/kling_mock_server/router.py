"""The respx adapter: every path and method under a base URL, for sync and async httpx."""

import re
from typing import Any, Final, Unpack

import httpx
import respx

from kling_contracts import Request
from kling_mock_server.handle import Handle
from kling_mock_server.responder import Responder
from kling_mock_server.switches import Switches, new_responder, token_for


def mount(router: respx.Router, base_url: str, **switches: Unpack[Switches]) -> Handle:
    """Let a respx router answer as the mock for every URL under `base_url`; returns a handle on one account of it.

    A client that sends the handle's token meets that account. Switches and errors are those of `create_app`;
    raises `ValueError` for a base URL that is not http(s).
    """
    responder = new_responder(**switches)
    mounted = Mounted(responder, httpx.URL(base_url))
    router.route(**mounted.lookups).mock(side_effect=mounted.answer)
    return Handle(responder, base_url, token_for(switches))


class Mounted:
    """A responder below a base URL. Raises `ValueError` where that is not http(s)."""

    def __init__(self, responder: Responder, base: httpx.URL) -> None:
        if base.scheme not in _PORTS or not base.host:
            raise ValueError(f"not an http(s) URL: {str(base)!r}")
        self._responder = responder
        self._base = base
        self._prefix = base.path.rstrip("/")

    @property
    def lookups(self) -> dict[str, Any]:
        """What respx compares a request with."""
        return {
            "scheme": self._base.scheme,
            "host": self._base.host,
            "port": self._base.port or _PORTS[self._base.scheme],
            # A prefix ends where a segment does: /api is no base of /apiary.
            "path__regex": f"^{re.escape(self._prefix)}(/|$)",
        }

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        asked = self._asked(request)
        if len(asked.body) > self._responder.largest_body:
            answer = self._responder.refuse(asked, "body-too-large")
        else:
            answer = self._responder.respond(asked)
        headers = {**answer.headers, "Content-Length": str(len(answer.body))}
        return httpx.Response(answer.status, headers=headers, content=b"" if request.method == "HEAD" else answer.body)

    def _asked(self, request: httpx.Request) -> Request:
        path = request.url.path.removeprefix(self._prefix)
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        return Request(request.method, path, headers, request.content, request.url.query.decode("ascii"))


_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = ("authorization", "content-type")
"""The headers that a rule reads."""

"""CORS: which pages may call the mock from a browser (https://fetch.spec.whatwg.org, section 3.3).

The API and the mock's files are open to pages of this machine and of the origins that are named; the control surface
has rules of its own (`control_access`).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from kling_contracts import Request, Response
from kling_mock_server.outgoing.hosts import is_loopback
from kling_mock_server.protocol.names import NOT_PLAYED_HEADER, UNVERIFIED_HEADER, VIOLATIONS_HEADER

Answered = TypeVar("Answered", bound=Response)

_METHODS: Final = "GET, HEAD, POST, PUT, DELETE"
_EXPOSED: Final = ", ".join(("Link", "Allow", "Content-Range", VIOLATIONS_HEADER, UNVERIFIED_HEADER, NOT_PLAYED_HEADER))
_KEPT_S: Final = "600"
"""How long a browser may keep the answer to a preflight, in s."""


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks if a page may send what it is about to send."""
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


class PageOrigins(NamedTuple):
    """The pages that may read the mock's answers: those of this machine, and those of the origins named here."""

    others: frozenset[str] = frozenset()
    """Origins (`https://app.example.com`) in lower case; `*` is every one."""

    @classmethod
    def of(cls, origins: Iterable[str]) -> "PageOrigins":
        """Return those of these origins. Raises `ValueError` where one is neither an origin nor `*`."""
        return cls(frozenset(map(_origin, origins)))

    def preflight(self, request: Request) -> Response:
        """Answer a preflight; without the headers of CORS, the browser refuses a page that is not allowed."""
        if not self.allow(request):
            return Response(204, {"Vary": "Origin"}, b"")
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": request.headers.get("access-control-request-headers", "*"),
            "Access-Control-Max-Age": _KEPT_S,
        }
        return self.shared(request, Response(204, headers, b""))

    def shared(self, request: Request, response: Answered) -> Answered:
        """Return an answer that the page which asked for it may read, where its origin is allowed."""
        if not self.allow(request):
            return response
        allowed = {
            "Access-Control-Allow-Origin": request.headers["origin"],
            "Access-Control-Expose-Headers": _EXPOSED,
            "Vary": "Origin",
        }
        return replace(response, headers={**response.headers, **allowed})

    def allow(self, request: Request) -> bool:
        """Return whether the request comes from a page that may read the answer."""
        origin = request.headers.get("origin")
        # A program sends none: parsing nothing would cost a tenth of its request.
        if not origin:
            return False
        if self.others and ("*" in self.others or origin.lower() in self.others):
            return True
        try:
            return is_loopback(urlsplit(origin).hostname or "")
        except ValueError:
            return False


def _origin(text: str) -> str:
    """Return an origin as a browser sends it. Raises `ValueError` where it is none."""
    if text == "*":
        return text
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no origin: {error}") from None
    if not parts.scheme or not parts.hostname or text.lower() != f"{parts.scheme}://{parts.netloc}" or "@" in text:
        raise ValueError(f"{text!r} is no origin: scheme, host and port alone, as in https://app.example.com")
    is_usual = port == {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.netloc.removesuffix(f':{port}') if is_usual else parts.netloc}"

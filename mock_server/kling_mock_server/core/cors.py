"""CORS: pages of this machine may call the mock from a browser (https://fetch.spec.whatwg.org, section 3.3)."""

from dataclasses import replace
from typing import Final, TypeVar
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


def preflight(request: Request) -> Response:
    """Answer a preflight; without the headers of CORS, the browser refuses a page of an origin that is not allowed."""
    if not is_allowed(request):
        return Response(204, {"Vary": "Origin"}, b"")
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": request.headers.get("access-control-request-headers", "*"),
        "Access-Control-Max-Age": _KEPT_S,
    }
    return shared(request, Response(204, headers, b""))


def shared(request: Request, response: Answered) -> Answered:
    """Return an answer that the page which asked for it may read, where its origin is allowed."""
    if not is_allowed(request):
        return response
    allowed = {
        "Access-Control-Allow-Origin": request.headers["origin"],
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }
    return replace(response, headers={**response.headers, **allowed})


def is_allowed(request: Request) -> bool:
    """Return whether the request comes from a page of this machine."""
    origin = request.headers.get("origin")
    # A program sends none: parsing nothing would cost a tenth of its request.
    if not origin:
        return False
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False

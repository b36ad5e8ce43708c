"""httpx2 below a base URL, sync and async: respx intercepts httpx alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from kling_mock_server.adapters.httpx_transport import HttpxTransport
from kling_mock_server.core.responder import Responder

if TYPE_CHECKING:
    import httpx


class NotMockedError(AssertionError):
    """An httpx2 client asked for a URL that the mock does not stand for."""


@contextmanager
def answered(responder: Responder, base_url: str) -> Iterator[None]:
    """Let a responder answer every httpx2 client for the URLs under `base_url`; no other URL is let through.

    Does nothing where httpx2 is not installed. Raises `ValueError` for a base URL that is not http(s).
    """
    mounted = HttpxTransport(responder, base_url)
    if not find_spec("httpx2"):
        yield
        return
    import httpx2

    def handle(transport: Any, request: "httpx.Request") -> "httpx.Response":
        request.read()
        return _answer(mounted, request)

    async def handle_async(transport: Any, request: "httpx.Request") -> "httpx.Response":
        await request.aread()
        return _answer(mounted, request)

    with (
        patch.object(httpx2.HTTPTransport, "handle_request", handle),
        patch.object(httpx2.AsyncHTTPTransport, "handle_async_request", handle_async),
    ):
        yield


def _answer(mounted: HttpxTransport, request: "httpx.Request") -> "httpx.Response":
    if not mounted.is_below(request.url):
        raise NotMockedError(f"kling_respx stands for {mounted.base}, and {request.url} is not below it")
    return mounted.answer(request)

"""The respx adapter: every path and method under a base URL, for sync and async httpx."""

import re
from typing import Any, Final, Unpack

import respx

from kling_mock_server.adapters.handle import Handle
from kling_mock_server.adapters.httpx_transport import HttpxTransport
from kling_mock_server.adapters.options import MockOptions, new_responder, token_for

__all__ = ["mount"]


def mount(router: respx.Router, base_url: str, **options: Unpack[MockOptions]) -> Handle:
    """Let a respx router answer as the mock for every URL under `base_url`; returns a handle on one account of it.

    A client that sends the handle's token meets that account. Options and errors are those of `create_app`;
    raises `ValueError` for a base URL that is not http(s).
    """
    responder = new_responder(**options)
    mounted = HttpxTransport(responder, base_url)
    router.route(**_lookups(mounted)).mock(side_effect=mounted.answer)
    return Handle(responder, base_url, token_for(options))


def _lookups(mounted: HttpxTransport) -> dict[str, Any]:
    return {
        "scheme": mounted.base.scheme,
        "host": mounted.base.host,
        "port": mounted.base.port or _PORTS[mounted.base.scheme],
        # A prefix ends where a segment does: /api is no base of /apiary.
        "path__regex": f"^{re.escape(mounted.prefix)}(/|$)",
    }


_PORTS: Final = {"http": 80, "https": 443}

"""The inspector page over HTTP: `GET /` of a browser, and the page's other files under `/_mock/page/`."""

from collections.abc import Mapping
from typing import Final

from kling_contracts import Request, Response
from kling_contracts.rules.rule import Rule
from kling_mock_server.core.own_answers import FILE_METHOD, PAGE_PATH, refusal
from kling_mock_server.page import INDEX, page_files
from kling_mock_server.protocol.names import PAGE_PREFIX

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing from elsewhere, nothing inline, and no text that could become markup."""

_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # An upgraded mock must not be looked at through the files of the one before.
    "Cache-Control": "no-cache",
}


def wants_page(request: Request) -> bool:
    """Return whether a request is a browser's for the page; `*/*`, as curl sends it, is not."""
    if request.path != "/" or request.method not in ("GET", "HEAD"):
        return False
    return "text/html" in request.headers.get("accept", "").lower()


def page() -> Response:
    """Return the page's document."""
    return _served(INDEX, {"Vary": "Accept"})


def page_file(request: Request, rules: Mapping[str, Rule]) -> Response:
    """Answer GET or HEAD for a file under `PAGE_PREFIX`; 404 where the page has none of that name.

    `rules` are those by which the mock refuses what is its own.
    """
    if request.method not in ("GET", "HEAD"):
        return refusal(rules[FILE_METHOD], headers={"Allow": "GET, HEAD"})
    name = request.path.removeprefix(PAGE_PREFIX)
    if name not in page_files():
        return refusal(rules[PAGE_PATH], f"the page has no file {name!r}; it begins at GET /")
    return _served(name, {})


def _served(name: str, headers: dict[str, str]) -> Response:
    file = page_files()[name]
    return Response(200, {"Content-Type": file.media_type, **_HEADERS, **headers}, file.content)

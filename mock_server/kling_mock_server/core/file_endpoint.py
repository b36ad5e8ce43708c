"""Downloads of the mock's own files, as from a content delivery network: without a token, in ranges if asked to."""

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from kling_contracts import Request, Response
from kling_contracts.facts.task import Task
from kling_mock_server.core.own_answers import FILE_METHOD, FILE_MISSING, refusal
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.file_urls import Address
from kling_mock_server.state.account import Account

if TYPE_CHECKING:
    from concurrent.futures import Future

_METHODS: Final = ("GET", "HEAD")
_RANGE: Final = r"bytes=(?P<first>[0-9]{0,15})-(?P<last>[0-9]{0,15})"


def awaited(request: Request, address: Address | None, account: Account, resources: Resources) -> "Future[str] | None":
    """Return what a download waits for, as `Renderer.awaited` does; None for one that is not of a rendered video."""
    if address is None or request.method not in _METHODS or not resources.renderer.can_render:
        return None
    result = resources.library.result(address)
    if result is None:
        return None
    return resources.renderer.awaited(account.key, result.id, partial(_is_awaited, resources, account, result))


def download(request: Request, address: Address | None, resources: Resources) -> Response:
    """Answer GET or HEAD for a file of an account; 404 where there is none (any more)."""
    rules = resources.contract.mock_rules
    if request.method not in _METHODS:
        return refusal(rules[FILE_METHOD], headers={"Allow": "GET, HEAD"})
    library = resources.library
    content = library.content(address) if address else None
    if content is None or address is None:
        return refusal(rules[FILE_MISSING])
    headers = {"Content-Type": library.kinds[address.kind].media_type, "Accept-Ranges": "bytes"}
    asked = _asked(request, len(content))
    if asked is None:
        return Response(200, headers, content)
    if not asked:
        return Response(416, {**headers, "Content-Range": f"bytes */{len(content)}"}, b"")
    ranged = {**headers, "Content-Range": f"bytes {asked.start}-{asked[-1]}/{len(content)}"}
    return Response(206, ranged, content[asked.start : asked.stop])


def _is_awaited(resources: Resources, account: Account, result: Task) -> bool:
    return not resources.ids.made(result.id) and resources.library.is_awaited(account, result)


def _asked(request: Request, length: int) -> range | None:
    """Return which bytes are asked for, none where there are none of them; None: all, whatever the header says."""
    match = re.fullmatch(_RANGE, request.headers.get("range", "")) if request.method == "GET" else None
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        return range(max(length - int(match["last"]), 0), length)
    first, last = int(match["first"]), int(match["last"] or length)
    return None if last < first and match["last"] else range(first, min(last + 1, length))

"""How an answer leaves: late, in pieces, cut, reset or never; described here without any socket."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from kling_contracts import Response, __version__

DETACH: Final = "klingkit.detach"
"""In a WSGI environ: takes a `WiredResponse` or `LateResponse` and the request's method; the application then returns
an empty body."""


class Wire(NamedTuple):
    """How an answer leaves; by default whole and at once, and the connection ends."""

    delay_ms: int = 0
    """Before the first byte."""
    drip_bytes: int = 0
    """The body leaves in pieces of so many bytes; 0: all at once."""
    drip_ms: int = 0
    """Between one piece of the body and the next."""
    head: bool = True
    """False: the connection ends without a status line, and so without a body."""
    percent: int = 100
    """The percentage of the body's bytes that is sent."""
    end: str = "close"
    """"close" (FIN), "reset" (RST) or "hang" (silence until the client gives up, at most 10 minutes)."""
    extra_length: int = 0
    """Added to the Content-Length that the head claims."""


@dataclass(frozen=True, slots=True)
class WiredResponse(Response):
    """A response that leaves as its wire says."""

    wire: Wire


def wire_details(response: Response) -> dict[str, Any]:
    """Return `wire` for the journal: the members that differ from the defaults; empty for a plain response."""
    if not isinstance(response, WiredResponse):
        return {}
    defaults = response.wire._field_defaults
    return {"wire": {name: value for name, value in response.wire._asdict().items() if value != defaults[name]}}


class Piece(NamedTuple):
    """Bytes that leave together, `wait_ms` after those before them."""

    wait_ms: int
    data: bytes


def script(response: WiredResponse, method: str, date: str) -> Iterator[Piece]:
    """Yield what answers a request of that method before the connection ends: the head, then the body's pieces.

    `date` is an HTTP date. Without a head, one empty piece waits in its place.
    """
    wire = response.wire
    yield Piece(wire.delay_ms, _head(response, date) if wire.head else b"")
    if wire.head:
        yield from body_pieces(response, method)


def body_pieces(response: WiredResponse, method: str) -> Iterator[Piece]:
    """Yield the share of the body that is sent, in pieces."""
    wire = response.wire
    size = len(response.body) * wire.percent // 100 if _has_body(response.status, method) else 0
    step = wire.drip_bytes or size
    for start in range(0, size, step or 1):
        yield Piece(wire.drip_ms if start else 0, response.body[start : min(start + step, size)])


def headers(response: WiredResponse) -> dict[str, str]:
    """Return the headers of the response, and those on its length and the connection where it names none."""
    length = max(0, len(response.body) + response.wire.extra_length)
    # A HEAD request is told the length of the body that it does not get.
    framing = {"Content-Length": str(length)} if _has_body(response.status) else {}
    return _merged({"Connection": "close", **framing}, response.headers)


def claimed_length(response: WiredResponse, method: str) -> int:
    """Return how many bytes of a body a client waits for after the head."""
    claimed = next((value for name, value in headers(response).items() if name.lower() == "content-length"), "")
    return int(claimed) if claimed.isdecimal() and _has_body(response.status, method) else 0


def _head(response: WiredResponse, date: str) -> bytes:
    named = _merged({"Date": date, "Server": f"klingkit/{__version__}"}, headers(response))
    status = f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, 'UNKNOWN')}"
    lines = [status, *sorted(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _merged(defaults: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    names = {name.lower() for name in given}
    return {**{name: value for name, value in defaults.items() if name.lower() not in names}, **given}


def _has_body(status: int, method: str = "GET") -> bool:
    return status >= 200 and status not in (204, 304) and method != "HEAD"


_PHRASES: Final = {status.value: status.phrase.upper() for status in HTTPStatus}
"""As Flask writes them."""

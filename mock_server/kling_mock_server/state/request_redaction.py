"""Headers and query of a request as the journal keeps them: secrets are named and never shown."""

import re
from collections.abc import Mapping
from typing import Final

from kling_mock_server.state.journal import digest_of
from kling_mock_server.state.short_text_cache import cached_for_short

MAX_HEADERS: Final = 64
"""Headers that are kept of one request."""
MAX_HEADER_LENGTH: Final = 1024
"""Characters of a value that are kept."""
MAX_HEADERS_LENGTH: Final = 16 * 1024
"""Characters of names and values that are kept of one request."""

_SECRET: Final = re.compile(
    r"auth|cookie|token|secret|(?<!idempotency-)key|session|passw|signature|credential", re.IGNORECASE
)
_SCHEME: Final = re.compile(r"(?:bearer|basic|digest|token)(?= )", re.IGNORECASE)


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by name, every value that may be a secret as `sha256:` and the digest of it.

    The first `MAX_HEADERS` are kept, as far as they have `MAX_HEADERS_LENGTH` characters together.
    """
    pairs = headers.items() if len(headers) <= MAX_HEADERS else list(headers.items())[:MAX_HEADERS]
    kept = {
        name: value if name in _HARMLESS and len(value) <= MAX_HEADER_LENGTH else _kept(name, value)
        for name, value in pairs
    }
    length = sum(map(len, kept)) + sum(map(len, kept.values()))
    return kept if length <= MAX_HEADERS_LENGTH else _fitting(kept)


def _fitting(kept: dict[str, str]) -> dict[str, str]:
    left = MAX_HEADERS_LENGTH
    fitting = {}
    for name, value in kept.items():
        left -= len(name) + len(value)
        if left < 0:
            break
        fitting[name] = value
    return fitting


def kept_query(query: str) -> str:
    """Return a query with the values of parameters that may be secrets taken out."""
    return re.sub(_SECRET_PARAMETER, r"\1=redacted", query) if query else query


_SECRET_PARAMETER: Final = rf"(?i)(?<![^&])([^&=]*(?:{_SECRET.pattern})[^&=]*)=[^&]*"


_HARMLESS: Final[set[str]] = set()
"""Names that were found to be no secret's: most requests have the same headers."""
_MAX_HARMLESS: Final = 1000
_MAX_NAME_LENGTH: Final = 100


def _kept(name: str, value: str) -> str:
    if _SECRET.search(name):
        return _redacted(value)
    if len(_HARMLESS) < _MAX_HARMLESS and len(name) <= _MAX_NAME_LENGTH:
        _HARMLESS.add(name)
    return value if len(value) <= MAX_HEADER_LENGTH else value[:MAX_HEADER_LENGTH] + "…"


@cached_for_short(128)
def _redacted(value: str) -> str:
    scheme = _SCHEME.match(value)
    secret = value[scheme.end() :].strip() if scheme else value
    shown = f"sha256:{digest_of(secret)}" if secret else ""
    return f"{scheme[0]} {shown}".rstrip() if scheme else shown

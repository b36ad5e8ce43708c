"""A request and a response that belong to no HTTP library."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

JSON_TYPE = "application/json"


class Request(NamedTuple):
    """An HTTP request: upper-case method, path without the query, headers with lower-case names, raw body."""

    method: str
    path: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    query: str = ""
    origin: str = ""
    """The part of its URL before the path: scheme, host, and a prefix if there is one; empty where unknown."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: status, headers, raw body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

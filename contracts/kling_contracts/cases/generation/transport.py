"""What is wrong before there is a payload: path, method, token, content type, bytes that are not JSON."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kling_contracts.cases.generation.changes import Change, ChangeRequest
from kling_contracts.http import JSON_TYPE, Request
from kling_contracts.jsonio.strict_json import MAX_DEPTH

TOKEN: Final = "klingkit"
"""The bearer token of every request that has a good one."""
HEADERS: Final[Mapping[str, str]] = {"authorization": f"Bearer {TOKEN}", "content-type": JSON_TYPE}

_encode: Final = json.JSONEncoder(check_circular=False).encode


def request_of(payload: Any, path: str) -> Request:
    """Return the request that carries a payload."""
    return Request("POST", path, HEADERS, _encode(payload).encode())


def header(name: str, value: str | None) -> ChangeRequest:
    """Return the change that sends another header, or None of that name."""

    def change(request: Request, by: int) -> Request:
        others = {key: one for key, one in request.headers.items() if key != name}
        headers = others if value is None else {**others, name: value}
        return Request(request.method, request.path, headers, request.body)

    return change


def method(name: str) -> ChangeRequest:
    """Return the change that asks by another method."""
    return lambda request, by: Request(name, request.path, request.headers, request.body)


def path(change: Callable[[str], str]) -> ChangeRequest:
    """Return the change that asks for another path; a query may follow it."""

    def changed(request: Request, by: int) -> Request:
        path, _, query = change(request.path).partition("?")
        return Request(request.method, path, request.headers, request.body, query)

    return changed


def body(change: Callable[[bytes], bytes]) -> ChangeRequest:
    """Return the change that sends other bytes."""
    return lambda request, by: Request(request.method, request.path, request.headers, change(request.body))


def beside(member: bytes) -> ChangeRequest:
    """Return the change that writes one member more, as bytes, in front of the others."""
    return body(lambda sent: b"{" + member + b"," + sent[1:])


def nested(levels: int) -> bytes:
    """Return an unknown member that takes the body to so many levels."""
    return b'"deep":' + b"[" * (levels - 1) + b"]" * (levels - 1)


def jwt(**claims: object) -> str:
    """Return a JSON Web Token; its signature has the right length and signs nothing."""
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    texts = [_base64url(_encode(part).encode()) for part in parts]
    return ".".join([*texts, _base64url(bytes(32))])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def authorization(value: str | None) -> ChangeRequest:
    """Return the change that sends another Authorization, or None."""
    return header("authorization", value)


def content_type(value: str | None) -> ChangeRequest:
    """Return the change that sends another Content-Type, or None."""
    return header("content-type", value)


_HTTP: Final = (
    ("path", "The path is another one.", path(lambda asked: "/kling/v1/videos/lip-sync")),
    ("path", "A path is case-sensitive.", path(str.title)),
    ("path", "A slash behind a path makes it another one.", path(lambda asked: f"{asked}/")),
    ("method", "PUT creates nothing.", method("PUT")),
    ("method", "DELETE is not offered.", method("DELETE")),
    ("method", "PATCH is not offered.", method("PATCH")),
    ("authorization-missing", "There is no Authorization.", authorization(None)),
    ("authorization-missing", "The Authorization is empty.", authorization("")),
    ("authorization-missing", "The Authorization is blank.", authorization("  ")),
    ("authorization-invalid", "There is a scheme and no token.", authorization("Bearer")),
    ("authorization-invalid", "The token is blank.", authorization("Bearer  ")),
    ("authorization-invalid", "The scheme is another one.", authorization("Basic a2xpbmc6a2l0")),
    ("authorization-invalid", "There is a token and no scheme.", authorization(TOKEN)),
    ("authorization-invalid", "A token holds no space.", authorization(f"Bearer {TOKEN} {TOKEN}")),
    ("content-type", "The body is sent as plain text.", content_type("text/plain")),
    ("content-type", "A form is not JSON.", content_type("application/x-www-form-urlencoded")),
    ("content-type", "A multipart body is not JSON.", content_type("multipart/form-data; boundary=x")),
    ("content-type", "A kind of JSON is not JSON.", content_type("application/problem+json")),
    ("body.required", "There is no body.", body(lambda sent: b"")),
    ("body-json", "The body is cut off.", body(lambda sent: sent[:-1])),
    ("body-json", "The body is white space.", body(lambda sent: b" \n")),
    ("body-json", "The body is a form.", body(lambda sent: b"session_id=1&face_choose=2")),
    ("body-json", "A comma is not followed by anything.", body(lambda sent: sent[:-1] + b",}")),
    ("body-json", "Something follows the JSON.", body(lambda sent: sent + b"{}")),
    ("body-json", "JSON has no comments.", body(lambda sent: sent + b"// sent by a test")),
    ("body-json", "JSON has no single quotes.", body(lambda sent: sent.replace(b'"', b"'"))),
    ("body-json", "NaN is not JSON.", beside(b'"number":NaN')),
    ("body-json", "Infinity is not JSON.", beside(b'"number":-Infinity')),
    ("body-json", "A number is larger than a float can be.", beside(b'"number":1e999')),
    ("body-json", "A number has 5000 digits.", beside(b'"number":' + b"9" * 5000)),
    ("body-json", "A number begins with a zero.", beside(b'"number":01')),
    ("body-json", "A key stands twice.", beside(b'"session_id":""')),
    ("body-json", "A string holds a raw line break.", beside(b'"text":"\n"')),
    ("body-json", "A string holds half of a surrogate pair.", beside(b'"text":"\\ud83d"')),
    ("body-json", "Half of a surrogate pair is encoded.", beside(b'"text":"\xed\xa0\x80"')),
    ("body-json", "A character is encoded in too many bytes.", beside(b'"text":"\xc0\xaf"')),
    ("body-json", "The text is Latin-1.", beside('"text":"é"'.encode("latin-1"))),
    ("body-json", "The text is UTF-16.", body(lambda sent: sent.decode().encode("utf-16"))),
    ("body-json", f"The body is nested {MAX_DEPTH + 1} levels deep.", beside(nested(MAX_DEPTH + 1))),
    ("body-json", "The body is nested 10000 levels deep.", beside(nested(10_000))),
    ("body-json", "The brackets are never closed.", body(lambda sent: b"[" * 10_000)),
)


def request_changes() -> Iterator[Change]:
    """Yield what is wrong with a request before there is a payload."""
    for rule, says, change in _HTTP:
        yield Change(rule, says, request=change)


def server_changes(largest_file: int) -> Iterator[Change]:
    """Yield what only a server judges: the times of a token, the size of a body. `largest_file` is in bytes."""
    spare = 2 * largest_file + 2**22
    yield Change("authorization-expired", "The token expires {} s too early.", request=_expired)
    yield Change("authorization-not-yet-valid", "The token is not valid yet.", request=_not_yet_valid)
    yield Change("body-too-large", "The body is too large.", request=body(lambda sent: sent + b" " * spare))


# Unix times in s, of the years 2001 and 2242: times of a token are judged by real time, whatever a world says.
_LONG_AGO_S, _FAR_AHEAD_S = 10**9, 2**33


def _expired(request: Request, by: int) -> Request:
    return authorization(f"Bearer {jwt(iss=TOKEN, exp=_LONG_AGO_S - by if by > 0 else _FAR_AHEAD_S)}")(request, by)


def _not_yet_valid(request: Request, by: int) -> Request:
    return authorization(f"Bearer {jwt(iss=TOKEN, nbf=_FAR_AHEAD_S + by if by > 0 else _LONG_AGO_S)}")(request, by)

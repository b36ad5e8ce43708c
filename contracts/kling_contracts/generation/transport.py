"""What is wrong before there is a payload: path, method, token, content type, bytes that are not JSON."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kling_contracts.body import DEEPEST
from kling_contracts.generation.changes import Change, ChangeRequest, put, put_in_item
from kling_contracts.generation.payloads import NOW_MS
from kling_contracts.http import JSON_TYPE, Request

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
    """Return an unsigned-for JSON Web Token: its signature is of the right length and nothing else."""
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    texts = [_base64url(_encode(part).encode()) for part in parts]
    return ".".join([*texts, _base64url(bytes(32))])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _token_times(request: Request, by: int, **ahead_s: int) -> Request:
    claims = {name: NOW_MS // 1000 + ahead for name, ahead in ahead_s.items()}
    return header("authorization", f"Bearer {jwt(iss=TOKEN, **claims)}")(request, by)


HTTP: Final = (
    Change("path", "The path is another one.", request=path(lambda asked: "/kling/v1/videos/lip-sync")),
    Change("path", "A path is case-sensitive.", request=path(str.title)),
    Change("path", "A slash behind a path makes it another one.", request=path(lambda asked: f"{asked}/")),
    Change("method", "PUT creates nothing.", request=method("PUT")),
    Change("method", "DELETE is not offered.", request=method("DELETE")),
    Change("method", "PATCH is not offered.", request=method("PATCH")),
    Change("authorization-missing", "There is no Authorization.", request=header("authorization", None)),
    Change("authorization-missing", "The Authorization is empty.", request=header("authorization", "")),
    Change("authorization-missing", "The Authorization is blank.", request=header("authorization", "  ")),
    Change("authorization-invalid", "There is a scheme and no token.", request=header("authorization", "Bearer")),
    Change("authorization-invalid", "The token is blank.", request=header("authorization", "Bearer  ")),
    Change("authorization-invalid", "The scheme is another one.", request=header("authorization", "Basic a2xpbmc6a2l0")),
    Change("authorization-invalid", "There is a token and no scheme.", request=header("authorization", TOKEN)),
    Change("authorization-invalid", "A token holds no space.", request=header("authorization", f"Bearer {TOKEN} {TOKEN}")),
    Change("content-type", "The body is sent as plain text.", request=header("content-type", "text/plain")),
    Change("content-type", "A form is not JSON.", request=header("content-type", "application/x-www-form-urlencoded")),
    Change("content-type", "A multipart body is not JSON.", request=header("content-type", "multipart/form-data; boundary=x")),
    Change("content-type", "A kind of JSON is not JSON.", request=header("content-type", "application/problem+json")),
    Change("body.required", "There is no body.", request=body(lambda sent: b"")),
)

NOT_JSON: Final = (
    Change("body-json", "The body is cut off.", request=body(lambda sent: sent[:-1])),
    Change("body-json", "The body is white space.", request=body(lambda sent: b" \n")),
    Change("body-json", "The body is a form.", request=body(lambda sent: b"session_id=1&face_choose=2")),
    Change("body-json", "A comma is not followed by anything.", request=body(lambda sent: sent[:-1] + b",}")),
    Change("body-json", "Something follows the JSON.", request=body(lambda sent: sent + b"{}")),
    Change("body-json", "JSON has no comments.", request=body(lambda sent: sent + b"// sent by a test")),
    Change("body-json", "JSON has no single quotes.", request=body(lambda sent: sent.replace(b'"', b"'"))),
    Change("body-json", "NaN is not JSON.", payload=put_in_item(sound_volume=float("nan"))),
    Change("body-json", "Infinity is not JSON.", payload=put_in_item(sound_end_time=float("inf"))),
    Change("body-json", "A number is larger than a float can be.", request=beside(b'"number":1e999')),
    Change("body-json", "A number has 5000 digits.", request=beside(b'"number":' + b"9" * 5000)),
    Change("body-json", "A number begins with a zero.", request=beside(b'"number":01')),
    Change("body-json", "A key stands twice.", request=beside(b'"session_id":""')),
    Change("body-json", "A string holds half of a surrogate pair.", payload=put("external_task_id", value="\ud83d")),
    Change("body-json", "A string holds a raw line break.", request=beside(b'"text":"\n"')),
    Change("body-json", f"The body is nested {DEEPEST + 1} levels deep.", request=beside(nested(DEEPEST + 1))),
    Change("body-json", "The body is nested 10000 levels deep.", request=beside(nested(10_000))),
    Change("body-json", "The brackets are never closed.", request=body(lambda sent: b"[" * 10_000)),
    Change("body-json", "The text is Latin-1.", request=beside('"text":"é"'.encode("latin-1"))),
    Change("body-json", "The text is UTF-16.", request=body(lambda sent: sent.decode().encode("utf-16"))),
    Change("body-json", "A character is encoded in too many bytes.", request=beside(b'"text":"\xc0\xaf"')),
    Change("body-json", "Half of a surrogate pair is encoded.", request=beside(b'"text":"\xed\xa0\x80"')),
)


def server_changes(largest_file: int) -> Iterator[Change]:
    """Yield what only a server judges: the times of a token, the size of a body. `largest_file` is in bytes."""
    yield Change(
        "authorization-expired",
        "The token expires {} s too early.",
        request=lambda request, by: _token_times(request, by, exp=1 - by),
    )
    yield Change(
        "authorization-not-yet-valid",
        "The token becomes valid {} s too late.",
        request=lambda request, by: _token_times(request, by, nbf=by),
    )
    spaces = b" " * (2 * largest_file + 2**22)
    yield Change("body-too-large", "The body is larger than any payload.", request=body(lambda sent: sent + spaces))

"""Requests: how a payload is sent, and what can be wrong, or right, with a request before there is a payload."""

import base64
import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from kling_contracts.http import JSON_TYPE, Request
from kling_contracts.jsonio.strict_json import MAX_DEPTH
from kling_contracts.judging.operation import Operation

TOKEN: Final = "klingkit"
"""The bearer token of every request that has a good one."""
OTHER_TOKEN: Final = "klingkit-other"
"""The bearer token of another account."""
HEADERS: Final[Mapping[str, str]] = {"authorization": f"Bearer {TOKEN}", "content-type": JSON_TYPE}
_WITHOUT_BODY: Final[Mapping[str, str]] = {"authorization": f"Bearer {TOKEN}"}

ChangeRequest = Callable[[Request], Request]

_TEXT_VALUE: Final = re.compile(rb':\s*"[^"\\]*"')
_encode: Final = json.JSONEncoder(check_circular=False).encode


class RequestGoal(NamedTuple):
    """One change to a valid request."""

    rule: str
    """The rule that falls; of what breaks none, the one that it comes near."""
    says: str
    change: ChangeRequest
    is_harmless: bool = False

    @property
    def breaks(self) -> frozenset[str]:
        """The rules that fall."""
        return frozenset() if self.is_harmless else frozenset([self.rule])


def parameter_request(operation: Operation, payload: Mapping[str, Any]) -> Request:
    """Return the request of an operation without a body: its payload stands in path and query."""
    path, query = operation.paths[0], {}
    for name, value in payload.items():
        declared = operation.parameters.get(name)
        if declared and declared.place == "path":
            path = path.replace(f"{{{name}}}", str(value))
        else:
            query[name] = value
    return Request(operation.method, path, _WITHOUT_BODY, b"", urlencode(query))


def header(name: str, value: str | None) -> ChangeRequest:
    """Return the change that sends another header, or None of that name."""

    def change(request: Request) -> Request:
        others = {key: one for key, one in request.headers.items() if key != name}
        headers = others if value is None else {**others, name: value}
        return Request(request.method, request.path, headers, request.body, request.query)

    return change


def method(name: str) -> ChangeRequest:
    """Return the change that asks by another method."""
    return lambda request: Request(name, request.path, request.headers, request.body, request.query)


def path(change: Callable[[str], str]) -> ChangeRequest:
    """Return the change that asks for another path; a query may follow it."""

    def changed(request: Request) -> Request:
        path, _, query = change(request.path).partition("?")
        return Request(request.method, path, request.headers, request.body, query or request.query)

    return changed


def body(change: Callable[[bytes], bytes]) -> ChangeRequest:
    """Return the change that sends other bytes."""
    return lambda request: Request(request.method, request.path, request.headers, change(request.body), request.query)


def beside(member: bytes) -> ChangeRequest:
    """Return the change that writes one member more, as bytes, in front of the others."""
    return body(lambda sent: b"{" + member + b"," + sent[1:])


def nested(levels: int) -> bytes:
    """Return an unknown member that takes the body to so many levels."""
    return b'"deep":' + b"[" * (levels - 1) + b"]" * (levels - 1)


def _twice(sent: bytes) -> bytes:
    name = next(iter(json.loads(sent)))
    return b"{" + _encode(name).encode() + b':"",' + sent[1:]


def _twice_inside(sent: bytes) -> bytes:
    start = sent.rindex(b"{") + 1
    name = sent[start : sent.index(b":", start)]
    return sent[:start] + name + b':"",' + sent[start:]


def _twice_alike(sent: bytes) -> bytes:
    name, value = next(iter(json.loads(sent).items()))
    return b"{" + _encode({name: value})[1:-1].encode() + b"," + sent[1:]


def _half_pair(place: int, sent: bytes) -> bytes:
    """Write half of a surrogate pair at the end of a text, by its place among all."""
    end = list(_TEXT_VALUE.finditer(sent))[place].end() - 1
    return sent[:end] + b"\\ud83d" + sent[end:]


def _once_more_below(sent: bytes) -> bytes:
    name = next(iter(json.loads(sent)))
    return b'{"note":{' + _encode(name).encode() + b":1}," + sent[1:]


def _widely(sent: bytes) -> bytes:
    return json.dumps(json.loads(sent), indent=4).encode()


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


_FAULTS: Final = (
    ("path", "The path is another one.", path(lambda asked: f"/other{asked}")),
    ("path", "A path is case-sensitive.", path(str.title)),
    ("path", "A slash behind a path makes it another one.", path(lambda asked: f"{asked}/")),
    ("authorization-missing", "There is no Authorization.", authorization(None)),
    ("authorization-missing", "The Authorization is empty.", authorization("")),
    ("authorization-missing", "The Authorization is blank.", authorization("  ")),
    ("authorization-invalid", "There is a scheme and no token.", authorization("Bearer")),
    ("authorization-invalid", "The token is blank.", authorization("Bearer  ")),
    ("authorization-invalid", "The scheme is another one.", authorization("Basic a2xpbmc6a2l0")),
    ("authorization-invalid", "A good token is no password.", authorization(f"Basic {TOKEN}")),
    ("authorization-invalid", "A good token stands behind another scheme.", authorization(f"Token {TOKEN}")),
    ("authorization-invalid", "A colon is no part of a scheme.", authorization(f"Bearer: {TOKEN}")),
    ("authorization-invalid", "The token stands in quotes.", authorization(f'Bearer "{TOKEN}"')),
    ("authorization-invalid", "Two tokens are sent.", authorization(f"Bearer {TOKEN}, Bearer {TOKEN}")),
    ("authorization-invalid", "There is a token and no scheme.", authorization(TOKEN)),
    ("authorization-invalid", "A token holds no space.", authorization(f"Bearer {TOKEN} {TOKEN}")),
    ("content-type", "The body is sent as plain text.", content_type("text/plain")),
    ("content-type", "A form is not JSON.", content_type("application/x-www-form-urlencoded")),
    ("content-type", "A multipart body is not JSON.", content_type("multipart/form-data; boundary=x")),
    ("content-type", "A kind of JSON is not JSON.", content_type("application/problem+json")),
    ("body.required", "There is no body.", body(lambda sent: b"")),
    ("body-json", "The body is cut off.", body(lambda sent: sent[:-1])),
    ("body-json", "The body is white space.", body(lambda sent: b" \n")),
    ("body-json", "The body is a form.", body(lambda sent: b"one=1&two=2")),
    ("body-json", "A comma is not followed by anything.", body(lambda sent: sent[:-1] + b",}")),
    ("body-json", "Something follows the JSON.", body(lambda sent: sent + b"{}")),
    ("body-json", "JSON has no comments.", body(lambda sent: sent + b"// sent by a test")),
    ("body-json", "JSON has no single quotes.", body(lambda sent: sent.replace(b'"', b"'"))),
    ("body-json", "NaN is not JSON.", beside(b'"number":NaN')),
    ("body-json", "Infinity is not JSON.", beside(b'"number":-Infinity')),
    ("body-json", "A number is larger than a float can be.", beside(b'"number":1e999')),
    ("body-json", "A number has 5000 digits.", beside(b'"number":' + b"9" * 5000)),
    ("body-json", "A number begins with a zero.", beside(b'"number":01')),
    ("body-json", "A key stands twice.", body(_twice)),
    ("body-json", "A key stands twice in the innermost object.", body(_twice_inside)),
    ("body-json", "A key stands twice with one value.", body(_twice_alike)),
    ("body-json", "The first text ends with half of a surrogate pair.", body(partial(_half_pair, 0))),
    ("body-json", "The last text ends with half of a surrogate pair.", body(partial(_half_pair, -1))),
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


def _both(one: ChangeRequest, other: ChangeRequest) -> ChangeRequest:
    return lambda request: other(one(request))


_NO_KEY: Final = authorization(None)
_EMPTY_OBJECT: Final = body(lambda sent: b"{}")
_AS_TEXT: Final = content_type("text/plain")
_CUT_OFF: Final = body(lambda sent: sent[:-1])
_ORDERED: Final = (
    ("authorization-missing", "Without Authorization a body is not read.", _both(_NO_KEY, _CUT_OFF)),
    ("authorization-missing", "Without Authorization a payload is not judged.", _both(_NO_KEY, _EMPTY_OBJECT)),
    ("authorization-missing", "Without Authorization no content type counts.", _both(_NO_KEY, _AS_TEXT)),
    ("authorization-invalid", "With a wrong scheme a body is not read.", _both(authorization(TOKEN), _CUT_OFF)),
    ("content-type", "A body that is not JSON is not read.", _both(_AS_TEXT, _CUT_OFF)),
    ("content-type", "A payload that is not JSON is not judged.", _both(_AS_TEXT, _EMPTY_OBJECT)),
    ("body-json", "A body that is not JSON has no payload.", body(lambda sent: b'{"number":NaN}')),
)
"""Two faults in one request: the first one decides, as the documents list them."""


_HARMLESS: Final = (
    ("path", "A query is no part of the path.", path(lambda asked: f"{asked}?page=1")),
    ("authorization-invalid", "A scheme may be in lower case.", authorization(f"bearer {TOKEN}")),
    ("authorization-invalid", "A scheme may be in upper case.", authorization(f"BEARER {TOKEN}")),
    ("content-type", "An absent content type means JSON.", content_type(None)),
    ("content-type", "A content type has parameters.", content_type(f"{JSON_TYPE}; charset=utf-8")),
    ("content-type", "A content type may be in upper case.", content_type(JSON_TYPE.upper())),
    ("content-type", "A charset may be in upper case.", content_type(f"{JSON_TYPE};charset=UTF-8")),
    ("content-type", "A charset may stand in quotes.", content_type(f'{JSON_TYPE}; charset="utf-8"')),
    ("body-json", "A byte order mark is skipped.", body(lambda sent: codecs.BOM_UTF8 + sent)),
    ("body-json", "JSON may have white space around it.", body(lambda sent: b"\r\n\t " + sent + b"\n")),
    ("body-json", "JSON may be written widely.", body(_widely)),
)
_WITH_A_MEMBER: Final = (
    ("note", "A text may be UTF-8.", beside('"note":"声音 🎤"'.encode())),
    ("note", "A surrogate pair is one character.", beside(b'"note":"\\ud83c\\udfa4"')),
    ("note", "Brackets in a string nest nothing.", beside(b'"note":"' + b"[" * 300 + b'"')),
    ("note", "A name may stand in two objects.", body(_once_more_below)),
    ("deep", f"The body may be nested {MAX_DEPTH} levels deep.", beside(nested(MAX_DEPTH))),
    ("number", "An unknown number may be large.", beside(b'"number":18446744073709551617')),
)
"""The name of a member that is added, which breaks nothing where the documents do not know it."""
_OF_BODIES: Final = ("content-type", "body.required", "body-json")
SERVER_RULES: Final = ("authorization-expired", "authorization-not-yet-valid", "body-too-large")
"""The rules that a server alone can judge; `Contract.report` does not."""


def request_goals(operation: Operation, methods: frozenset[str]) -> Iterator[RequestGoal]:
    """Yield what is wrong with a request before there is a payload; `methods` are those that its path has."""
    for rule, says, change in (*_FAULTS, *(_ORDERED if operation.media_types else ())):
        if (operation.media_types or rule not in _OF_BODIES) and (operation.secured or "authorization" not in rule):
            yield RequestGoal(rule, says, change)
    for name in ("PUT", "DELETE", "PATCH"):
        if name not in methods:
            yield RequestGoal("method", f"{name} is not offered.", method(name))


def harmless_requests(
    operation: Operation, payload: Mapping[str, Any], names: Iterable[str] = ()
) -> Iterator[RequestGoal]:
    """Yield what may be done to a request without breaking anything; `payload` is the schema of its payload.

    `names` are those by which entries are looked up that the operation answers: no parameters of it.
    """
    for name in names:
        declared = operation.parameters.get(name)
        if not operation.media_types and not (declared and declared.place == "query"):
            says = f"A parameter {name} is none of the operation."
            yield RequestGoal("path", says, partial(_with_parameter, f"{name}=another"), is_harmless=True)
    for known in operation.paths if operation.media_types else ():
        yield RequestGoal("path", f"The operation is at {known}.", path(partial(_instead, known)), is_harmless=True)
    for rule, says, change in _HARMLESS:
        if operation.media_types:
            yield RequestGoal(rule, says, change, is_harmless=True)
    is_open = operation.media_types and payload.get("additionalProperties") is not False
    for name, says, change in _WITH_A_MEMBER if is_open else ():
        if name not in payload.get("properties", ()):
            yield RequestGoal("body-json", says, change, is_harmless=True)


def server_goals(largest_file: int) -> Iterator[RequestGoal]:
    """Yield what only a server judges: the times of a token, the size of a body.

    `largest_file` is in bytes.
    """
    spare = 2 * largest_file + 2**22
    for rule, says, claims, is_broken in _TOKENS:
        yield RequestGoal(rule, says, authorization(f"Bearer {jwt(iss=TOKEN, **claims)}"), not is_broken)
    yield RequestGoal("body-too-large", "The body is too large.", body(lambda sent: sent + b" " * spare))


# Unix times in s, of the years 2001 and 2242: times of a token are judged by real time, whatever a world says.
_LONG_AGO_S, _FAR_AHEAD_S = 10**9, 2**33
_TOKENS: Final = (
    ("authorization-expired", "The token has expired.", {"exp": _LONG_AGO_S}, True),
    ("authorization-expired", "The token expires later.", {"exp": _FAR_AHEAD_S}, False),
    ("authorization-not-yet-valid", "The token is not valid yet.", {"nbf": _FAR_AHEAD_S}, True),
    ("authorization-not-yet-valid", "The token is valid already.", {"nbf": _LONG_AGO_S}, False),
)


def _with_parameter(text: str, request: Request) -> Request:
    query = f"{request.query}&{text}".lstrip("&")
    return Request(request.method, request.path, request.headers, request.body, query)


def _instead(known: str, asked: str) -> str:
    return known

"""Rules that are judged before there is a payload: path, method, bearer token, content type, JSON."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from kling_contracts.http import Request
from kling_contracts.jsonio import strict_json
from kling_contracts.judging.operation import Operation, Parameter
from kling_contracts.judging.report import Note, Violation
from kling_contracts.rules.rule import Rule

Methods = Mapping[str, Operation]
"""Operations by upper-case method."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Routed(NamedTuple):
    """The operation that a request is for, and what its path says of it."""

    operation: Operation
    in_path: Mapping[str, str]


class Routes:
    """Operations by path and method; a documented path may hold `{names}`."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self._plain: dict[str, dict[str, Operation]] = {}
        self._named: dict[re.Pattern[str], dict[str, Operation]] = {}
        self.paths = tuple(dict.fromkeys(path for operation in operations for path in operation.paths))
        for operation in operations:
            for path in operation.paths:
                self._methods_to_fill(path)[operation.method] = operation

    def find(self, path: str) -> tuple[Methods | None, Mapping[str, str]]:
        """Return the operations at a path, None for an unknown one, and the values of its names."""
        methods = self._plain.get(path)
        if methods is not None:
            return methods, _NOTHING
        for pattern, named in self._named.items():
            match = pattern.fullmatch(path)
            if match:
                return named, match.groupdict()
        return None, _NOTHING

    def near(self, path: str) -> Sequence[str]:
        """Return the one path that was hardly meant otherwise, `Identify-face` in capitals; all where none is near."""
        from difflib import get_close_matches

        plain = re.sub(_SLASHES, "/", path[:MAX_PATH_LENGTH]).rstrip("/")
        for known in self.paths:
            meant = _spelt_right(known, plain)
            if meant:
                return (meant,)
        return get_close_matches(plain.lower(), self.paths, n=1, cutoff=_ALIKE) or self.paths

    def _methods_to_fill(self, path: str) -> dict[str, Operation]:
        if "{" not in path:
            return self._plain.setdefault(path, {})
        literals = [re.escape(part) for part in re.split(r"\{\w+\}", path)]
        names = [f"(?P<{name}>[^/]+)" for name in re.findall(r"\{(\w+)\}", path)]
        pattern = "".join(part for pair in zip(literals, [*names, ""], strict=True) for part in pair)
        return self._named.setdefault(re.compile(pattern), {})


class RequestRules(NamedTuple):
    """The request rules of a contract. The violation of a broken rule is returned in place of the result."""

    rules: Mapping[str, Rule]
    routes: Routes

    def route(self, request: Request) -> Routed | Violation:
        """Return the operation that the request is for."""
        methods, in_path = self.routes.find(request.path)
        if methods is None:
            near = self.routes.near(request.path)
            meant = f"did you mean {near[0]}?" if len(near) == 1 else ""
            return self.violation("path", value=request.path, remedy=" or ".join(near), detail=meant)
        operation = methods.get(request.method)
        if operation is None:
            return self.violation("method", value=request.method, remedy=", ".join(methods))
        return Routed(operation, in_path)

    def allowed(self, path: str) -> str:
        """Return the methods that a path has, for an `Allow` header; empty for an unknown path."""
        return ", ".join(self.routes.find(path)[0] or ())

    def token(self, request: Request) -> str | Violation:
        """Return the bearer token; the scheme's case does not matter (RFC 9110)."""
        header = request.headers.get("authorization", "").strip()
        if not header:
            return self.violation("authorization-missing", remedy="Authorization: Bearer <key>")
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return self.violation("authorization-invalid", remedy="Authorization: Bearer <key>")
        if not _BEARER_TOKEN.fullmatch(token):
            return self.violation("authorization-invalid", remedy=_BEARER_REMEDY, detail=_wrong_in_token(token))
        return token

    def payload(self, request: Request, routed: Routed) -> Any:
        """Return the decoded body, or the parameters as an object where the operation has no body.

        A body without a content type is read as JSON. No JSON value is a `Violation`.
        """
        operation = routed.operation
        if not operation.media_types:
            return {**_parameters(request.query, operation.parameters), **routed.in_path}
        content_type = request.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type and media_type not in operation.media_types:
            return self.violation("content-type", value=content_type, remedy=" or ".join(operation.media_types))
        if not request.body:
            return self.violation("body.required")
        coding = request.headers.get("content-encoding", "").strip()
        if coding and coding.lower() != "identity":
            detail = f"its Content-Encoding is {coding[:MAX_PATH_LENGTH]}; send it uncompressed"
            return self.violation("body-json", value=f"Content-Encoding: {coding}", remedy=_PLAIN, detail=detail)
        try:
            return strict_json.decode(request.body)
        except strict_json.BodyError as error:
            return self.violation("body-json", detail=str(error))

    def violation(self, rule_id: str, *, value: str = "", remedy: str = "", detail: str = "") -> Violation:
        """Return the violation of the request rule of that id."""
        rule = self.rules[rule_id]
        message = f"{rule.message}: {detail}" if detail else rule.message
        return Violation(rule, "", message, value[:60], remedy)


def notes_on_token(token: str) -> tuple[Note, ...]:
    """Return a note on a token that programs send which have no key; it may be right all the same."""
    if not _NO_KEY.fullmatch(token):
        return ()
    return (Note("", f"the bearer token is {token!r}, which looks like the text of a program that has no key"),)


def _wrong_in_token(token: str) -> str:
    """Return what in a token no bearer token has, without showing the token: it may be a secret."""
    well_spelt = re.match(_BEARER_START, token)
    at = well_spelt.end() if well_spelt else 0
    character = token[at] if at < len(token) else token[0]
    if token[: len(_SCHEME)].lower() == _SCHEME:
        return "the token begins with Bearer once more: the scheme is given once"
    if token.startswith(("b'", 'b"')):
        return "the token is the text of a Python bytes object: decode() it"
    if token.startswith(("${", "$(", "{{", "<")):
        return "the token is a placeholder that nothing has filled in"
    shown = {" ": "a space", "'": "a quotation mark", '"': "a quotation mark"}.get(character, ascii(character))
    return f"the token has {shown} at character {at + 1}, which RFC 6750 does not allow"


def _spelt_right(known: str, path: str) -> str:
    """Return a documented path with the names of a path that differs in nothing but case; empty where it differs."""
    pieces = [re.escape(piece) for piece in re.split(_NAME, known)]
    match = re.fullmatch("([^/]+)".join(pieces), path, re.IGNORECASE)
    for name in match.groups() if match else ():
        known = re.sub(_NAME, lambda _, name=name: name, known, count=1)  # type: ignore[misc]
    return known if match else ""


def _parameters(query: str, declared: Mapping[str, Parameter]) -> dict[str, Any]:
    bounded = "&".join(query.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS])
    # In process a query may hold what no UTF-8 does; it is replaced like such bytes in an escape.
    unicode = bounded.encode("utf-8", "replace").decode()
    values = parse_qsl(unicode, keep_blank_values=True, errors="replace")
    return {name: _read(text, declared.get(name)) for name, text in values}


def _read(text: str, parameter: Parameter | None) -> Any:
    """Read a parameter; a text that is no number stays text, and breaks the rule on its type."""
    if parameter and parameter.type == "integer" and re.fullmatch(_INTEGER, text):
        return int(text)
    return text


MAX_PATH_LENGTH: Final = 200
"""Characters of an unknown path that are compared with the known ones."""
_ALIKE: Final = 0.9
_SCHEME: Final = "bearer "
_NO_KEY: Final = re.compile(
    "none|null|nil|nan|undefined|bearer|change[-_]?me|(?:your|my)?[-_.]?(?:kling)?[-_.]?(?:api|access)[-_.]?(?:key|token)",
    re.IGNORECASE,
)
"""Texts that stand where a program has no key, and placeholders of examples."""
_BEARER_START: Final = r"[A-Za-z0-9._~+/-]*"
_BEARER_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""The b64token of RFC 6750, section 2.1."""
_BEARER_REMEDY: Final = "Authorization: Bearer <key>, a key of letters, digits and -._~+/ with = at its end alone"
_NAME: Final = r"\{\w+\}"
_SLASHES: Final = r"//+"
MAX_PARAMETERS: Final = 1000
"""Parameters of a query that are looked at."""
_PLAIN: Final = "JSON as it is, without a Content-Encoding"
_INTEGER: Final = r"-?[0-9]{1,1000}"

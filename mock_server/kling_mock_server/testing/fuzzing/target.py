"""The server that is fuzzed: one kept-alive connection, bounded in time, and answers read without trust."""

import json
import ssl
from collections.abc import Collection, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from kling_contracts import Request, World
from kling_contracts.cases.case import PATH_CHARACTERS
from kling_contracts.jsonio import strict_json
from kling_mock_server.outgoing.hosts import is_loopback
from kling_mock_server.protocol.names import CONTROL_PREFIX, VIOLATIONS_HEADER

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Bytes of an answer that are read."""


class TargetError(ValueError):
    """The server cannot be fuzzed at all; the message is for whoever started it."""


class Answer(NamedTuple):
    """The answer. `crash` says in one line why there is none; then nothing else counts."""

    status: int = 0
    code: int = 0
    message: str = ""
    named: tuple[str, ...] | None = None
    """The rules that the server names; None where it names none."""
    crash: str = ""
    lost: bool = False
    """Whether nothing came back at all."""
    body: Any = None
    """The whole answer, decoded."""
    content_type: str = ""
    """As it was sent."""

    @property
    def accepted(self) -> bool:
        """Whether the server did what was asked."""
        return not self.crash and 200 <= self.status < 300 and self.code == 0

    @property
    def refused(self) -> bool:
        """Whether the server did nothing, and said so."""
        return not self.crash and not self.accepted

    def __str__(self) -> str:
        """Return the answer in one line."""
        return self.crash or f"answered {self.status} / {self.code} {self.message[:200]}"


class Target:
    """One server. `url` is its base URL, or that of an operation, which is at one of the `paths`."""

    def __init__(self, url: str, *, timeout_s: float, paths: Collection[str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetError(f"{url} is not an http(s) URL")
        path = parts.path.removesuffix("/")
        operation = max((one for one in paths if path.endswith(one)), key=len, default="")
        self.prefix = path.removesuffix(operation).removesuffix("/")
        self.server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.base = f"{self.server}{self.prefix}"
        self.host = parts.hostname
        self._connection = _connection(parts.scheme, parts.hostname, parts.port, timeout_s)
        self._timeout_s = timeout_s

    def reach(self) -> None:
        """Connect. Raises `TargetError` where nothing answers there."""
        try:
            self._connection.connect()
        except OSError as error:
            raise TargetError(f"nothing answers at {self.base}: {error.strerror or error}") from None

    def has_control(self) -> bool:
        """Return whether the server has klingkit's control surface, so that worlds can be loaded."""
        try:
            response, body = self._exchange(Request("GET", f"{CONTROL_PREFIX}/health"))
            return response.status == 200 and strict_json.decode(body)["data"]["status"] == "ok"
        except (OSError, HTTPException, LookupError, TypeError, ValueError):
            return False

    def put_world(self, world: World, token: str) -> None:
        """Load a world into the account of a token. Raises `TargetError` where the server does not take it."""
        self._control("PUT", "/world", token, json.dumps(world.to_json()).encode())

    def reset(self, token: str) -> None:
        """Take the account of a token back to a fresh one. Raises `TargetError` where the server does not."""
        self._control("POST", "/reset", token)

    def advance(self, by_ms: int, token: str) -> None:
        """Move the clock of a token's account on. Raises `TargetError` where the server does not."""
        self._control("POST", "/clock", token, json.dumps({"advance_ms": by_ms}).encode())

    def ask(self, request: Request) -> Answer:
        """Send a request; whatever goes wrong is part of the answer."""
        try:
            response, body = self._exchange(request)
        except TimeoutError:
            return Answer(crash=f"no answer within {self._timeout_s:g} s", lost=True)
        except (OSError, HTTPException) as error:
            return Answer(crash=f"the connection was lost: {error or type(error).__name__}", lost=True)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return read(response.status, headers, body)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _control(self, method: str, path: str, token: str, body: bytes = b"") -> None:
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        try:
            response, content = self._exchange(Request(method, f"{CONTROL_PREFIX}{path}", headers, body))
        except (OSError, HTTPException) as error:
            raise TargetError(f"{self.base} stopped answering: {error or type(error).__name__}") from None
        if response.status != 200:
            said = f"{response.status} {_shown(content)}"
            raise TargetError(f"{self.base} does not take {method} {CONTROL_PREFIX}{path}: {said}")

    def _exchange(self, request: Request) -> tuple[HTTPResponse, bytes]:
        if not is_loopback(self.host):
            # A paid call is never sent twice: on a fresh connection nothing has to be sent again.
            self._connection.close()
        reused = self._connection.sock is not None
        try:
            return self._send(request)
        except TimeoutError:
            self._connection.close()
            raise
        except (OSError, HTTPException):
            self._connection.close()
            if not reused:
                raise
        # A server may close a connection that is idle: only a fresh one tells whether it minds the request.
        try:
            return self._send(request)
        except (OSError, HTTPException):
            self._connection.close()
            raise

    def _send(self, request: Request) -> tuple[HTTPResponse, bytes]:
        path = f"{self.prefix}{quote(request.path, safe=PATH_CHARACTERS)}"
        path += f"?{request.query}" if request.query else ""
        try:
            self._connection.request(request.method, path, request.body, dict(request.headers))
        except (BrokenPipeError, ConnectionResetError):
            # It may have answered before it had read everything, as to a body that is too large.
            if self._connection.sock is None:
                raise
        response = self._connection.getresponse()
        body = response.read(MAX_ANSWER_BYTES)
        if not response.isclosed():
            self._connection.close()
        return response, body


def read(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read an answer: anything but `{code, message, request_id}` in JSON is a crash."""
    if status >= 500:
        return Answer(status, crash=f"answered {status}: {_shown(body)}")
    try:
        envelope = strict_json.decode(body)
    except ValueError as error:
        kind = headers.get("content-type", "no content type")
        return Answer(status, crash=f"answered {status} with {kind}, which is not JSON ({error}): {_shown(body)}")
    if not _is_envelope(envelope):
        return Answer(status, crash=f"answered {status} without the envelope: {_shown(body)}")
    named = headers.get(VIOLATIONS_HEADER.lower())
    rules = None if named is None else tuple(filter(None, (one.strip() for one in named.split(","))))
    code, message, content_type = envelope["code"], envelope["message"], headers.get("content-type", "")
    return Answer(status, code, message, rules, body=envelope, content_type=content_type)


def _is_envelope(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return type(value.get("code")) is int and all(type(value.get(name)) is str for name in ("message", "request_id"))


def _shown(body: bytes) -> str:
    return " ".join(body[:200].decode(errors="replace").split()) or "nothing"


def _connection(scheme: str, host: str, port: int | None, timeout_s: float) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
    return HTTPConnection(host, port, timeout=timeout_s)

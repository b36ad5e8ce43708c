"""Hostile requests from a seed: every operation, the control surface, files, and paths that lead nowhere."""

import base64
import json
import random
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

from hostile.media import hostile_files
from kling_mock_server.state.accounts import MAX_ACCOUNTS
from support.serving import payload
from support.workflow import CREATE, IDENTIFY, LIST, TTS, VIDEO_URL, said

PLAYER = "player"
"""The one token that plays scenarios: a failure that it gets was asked for."""
_TOKENS = ("key", "other", "third", "", "\xff", "a b", "x" * 4000, "e30.e30.x", "..", "é")
CONTROL = ("world", "clock", "limits", "sessions/a", "audios/a", "inbox/a", "reset", "journal", "tasks", "check", "")
"""Calls of the control surface, below its prefix."""
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "X")
_TYPES = ("application/json", "application/json; charset=gbk", "text/plain", "", "multipart/form-data", "\xff")
_SCALARS = (None, True, False, 0, -1, 1.5, 2**63, 10**40, 1e308, "", "0", "-1", "9" * 18, "\0", "٣", "x" * 300, [], {})
NAMES = (
    "session_id",
    "face_choose",
    "external_task_id",
    "callback_url",
    "video_id",
    "video_url",
    "text",
    "voice_id",
    "voice_language",
    "voice_speed",
)
"""Fields of every operation."""
_WORLD = ("now_ms", "sessions", "audios", "files", "videos", "voices", "flagged_words", "external_task_ids", "tasks")
_URLS = ("http://127.0.0.1:1/", "http://[", f"{VIDEO_URL}#faces=0", "http://127.0.0.1:1/#duration=99999999999", "x:")
_LARGE_EVERY = 2000
_STRANGERS = 0.05
"""The share of requests whose token is one of more than the mock keeps accounts."""


class Asked(NamedTuple):
    """One request; its texts may hold what no UTF-8 does."""

    method: str
    path: str
    query: str
    headers: dict
    body: bytes

    @property
    def raw(self):
        """The request as it goes over a connection that stays open."""
        query = f"?{quote(self.query, safe='=&%', errors='replace')}" if self.query else ""
        target = quote(self.path, safe="/%", errors="replace") + query
        headers = {"host": "127.0.0.1", **self.headers, "content-length": str(len(self.body))}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([f"{self.method} {target or '/'} HTTP/1.1", *lines, "", ""]).encode("latin-1", "replace") + (
            self.body
        )


class Traffic:
    """An endless stream of requests, the same for the same seed."""

    def __init__(self, seed):
        self._chance = random.Random(seed)
        self._count = 0

    def next(self):
        """Return the next request."""
        self._count += 1
        chance = self._chance
        method, path = self._target()
        token = PLAYER if path == "/_mock/scenario" else self._token()
        headers = {"content-type": chance.choice(_TYPES) if chance.random() < 0.2 else _TYPES[0]}
        if token:
            headers["authorization"] = f"Bearer {token}"
        if chance.random() < 0.05:
            headers |= chance.choice(_ODD_HEADERS)
        return Asked(method, path, self._query(), headers, self._body(path) if method in ("POST", "PUT") else b"")

    def _target(self):
        chance, draw = self._chance, self._chance.random()
        if draw < 0.5:
            return "POST", chance.choice((CREATE, IDENTIFY, TTS))
        if draw < 0.6:
            return "GET", chance.choice((LIST, f"{LIST}/{self._text()}"))
        if draw < 0.8:
            return chance.choice(METHODS[:4]), f"/_mock/{chance.choice((*CONTROL, 'scenario'))}"
        if draw < 0.9:
            kind = chance.choice(("results", "audios", "videos", "faces", ""))
            return chance.choice(("GET", "HEAD", "POST")), f"/_mock/files/{'0' * chance.randint(0, 50)}/{kind}/1.mp4"
        path = "/".join(chance.choice(("", "kling", "v1", "videos", "..", "%", self._text())) for _ in range(5))
        return chance.choice(METHODS), f"/{path}"

    def _token(self):
        if self._chance.random() < _STRANGERS:
            return f"stranger-{self._chance.randrange(2 * MAX_ACCOUNTS)}"
        return self._chance.choice(_TOKENS)

    def _query(self):
        names = ("pageNum", "pageSize", "limit", "after", "operation", "status", "rule", "")
        pairs = (f"{self._chance.choice(names)}={self._text()}" for _ in range(self._chance.randint(0, 3)))
        return "&".join(pairs) if self._chance.random() < 0.3 else ""

    def _body(self, path):
        if self._count % _LARGE_EVERY == 0:
            return self._large()
        value = self._changed(self._sound(path))
        body = json.dumps(value).encode()
        return self._damaged(body) if self._chance.random() < 0.2 else body

    def _sound(self, path):
        if path == CREATE or path.endswith("check"):
            return {**payload(), "callback_url": self._chance.choice(("", *_URLS))}
        if path == IDENTIFY:
            return {"video_url": self._chance.choice(_URLS)}
        if path == TTS:
            return said()
        if path.endswith("world"):
            return {name: {self._text(): self._value()} for name in self._chance.sample(_WORLD, 2)}
        if path.endswith("scenario"):
            return {"name": self._text()}
        return self._chance.choice(
            (
                {"advance_ms": 1000},
                {"concurrency": 2},
                {"video_ms": 9000, "faces": {"0": [0, 9000]}},
                {"duration_ms": 1},
            )
        )

    def _changed(self, value):
        """Change some members, at any depth, into what they must not be."""
        while isinstance(value, dict) and self._chance.random() < 0.6:
            name = self._chance.choice((*value, self._chance.choice(NAMES)))
            inner = value.get(name)
            if isinstance(inner, list) and inner and isinstance(inner[0], dict) and self._chance.random() < 0.8:
                value = {**value, name: [self._changed(inner[0]) for _ in range(self._chance.choice((1, 1, 1, 2)))]}
            else:
                value = {**value, name: self._value()}
        return value

    def _value(self, depth=0):
        draw = self._chance.random()
        if draw < 0.7 or depth > 2:
            return self._chance.choice((*_SCALARS, self._text()))
        if draw < 0.85:
            return [self._value(depth + 1) for _ in range(self._chance.randint(0, 3))]
        return {self._text(): self._value(depth + 1) for _ in range(self._chance.randint(0, 3))}

    def _text(self):
        return "".join(self._chance.choices("019aé声\0\x7f/.%#?-_ \ud800", k=self._chance.randint(0, 12)))

    def _damaged(self, body):
        at = self._chance.randrange(len(body) + 1)
        how = self._chance.randrange(3)
        if how == 0:
            return body[:at]
        return body[:at] + self._chance.randbytes(self._chance.randint(1, 4)) + body[at + (how == 1) :]

    def _large(self):
        size = self._chance.choice((100_000, 1_000_000, 7_000_000))
        return self._chance.choice(
            (
                lambda: json.dumps({**payload(), self._chance.choice(NAMES): "x" * size}).encode(),
                lambda: b"[" * size,
                lambda: b'{"face_choose":[' + b"{}," * (size // 3) + b"{}]}",
                lambda: json.dumps(dict.fromkeys(map(str, range(size // 20)), 1)).encode(),
                lambda: b'"' + b"\\ud800" * (size // 6) + b'"',
                lambda: json.dumps(payload(audio_id="", sound_file=self._chance.choice(sounds()))).encode(),
            )
        )()


_ODD_HEADERS = (
    {"host": "rebound.example"},
    {"host": "x" * 3000},
    {"origin": "https://evil.example"},
    {"range": "bytes=9-1"},
    {"content-encoding": "gzip"},
    {"expect": "100-continue"},
    {"accept": "text/html"},
    {"cookie": "x" * 8000},
)


@cache
def sounds():
    """Return the hostile files in Base64."""
    return [base64.b64encode(content).decode() for content in hostile_files().values()]

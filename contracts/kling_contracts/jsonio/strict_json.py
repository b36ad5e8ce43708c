"""Strict JSON: bytes that two parsers could read differently are refused instead of guessed at."""

import codecs
import json
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

MAX_DEPTH = 200
"""Nesting that no payload needs and that some parsers do not survive."""

_IN_WORDS: Final = {
    "Invalid control character at": "a line break or another control character stands unescaped in a string",
    "Unterminated string starting at": "the string that begins here has no end",
}
"""Sentences of Python's parser that end where it names the place, and what they mean."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class BodyError(ValueError):
    """The bytes are not strict JSON; the message is one sentence saying what and where."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        """From 1; 0 where it is not known, and so is `column`."""
        self.column = column


def decode(body: bytes) -> Any:
    """Return the JSON value that `body` holds.

    A UTF-8 byte order mark is skipped. Raises `BodyError` on anything that is not UTF-8 or not JSON, and on
    NaN, Infinity, duplicate keys, lone surrogates, and nesting deeper than `MAX_DEPTH`.
    """
    try:
        text = str(body.removeprefix(codecs.BOM_UTF8), "utf-8")
    except UnicodeDecodeError as error:
        raise BodyError(f"byte {error.start} is not UTF-8") from None
    _refuse_deep(body)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        says = _IN_WORDS.get(error.msg, error.msg) if text.strip() else "there is nothing but blanks"
        raise BodyError(f"line {error.lineno}, column {error.colno}: {says}", error.lineno, error.colno) from None
    except (ValueError, RecursionError) as error:
        raise BodyError(_too_long(error)) from None
    if "\\u" in text:
        _refuse_surrogates(value)
    return value


def _refuse_deep(body: bytes) -> None:
    # Counting brackets, quoted ones too, is a cheap upper bound; only a suspicious body is measured.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise BodyError(f"it is nested deeper than {MAX_DEPTH} levels")


def _depth(body: bytes) -> int:
    """The deepest nesting, in C all the way: eight megabytes of brackets must not hold a thread for long."""
    unquoted = re.sub(_STRING, b"", body) if b'"' in body else body
    brackets = unquoted.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


_STRING: Final = rb'(?s)"(?:[^"\\]|\\.)*+"'
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS: Final = bytes(set(range(256)) - _STEPS.keys())


def _too_long(error: Exception) -> str:
    if isinstance(error, BodyError):
        return str(error)
    return "a number has more digits than can be read"


def _refuse_surrogates(value: Any) -> None:
    if isinstance(value, str):
        if _LONE_SURROGATE.search(value):
            raise BodyError("a string holds half of a surrogate pair")
    elif isinstance(value, dict):
        for key, member in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(member)
    elif isinstance(value, list):
        for item in value:
            _refuse_surrogates(item)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        seen: set[str] = set()
        twice = next(name for name, _ in members if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BodyError(f"the key {json.dumps(twice[:40])} stands twice in one object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BodyError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise BodyError("a number is too large")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)

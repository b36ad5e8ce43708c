"""Look-alikes of a file in Base64: other spellings of the same bytes, and the same sound in another format.

Nothing else is wrong with any of them: the file lasts as long as the right one does.
"""

import base64
import json
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, NamedTuple
from urllib.parse import quote

from kling_contracts.media import audio, silent_audio
from kling_contracts.media.foreign_audio import FOREIGN

_LINE: Final = 76
"""Characters of a line of MIME (RFC 2045, section 6.8)."""
_FILLER: Final = b"\xff"
"""A run of it is written with "/", which the URL-safe alphabet lacks."""
_MIN_PADDING: Final = 24
_BOUNDARY: Final = 3


class FileAlike(NamedTuple):
    """One way to come near a right file."""

    says: str
    """Completes "the field …"."""
    spell: Callable[[str], str]
    """Takes the right text, and returns as JSON what stands there."""
    counts_as: tuple[str, str] | None
    """Kind and detail of the text that it counts as; None: as right as the other."""


def _spelling(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda right: json.dumps(change(_roomy(right)))


@lru_cache(maxsize=16)
def _roomy(right: str) -> str:
    """Return a file that sounds the same, and whose Base64 needs "/" and padding to be written."""
    data = base64.b64decode(right)
    size = len(data) + _MIN_PADDING
    size += (1 - size) % _BOUNDARY
    longer = silent_audio.padded(audio.identify(data) or "", data, size, _FILLER)
    return base64.b64encode(longer).decode()


def _wrapped(text: str, line_break: str) -> str:
    return line_break.join(text[at : at + _LINE] for at in range(0, len(text), _LINE))


def _of_format(name: str, right: str) -> str:
    return json.dumps(base64.b64encode(FOREIGN[name](_duration_ms(right))).decode())


@lru_cache(maxsize=16)
def _duration_ms(right: str) -> int:
    data = base64.b64decode(right)
    return audio.measure(data, audio.identify(data) or "")


def _cut_off(right: str) -> str:
    whole = silent_audio.m4a(_duration_ms(right))
    return json.dumps(base64.b64encode(whole[: len(whole) // 2]).decode())


_URL_SAFE: Final = str.maketrans("+/", "-_")
_NO_BASE64: Final = ("other", "")
_DATA_URL: Final = ("data_url", "")

FILE_ALIKES: Final = (
    FileAlike("has slashes escaped as JSON allows", lambda right: json.dumps(_roomy(right)).replace("/", "\\/"), None),
    FileAlike("has line breaks", _spelling(partial(_wrapped, line_break="\n")), _NO_BASE64),
    FileAlike("has line breaks of MIME", _spelling(partial(_wrapped, line_break="\r\n")), _NO_BASE64),
    FileAlike("ends with a line break", _spelling(lambda text: f"{text}\n"), _NO_BASE64),
    FileAlike("has a space in front", _spelling(lambda text: f" {text}"), _NO_BASE64),
    FileAlike("has a space behind it", _spelling(lambda text: f"{text} "), _NO_BASE64),
    FileAlike("holds a space", _spelling(lambda text: f"{text[:_LINE]} {text[_LINE:]}"), _NO_BASE64),
    FileAlike("is in the URL-safe alphabet", _spelling(lambda text: text.translate(_URL_SAFE)), _NO_BASE64),
    FileAlike("has no padding", _spelling(lambda text: text.rstrip("=")), _NO_BASE64),
    FileAlike("has too little padding", _spelling(lambda text: text[:-1]), _NO_BASE64),
    FileAlike("has too much padding", _spelling(lambda text: f"{text}="), _NO_BASE64),
    FileAlike("is percent-encoded", _spelling(lambda text: quote(text, safe="")), _NO_BASE64),
    FileAlike("is a Python bytes object in words", _spelling(lambda text: f"b'{text}'"), _NO_BASE64),
    FileAlike("has base64, in front", _spelling(lambda text: f"base64,{text}"), _NO_BASE64),
    FileAlike("has a data: prefix", _spelling(lambda text: f"data:audio/mp4;base64,{text}"), _DATA_URL),
    FileAlike("has a data: prefix without a type", _spelling(lambda text: f"data:;base64,{text}"), _DATA_URL),
    FileAlike("has a data: prefix in capitals", _spelling(lambda text: f"DATA:audio/mp4;base64,{text}"), _DATA_URL),
    FileAlike(
        "is encoded twice",
        _spelling(lambda text: base64.b64encode(text.encode()).decode()),
        ("other_format", "unknown"),
    ),
    FileAlike("is cut off in the middle", _cut_off, ("cut_off", "m4a")),
    *(FileAlike(f"is the same sound as {name}", partial(_of_format, name), ("other_format", name)) for name in FOREIGN),
)
"""For a file in Base64."""

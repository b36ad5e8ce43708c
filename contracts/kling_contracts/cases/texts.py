"""Texts of a case's own: ids, URLs and files that are made for one field and differ from case to case."""

import base64
import sys
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

from kling_contracts.cases.drawing import Values
from kling_contracts.cases.items import place_of
from kling_contracts.cases.model import Model
from kling_contracts.facts.made_files import BARE_MP3_FRAMES, CUT_OFF_BYTES, OTHER_BYTES, OTHER_FORMATS
from kling_contracts.facts.made_worlds import FLAGGED_WORD
from kling_contracts.facts.ways import OwnText
from kling_contracts.media import silent_audio
from kling_contracts.media.audio_flavours import FLAVOURS, flavoured

Write = Callable[[Values, int], str]
"""Takes the drawn numbers and one that tells cases apart, and returns a text."""

_FILES: Final = ("base64", "huge")
"""Kinds of texts that are files of a drawn length."""
NUMBERS: Final = 1000
"""How many different ids each field has."""
URLS: Final[Mapping[str, str]] = {
    "is a URL that ends with .mp3": "https://files.example/{}-{}.mp3",
    "is a URL without an ending": "http://files.example/{}-{}",
    "is a URL whose scheme is in capitals": "HTTPS://files.example/{}-{}.ogg",
    "is a URL with a query and a fragment": "https://files.example/{}-{}?name=a.flac#t=1",
    "is a URL with a port": "https://files.example:8443/{}-{}.MP3",
    "is a URL in Chinese": "https://files.example/声音/{}-{}.mp3",
}
"""Spellings of a URL, which follow each other from case to case. A file's format is that of its content alone."""
_LETTERS: Final = "qzxvkjwyubhgmlpfdncroaietsQZXVKJWYUBHGMLPFDNCROAIETS"
_DIGITS: Final = 6
"""From so many digits on, an example is taken for a number that counts up."""


class OwnTexts:
    """Writes the own texts of one operation's fields."""

    def __init__(self, model: Model) -> None:
        self._ids: dict[str, Write] = {}
        taken = set(model.literals)
        begun = {text[0] for text in model.literals if text}
        letters = [one for one in _LETTERS if one not in begun] or list(_LETTERS)
        self._letters = letters
        self._nodes = list(model.fields)
        for node, field in model.fields.items():
            example = _example(model.operation.example, field.path)
            is_new = isinstance(example, str) and example not in taken
            if is_new and example.isdecimal() and len(example) >= _DIGITS:
                self._ids[node] = _counting(int(example))
            elif is_new and example and "://" not in example and node in model.facts.fields():
                self._ids[node] = _mostly(example)
            else:
                self._ids[node] = _named(node.rpartition(".")[2].removesuffix("[]"))
            taken.add(str(example))

        own = {choice.value for field in model.fields.values() for choice in field.sound}
        plain = [text for text in own if isinstance(text, OwnText) and text.kind not in (*_FILES, *_FIXED)]
        self.plain: Mapping[str, Write] = {key_of(text): self.write(text, False, False) for text in plain}
        """The writers of texts that hang on nothing but the number that tells cases apart."""
        self.by_number = _ByNumber(self.plain)

    def write(self, text: OwnText, is_sized: bool, is_padded: bool) -> Write:
        """Return what writes a text; `is_sized`: to a drawn length, `is_padded`: a file of the drawn size in bytes."""
        field, place = place_of(text.field)
        name = field.rpartition(".")[2].removesuffix("[]")
        if text.kind in _FILES:
            size = f"{text.field}.size_bytes" if is_padded or text.kind == "huge" else ""
            kinds = flavours_of(text)
            return _file(text.detail, f"{text.field}.duration_ms", size, len(kinds))
        same = fixed(text)
        if same is not None:
            return lambda values, number: same
        if text.kind == "url":
            plain, head = _url(f"{name}-{place}" if place else name), f"https://files.example/{place or ''}"
        else:
            plain = _named(f"{name}-{place}") if place else self._ids[field]
            head = self._letters[(self._nodes.index(field) + place * len(self._nodes)) % len(self._letters)]
            if text.kind == "flagged":
                plain, head = _flagged(plain), FLAGGED_WORD
        length = f"{text.field}.length"
        # A short text must not come to the same as one that a rule names.
        return (
            (lambda values, number: f"{head}{number}".ljust(values[length], "x")[: values[length]])
            if is_sized
            else plain
        )


class _ByNumber(dict[int, Values]):
    """Every text that hangs on a number alone, by that number, which is `n`; kept once it was asked for."""

    def __init__(self, writers: Mapping[str, Write]) -> None:
        self._writers = writers

    def __missing__(self, number: int) -> Values:
        written = {key: write({}, number) for key, write in self._writers.items()}
        self[number] = {**written, "n": number}
        return self[number]


def key_of(text: OwnText) -> str:
    """Return the name under which a text stands among the drawn values."""
    return sys.intern(f"{text.field}|{text.kind}|{text.detail}")


@cache
def fixed(text: OwnText) -> str | None:
    """Return a text that is the same in every case; None for any other."""
    return _FIXED[text.kind](text.detail) if text.kind in _FIXED else None


def _counting(first: int) -> Write:
    return lambda values, number: str(first + number)


def _mostly(example: str) -> Write:
    """Return an example, and other numbers: an id that is a small number may be any."""
    is_number = example.lstrip("-").isdecimal()
    return lambda values, number: str(10 + number) if is_number and number % 3 else example


def _named(name: str) -> Write:
    return lambda values, number: f"{name}-{number}"


def _url(name: str) -> Write:
    spellings = tuple(URLS.values())
    return lambda values, number: spellings[number % len(spellings)].format(name, number)


def _flagged(plain: Write) -> Write:
    return lambda values, number: f"{FLAGGED_WORD} {plain(values, number)}"


def flavours_of(text: OwnText) -> tuple[str, ...]:
    """Return the flavours of a file, which follow each other from case to case; empty where there is no choice."""
    return tuple(one.says for one in FLAVOURS[text.detail]) if text.kind == "base64" else ()


def _file(audio_format: str, duration: str, size: str, flavours: int) -> Write:
    def write(values: Values, number: int) -> str:
        flavour = number % flavours if flavours else 0
        size_bytes = values[size] if size else None
        # Files of megabytes are few, and to keep hundreds of them would take a gigabyte.
        made = _kept if size_bytes is None or size_bytes <= MAX_KEPT_BYTES else _made
        return made(audio_format, flavour, values[duration], size_bytes)

    return write


def _made(audio_format: str, flavour: int, duration_ms: int, size_bytes: int | None) -> str:
    return _encoded(flavoured(audio_format, flavour, duration_ms, size_bytes))


MAX_KEPT_BYTES: Final = 65_536
"""Bytes of a file that is kept for the next case with the same one."""
_kept = lru_cache(maxsize=512)(_made)


def _example(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


_VOICE_MS: Final = 3000
_FIXED: Final[Mapping[str, Callable[[str], str]]] = {
    "cut_off": lambda made: _encoded(silent_audio.make(made, _VOICE_MS)[: CUT_OFF_BYTES[made]]),
    "bare_mp3": lambda _: _encoded(silent_audio.bare_mp3(BARE_MP3_FRAMES)),
    "other_format": lambda name: _encoded(OTHER_FORMATS[name].ljust(OTHER_BYTES, b"\0")),
    "data_url": lambda _: f"data:audio/mp4;base64,{_encoded(silent_audio.m4a(_VOICE_MS))}",
    "other": lambda _: "my voice, please",
}
"""Texts that are the same in every case."""

"""Texts that are nearly Base64: what is wrong with one, in words, with the place and the character."""

import re
import unicodedata
from typing import Final

_ALPHABET: Final = r"[A-Za-z0-9+/]*"
_PYTHON_BYTES: Final = r"""b(["']).*\1\s*"""
_DATA_URL: Final = r"data:[^,]{0,200},"
_SCHEME: Final = r"([A-Za-z][A-Za-z0-9+.-]{0,20})://"
_FILE_NAME: Final = r"[^\n]{0,300}\.(?:mp3|wav|m4a|aac|ogg|flac|mp4|mov)"
_NAMES: Final = {
    "\n": "a line break",
    "\r": "a line break",
    " ": "a space",
    "\t": "a tab",
    "-": '"-" of the URL-safe alphabet',
    "_": '"_" of the URL-safe alphabet',
    "%": '"%", as in a percent-encoded text',
    "\\": "a backslash",
    '"': "a quotation mark",
    "'": "a quotation mark",
    "\ufeff": "a byte order mark",
}


def wrong_with(text: str) -> str:
    """Return what keeps a text from being Base64 (RFC 4648, section 4); empty where nothing does.

    Characters are counted from 1.
    """
    return other_spelling(text) or _wrong_character(text) or _wrong_length(text)


def other_spelling(text: str) -> str:
    """Return what else a text is: a data: URL, a URL of another scheme, Python's own bytes, the name of a file."""
    data_url = re.match(_DATA_URL, text, re.IGNORECASE)
    if data_url:
        return f"a data: URL: the Base64 begins behind the comma, at character {data_url.end() + 1}"
    scheme = re.match(_SCHEME, text)
    if scheme:
        return f"a URL of the scheme {scheme[1]}, which is neither http nor https"
    if re.fullmatch(_PYTHON_BYTES, text, re.DOTALL):
        return f"the text {text[:2]}…{text[1]} of a Python bytes object, at character 1: decode() it before it is sent"
    if re.fullmatch(_FILE_NAME, text, re.IGNORECASE):
        return "the name of a file, not its content"
    return ""


def _wrong_character(text: str) -> str:
    plain = re.match(_ALPHABET, text)
    at = plain.end() if plain else 0
    rest = text[at:]
    if not rest.strip("="):
        return ""
    if rest[0] == "=":
        behind = rest.lstrip("=")
        place = len(text) - len(behind) + 1
        return f"{_named(behind[0], behind)} at character {place}, behind the padding"
    return f"{_named(rest[0], rest)} at character {at + 1}"


def _named(character: str, rest: str) -> str:
    if rest.startswith(r"\n"):
        return 'a backslash and an "n", an escape of a line break,'
    name = _NAMES.get(character)
    if name:
        return name
    shown = f'"{character}"' if character.isprintable() else f"U+{ord(character):04X}"
    title = "" if character.isascii() else unicodedata.name(character, "").lower()
    return f"{shown} ({title})" if title else shown


def _wrong_length(text: str) -> str:
    bare = text.rstrip("=")
    given, wanted = len(text) - len(bare), -len(bare) % 4
    if len(bare) % 4 == 1:
        return f"its {len(bare)} characters cannot be Base64: the last one has been cut off, or one is too many"
    if given == wanted:
        return ""
    if not given:
        return f'the padding is missing: "{"=" * wanted}" at the end'
    if not wanted:
        return f'there is padding, "{"=" * given}" at the end, where none is needed'
    return f'the padding is wrong: "{"=" * given}" at the end instead of "{"=" * wanted}"'

"""Texts in characters that the output can show."""

import re
import sys
from typing import Final

_DRAWN: Final = "├─┤│"
_ASCII: Final = str.maketrans(_DRAWN, "|-||")
_QUOTE: Final = r"(?m)^( *vendor: ).*?  (\(.*\))$"
"""A quoted sentence, with its meaning behind it."""


def showable(text: str) -> str:
    """Return a text that standard output can show: drawings in ASCII, of a quoted sentence its meaning alone.

    A sentence in Chinese would be a row of escapes. An output that can show all of a text gets it as it is.
    """
    if can_show(text):
        return text
    if not can_show(_DRAWN):
        text = text.translate(_ASCII)
    return re.sub(_QUOTE, lambda quote: quote[0] if can_show(quote[0]) else f"{quote[1]}{quote[2]}", text)


def can_show(text: str) -> bool:
    """Return whether standard output has all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True

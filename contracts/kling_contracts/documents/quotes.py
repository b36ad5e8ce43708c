"""Quotes compared with descriptions: width, white space and invisible characters make no difference.

The same sentence is published with full-width commas and brackets on one page and with ASCII ones on another; NFKC
(Unicode Standard Annex 15) maps both to the same characters.
"""

import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple


class FoldedText(NamedTuple):
    """A text without white space and differences of width."""

    text: str
    origins: tuple[int, ...]
    """For each character of `text`, the index of the original character that it comes from."""
    length: int
    """Characters of the original."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from `start` to before `end` stand in the original."""
        if start >= end:
            return self.length, self.length
        last = self.origins[end - 1] + 1
        return self.origins[start], last


@lru_cache(maxsize=1024)
def folded_text(text: str) -> FoldedText:
    """Return a text folded, with the way back to the original."""
    characters, origins = list[str](), list[int]()
    for start, end in _clusters(text):
        for character in unicodedata.normalize("NFKC", text[start:end]):
            if not is_blank(character):
                characters.append(character)
                origins.append(start)
    return FoldedText("".join(characters), tuple(origins), len(text))


def folded(text: str) -> str:
    """Return a text folded: two texts that differ in width or white space alone become equal."""
    return folded_text(text).text


def is_blank(character: str) -> bool:
    """Return whether a character cannot be seen: white space, or a format character such as U+200B."""
    return character.isspace() or unicodedata.category(character) in ("Cf", "Cc")


def holds_quote(description: object, quote: str) -> bool:
    """Return whether a description holds a quote. An empty quote says nothing, and is never held."""
    return isinstance(description, str) and bool(folded(quote)) and folded(quote) in folded(description)


def find_quote(description: str, quote: str) -> tuple[int, int] | None:
    """Return from where to where the first occurrence of a quote stands in a description; None where it does not."""
    whole, part = folded_text(description), folded(quote)
    start = whole.text.find(part) if part else -1
    return whole.span(start, start + len(part)) if start >= 0 else None


def _clusters(text: str) -> list[tuple[int, int]]:
    """Return the ranges of base characters, each with the marks that combine with it."""
    starts = [index for index, one in enumerate(text) if not index or not unicodedata.combining(one)]
    return [*pairwise([*starts, len(text)])]

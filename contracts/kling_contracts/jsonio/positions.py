"""The position of each value of a JSON text, by JSON Pointer: for reports that lead to a line of a file."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from kling_contracts.jsonio.json_pointer import pointer

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Position(NamedTuple):
    """Line and column of a value, from 1; a column counts characters."""

    line: int
    column: int


def nearest(positions: Mapping[str, Position], place: str) -> Position:
    """Return where the value of a JSON Pointer stands or, where nothing stands there, the nearest value above it."""
    while place and place not in positions:
        place = place.rpartition("/")[0]
    return positions.get(place, Position(1, 1))


def positions_of(content: bytes) -> dict[str, Position]:
    """Return the position of every value by its JSON Pointer.

    `content` is what `strict_json.decode` has taken; of anything else the result means nothing.
    """
    text = content.decode("utf-8-sig")
    offsets = dict(_offsets(text))
    return dict(zip(offsets, _positions(text, offsets.values()), strict=True))


def _offsets(text: str) -> Iterator[tuple[str, int]]:
    """Yield the pointer of each value and the offset of its first character, in their order in the text."""
    path: list[str | int] = []
    # For each open object and array: whether it is an object.
    objects: list[bool] = []
    key_comes = False
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in "}]":
            objects.pop()
            path.pop()
            key_comes = False
        elif word == ",":
            key_comes = objects[-1]
            if not key_comes:
                path[-1] = int(path[-1]) + 1
        elif word == ":":
            key_comes = False
        elif key_comes:
            path[-1] = json.loads(word)
        else:
            yield pointer(path), token.start()
            if word in "{[":
                objects.append(word == "{")
                path.append(0)
                key_comes = word == "{"


def _positions(text: str, offsets: Iterable[int]) -> Iterator[Position]:
    line, begins = 1, 0
    for before, offset in pairwise((0, *offsets)):
        breaks = text.count("\n", before, offset)
        if breaks:
            line += breaks
            begins = text.rindex("\n", before, offset) + 1
        yield Position(line, offset - begins + 1)

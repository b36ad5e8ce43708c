"""Places in an answer, as JSON Pointers (RFC 6901); `-` stands for every item of an array."""

from collections.abc import Iterator, Mapping
from typing import Any, Final


class _Nothing:
    """Stands for what the documents say nothing about."""


NOTHING: Final = _Nothing()
EVERY: Final = "-"
"""In a JSON Pointer, every item of an array."""


def value_at(value: Any, where: str) -> Any:
    """Return what stands at a JSON Pointer; `NOTHING` where nothing does."""
    for step in where.split("/")[1:]:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return NOTHING
    return value


def is_at(value: Any, where: str) -> bool:
    """Return whether anything stands at a JSON Pointer."""
    return value_at(value, where) is not NOTHING


def places(value: Any, pattern: str) -> Iterator[str]:
    """Yield the JSON Pointers that one with `-` stands for in a value, one for each item; any other as it is."""
    before, every, after = pattern.partition(f"/{EVERY}/")
    items = value_at(value, before) if every else NOTHING
    if not every:
        yield pattern
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from (f"{before}/{index}{inner}" for inner in places(item, f"/{after}"))

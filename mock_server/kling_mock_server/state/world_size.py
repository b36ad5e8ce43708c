"""The size of a world that a caller may put: what it costs to read and to write is bounded by its entries."""

from collections.abc import Mapping
from typing import Any, Final

MAX_ENTRIES: Final = 20_000
"""Entries of a world: those of its tables, and the faces of each. Ids and words are not counted: they cost little."""
_MAX_MEMBERS: Final = 100
"""Members of an entry that are not counted: no entry has so many."""


def refuse_large(world: Any) -> None:
    """Raise `ValueError` where the JSON form of a world, right or wrong, has more than `MAX_ENTRIES` entries."""
    if not isinstance(world, dict):
        return
    counts = {str(name): _size(table) for name, table in world.items() if isinstance(table, dict)}
    entries = sum(counts.values()) + max(0, len(world) - _MAX_MEMBERS)
    if entries > MAX_ENTRIES:
        largest = sorted(counts.items(), key=lambda count: -count[1])[:3]
        where = ", ".join(f"{name[:40]} {count}" for name, count in largest) or "unknown members"
        raise ValueError(f"a world has at most {MAX_ENTRIES} entries, faces included, and this one {entries}: {where}")


def _size(table: Mapping[str, Any]) -> int:
    return len(table) + sum(_nested(entry) for entry in table.values() if isinstance(entry, dict))


def _nested(entry: Mapping[str, Any]) -> int:
    members = sum(len(member) for member in entry.values() if isinstance(member, dict))
    return members + max(0, len(entry) - _MAX_MEMBERS)

"""A value some of whose fields broke a keyword: to a rule that reads them they are unknown."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from kling_contracts.unknown import Unknown, UnknownFactError


class PartlyUnknown(dict[str, Any]):
    """An object some of whose fields broke a keyword: whether one of those is there, and what it is, is unknown."""

    __slots__ = ("unknown",)

    def __init__(self, value: Mapping[str, Any], unknown: Mapping[str, Unknown]) -> None:
        super().__init__(value)
        self.unknown = unknown

    def __getitem__(self, name: str) -> Any:
        if name in self.unknown:
            raise UnknownFactError(self.unknown[name].reason)
        return super().__getitem__(name)

    def replaced(self, name: str, by: Any) -> "PartlyUnknown":
        """Return the object with another value in one field."""
        return PartlyUnknown({**self, name: by}, self.unknown)

    def __contains__(self, name: object) -> bool:
        if name in self.unknown:
            raise UnknownFactError(self.unknown[str(name)].reason)
        return super().__contains__(name)


@lru_cache(maxsize=256)
def refused_among(refused: frozenset[str], fields: tuple[str, ...]) -> frozenset[str]:
    """Return the refused fields that a rule reads, or reads something within, as JSON Pointers."""
    if "" in refused and fields:
        return refused
    deep = [field for field in fields if "/" in field[1:]]
    within = [one for one in refused if any(field.startswith(f"{one}/") for field in deep)] if deep else ()
    return refused.intersection(fields).union(within)


def with_unknowns(value: Any, refused: Collection[str], path: str) -> Any:
    """Return a value in which the refused fields are unknown; `refused` are JSON Pointers from the value."""
    if "" in refused:
        return Unknown(f"{path} is itself refused")
    if not isinstance(value, dict):
        return value
    below: dict[str, list[str]] = {}
    for one in refused:
        name, _, rest = one[1:].partition("/")
        below.setdefault(name, []).append(f"/{rest}" if rest else "")
    unknown, changed = {}, {}
    for name, pointers in below.items():
        inner = with_unknowns(value.get(name), pointers, f"{path}/{name}")
        if isinstance(inner, Unknown):
            unknown[name] = inner
        else:
            changed[name] = inner
    known = {name: inner for name, inner in changed.items() if name in value}
    return PartlyUnknown({**value, **known}, unknown)

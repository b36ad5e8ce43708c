"""Ways: what can stand in a field together with what the world then holds for it.

Numbers are left open: an `Amount` names one, and whoever solves the rules finds its value.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from kling_contracts.facts.made_worlds import ELSEWHERE, KINDS
from kling_contracts.facts.world import NESTED_TABLES
from kling_contracts.unknown import Unknown


class Amount(NamedTuple):
    """A number that is still open: one variable, less another where `minus` names one."""

    name: str
    minus: str = ""


class OwnText(NamedTuple):
    """A text made for one field: it equals no literal and no text of another field."""

    field: str
    kind: str = "id"
    """`id`, `url`, `base64`, `flagged`: how it is written."""
    detail: str = ""
    """For Base64: the format of the file and whether it decodes."""


Entry = Mapping[str, Any]
"""Attributes of the entry behind a fact: an `Amount`, a text, a bool; what is left out is unknown."""


class Bound(NamedTuple):
    """``low <= name - minus`` and, where `high` is given, ``name - minus <= high``."""

    name: str
    low: int
    high: int | None = None
    minus: str = ""


class Way(NamedTuple):
    """One thing that can stand in a field, and what the world holds for it."""

    says: str
    """Completes "the field …": is known, leads to a wav file."""
    text: str | OwnText
    entries: Mapping[str, Entry | Unknown]
    """The result of each fact on that field."""
    bounds: tuple[Bound, ...] = ()
    """Inequalities that its numbers satisfy, whatever the rules say."""


class Needs(NamedTuple):
    """The attributes of one entry that rules read."""

    numbers: tuple[str, ...]
    flags: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    """By attribute, the texts that matter and one that does not."""
    smaller: tuple[tuple[str, ...], ...]


class Recipe(NamedTuple):
    """The tools with which a provider makes what can stand in the field of one fact."""

    fact: str
    """Name of the fact."""
    field: str
    needs: Needs
    largest: int | None
    """The most bytes that the rules allow a file; None where no rule does."""

    def own(self, kind: str, detail: str = "") -> OwnText:
        """Return a text of the field's own."""
        return OwnText(self.field, kind, detail)

    def amount(self, name: str) -> Amount:
        """Return an open number of the entry."""
        return Amount(f"{self.field}.{name}")

    def way(
        self, says: str, text: str | OwnText, entry: Entry | Unknown, bounds: tuple[tuple[Any, ...], ...] = ()
    ) -> Way:
        """Return a way; `bounds` are those of `Bound`, as tuples."""
        return Way(says, text, {self.fact: entry}, tuple(Bound(*bound) for bound in bounds))

    def elsewhere(self, table: str) -> str:
        """Return an id that only the entries around the made one have; empty where there is none."""
        return ELSEWHERE.get(table, "")

    def entries(self, table: str) -> Iterator[tuple[Entry, str, tuple[Bound, ...]]]:
        """Yield the entries that a table may hold: every flag, every text that matters, which side is smaller."""
        needs = self.needs
        numbers: dict[str, Any] = {key: self.amount(key) for key in needs.numbers}
        bounds = tuple(Bound(number.name, MIN_OF.get(key, 0), MAX_OF.get(key)) for key, number in numbers.items())
        flags: list[Any] = [[(flag, value) for value in (False, True)] for flag in needs.flags]
        texts: list[Any] = [[(key, text) for text in options] for key, options in needs.texts.items()]
        sides: list[Any] = [[(pair, chosen) for chosen in pair] for pair in needs.smaller]
        kinds: list[Any] = [[(table, kind) for kind in KINDS[table]]] if table in KINDS else []
        options: list[list[tuple[Any, Any]]] = [*flags, *texts, *sides, *kinds]
        for chosen in product(*options):
            entry, more = dict(numbers), []
            for key, value in chosen:
                if key == table:
                    entry |= KINDS[table][value]
                elif isinstance(key, tuple):
                    other = key[1] if value == key[0] else key[0]
                    entry[smaller_of(key)] = numbers[value]
                    more.append(Bound(numbers[other].name, 0, None, numbers[value].name))
                else:
                    entry[key] = value
            says = ", ".join(_said(key, value) for key, value in chosen)
            yield entry, f" ({says})" if says else "", (*bounds, *more)


def smaller_of(names: tuple[str, ...]) -> str:
    """Return the name under which an entry holds the smaller of two of its numbers."""
    return f"smaller:{':'.join(names)}"


def _said(key: Any, value: Any) -> str:
    if isinstance(key, tuple):
        return f"{value} the smaller"
    if key in KINDS:
        return str(value)
    return f"{key} {value}" if isinstance(value, str) else key if value else f"not {key}"


MIN_OF: Final[Mapping[str, int]] = {"created_ms": -500}
"""By attribute, the least that a made entry has, where that is not 0: an age in ms, as clocks differ a little."""
MAX_OF: Final[Mapping[str, int]] = {"created_ms": 10**12, **dict.fromkeys(NESTED_TABLES, 20)}
"""By attribute, the most that a made entry has: an age in ms that keeps its time above 0, a number of entries."""

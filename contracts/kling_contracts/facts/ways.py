"""Ways: what can stand in a field together with what the world then holds for it.

Numbers are left open: an `Amount` names one, and whoever solves the rules finds its value.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, product
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


class Option(NamedTuple):
    """One of several things that an entry may hold, where rules tell them apart."""

    says: str
    members: Entry
    bounds: tuple[Bound, ...] = ()


class Recipe(NamedTuple):
    """The tools with which a provider makes what can stand in the field of one fact."""

    fact: str
    """Name of the fact."""
    field: str
    numbers: tuple[str, ...]
    """The numbers of its entry that rules read."""
    options: tuple[tuple[Option, ...], ...]
    """Lists of which an entry holds one option each."""
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
        numbers: dict[str, Any] = {name: self.amount(name) for name in self.numbers}
        bounds = [Bound(number.name, MIN_OF.get(name, 0), MAX_OF.get(name)) for name, number in numbers.items()]
        kinds = [tuple(Option(says, members) for says, members in KINDS[table].items())] if table in KINDS else []
        for chosen in product(*self.options, *kinds):
            entry = {**numbers, **dict(chain.from_iterable(one.members.items() for one in chosen))}
            says = ", ".join(one.says for one in chosen)
            own = chain.from_iterable(one.bounds for one in chosen)
            yield entry, f" ({says})" if says else "", (*bounds, *own)


MIN_OF: Final[Mapping[str, int]] = {"created_ms": -500}
"""By attribute, the least that a made entry has, where that is not 0: an age in ms, as clocks differ a little."""
MAX_OF: Final[Mapping[str, int]] = {"created_ms": 10**12, **dict.fromkeys(NESTED_TABLES, 20)}
"""By attribute, the most that a made entry has: an age in ms that keeps its time above 0, a number of entries."""

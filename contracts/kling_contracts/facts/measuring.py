"""Measuring the declared facts of one payload, or of one item of its array."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from kling_contracts.facts.compiling import MeasuringPlan, compiled_plan
from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.media import Media, size_limit
from kling_contracts.facts.provider import Entry
from kling_contracts.facts.sources import FactSources

_NO_FIELDS: Final[Mapping[str, Any]] = MappingProxyType({})


class CompiledFacts:
    """The facts of one operation. The measuring functions are compiled at first use; they may be shared by threads."""

    def __init__(self, declared: tuple[Fact, ...], limit_on: Callable[[str], int | None]) -> None:
        """`limit_on` returns the most that a rule allows a fact: a larger file is not looked into."""
        self.declared = declared
        self._limit_on = limit_on

    @cached_property
    def by_name(self) -> Mapping[str, Fact]:
        """The facts by name."""
        return MappingProxyType({fact.name: fact for fact in self.declared})

    def measure(self, payload: Any, sources: FactSources) -> "Measurement":
        """Measure the facts of a payload; those of an item are unknown until `of_item`."""
        return Measurement(self, payload, sources)

    def largest(self, holds: str) -> int | None:
        """Return the size in bytes that a rule allows a file that holds `audio` or `video`; None where no rule does."""
        media = [fact for fact in self.declared if isinstance(fact.provider, Media) and fact.provider.holds == holds]
        sizes = [size_limit(fact.name, fact.members, self._limit_on) for fact in media]
        return max((size for size in sizes if size is not None), default=None)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The place of each fact in a record."""
        return MappingProxyType({fact.name: index for index, fact in enumerate(self.declared)})

    @cached_property
    def plan(self) -> "MeasuringPlan":
        """The compiled measuring functions."""
        return compiled_plan(self.declared, self._limit_on)


class Measurement:
    """The values that the sources give for one payload."""

    __slots__ = ("_entries", "_fields", "_plan", "_positions", "_sources", "arrays", "facts")

    def __init__(self, compiled: CompiledFacts, payload: Any, sources: FactSources) -> None:
        plan = self._plan = compiled.plan
        self._positions = compiled.positions
        self._sources = sources
        self._fields = payload if isinstance(payload, dict) else _NO_FIELDS
        self.facts, self._entries = plan.of_payload(self._fields, sources)
        self.arrays: Collection[str] = plan.of_items
        """The arrays whose items have facts of their own."""

    def of_item(self, array: str, item: Any) -> Any:
        """Return the facts of the payload with those of one item of an array."""
        fields = item if isinstance(item, dict) else _NO_FIELDS
        return self._plan.of_items[array](self._fields, self._sources, fields, self.facts, self._entries)

    def entry(self, name: str) -> Entry:
        """Return the world's own entry behind a fact of the whole payload; `Unknown` where there is none."""
        return self._entries[self._positions[name]]

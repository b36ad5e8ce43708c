"""Measuring the declared facts of one payload, or of one item of its array."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from kling_contracts.facts.compiling import FactWriter
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
        self.by_name: Mapping[str, Fact] = MappingProxyType({fact.name: fact for fact in declared})
        self.arrays = tuple(dict.fromkeys(fact.array for fact in declared if fact.array))
        """The arrays whose items have facts of their own."""

    def measure(self, payload: Any, sources: FactSources) -> "Measurement":
        """Return what measures the facts of a payload when they are asked for."""
        return Measurement(self, payload, sources)

    def named_in(self, payload: Any) -> list[tuple[str, str]]:
        """Return the table and the key of every entry of the world that the facts of a payload depend on."""
        return self._naming(payload if isinstance(payload, dict) else _NO_FIELDS)

    def largest(self, holds: str) -> int | None:
        """Return the size in bytes that a rule allows a file that holds `audio` or `video`; None where no rule does."""
        media = [fact for fact in self.declared if isinstance(fact.provider, Media) and fact.provider.holds == holds]
        sizes = [size_limit(fact.name, fact.members, self._limit_on) for fact in media]
        return max((size for size in sizes if size is not None), default=None)

    def writer(self) -> FactWriter:
        """Return what writes the code that measures."""
        return FactWriter(self.declared, self._limit_on)

    @cached_property
    def _naming(self) -> Callable[[Mapping[str, Any]], list[tuple[str, str]]]:
        named: Callable[[Mapping[str, Any]], list[tuple[str, str]]] = self.writer().naming()
        return named

    @cached_property
    def of_payload(self) -> Callable[[Mapping[str, Any], FactSources], tuple[Any, tuple[Entry, ...]]]:
        """Takes a payload and the sources; returns the record of all facts, and the entries that they are about."""
        measured: Callable[[Mapping[str, Any], FactSources], tuple[Any, tuple[Entry, ...]]] = self.writer().of_payload()
        return measured

    @cached_property
    def of_items(self) -> Mapping[str, Callable[..., Any]]:
        """By array: takes payload, sources, item, and the record and entries of the payload; returns the record."""
        return {array: self.writer().of_item(array) for array in self.arrays}


class Measurement:
    """The values that the sources give for one payload, each measured once: a URL is fetched only once."""

    __slots__ = ("_compiled", "fields", "items", "sources", "whole")

    def __init__(self, compiled: CompiledFacts, payload: Any, sources: FactSources) -> None:
        self._compiled = compiled
        self.sources = sources
        self.fields: Mapping[str, Any] = payload if isinstance(payload, dict) else _NO_FIELDS
        self.whole: tuple[Any, tuple[Entry, ...]] | None = None
        """The facts of the whole payload and the entries that they are about; None: not yet measured."""
        self.items: dict[str, list[Any]] = {}
        """By array: the facts of its first items, as far as they are measured already."""

    @property
    def facts(self) -> Any:
        """The facts of the whole payload; those of an item are unknown."""
        return self._measured()[0]

    @property
    def reported(self) -> tuple[Any, ...]:
        """The facts of each item that was judged where facts hang on items, else those of the whole payload."""
        return tuple(chain.from_iterable(self.items.values())) if self.arrays else (self.facts,)

    @property
    def arrays(self) -> Collection[str]:
        """The arrays whose items have facts of their own."""
        return self._compiled.arrays

    def of_item(self, array: str, item: Any) -> Any:
        """Return the facts of the payload with those of one item of an array."""
        facts, entries = self._measured()
        fields = item if isinstance(item, dict) else _NO_FIELDS
        return self._compiled.of_items[array](self.fields, self.sources, fields, facts, entries)

    def of_next_item(self, array: str, index: int, item: Any) -> Any:
        """Return the same for the item at an index, the next one that is judged, and keep it."""
        kept = self.items.setdefault(array, [])
        if index == len(kept):
            kept.append(self.of_item(array, item))
        return kept[index]

    def entry(self, name: str) -> Entry:
        """Return the world's own entry behind a fact of the whole payload; `Unknown` where there is none."""
        return self._measured()[1][list(self._compiled.by_name).index(name)]

    def _measured(self) -> tuple[Any, tuple[Entry, ...]]:
        if self.whole is None:
            self.whole = self._compiled.of_payload(self.fields, self.sources)
        return self.whole

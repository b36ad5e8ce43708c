"""Compiles the declared facts of one operation to Python functions: for a payload, and for an item of an array.

Judging measures all facts of every payload. Written out as one function they cost a third of what a chain of closures
does.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.file_content import URL
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.media import Media
from kling_contracts.facts.members import NOT_MEASURED
from kling_contracts.facts.provider import (
    NO_SUCH_ID,
    Draft,
    entry_variable,
    indented,
    member_variable,
    unknown_variable,
)
from kling_contracts.facts.sources import NO_WORLD
from kling_contracts.jsonio.keywords import MAX_ITEMS
from kling_contracts.unknown import Absent, NotGiven, Unknown, Unusable

_NAMES: Final[Mapping[str, Any]] = {
    "new": tuple.__new__,
    **{one.__name__: one for one in (any, dict, isinstance, len, list, min, str, tuple, type)},
    **{one.__name__: one for one in (Absent, NotGiven, Unknown, Unusable)},
    "NOT_MEASURED": NOT_MEASURED,
    "NO_SUCH_ID": NO_SUCH_ID,
    "NO_WORLD": NO_WORLD,
    "is_url": URL.match,
    "__builtins__": {},
}
"""Names that the generated code may use, beside those bound for it."""


class FactWriter:
    """Writes the code that measures facts.

    It reads the variables `payload`, `sources` and `world`, and `item` where it measures what hangs on one. Each fact
    is then in the variables of its `Draft`. Its record costs as much again: `records` make it where one is wanted.
    """

    def __init__(self, facts: tuple[Fact, ...], limit_on: Callable[[str], int | None]) -> None:
        self._facts = facts
        self._limit_on = limit_on
        self.names: dict[str, Any] = dict(_NAMES)
        """The names that the code uses."""
        names = tuple(fact.name for fact in facts)
        self._types = {fact.name: self._bind(_record_type(fact.name, _names(fact.members))) for fact in facts}
        self._records = _tuple(f"fact_{name}" for name in names)
        self.record = f"new({self._bind(_record_type('Facts', names))}, {self._records})"
        """The expression that is the record of all facts, after `records`."""
        self.entries = _tuple(map(entry_variable, names))
        """The expression that is the entries that the facts are about."""

    def of_payload(self) -> Any:
        """Return the function that takes a payload and sources and measures what hangs on no item.

        It returns the record of all facts, and the entries that they are about.
        """
        lines = [*self.whole(), *self.records(), f"return {self.record}, {self.entries}"]
        return self._function("payload, sources", ["world = sources.world", *lines])

    def of_item(self, array: str) -> Any:
        """Return the function that measures what hangs on one item of an array, and returns the record of all facts.

        It takes payload, sources, item, and the record and the entries of the payload.
        """
        given = ["world = sources.world", f"{self._records} = facts", f"{self.entries} = entries"]
        lines = [*given, *self.item(array), *self.records(array), f"return {self.record}"]
        return self._function("payload, sources, item, facts, entries", lines)

    def naming(self) -> Any:
        """Return the function that takes a payload and returns the table and the key of every entry of the world that
        its facts depend on. Every request asks: a loop would cost thrice."""
        named = [fact.provider for fact in self._facts if isinstance(fact.provider, Lookup | Media)]
        outer = [provider for provider in named if not (isinstance(provider, Lookup) and provider.inside)]
        lines = ["found = []"]
        for array in sorted({provider.field.array for provider in outer}):
            keys = [line for one in outer if one.field.array == array for line in _naming(one, array)]
            if array:
                lines.append(f"items = payload.get({array!r})")
                lines.append(f"for item in items[:{MAX_ITEMS}] if isinstance(items, (list, tuple)) else ():")
                lines += indented(["if isinstance(item, dict):", *indented(keys)])
            else:
                lines += keys
        return self._function("payload", [*lines, "return found"])

    def whole(self) -> Iterator[str]:
        """Yield what measures the facts that hang on no item; the others are unknown."""
        for fact in self._facts:
            if fact.array:
                outside = self._bind(Unknown(f"it belongs to one item of {fact.array}"))
                yield f"{entry_variable(fact.name)} = {outside}; {unknown_variable(fact.name)} = True"
            else:
                yield from self._measure(fact)

    def item(self, array: str) -> Iterator[str]:
        """Yield what measures the facts that hang on an item of an array, after `whole`."""
        for fact in self._facts:
            if fact.array == array:
                yield from self._measure(fact)

    def records(self, array: str = "") -> Iterator[str]:
        """Yield what makes the records of all facts, or of those that hang on an item of an array."""
        for fact in self._facts:
            if not array or fact.array == array:
                members = _tuple(member_variable(fact.name, name) for name in _names(fact.members))
                made = f"new({self._types[fact.name]}, {members})"
                yield f"fact_{fact.name} = {entry_variable(fact.name)} if {unknown_variable(fact.name)} else {made}"

    def _measure(self, fact: Fact) -> Iterator[str]:
        fields = "item" if fact.field and fact.field.array else "payload"
        return fact.provider.code(Draft(fact.name, fact.members, fields, self._bind, self._limit_on))

    def _bind(self, value: object) -> str:
        name = f"bound{len(self.names)}"
        self.names[name] = value
        return name

    def _function(self, parameters: str, lines: list[str]) -> Any:
        body = "\n".join(indented(lines))
        exec(compile(f"def measure({parameters}):\n{body}", "<facts>", "exec"), self.names)
        return self.names["measure"]


def _naming(provider: Lookup | Media, array: str) -> Iterator[str]:
    yield f"key = {'item' if array else 'payload'}.get({provider.field.name!r})"
    # A text that is no URL is the file itself, and may be megabytes long.
    is_key = f"isinstance(key, str){' and is_url(key)' if isinstance(provider, Media) else ''}"
    yield f"if {is_key}: found.append(({provider.table!r}, key))"


def _names(members: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(member.name for member in members)


def _tuple(expressions: Any) -> str:
    return f"({''.join(f'{expression}, ' for expression in expressions)})"


@cache
def _record_type(name: str, members: tuple[str, ...]) -> Any:
    """Return the immutable record type of a fact with these members."""
    return namedtuple(name, members)

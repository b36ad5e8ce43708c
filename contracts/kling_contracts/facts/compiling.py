"""Compiles the declared facts of one operation to two Python functions: for a payload, and for an item of an array.

Judging measures all facts of every payload. Written out as one function they cost a third of what a chain of closures
does.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.members import NOT_MEASURED, record_type
from kling_contracts.facts.provider import NO_SUCH_ID, Draft, Entry, indented, member_variable, unknown_variable
from kling_contracts.facts.sources import NO_WORLD, FactSources
from kling_contracts.unknown import Absent, NotGiven, Unknown, Unusable

LimitOn = Callable[[str], int | None]


class MeasuringPlan(NamedTuple):
    """The measuring functions of one operation's facts."""

    of_payload: Callable[[Mapping[str, Any], FactSources], tuple[Any, tuple[Entry, ...]]]
    """Takes the payload and the sources; returns the record of all facts, and the entries that they are about."""
    of_items: Mapping[str, Callable[..., Any]]
    """By array: takes payload, sources, item, and the record and entries of the payload; returns the record of all."""


_NAMES: Final = {
    "new": tuple.__new__,
    "isinstance": isinstance,
    "str": str,
    "type": type,
    "len": len,
    "min": min,
    "any": any,
    "Absent": Absent,
    "NotGiven": NotGiven,
    "Unknown": Unknown,
    "Unusable": Unusable,
    "NOT_MEASURED": NOT_MEASURED,
    "NO_SUCH_ID": NO_SUCH_ID,
    "NO_WORLD": NO_WORLD,
}
"""Names that the generated code may use, beside those bound for it."""


def compiled_plan(facts: tuple[Fact, ...], limit_on: LimitOn) -> MeasuringPlan:
    """Return what measures the facts of one operation."""
    writer = FactWriter(facts, limit_on)
    return MeasuringPlan(writer.of_payload(), {array: writer.of_item(array) for array in writer.arrays})


class FactWriter:
    """Writes the code that measures facts.

    It reads the variables `payload`, `sources` and `world`, and `item` where it measures what hangs on one. Each fact
    is then in the variables of its `Draft`. Its record costs as much again: `records` make it where one is wanted.
    """

    def __init__(self, facts: tuple[Fact, ...], limit_on: LimitOn) -> None:
        self._facts = facts
        self._limit_on = limit_on
        self._entries = {fact.name: f"entry_{fact.name}" for fact in facts}
        self._records = {fact.name: f"fact_{fact.name}" for fact in facts}
        self.names: dict[str, Any] = {**_NAMES, "__builtins__": {}}
        """The names that the code uses."""
        self._types = {fact.name: self._bind(_record_type(fact)) for fact in facts}
        self.arrays = tuple(dict.fromkeys(fact.array for fact in facts if fact.array))
        """The arrays whose items have facts of their own."""
        self.record = (
            f"new({self._bind(record_type('Facts', [fact.name for fact in facts]))}, ({_joined(self._records)}))"
        )
        """The expression that is the record of all facts, after `records`."""
        self.entries = f"({_joined(self._entries)})"
        """The expression that is the entries that the facts are about."""

    def of_payload(self) -> Any:
        """Return the function that measures what hangs on no item."""
        return self._function(
            "payload, sources", [*self.whole(), *self.records(), f"return {self.record}, {self.entries}"]
        )

    def of_item(self, array: str) -> Any:
        """Return the function that measures what hangs on one item of an array."""
        given = [f"({_joined(self._records)}) = facts", f"{self.entries} = entries"]
        lines = [*given, *self.item(array), *self.records(array), f"return {self.record}"]
        return self._function("payload, sources, item, facts, entries", lines)

    def whole(self) -> Iterator[str]:
        """Yield what measures the facts that hang on no item; the others are unknown."""
        for fact in self._facts:
            if fact.array:
                outside = self._bind(Unknown(f"it belongs to one item of {fact.array}"))
                yield f"{self._entries[fact.name]} = {outside}"
                yield f"{unknown_variable(fact.name)} = True"
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
                members = "".join(f"{member_variable(fact.name, member.name)}, " for member in fact.members)
                made = f"new({self._types[fact.name]}, ({members}))"
                record = f"{self._entries[fact.name]} if {unknown_variable(fact.name)} else {made}"
                yield f"{self._records[fact.name]} = {record}"

    def _measure(self, fact: Fact) -> Iterator[str]:
        field = fact.provider.field
        fields = "item" if field and field.array else "payload"
        return fact.provider.code(Draft(fact.name, fact.members, fields, self._entries, self._bind, self._limit_on))

    def _bind(self, value: object) -> str:
        name = f"bound{len(self.names)}"
        self.names[name] = value
        return name

    def _function(self, parameters: str, lines: list[str]) -> Any:
        body = "\n".join(indented(["world = sources.world", *lines]))
        exec(compile(f"def measure({parameters}):\n{body}", "<facts>", "exec"), self.names)
        return self.names["measure"]


def _record_type(fact: Fact) -> Any:
    return record_type(fact.name, [member.name for member in fact.members])


def _joined(variables: Mapping[str, str]) -> str:
    return "".join(f"{variable}, " for variable in variables.values())

"""Compiles the declared facts of one operation to two Python functions: for a payload, and for an item of an array.

Judging measures all facts of every payload. Written out as one function they cost a third of what a chain of closures
does.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.members import NOT_MEASURED, record_type
from kling_contracts.facts.provider import NO_SUCH_ID, Draft, Entry, indented
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
    code = _Code(facts, limit_on)
    arrays = dict.fromkeys(fact.array for fact in facts if fact.array)
    return MeasuringPlan(code.of_payload(), {array: code.of_item(array) for array in arrays})


class _Code:
    def __init__(self, facts: tuple[Fact, ...], limit_on: LimitOn) -> None:
        self._facts = facts
        self._limit_on = limit_on
        self._names: dict[str, object] = {**_NAMES, "__builtins__": {}}
        self._record = self._bind(record_type("Facts", [fact.name for fact in facts]))
        self._entries = {fact.name: f"entry{index}" for index, fact in enumerate(facts)}
        self._values = {fact.name: f"fact{index}" for index, fact in enumerate(facts)}

    def of_payload(self) -> Any:
        """Return the function that measures what hangs on no item."""
        return self._function("payload, sources", self._of_payload())

    def of_item(self, array: str) -> Any:
        """Return the function that measures what hangs on one item of an array."""
        return self._function("payload, sources, item, facts, entries", self._of_item(array))

    def _of_payload(self) -> Iterator[str]:
        for fact in self._facts:
            if fact.array:
                outside = self._bind(Unknown(f"it belongs to one item of {fact.array}"))
                yield f"{self._entries[fact.name]} = {self._values[fact.name]} = {outside}"
            else:
                yield from self._measure(fact)
        yield f"return {self._made()}, ({_joined(self._entries)})"

    def _of_item(self, array: str) -> Iterator[str]:
        yield f"({_joined(self._values)}) = facts"
        yield f"({_joined(self._entries)}) = entries"
        for fact in self._facts:
            if fact.array == array:
                yield from self._measure(fact)
        yield f"return {self._made()}"

    def _measure(self, fact: Fact) -> Iterator[str]:
        field = fact.provider.field
        fields = "item" if field and field.array else "payload"
        value = self._values[fact.name]
        return fact.provider.code(
            Draft(fact.name, fact.members, fields, self._entries, value, self._bind, self._limit_on)
        )

    def _made(self) -> str:
        return f"new({self._record}, ({_joined(self._values)}))"

    def _bind(self, value: object) -> str:
        name = f"bound{len(self._names)}"
        self._names[name] = value
        return name

    def _function(self, parameters: str, lines: Iterator[str]) -> Any:
        body = "\n".join(indented(["world = sources.world", *lines]))
        exec(compile(f"def measure({parameters}):\n{body}", "<facts>", "exec"), self._names)
        return self._names["measure"]


def _joined(variables: Mapping[str, str]) -> str:
    return "".join(f"{variable}, " for variable in variables.values())

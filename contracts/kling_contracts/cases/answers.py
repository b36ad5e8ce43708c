"""Expected answers: what a right answer to a case holds, read from the documents, and how an answer differs from it.

`x-entry`, `x-shows`, `x-there` and `x-file` of a response's schema say which entry of the world it is about, and what
of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kling_contracts.cases.case import Case
from kling_contracts.cases.places import EVERY, NOTHING, is_at, places, value_at
from kling_contracts.cases.shown_members import marked, resolved, schema_of
from kling_contracts.contract import Contract
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import World
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import Checker, Path, Schema
from kling_contracts.judging.operation import Operation
from kling_contracts.judging.report import Violation
from kling_contracts.unknown import Unknown


class Expected(NamedTuple):
    """The answer to a case, as far as the documents say it."""

    status: int
    code: int
    data: Any = NOTHING
    """Members of an accepted request's `data`; of an object only some may be named, of an array every item."""
    absent: tuple[str, ...] = ()
    """JSON Pointers of members that are not there."""
    present: tuple[str, ...] = ()
    """JSON Pointers of members that are there, whatever they hold."""
    any_order: tuple[str, ...] = ()
    """JSON Pointers of arrays whose items may come in any order."""
    lengths: Mapping[str, str] = {}
    """By the JSON Pointer of a length in seconds, that of the URL of the audio or video that lasts so long; `-` stands
    for every item of an array."""
    files: tuple[str, ...] = ()
    """JSON Pointers of URLs that lead to a file; `-` stands for every item of an array."""
    each: Mapping[str, Any] = {}
    """By JSON Pointer with `-`, what stands there in every item of an array; nothing says how many it has."""

    def to_json(self) -> dict[str, Any]:
        """Return the member `expects` of a row; `case.schema.json` describes it."""
        lists = {name: list(getattr(self, name)) for name in ("absent", "present", "any_order", "files")}
        more = {**lists, "lengths": dict(self.lengths), "each": dict(self.each)}
        data = {} if self.data is NOTHING else {"data": self.data}
        return {"status": self.status, "code": self.code, **data, **{name: one for name, one in more.items() if one}}

    def differences(self, answer: Any) -> Iterator[tuple[str, str]]:
        """Yield JSON Pointer and text of each difference between `data` of an answer and what is expected of it."""
        data = answer.get("data") if isinstance(answer, Mapping) else None
        wrong = [] if self.data is NOTHING else list(self._between(self.data, data, ("data",)))
        there = [(where, "is there, and should not be") for where in self.absent if is_at(answer, where)]
        there += [(where, "is missing") for where in self.present if not is_at(answer, where)]
        # In another order the items have other places.
        yield from wrong or (*there, *self._wrong_in_items(answer))

    def _wrong_in_items(self, answer: Any) -> Iterator[tuple[str, str]]:
        for pattern, expected in self.each.items():
            for where in places(answer, pattern):
                found = value_at(answer, where)
                if found is not NOTHING and found != expected:
                    yield where, f"is {found!r:.200}; expected: {expected!r:.200}"

    def _between(self, expected: Any, found: Any, path: Path) -> Iterator[tuple[str, str]]:
        where = pointer(path)
        if isinstance(expected, dict):
            for name, value in expected.items():
                if isinstance(found, dict) and name in found:
                    yield from self._between(value, found[name], (*path, name))
                else:
                    yield pointer((*path, name)), f"is missing; expected: {value!r}"
        elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
            yield from self._of_items(expected, found, path)
        elif isinstance(expected, list):
            many = f"{len(found)} items" if isinstance(found, list) else "no array"
            yield where, f"is {many}; expected: {len(expected)}"
        elif found != expected or isinstance(found, bool) is not isinstance(expected, bool):
            yield where, f"is {found!r:.200}; expected: {expected!r:.200}"

    def _of_items(self, expected: list[Any], found: list[Any], path: Path) -> Iterator[tuple[str, str]]:
        places = [range(len(found)) if pointer(path) in self.any_order else (index,) for index in range(len(expected))]
        wrong = [
            index
            for index, value in enumerate(expected)
            if not any(self._is_like(value, found[place], path) for place in places[index])
        ]
        if wrong and all(any(self._is_like(expected[index], one, path) for one in found) for index in wrong):
            yield pointer(path), f"is in another order; item {wrong[0]} should be {expected[wrong[0]]!r:.200}"
            return
        for index in wrong:
            if len(places[index]) == 1:
                yield from self._between(expected[index], found[index], (*path, index))
            else:
                yield pointer(path), f"holds no item with {expected[index]!r:.200}"

    def _is_like(self, expected: Any, found: Any, path: Path) -> bool:
        return next(self._between(expected, found, path), None) is None


class ExpectedAnswers:
    """Reads the expected answers of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._checkers: dict[tuple[str, int], Checker | None] = {}

    def of(self, case: Case) -> Expected:
        """Return what a right answer to a case holds, whose world is all that the server knows."""
        routed = self._contract.request_rules.route(case.request)
        called = None if isinstance(routed, Violation) else routed.operation
        if case.breaks or isinstance(routed, Violation) or called is None:
            rules = self._contract.rules_of([called] if called else [])
            first = next(rule for rule in rules.values() if rule.id in case.breaks)
            return Expected(first.status, first.code)
        payload = called.reader.payload(self._contract.request_rules.payload(case.request, routed))
        measured = called.facts.measure(payload, FactSources(case.world))
        reader = _Reader(self._contract, called, payload, case.world, measured)
        schema = schema_of(self._contract, called, 200)
        data = reader.shown(schema.get("properties", {}).get("data", {}), None, ("data",)) if schema else NOTHING
        return Expected(200, 0, data, **reader.noted())

    def new_members(self, case: Case, status: int) -> tuple[str, ...]:
        """Return the JSON Pointers of members of an answer that no other request is answered; `-` as in `Expected`."""
        routed = self._contract.request_rules.route(case.request)
        schema = None if isinstance(routed, Violation) else schema_of(self._contract, routed.operation, status)
        return tuple(marked(self._contract, schema, (), "x-new")) if schema else ()

    def broken_schema(self, case: Case, status: int, answer: Any) -> Iterator[tuple[str, str]]:
        """Yield JSON Pointer and text of each keyword that an answer breaks of the response with its status."""
        routed = self._contract.request_rules.route(case.request)
        if isinstance(routed, Violation):
            return
        key = routed.operation.name, status
        if key not in self._checkers:
            schema = schema_of(self._contract, routed.operation, status)
            components = self._contract.document.get("components", {})
            self._checkers[key] = Checker({**schema, "components": components}) if schema else None
        checker = self._checkers[key]
        for fault in checker.broken(answer) if checker else ():
            yield fault.pointer, fault.message


class _Reader:
    """Reads one expected answer."""

    def __init__(
        self, contract: Contract, operation: Operation, payload: Any, world: World, measured: Measurement
    ) -> None:
        self._contract = contract
        self._operation = operation
        self._payload = payload
        self._world = world
        self._measured = measured
        self.absent: list[str] = []
        self.present: list[str] = []
        self.any_order: list[str] = []
        self.files: list[str] = []
        self.lengths: dict[str, str] = {}
        self.each: dict[str, Any] = {}

    def noted(self) -> dict[str, Any]:
        """Return the members of `Expected` besides its data."""
        lists = {name: getattr(self, name) for name in ("absent", "present", "any_order", "files")}
        return {**{name: tuple(some) for name, some in lists.items()}, "lengths": self.lengths, "each": self.each}

    def shown(self, schema: Schema, entry: Any, path: Path) -> Any:
        """Return what stands at a node, as far as the documents say it."""
        about, schema = schema.get("x-entry"), resolved(self._contract, schema)
        if about and schema.get("type") == "array":
            return self._items(about, schema["items"], path)
        if about:
            entry = self._measured.entry(about["fact"])
        if "x-shows" in schema or "x-file" in schema:
            return self._of_value(schema, entry, path)
        if "items" in schema:
            # Nothing says how many there are; what holds of each is noted.
            self.shown(schema["items"], entry, (*path, EVERY))
            return NOTHING
        members = {}
        for name, child in schema.get("properties", {}).items():
            there = resolved(self._contract, child).get("x-there")
            is_there = self._read(entry, there) if there else NOTHING
            if is_there is False:
                self.absent.append(pointer((*path, name)))
                continue
            if is_there is True:
                self.present.append(pointer((*path, name)))
            members[name] = self.shown(child, entry, (*path, name))
        said = {name: value for name, value in members.items() if value is not NOTHING}
        return said or NOTHING

    def _of_value(self, schema: Schema, entry: Any, path: Path) -> Any:
        if self._leads_to_file(schema.get("x-file"), entry):
            self.files.append(pointer(path))
        return self._of_each(self._value(schema["x-shows"], entry, path), path) if "x-shows" in schema else NOTHING

    def _leads_to_file(self, about: Any, entry: Any) -> bool:
        """Return whether a file is known to be behind a URL at the instant of the world."""
        if not isinstance(about, Mapping):
            return about is True
        since, now = self._read(entry, about["since"]), self._world.now_ms
        kept_ms = self._contract.limit_on(about["kept"])
        return since is not NOTHING and now is not None and (kept_ms is None or now - since <= kept_ms)

    def _of_each(self, value: Any, path: Path) -> Any:
        """Return a value; note what stands in every item of an array in place of returning it."""
        if EVERY not in path or value is NOTHING:
            return value
        self.each[pointer(path)] = value
        return NOTHING

    def _items(self, about: Mapping[str, Any], schema: Schema, path: Path) -> Any:
        entries = self._page(about) if "table" in about else self._inside(about)
        if entries is None:
            return NOTHING
        if "table" not in about:
            self.any_order.append(pointer(path))
        return [self.shown(schema, entry, (*path, index)) for index, entry in enumerate(entries)]

    def _page(self, about: Mapping[str, Any]) -> list[Any] | None:
        table = getattr(self._world, about["table"])
        if table is None:
            return None
        defaults = {name: parameter.default for name, parameter in self._operation.parameters.items()}
        asked = {**defaults, **self._payload}
        number, size = asked[about["number"]], asked[about["size"]]
        newest = sorted(table.values(), key=lambda one: -getattr(one, about["newest"]))
        return newest[int((number - 1) * size) : int(number * size)]

    def _inside(self, about: Mapping[str, Any]) -> list[Any] | None:
        table = self._read(self._measured.entry(about["fact"]), about["each"])
        return None if table is NOTHING else [{"id": name, **one._asdict()} for name, one in table.items()]

    def _value(self, shows: Any, entry: Any, path: Path) -> Any:
        if isinstance(shows, str):
            return self._read(entry, shows)
        ((kind, name),) = shows.items()
        if kind == "length":
            self.lengths[pointer(path)] = pointer((*path[:-1], name))
            return NOTHING
        if kind == "text":
            return name
        if kind == "payload":
            return self._payload.get(name, NOTHING) if isinstance(self._payload, dict) else NOTHING
        if kind == "world":
            found = getattr(self._world, name)
            return NOTHING if found is None else found
        value = self._read(entry, name)
        if kind == "given":
            return value or NOTHING
        return value if value is NOTHING else seconds(value)

    def _read(self, entry: Any, name: str) -> Any:
        if entry is None or isinstance(entry, Unknown):
            return NOTHING
        value = entry[name] if isinstance(entry, dict) else getattr(entry, name)
        if callable(value):
            value = NOTHING if self._world.now_ms is None else value(self._world.now_ms)
        return NOTHING if value is None else value


def seconds(duration_ms: int) -> str:
    """Return a duration of at least 0 ms as the API writes it: a string in seconds, the shortest decimal."""
    whole, rest = divmod(duration_ms, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")

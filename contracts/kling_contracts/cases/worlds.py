"""Worlds: what each table holds for a choice of everything finite, printed as Python once for each choice."""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final, NamedTuple

from kling_contracts.cases.fields import LEFT_OUT, Choice
from kling_contracts.cases.items import Item, item_of
from kling_contracts.cases.model import OTHER_TEXT, Assignment, Model
from kling_contracts.cases.shown_members import tables_shown
from kling_contracts.cases.texts import key_of
from kling_contracts.cases.written_code import function, quick
from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.flagged import Flagged
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.made_worlds import (
    ALIASED,
    DEFAULTS,
    FLAGGED_WORD,
    NEIGHBOURS,
    NOW_MS,
    OTHERS,
    Neighbours,
    many,
)
from kling_contracts.facts.media import Media
from kling_contracts.facts.ways import Amount, Entry, OwnText
from kling_contracts.facts.world import NESTED_TABLES, TABLES, Face, World

Filled = dict[str, Any]
"""The drawn numbers and the own texts, by name."""


class WorldMaker:
    """Makes the functions that make the worlds of one operation's cases."""

    def __init__(self, model: Model) -> None:
        self._literals = model.literals
        self._others = {
            (table, name): tuple(one for one in others if one not in model.fact_texts)
            for (table, name), others in OTHERS.items()
        }
        self._nodes = len(model.fields)
        self._numbers = [(name, f"world.{name}") for name in model.world_numbers]
        facts = model.facts.declared.values()
        self._inner = [fact for fact in facts if isinstance(fact.provider, Lookup) and fact.provider.inside]
        self._tables: dict[str, list[Fact]] = {}
        for fact in facts:
            table = fact.provider.table if isinstance(fact.provider, Lookup | Media) else ""
            if table in World.__dataclass_fields__ and fact not in self._inner:
                self._tables.setdefault(table, []).append(fact)
        self._words = (FLAGGED_WORD,) if any(isinstance(fact.provider, Flagged) for fact in facts) else ()
        self._pages = [name for name in tables_shown(model.contract, model.operation) if name not in self._tables]
        self._makers: dict[tuple[str, ...], Callable[..., Any]] = {}
        self._kept: dict[tuple[object, ...], Any] = {}
        self._worlds: dict[tuple[object, ...], Callable[[Filled], World]] = {}
        own = [fact for some in self._tables.values() for fact in some]
        self._read = tuple(dict.fromkeys(str(fact.field) for fact in (*own, *self._inner)))
        """The nodes that a world hangs on."""

    def world(self, ghost: Assignment, *, is_alone: bool = False) -> Callable[[Filled], World]:
        """Return the function that makes the world of an assignment; `is_alone`: without neighbours."""
        read = [ghost[node] for node in self._read]
        if len(ghost) > self._nodes:
            read += [choice for node, choice in ghost.items() if item_of(node)]
        key = (is_alone, *(choice.number for choice in read))
        found = self._worlds.get(key)
        if found is None:
            found = self._worlds[key] = self._made(ghost, is_alone)
        return found

    def _made(self, ghost: Assignment, is_alone: bool) -> Callable[[Filled], World]:
        tables = {name: self._table(name, facts, ghost, is_alone) for name, facts in self._tables.items()}
        made = {name: f"{name}(v)" if callable(table) else name for name, table in tables.items()}
        made |= {name: f"v[{key!r}]" for name, key in self._numbers} | {"flagged_words": repr(self._words)}
        made |= {name: f"many({name!r}, v['n'])" for name in self._pages}
        made = {"now_ms": str(NOW_MS)} | made
        # The tasks of a world add to its other tables as it is made.
        record = "World" if "tasks" in made else "quick_world"
        members = {name: made.get(name, f"usual_{name}") for name in World.__dataclass_fields__}
        lines = (f"def make({', '.join(tables)}):", f" return lambda v: {record}({', '.join(members.values())})")
        if lines not in self._makers:
            self._makers[lines] = function(lines, _WORLD_SCOPE)
        make: Callable[[Filled], World] = self._makers[lines](**tables)
        return make

    def _table(self, name: str, facts: list[Fact], ghost: Assignment, is_alone: bool) -> Any:
        """Return the function that makes a table, or the table itself where it hangs on nothing."""
        read = [choice for fact in (*facts, *self._inner) for choice in self._choices(fact, ghost)]
        key = (name, is_alone, *(choice.number for choice in read))
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._compiled(name, facts, ghost, is_alone)
        return found

    def _compiled(self, name: str, facts: list[Fact], ghost: Assignment, is_alone: bool) -> Any:
        entries = {}
        standing = [(fact, choice) for fact in facts for choice in self._choices(fact, ghost)]
        for fact, choice in standing:
            entry = _entry(fact, choice)
            if entry is not None:
                key = ALIASED if _is_aliased(fact, entry) else _text_of(choice)
                entries[key] = self._record(fact, name, entry, ghost, is_alone)
                if "id" in DEFAULTS.get(name, ()):
                    entries[key].members["id"] = key
        around = self._neighbours(name, is_alone)
        inner = [one for one in self._inner if _lookup(one).inside in [fact.name for fact in facts]]
        if inner:
            around = Neighbours(
                *({key: self._with_same_keys(one, inner, ghost) for key, one in side.items()} for side in around)
            )
        everything = {**around.before, **entries, **around.after}
        scope = dict(_SCOPE)
        body = printed(frozenset(everything) if TABLES[name] is None else everything, scope)
        made = function(["def make(v):", f" return {body}"], scope)
        return made if "v[" in body else made({})

    def _record(self, fact: Fact, table: str, entry: Entry, ghost: Assignment, is_alone: bool) -> Any:
        if table not in DEFAULTS:
            return entry.get("text")
        members = dict(DEFAULTS[table])
        if entry.get("decodes") is False:
            members["duration_ms"] = None
        members |= {name: self._written(table, name, value) for name, value in entry.items() if name in members}
        for inner in self._inner:
            if _lookup(inner).inside == fact.name:
                members[_lookup(inner).table] = self._inside(inner, ghost, is_alone)
        record: Any = NESTED_TABLES.get(table) or TABLES[table]
        defaults = record._field_defaults
        return _Call(record.__name__, {name: members.get(name, defaults.get(name)) for name in record._fields})

    def _written(self, table: str, name: str, value: Any) -> Any:
        others = self._others.get((table, name))
        if value == OTHER_TEXT and others:
            return Code(f"{others!r}[v['n'] % {len(others)}]")
        return _written(name, value)

    def _inside(self, fact: Fact, ghost: Assignment, is_alone: bool) -> dict[Any, Any]:
        table = _lookup(fact).table
        found = [(choice, _entry(fact, choice)) for choice in self._choices(fact, ghost)]
        own = {
            _text_of(choice): self._record(fact, table, entry, ghost, is_alone)
            for choice, entry in found
            if entry is not None
        }
        around = self._neighbours(table, is_alone)
        return {**around.before, **own, **around.after}

    def _with_same_keys(self, entry: Any, inner: list[Fact], ghost: Assignment) -> Any:
        """Return a neighbour whose nested entries go by the keys of the meant one's, too, with values of their own."""
        members = entry._asdict()
        for fact in inner:
            table = _lookup(fact).table
            other = next(iter(members[table].values()))
            known = [choice for choice in self._choices(fact, ghost) if _entry(fact, choice) is not None]
            members[table] = {**{_text_of(choice): other for choice in known}, **members[table]}
        return _Call(type(entry).__name__, members)

    def _choices(self, fact: Fact, ghost: Assignment) -> list[Choice]:
        """Return what stands in the field of a fact, for a fact of an item once for each item."""
        field = str(fact.field)
        found = [ghost[field]]
        if fact.array and len(ghost) > self._nodes:
            for place in count(1):
                other = ghost.get(Item(fact.array, place).name(field))
                if other is None:
                    break
                found.append(other)
        return found

    def _neighbours(self, table: str, is_alone: bool) -> Neighbours:
        if is_alone:
            return Neighbours({}, {})
        sides = [{key: one for key, one in side.items() if key not in self._literals} for side in NEIGHBOURS[table]]
        return Neighbours(*sides)


class Code(NamedTuple):
    """A Python expression that stands for a value in a symbolic world."""

    text: str


class _Call(NamedTuple):
    """A record that is made with these members."""

    name: str
    members: dict[str, Any]


def _is_aliased(fact: Fact, entry: Entry) -> bool:
    """Whether the field holds another name of an entry than its id."""
    return isinstance(fact.provider, Lookup) and fact.provider.also in entry


def _lookup(fact: Fact) -> Lookup:
    assert isinstance(fact.provider, Lookup)
    return fact.provider


def _entry(fact: Fact, choice: Choice) -> Entry | None:
    """Return what the world holds for a choice; None where it holds nothing."""
    if choice.way is None or choice.value is LEFT_OUT:
        return None
    entry = choice.way.entries.get(fact.name)
    if not isinstance(entry, Mapping) or (isinstance(fact.provider, Media) and not _is_listed(entry)):
        return None
    return entry


def _is_listed(entry: Entry) -> bool:
    return entry.get("kind") == "url" and bool(entry.get("reachable"))


def _text_of(choice: Choice) -> Any:
    return Code(f"v[{key_of(choice.value)!r}]") if isinstance(choice.value, OwnText) else choice.value


def _written(name: str, value: Any) -> Any:
    if isinstance(value, OwnText):
        return Code(f"v[{key_of(value)!r}]")
    if not isinstance(value, Amount):
        return value
    if name == "created_ms":
        return Code(f"{NOW_MS} - v[{value.name!r}]")
    return Code(f"faces(v[{value.name!r}])" if name in NESTED_TABLES else f"v[{value.name!r}]")


def printed(value: Any, scope: dict[str, Any]) -> str:
    """Return a symbolic value as a Python expression; constants that are not plain are put into `scope`."""
    if isinstance(value, Code):
        return value.text
    if isinstance(value, _Call):
        # The same as a named tuple's own constructor, without its cost.
        return f"new({value.name}, ({''.join(f'{printed(one, scope)}, ' for one in value.members.values())}))"
    if isinstance(value, dict) and any(isinstance(one, Code | _Call) for pair in value.items() for one in pair):
        return "{" + ", ".join(f"{printed(key, scope)}: {printed(one, scope)}" for key, one in value.items()) + "}"
    if isinstance(value, frozenset) and any(isinstance(one, Code) for one in value):
        return "frozenset((" + "".join(f"{printed(one, scope)}, " for one in sorted(value, key=repr)) + "))"
    if isinstance(value, int | str | bool | None):
        return repr(value)
    name = f"constant_{len(scope)}"
    scope[name] = value
    return name


def faces(count: int) -> dict[str, Face]:
    """Return so many faces."""
    return {str(number): Face(1000 * number, 1000 * number + 5000) for number in range(count)}


_WORLD_SCOPE: Final[dict[str, Any]] = {"World": World, "quick_world": quick(World), "many": many} | {
    f"usual_{name}": getattr(World(), name) for name in World.__dataclass_fields__
}
_SCOPE: Final[dict[str, Any]] = {
    "frozenset": frozenset,
    "new": tuple.__new__,
    "faces": faces,
    **{one.__name__: one for one in (*TABLES.values(), *NESTED_TABLES.values()) if one not in (None, str)},
}

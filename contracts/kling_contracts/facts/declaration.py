"""The facts that a document declares, read and checked: a provider and members for each."""

import keyword
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError, misshapen
from kling_contracts.facts.either import Either, Source
from kling_contracts.facts.flagged import Flagged
from kling_contracts.facts.lookup import Lookup, SameEntry
from kling_contracts.facts.media import PROVIDED, Media
from kling_contracts.facts.members import TEXT, Member, check, is_never_none, origin_of, provided
from kling_contracts.facts.provider import FieldPath
from kling_contracts.facts.world import NESTED_TABLES, TABLES, File, VideoFile

Schema = Mapping[str, Any]
Provider = Lookup | SameEntry | Media | Either | Flagged
"""The source of a fact."""
_RECORDS: Final[Mapping[str, type]] = {"audio": File, "video": VideoFile}
_MEMBER_TYPES: Final = ("integer", "string", "boolean")


class Fact(NamedTuple):
    """One declared fact."""

    name: str
    provider: Provider
    field: FieldPath | None
    """The field that the provider reads; None for one that builds on facts alone."""
    needs: tuple[str, ...]
    """The facts that it builds on."""
    members: tuple[Member, ...]
    array: str
    """The array whose items have a fact each; empty for a fact of the payload."""
    record: type | None
    """The type of its entry: a record of the world, a text; None for an id alone."""
    certain: frozenset[str]
    """The names of the members that are known wherever the fact is."""


def declared_facts(schema: Schema, payload_schema: Schema) -> tuple[Fact, ...]:
    """Read the facts of an operation from the schema that its `x-facts` names, each after those that it builds on.

    Raises `DocumentError` where a declaration is wrong.
    """
    facts: dict[str, Fact] = {}
    for name in schema.get("properties", {}):
        _read(name, schema["properties"], payload_schema, facts, ())
    return tuple(facts.values())


def _read(
    name: str, declared: Mapping[str, Schema], payload_schema: Schema, facts: dict[str, Fact], begun: tuple[str, ...]
) -> None:
    """Read one fact, and before it those that it builds on: they may be declared below it."""
    if name in facts:
        return
    if name in begun:
        raise DocumentError(f"the fact {name!r} builds on itself, through {' and '.join(begun)}")
    try:
        for needed in _needs(declared[name].get("x-provider", {})):
            if needed not in declared:
                raise DocumentError(f"it builds on {needed!r}, which is not declared")
            _read(needed, declared, payload_schema, facts, (*begun, name))
        facts[name] = _fact(name, declared[name], payload_schema, facts)
    except DocumentError as error:
        says = str(error)
        raise DocumentError(says if says.startswith("the fact ") else f"the fact {name!r}: {says}") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise DocumentError(f"the fact {name!r} is not declared as a fact must be: {misshapen(error)}") from None


def _needs(provider: Schema) -> tuple[str, ...]:
    """Return the names of the facts that a declaration builds on."""
    named = [provider.get("in"), provider.get("fact"), *(one.get("fact") for one in provider.get("sources", ()))]
    return tuple(name for name in named if name)


def _fact(name: str, declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> Fact:
    _refuse_name(name)
    if "x-provider" not in declared:
        raise DocumentError("it names no provider; x-provider says where it comes from")
    provider, record = _provider(declared["x-provider"], payload_schema, earlier)
    members = tuple(_member(member, body, provider, record) for member, body in declared.get("properties", {}).items())
    read = [(member, record) for member in members]
    if isinstance(provider, Either):
        read = [(one, earlier[source.fact].record) for source in provider.sources for one in source.members(members)]
    for one in read:
        check(*one)
    uncertain = {member.name for member, record in read if not _is_certain(provider, member, record)}
    certain = frozenset(member.name for member in members) - uncertain
    field = None if isinstance(provider, SameEntry | Either) else provider.field
    needs = _needs(declared["x-provider"])
    return Fact(name, provider, field, needs, members, _array(field, needs, earlier), record, certain)


def _is_certain(provider: Provider, member: Member, record: type | None) -> bool:
    if isinstance(provider, Media):
        # The file may be one that nobody has seen.
        return member.origin == provided("kind")
    return is_never_none(member.origin, record)


def _refuse_name(name: str) -> None:
    if not name.isidentifier() or not name.isascii() or name.startswith("_") or keyword.iskeyword(name):
        raise DocumentError("a name is a letter and then letters, digits and underscores, and no reserved word")


def _provider(declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> tuple[Provider, type | None]:
    kind = str(declared.get("kind"))
    if kind not in _KINDS:
        raise DocumentError(f"{kind!r} is no kind of provider; there are: {', '.join(_KINDS)}")
    required, optional, read = _KINDS[kind]
    unknown = [member for member in declared if member not in ("kind", *required, *optional)]
    missing = [member for member in required if member not in declared]
    if unknown or missing:
        problem = f"has no {unknown[0]!r}" if unknown else f"needs {missing[0]!r}"
        raise DocumentError(f"a provider of kind {kind} {problem}")
    return read(declared, payload_schema, earlier)


def _lookup(declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> tuple[Provider, type | None]:
    if declared.get("empty", "not-given") != "not-given":
        raise DocumentError("'empty' can only be not-given; left out, an empty text is an id like others")
    table, inside = declared["table"], declared.get("in", "")
    key, also = FieldPath.parse(declared["key"], payload_schema), declared.get("also", "")
    provider = Lookup(table, key, inside, "empty" not in declared, also)
    if not inside:
        found = TABLES[_one_of(table, TABLES, "table of a world")]
        if also:
            _one_of(also, getattr(found, "__annotations__", {}), "member of such an entry")
        return provider, found
    record = earlier[inside].record
    if table not in getattr(record, "__annotations__", {}) or table not in NESTED_TABLES:
        raise DocumentError(f"the entry of {inside!r} has no table {table!r}")
    return provider, NESTED_TABLES[table]


def _same_entry(declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> tuple[Provider, type | None]:
    return SameEntry(declared["fact"]), earlier[declared["fact"]].record


def _media(declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> tuple[Provider, type | None]:
    holds = _one_of(declared["holds"], _RECORDS, "kind of media")
    record = TABLES[_one_of(declared["table"], TABLES, "table of a world")]
    if record is not _RECORDS[holds]:
        raise DocumentError(f"the table {declared['table']!r} does not hold {holds}")
    field = FieldPath.parse(declared["field"], payload_schema)
    return Media(holds, field, declared["table"], bool(declared.get("base64", False))), record


def _either(declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> tuple[Provider, type | None]:
    sources = tuple(_source(one, earlier) for one in declared["sources"])
    if len(sources) < 2:
        raise DocumentError("there must be two sources or more")
    records = [earlier[source.fact].record for source in sources]
    return Either(sources), records[0] if all(record is records[0] for record in records) else None


def _source(declared: Schema, earlier: Mapping[str, Fact]) -> Source:
    provider = earlier[declared["fact"]].provider
    if not isinstance(provider, Media) and not (isinstance(provider, Lookup) and not provider.empty_is_id):
        raise DocumentError(f"the source {declared['fact']!r} must be media, or a lookup with empty: not-given")
    return Source(declared["fact"], declared.get("constants", {}), declared.get("names", {}))


def _flagged(declared: Schema, payload_schema: Schema, earlier: Mapping[str, Fact]) -> tuple[Provider, type | None]:
    words = _one_of(declared["words"], {"flagged_words": None}, "list of words")
    return Flagged(FieldPath.parse(declared["field"], payload_schema), words), str


_Reader = Callable[[Schema, Schema, Mapping[str, Fact]], tuple[Provider, type | None]]
_KINDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...], _Reader]]] = {
    "lookup": (("table", "key"), ("in", "empty", "also"), _lookup),
    "of": (("fact",), (), _same_entry),
    "media": (("holds", "field", "table"), ("base64",), _media),
    "either": (("sources",), (), _either),
    "flagged": (("field", "words"), (), _flagged),
}
"""By kind: what a declaration must have, what it may have, and what reads it."""


def _member(name: str, declared: Schema, provider: Provider, record: type | None) -> Member:
    _refuse_name(name)
    if declared.get("type") not in _MEMBER_TYPES:
        raise DocumentError(f"{name} must be one of {', '.join(_MEMBER_TYPES)}")
    if isinstance(provider, Flagged):
        if name != "flagged" or declared["type"] != "boolean":
            raise DocumentError("its one member is flagged, a boolean")
        return Member(name, "boolean", provided(name))
    origin = TEXT if record is str else origin_of(name, declared.get("x-from"))
    if isinstance(provider, Media) and origin.kind == "member" and origin.names[0] in PROVIDED:
        (found,) = origin.names
        if declared["type"] != PROVIDED[found]:
            raise DocumentError(f"{name} is declared as {declared['type']} and is {PROVIDED[found]}")
        origin = provided(found)
    return Member(name, declared["type"], origin)


def _array(field: FieldPath | None, needs: tuple[str, ...], earlier: Mapping[str, Fact]) -> str:
    arrays = {earlier[name].array for name in needs} | {field.array if field else ""}
    inner = sorted(arrays - {""})
    if len(inner) > 1:
        raise DocumentError(f"it hangs on the items of two arrays, {' and '.join(inner)}")
    return inner[0] if inner else ""


def _one_of(name: Any, known: Mapping[str, Any], what: str) -> str:
    if name not in known:
        raise DocumentError(f"{name!r} is no {what}; there are: {', '.join(known)}")
    return str(name)

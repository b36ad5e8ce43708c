"""Making facts: what each provider can make of a field, and what a fact then is.

The other direction of measuring. A *way* is one thing that can stand in a field together with what the world then holds
for it: an id that is known or not, a URL that answers or not, a file in Base64 of some format. Numbers are left open:
an `Amount` names one, and whoever solves the rules finds its value.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, Final, NamedTuple

from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.either import Either
from kling_contracts.facts.file_content import URL, base64_bytes
from kling_contracts.facts.flagged import Flagged
from kling_contracts.facts.lookup import Lookup, SameEntry
from kling_contracts.facts.made_worlds import ELSEWHERE, KINDS
from kling_contracts.facts.media import Media
from kling_contracts.facts.members import (
    Constant,
    Difference,
    Member,
    Origin,
    Provided,
    Smaller,
    Text,
)
from kling_contracts.facts.world import NESTED_TABLES


class Nothing:
    """A value that a rule reads and does not find: `UNKNOWN` or `ABSENT`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        """Return its name."""
        return self._name


UNKNOWN: Final = Nothing("unknown")
ABSENT: Final = Nothing("absent")


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
    entries: Mapping[str, Entry | Nothing]
    """The result of each fact on that field."""
    bounds: tuple[Bound, ...] = ()
    """Inequalities that its numbers satisfy, whatever the rules say."""


class Needs(NamedTuple):
    """The attributes of one entry that rules read."""

    numbers: tuple[str, ...]
    flags: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    """By attribute, the texts that matter and one that does not."""
    smaller: tuple[tuple[str, str], ...]


class FactMaker:
    """Makes the facts of one operation; `reads` are the dotted names that its rules read."""

    def __init__(
        self,
        declared: Iterable[Fact],
        reads: frozenset[str],
        literals: Mapping[str, tuple[str, ...]],
        largest: int | None,
    ) -> None:
        self.declared = {fact.name: fact for fact in declared}
        self._largest = largest
        self._needs = {
            name: self._needs_of(name, reads, literals)
            for name, fact in self.declared.items()
            if isinstance(fact.provider, Lookup | Media | Flagged)
        }

    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """Return, by field, the facts that look at it first hand."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self._needs:
            field = str(self.declared[name].provider.field)
            found[field] = (*found.get(field, ()), name)
        return found

    def fields_behind(self, name: str) -> frozenset[str]:
        """Return the fields that a fact hangs on."""
        provider = self.declared[name].provider
        if isinstance(provider, SameEntry):
            return self.fields_behind(provider.fact)
        if isinstance(provider, Either):
            return frozenset().union(*(self.fields_behind(source.fact) for source in provider.sources))
        outer = self.fields_behind(provider.inside) if isinstance(provider, Lookup) and provider.inside else frozenset()
        return outer | {str(self.declared[name].provider.field)}

    def huge(self, field: str) -> Iterator[Way]:
        """Yield files in Base64 that are larger than what is looked into: only their size is known."""
        (name,) = self.fields()[field][:1]
        provider = self.declared[name].provider
        if isinstance(provider, Media) and provider.base64 and self._largest is not None:
            size, duration = Amount(f"{field}.size_bytes"), Amount(f"{field}.duration_ms")
            entry = {"kind": "base64", "reachable": True, "size_bytes": size}
            bounds = (Bound(size.name, self._largest + 1), Bound(duration.name, 1, 10_000))
            for made in list(MADE_FORMATS)[:1]:
                yield Way(f"is a huge {made} in Base64", OwnText(field, "huge", made), {name: entry}, bounds)

    def ways(self, field: str, texts: Iterable[str]) -> Iterator[Way]:
        """Yield what can be made of a field; `texts` are the literals that may stand in it."""
        names = self.fields()[field]
        if len(names) == 1 and isinstance(self.declared[names[0]].provider, Media):
            yield from self._media_ways(names[0], field, texts)
            return
        written: list[str | OwnText] = [OwnText(field), *texts]
        for text in written:
            for states in product(*(self._states(name, field, text) for name in names)):
                says = " and ".join(dict.fromkeys(one.says for one in states))
                entries = {name: one.entries[name] for name, one in zip(names, states, strict=True)}
                stands = next((one.text for one in states if one.text != text), text)
                yield Way(says, stands, entries, tuple(bound for one in states for bound in one.bounds))

    def plain(self, field: str, text: str) -> Way:
        """Return the way in which a given text stands in a field and names nothing."""
        entries = {name: self._unnamed(name, text) for name in self.fields().get(field, ())}
        return Way(f"is {text!r}", text, entries)

    # The kinds of fact.

    def entry(self, name: str, ways: Mapping[str, Way | None]) -> Entry | Nothing:
        """Return the entry behind a fact; `ways` has None for a field of a wrong type and none for one left out."""
        return self._found(name, ways)[0]

    def member(self, name: str, member: str, ways: Mapping[str, Way | None]) -> Any:
        """Return a member of a fact: an `Amount`, a text, a bool or `UNKNOWN`."""
        entry, members = self._found(name, ways)
        if isinstance(entry, Nothing):
            return UNKNOWN
        origin = next(one.origin for one in members if one.name == member)
        if isinstance(origin, Constant):
            return origin.value
        if isinstance(origin, Difference):
            amount = entry.get(origin.minuend, UNKNOWN)
            return Amount(amount.name, f"world.{origin.of_world}") if isinstance(amount, Amount) else amount
        return entry.get(_key(origin), UNKNOWN)

    def _found(self, name: str, ways: Mapping[str, Way | None]) -> tuple[Entry | Nothing, tuple[Member, ...]]:
        fact = self.declared[name]
        provider = fact.provider
        if isinstance(provider, SameEntry):
            entry = self.entry(provider.fact, ways)
            return UNKNOWN if isinstance(entry, Nothing) else entry, fact.members
        if isinstance(provider, Either):
            return self._one_source(provider, fact.members, ways)
        if isinstance(provider, Lookup) and provider.inside and isinstance(self.entry(provider.inside, ways), Nothing):
            return UNKNOWN, fact.members
        way = ways.get(str(provider.field))
        return (way.entries[name] if way else UNKNOWN), fact.members

    def _one_source(
        self, provider: Either, members: tuple[Member, ...], ways: Mapping[str, Way | None]
    ) -> tuple[Entry | Nothing, tuple[Member, ...]]:
        fields = {source.fact: str(self.declared[source.fact].provider.field) for source in provider.sources}
        if any(field in ways and ways[field] is None for field in fields.values()):
            return UNKNOWN, members
        given = [source for source in provider.sources if _is_given(ways.get(fields[source.fact]))]
        if len(given) != 1:
            return UNKNOWN, members
        return self.entry(given[0].fact, ways), given[0].members(members)

    # The members of an entry that rules need.

    def _needs_of(self, base: str, reads: frozenset[str], literals: Mapping[str, tuple[str, ...]]) -> Needs:
        numbers: dict[str, None] = {}
        flags: dict[str, None] = {}
        texts: dict[str, tuple[str, ...]] = {}
        smaller: dict[tuple[str, str], None] = {}
        for fact, member in self._members_over(base):
            name, origin = f"facts.{fact}.{member.name}", member.origin
            if (
                name not in reads
                or isinstance(origin, Constant)
                or (isinstance(origin, Provided) and origin.name in _NO_ENTRY)
            ):
                continue
            if isinstance(origin, Smaller):
                smaller[origin.first, origin.second] = None
                numbers |= dict.fromkeys(origin)
            elif member.type == "integer":
                numbers[_key(origin)] = None
            elif member.type == "boolean":
                flags[_key(origin)] = None
            else:
                texts[_key(origin)] = tuple(dict.fromkeys((*texts.get(_key(origin), ()), *literals.get(name, ()))))
        return Needs(tuple(numbers), tuple(flags), texts, tuple(smaller))

    def _members_over(self, base: str) -> Iterator[tuple[str, Member]]:
        """Yield the members of every fact that is about the entry of `base`, as they are read from there."""
        for fact in self.declared.values():
            provider = fact.provider
            if isinstance(provider, Either):
                for source in provider.sources:
                    if self._same(source.fact, base):
                        yield from ((fact.name, member) for member in source.members(fact.members))
            elif self._same(fact.name, base):
                yield from ((fact.name, member) for member in fact.members)

    def _same(self, name: str, base: str) -> bool:
        provider = self.declared[name].provider
        return name == base or (isinstance(provider, SameEntry) and self._same(provider.fact, base))

    # The values that a provider makes.

    def _states(self, name: str, field: str, text: str | OwnText) -> Iterator[Way]:
        provider = self.declared[name].provider
        if isinstance(provider, Flagged):
            for flagged in (False, True) if isinstance(text, OwnText) else (False,):
                written = OwnText(field, "flagged") if flagged else text
                says = "holds a flagged word" if flagged else "passes moderation"
                yield Way(says, written, {name: {"flagged": flagged}})
            return
        assert isinstance(provider, Lookup)
        if text == "" and not provider.empty_is_id:
            yield Way("is empty", text, {name: UNKNOWN})
            return
        for entry, says, bounds in self._entries(name, field):
            yield Way(f"is known{says}", text, {name: entry}, bounds)
        if provider.also and isinstance(text, OwnText):
            for entry, says, bounds in self._entries(name, field):
                yield Way(f"is the {provider.also} of one{says}", text, {name: {**entry, provider.also: text}}, bounds)
        yield Way("is not known", text, {name: ABSENT})
        if provider.table in ELSEWHERE and isinstance(text, OwnText):
            yield Way("is known elsewhere alone", ELSEWHERE[provider.table], {name: ABSENT})

    def _entries(self, name: str, field: str) -> Iterator[tuple[Entry, str, tuple[Bound, ...]]]:
        """Yield the entries that the world may hold: every flag, every text that matters, which side is smaller."""
        needs = self._needs[name]
        numbers: dict[str, Any] = {key: Amount(f"{field}.{key}") for key in needs.numbers}
        bounds = tuple(Bound(number.name, 0, MAX_OF.get(key)) for key, number in numbers.items())
        flags: list[Any] = [[(flag, value) for value in (False, True)] for flag in needs.flags]
        texts: list[Any] = [[(key, text) for text in options] for key, options in needs.texts.items()]
        sides: list[Any] = [[(pair, chosen) for chosen in pair] for pair in needs.smaller]
        table = getattr(self.declared[name].provider, "table", "")
        kinds: list[Any] = [[(table, kind) for kind in KINDS[table]]] if table in KINDS else []
        options: list[list[tuple[Any, Any]]] = [*flags, *texts, *sides, *kinds]
        for chosen in product(*options):
            entry, more = dict(numbers), []
            for key, value in chosen:
                if key == table:
                    entry |= KINDS[table][value]
                elif isinstance(key, tuple):
                    other = key[1] if value == key[0] else key[0]
                    entry[f"smaller:{key[0]}:{key[1]}"] = numbers[value]
                    more.append(Bound(numbers[other].name, 0, None, numbers[value].name))
                else:
                    entry[key] = value
            says = ", ".join(_said(key, value) for key, value in chosen)
            yield entry, f" ({says})" if says else "", (*bounds, *more)

    def _media_ways(self, name: str, field: str, texts: Iterable[str]) -> Iterator[Way]:
        provider = self.declared[name].provider
        assert isinstance(provider, Media)
        for text in texts:
            yield self.plain(field, text)
        url = OwnText(field, "url")
        for entry, says, bounds in self._entries(name, field):
            found = {"kind": "url", "reachable": True, **entry}
            if found.get("decodes") is False:
                found.pop("duration_ms", None)
            yield Way(f"is a URL{says}", url, {name: found}, bounds)
        yield Way("is a URL that does not answer", url, {name: {"kind": "url", "reachable": False}})
        if provider.base64:
            yield from self._base64_ways(name, field)
        yield Way("is a data: URL", OwnText(field, "data_url"), {name: {"kind": "data_url"}})
        yield Way("is neither Base64 nor a URL", OwnText(field, "other"), {name: {"kind": "other"}})

    def _base64_ways(self, name: str, field: str) -> Iterator[Way]:
        duration, size = Amount(f"{field}.duration_ms"), Amount(f"{field}.size_bytes")
        held = {"kind": "base64", "reachable": True, "flagged": False}
        for made, (spare, longest) in MADE_FORMATS.items():
            bounds = (
                Bound(duration.name, 1, longest),
                Bound(size.name, spare, None, duration.name),
                Bound(size.name, 0, self._largest),
            )
            entry = {**held, "format": made, "decodes": True, "duration_ms": duration, "size_bytes": size}
            yield Way(f"is {made} in Base64", OwnText(field, "base64", made), {name: entry}, bounds)
        for made, length in CUT_OFF_BYTES.items():
            entry = {**held, "format": made, "decodes": False, "size_bytes": length}
            yield Way(f"is a broken {made} in Base64", OwnText(field, "cut_off", made), {name: entry})
        for other in OTHER_FORMATS:
            entry = {**held, "format": other, "size_bytes": OTHER_BYTES}
            yield Way(f"is {other} in Base64", OwnText(field, "other_format", other), {name: entry})

    def _unnamed(self, name: str, text: str) -> Entry | Nothing:
        provider = self.declared[name].provider
        if isinstance(provider, Flagged):
            return {"flagged": False}
        if isinstance(provider, Lookup):
            return UNKNOWN if text == "" and not provider.empty_is_id else ABSENT
        if text == "":
            return UNKNOWN
        if URL.match(text):
            return {"kind": "url", "reachable": False}
        if text[:5].lower() == "data:":
            return {"kind": "data_url"}
        assert isinstance(provider, Media)
        # No literal of a rule is a file that can be measured.
        data = base64_bytes(text) if provider.base64 else None
        return {"kind": "other"} if data is None else {"kind": "base64", "reachable": True, "size_bytes": len(data)}


def _is_given(way: Way | None) -> bool:
    return way is not None and way.text != ""


def _key(origin: Origin) -> str:
    if isinstance(origin, Smaller):
        return f"smaller:{origin.first}:{origin.second}"
    if isinstance(origin, Difference):
        return origin.minuend
    return "text" if isinstance(origin, Text) else str(origin[0])


_NO_ENTRY: Final = ("kind", "reachable")
"""Members of media that come from the text and not from the entry."""


def _said(key: Any, value: Any) -> str:
    if isinstance(key, tuple):
        return f"{value} the smaller"
    if key in KINDS:
        return str(value)
    return f"{key} {value}" if isinstance(value, str) else key if value else f"not {key}"


MADE_FORMATS: Final[Mapping[str, tuple[int, int | None]]] = {"m4a": (720, None), "mp3": (420, 8000), "wav": (60, 8000)}
"""Limits of `silent_audio`: bytes beyond one per ms that suffice, and the most ms for a small payload."""
MAX_OF: Final[Mapping[str, int]] = {"created_ms": 10**12, **dict.fromkeys(NESTED_TABLES, 20)}
"""By attribute, the most that a made entry has: an age in ms that keeps its time above 0, a number of entries."""
CUT_OFF_BYTES: Final[Mapping[str, int]] = {"m4a": 40, "mp3": 180, "wav": 20}
"""How much of a file tells its format and does not decode."""
OTHER_FORMATS: Final[Mapping[str, bytes]] = {
    "ogg": b"OggS",
    "flac": b"fLaC",
    "amr": b"#!AMR\n",
    "webm": b"\x1aE\xdf\xa3",
    "wma": b"0&\xb2u\x8ef\xcf\x11",
    "aiff": b"FORM\0\0\0\x38AIFF",
    "aac": b"\xff\xf1\x50\x80\x01\xff\xfc",
    "unknown": b"These bytes are no audio.",
}
"""How files of formats begin that are recognised and not measured."""
OTHER_BYTES: Final = 64

"""Making the declared facts of one operation: the ways of each field, and what a fact then is.

The other direction of measuring; each provider says what it can make.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, Final

from kling_contracts.facts.declaration import Fact
from kling_contracts.facts.either import Either, Source
from kling_contracts.facts.flagged import Flagged
from kling_contracts.facts.lookup import Lookup, SameEntry
from kling_contracts.facts.media import Media
from kling_contracts.facts.members import Member, Origin, provided
from kling_contracts.facts.provider import UNKNOWN
from kling_contracts.facts.ways import Amount, Bound, Entry, Option, OwnText, Recipe, Way
from kling_contracts.unknown import Unknown


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
        self._reads, self._literals, self._largest = reads, literals, largest
        providers = ((name, fact.provider) for name, fact in self.declared.items())
        self._on_fields = {name: one for name, one in providers if isinstance(one, Lookup | Media | Flagged)}
        self._recipes = {name: self._recipe(name, str(one.field)) for name, one in self._on_fields.items()}

    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """Return, by field, the facts that look at it first hand."""
        found: dict[str, tuple[str, ...]] = {}
        for name, recipe in self._recipes.items():
            found[recipe.field] = (*found.get(recipe.field, ()), name)
        return found

    def fields_behind(self, name: str) -> frozenset[str]:
        """Return the fields that a fact hangs on."""
        own = [self._recipes[name].field] if name in self._recipes else []
        return frozenset(own).union(*map(self.fields_behind, self.declared[name].needs))

    def huge(self, field: str) -> Iterator[Way]:
        """Yield files that are larger than what is looked into."""
        for name in self.fields()[field]:
            provider = self._on_fields[name]
            if isinstance(provider, Media):
                yield from provider.huge(self._recipes[name])

    def ways(self, field: str, texts: Iterable[str]) -> Iterator[Way]:
        """Yield what can be made of a field; `texts` are the literals that may stand in it."""
        makers = [(self._on_fields[name], self._recipes[name]) for name in self.fields()[field]]
        is_media = any(isinstance(provider, Media) for provider, _ in makers)
        written: list[str | OwnText] = [*texts, OwnText(field)] if is_media else [OwnText(field), *texts]
        for text in written:
            for made in product(*(provider.ways(recipe, text) for provider, recipe in makers)):
                says = " and ".join(dict.fromkeys(one.says for one in made))
                entries = {name: entry for one in made for name, entry in one.entries.items()}
                stands = next((one.text for one in made if one.text != text), text)
                yield Way(says, stands, entries, tuple(bound for one in made for bound in one.bounds))

    def plain(self, field: str, text: str) -> Way:
        """Return the way in which a given text stands in a field and names nothing."""
        entries = {name: self._on_fields[name].unnamed(text) for name in self.fields().get(field, ())}
        return Way(f"is {text!r}", text, entries)

    def entry(self, name: str, ways: Mapping[str, Way | None]) -> Entry | Unknown:
        """Return the entry behind a fact; `ways` has None for a field of a wrong type and none for one left out."""
        return self._found(name, ways)[0]

    def member(self, name: str, member: str, ways: Mapping[str, Way | None]) -> Any:
        """Return a member of a fact: an `Amount`, a text, a bool or `UNKNOWN`."""
        entry, source = self._found(name, ways)
        if isinstance(entry, Unknown):
            return UNKNOWN
        declared = next(one for one in self.declared[name].members if one.name == member)
        origin = source.origin(declared) if source else declared.origin
        if origin.kind == "constant":
            return origin.value
        made = entry.get(_key(origin), UNKNOWN)
        return Amount(made.name, f"world.{origin.of_world}") if origin.of_world and isinstance(made, Amount) else made

    def _found(self, name: str, ways: Mapping[str, Way | None]) -> tuple[Entry | Unknown, Source | None]:
        """Return the entry behind a fact, and the one of several sources that it is of."""
        provider, needs = self.declared[name].provider, self.declared[name].needs
        if isinstance(provider, Either):
            source = self._given(provider, ways)
            return (self.entry(source.fact, ways), source) if source else (UNKNOWN, None)
        if any(isinstance(self.entry(needed, ways), Unknown) for needed in needs):
            return UNKNOWN, None
        if isinstance(provider, SameEntry):
            return self.entry(provider.fact, ways), None
        way = ways.get(self._recipes[name].field)
        return (way.entries[name] if way else UNKNOWN), None

    def _given(self, provider: Either, ways: Mapping[str, Way | None]) -> Source | None:
        """Return the one source that is given; None where none is, several are, or one is of a wrong type."""
        fields = [(source, self._recipes[source.fact].field) for source in provider.sources]
        if any(field in ways and ways[field] is None for _, field in fields):
            return None
        given = [source for source, field in fields if (way := ways.get(field)) and way.text != ""]
        return given[0] if len(given) == 1 else None

    # The members of an entry that rules need.

    def _recipe(self, fact: str, field: str) -> Recipe:
        numbers: dict[str, None] = {}
        flags: dict[str, tuple[Option, ...]] = {}
        sides: dict[str, tuple[Option, ...]] = {}
        texts: dict[str, dict[str, Option]] = {}
        for name, member in self._members_over(fact):
            origin, key = member.origin, _key(member.origin)
            if name not in self._reads or origin.kind == "constant" or origin in _NO_ENTRY:
                continue
            if origin.kind == "smaller":
                numbers |= dict.fromkeys(origin.names)
                sides[key] = _sides(field, origin.names, key)
            elif member.type == "integer":
                numbers[key] = None
            elif member.type == "boolean":
                flags[key] = (Option(f"not {key}", {key: False}), Option(key, {key: True}))
            else:
                said = {text: Option(f"{key} {text}", {key: text}) for text in self._literals.get(name, ())}
                texts[key] = texts.get(key, {}) | said
        options = (*flags.values(), *(tuple(said.values()) for said in texts.values()), *sides.values())
        return Recipe(fact, field, tuple(numbers), options, self._largest)

    def _members_over(self, base: str) -> Iterator[tuple[str, Member]]:
        """Yield the members of every fact that is about the entry of `base`, as they are read from there, by name."""
        for fact in self.declared.values():
            provider, read = fact.provider, list(fact.members) if self._same(fact.name, base) else []
            if isinstance(provider, Either):
                about = [source for source in provider.sources if self._same(source.fact, base)]
                read = [member for source in about for member in source.members(fact.members)]
            yield from ((f"facts.{fact.name}.{member.name}", member) for member in read)

    def _same(self, name: str, base: str) -> bool:
        provider = self.declared[name].provider
        return name == base or (isinstance(provider, SameEntry) and self._same(provider.fact, base))


def _key(origin: Origin) -> str:
    """Return the name under which a made entry holds what a member is read from."""
    if origin.kind == "smaller":
        return f"smaller:{':'.join(origin.names)}"
    return origin.names[0] if origin.names else origin.kind


def _sides(field: str, names: tuple[str, ...], key: str) -> tuple[Option, ...]:
    """Return the options of two numbers of an entry, of which either may be the smaller."""
    of = {name: f"{field}.{name}" for name in names}
    return tuple(
        Option(f"{small} the smaller", {key: Amount(of[small])}, (Bound(of[large], 0, None, of[small]),))
        for small, large in (names, names[::-1])
    )


_NO_ENTRY: Final = (provided("kind"), provided("reachable"))
"""Origins of members of media that come from the text and not from the entry."""

"""`lookup`: the entry of a table of the world under the id in a field; `of`: the entry of another fact."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kling_contracts.facts.members import Member
from kling_contracts.facts.provider import NO_SUCH_ID, UNKNOWN, Draft, FieldPath, indented, is_optional
from kling_contracts.facts.world import TABLES
from kling_contracts.unknown import Unknown

if TYPE_CHECKING:
    from kling_contracts.facts.ways import Entry, MadeFacts, OwnText, Recipe, Way

LISTED: Final = ("listed",)
"""The entry of an id in a table of ids alone."""


class Lookup(NamedTuple):
    """An entry of a table, by an id."""

    table: str
    key: FieldPath
    inside: str = ""
    """The fact in whose entry the table lies; empty for a table of the world."""
    empty_is_id: bool = True
    """Whether an empty text is an id like others; otherwise it names nothing."""
    also: str = ""
    """The member of an entry that names it, too, where no entry has that id; empty: only ids name entries."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The facts that it builds on."""
        return (self.inside,) if self.inside else ()

    @property
    def field(self) -> FieldPath:
        """The field that names the entry."""
        return self.key

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what looks up the entry and makes the fact."""
        yield f"key = {draft.fields}.get({self.key.name!r}{'' if self.empty_is_id else ', ' + repr('')})"
        yield "if not isinstance(key, str):"
        yield f"    {draft.nothing(self.key.unusable)}"
        if not self.empty_is_id:
            yield "elif not key:"
            yield f"    {draft.nothing(self.key.not_given)}"
        yield from self._in_entry(draft) if self.inside else self._in_world(draft)
        yield from draft.read_if_known()

    def _in_entry(self, draft: Draft) -> Iterator[str]:
        outer = draft.entries[self.inside]
        yield f"elif isinstance({outer}, Unknown):"
        yield f"    {draft.entry} = {hanging(draft, self.inside)}"
        yield "else:"
        yield f"    {draft.entry} = {outer}.{self.table}.get(key, NO_SUCH_ID)"

    def _in_world(self, draft: Draft) -> Iterator[str]:
        yield "elif world is None:"
        yield f"    {draft.entry} = NO_WORLD"
        yield "else:"
        yield from indented(self._looked_up(draft))

    def _looked_up(self, draft: Draft) -> Iterator[str]:
        if not is_optional(self.table):
            yield f"{draft.entry} = {self._found(draft, f'world.{self.table}')}"
            return
        left_out = draft.bind(Unknown(f"the world lists no {self.table.replace('_', ' ')}"))
        yield f"table = world.{self.table}"
        yield "if table is None:"
        yield f"    resolve = sources.find.get({self.table!r})"
        yield f"    {draft.entry} = {left_out} if resolve is None else resolve(key)"
        yield "else:"
        yield f"    {draft.entry} = {self._found(draft, 'table')}"

    def _found(self, draft: Draft, table: str) -> str:
        if TABLES[self.table] is None:
            return f"{draft.bind(LISTED)} if key in {table} else NO_SUCH_ID"
        if self.also:
            return f"{draft.bind(found_by)}({table}, {self.also!r}, key)"
        return f"{table}.get(key, NO_SUCH_ID)"

    def ways(self, recipe: "Recipe", text: "str | OwnText") -> "Iterator[Way]":
        """Yield what the table may hold for a text: each entry that rules tell apart, and none."""
        if text == "" and not self.empty_is_id:
            yield recipe.way("is empty", text, UNKNOWN)
            return
        for entry, says, bounds in recipe.entries(self.table):
            yield recipe.way(f"is known{says}", text, entry, bounds)
        if self.also and not isinstance(text, str):
            for entry, says, bounds in recipe.entries(self.table):
                yield recipe.way(f"is the {self.also} of one{says}", text, {**entry, self.also: text}, bounds)
        yield recipe.way("is not known", text, NO_SUCH_ID)
        elsewhere = recipe.elsewhere(self.table)
        if elsewhere and not isinstance(text, str):
            yield recipe.way("is known elsewhere alone", elsewhere, NO_SUCH_ID)

    def unnamed(self, text: str) -> Unknown:
        """Return what a text names that was not made: nothing."""
        return UNKNOWN if text == "" and not self.empty_is_id else NO_SUCH_ID


def found_by(table: Mapping[str, Any], member: str, name: str) -> Any:
    """Return the entry of that id, else the one of which a member is that name, else that there is none."""
    named = (entry for entry in table.values() if name and getattr(entry, member) == name)
    return table[name] if name in table else next(named, NO_SUCH_ID)


class SameEntry(NamedTuple):
    """The entry that another fact is about."""

    fact: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The fact that it builds on."""
        return (self.fact,)

    @property
    def field(self) -> FieldPath | None:
        """None: it reads no field."""
        return None

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what takes the entry and makes the fact."""
        yield f"{draft.entry} = {hanging(draft, self.fact)}"
        yield from draft.read_if_known()

    def found(
        self, made: "MadeFacts", members: tuple[Member, ...], ways: "Mapping[str, Way | None]"
    ) -> "tuple[Entry | Unknown, tuple[Member, ...]]":
        """Return the made entry, and the members as they are read from it."""
        entry = made.entry(self.fact, ways)
        return UNKNOWN if isinstance(entry, Unknown) else entry, members


def hanging(draft: Draft, fact: str) -> str:
    """Return the entry that another fact is about; where that is absent, it is not known."""
    outer, unknown = draft.entries[fact], draft.bind(Unknown(f"the {fact} is not known"))
    return f"{unknown} if type({outer}) is Absent else {outer}"

"""`lookup`: the entry of a table of the world under the id in a field; `of`: the entry of another fact."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kling_contracts.facts.provider import NO_SUCH_ID, UNKNOWN, Draft, Entry, FieldPath, entry_variable
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import TABLES, World
from kling_contracts.unknown import Unknown

if TYPE_CHECKING:
    from kling_contracts.facts.ways import OwnText, Recipe, Way

LISTED: Final = ("listed",)
"""The entry of an id in a table of ids alone."""


class Lookup(NamedTuple):
    """An entry of a table, by an id."""

    table: str
    field: FieldPath
    inside: str = ""
    """The fact in whose entry the table lies; empty for a table of the world."""
    empty_is_id: bool = True
    """Whether an empty text is an id like others; otherwise it names nothing."""
    also: str = ""
    """The member of an entry that names it, too, where no entry has that id; empty: only ids name entries."""

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what looks up the entry and makes the fact."""
        entry, bind, outer = draft.entry, draft.bind, entry_variable(self.inside)
        yield f"key = {draft.fields}.get({self.field.name!r}{'' if self.empty_is_id else ', ' + repr('')})"
        yield f"if not isinstance(key, str): {entry} = {bind(self.field.unusable)}"
        if not self.empty_is_id:
            yield f"elif not key: {entry} = {bind(self.field.not_given)}"
        if self.inside:
            yield f"elif isinstance({outer}, Unknown): {entry} = {draft.hanging(self.inside)}"
            yield f"else: {entry} = {outer}.{self.table}.get(key, NO_SUCH_ID)"
        else:
            yield f"elif world is None: {entry} = NO_WORLD"
            if World.__dataclass_fields__[self.table].default is None:
                yield f"elif world.{self.table} is None: {entry} = {bind(partial(_resolved, self.table))}(key, sources)"
            yield f"else: {entry} = {self._found(draft)}"
        yield from draft.read_if_known()

    def _found(self, draft: Draft) -> str:
        table = f"world.{self.table}"
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


def _resolved(table: str, key: str, sources: FactSources) -> Entry:
    """Return the entry of a table that the world leaves out."""
    resolve = sources.find.get(table)
    return resolve(key) if resolve else Unknown(f"the world lists no {table.replace('_', ' ')}")


class SameEntry(NamedTuple):
    """The entry that another fact is about."""

    fact: str

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what takes the entry and makes the fact."""
        yield f"{draft.entry} = {draft.hanging(self.fact)}"
        yield from draft.read_if_known()

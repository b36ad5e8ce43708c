"""Payloads as they are judged: some profiles let a null member count as absent, and cut the fraction of a time."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from kling_contracts.jsonio.keywords import MAX_ITEMS
from kling_contracts.judging.report import Note

Schema = Mapping[str, Any]
NULL_IS_ABSENT: Final = "x-null-is-absent"
"""Extension of a document: a documented member that is null counts as absent."""
CUT_FRACTION: Final = "x-cut-fraction"
"""Beside a field's `type: integer`: the fraction of a number is cut, and the cut is noted."""


class ReadPayload(NamedTuple):
    """A payload as it is judged and carried out."""

    payload: Any
    notes: tuple[Note, ...] = ()
    """Notes on what was changed."""


class PayloadReader(NamedTuple):
    """One node of a payload's schema, with what is changed at it and below it."""

    members: Mapping[str, "PayloadReader"]
    items: "PayloadReader | None"
    drops_null: bool
    cuts: bool
    changes: bool
    """Whether anything is changed here or below; otherwise a payload is judged as it is."""

    @classmethod
    def compile(cls, schema: Schema, *, drops_null: bool) -> "PayloadReader":
        """Compile the schema of a payload; `drops_null`: whether a null member counts as absent."""
        properties: Mapping[str, Schema] = schema.get("properties", {})
        members = {name: cls.compile(one, drops_null=drops_null) for name, one in properties.items()}
        items = cls.compile(schema["items"], drops_null=drops_null) if "items" in schema else None
        cuts = bool(schema.get(CUT_FRACTION))
        below = [*members.values(), *([items] if items else [])]
        changes = cuts or (drops_null and bool(members)) or any(one.changes for one in below)
        return cls(members, items, drops_null, cuts, changes)

    def payload(self, payload: Any) -> Any:
        """Return what is judged of a payload, without the notes of `read`."""
        return self.read(payload).payload if self.changes else payload

    def read(self, payload: Any) -> ReadPayload:
        """Return what is judged of a payload, which itself is left as it is."""
        if not self.changes:
            return ReadPayload(payload)
        notes: list[Note] = []
        return ReadPayload(self._changed(payload, "", notes), tuple(notes))

    def _changed(self, value: Any, pointer: str, notes: list[Note]) -> Any:
        if not self.changes:
            return value
        if isinstance(value, dict):
            return {
                name: self.members[name]._changed(member, f"{pointer}/{name}", notes)
                if name in self.members
                else member
                for name, member in value.items()
                if not (self.drops_null and member is None and name in self.members)
            }
        if isinstance(value, list | tuple) and self.items:
            read = [self.items._changed(one, f"{pointer}/{at}", notes) for at, one in enumerate(value[:MAX_ITEMS])]
            return [*read, *value[MAX_ITEMS:]]
        if self.cuts and isinstance(value, float) and isfinite(value) and not value.is_integer():
            notes.append(
                Note(pointer, f"{value} is no whole number of ms: its fraction is cut, {int(value)} is judged")
            )
            return int(value)
        return value

"""`flagged`: whether moderation refuses the text of a field: whether it holds one of the world's words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kling_contracts.facts.provider import Draft, FieldPath, member_variable

if TYPE_CHECKING:
    from kling_contracts.facts.ways import Entry, OwnText, Recipe, Way


class Flagged(NamedTuple):
    """A text that is compared with the words of a world."""

    field: FieldPath
    words: str
    """The list of the world that holds the words."""

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what looks for the words and makes the fact."""
        flagged = f"any([word in text for word in world.{self.words}])"
        members = "".join(f"; {member_variable(draft.fact, one.name)} = {flagged}" for one in draft.members)
        yield f"text = {draft.fields}.get({self.field.name!r})"
        yield f"{draft.unknown} = world is None or not isinstance(text, str)"
        yield f"if not {draft.unknown}: {draft.entry} = text{members}"
        yield f"elif isinstance(text, str): {draft.entry} = NO_WORLD"
        yield f"else: {draft.entry} = {draft.bind(self.field.unusable)}"

    def ways(self, recipe: "Recipe", text: "str | OwnText") -> "Iterator[Way]":
        """Yield the texts that pass moderation and those that do not; one that a rule names passes."""
        yield recipe.way("passes moderation", text, {"flagged": False})
        if not isinstance(text, str):
            yield recipe.way("holds a flagged word", recipe.own("flagged"), {"flagged": True})

    def unnamed(self, text: str) -> "Entry":
        """Return what a text is that was not made."""
        return {"flagged": False}

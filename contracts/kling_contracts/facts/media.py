"""`media`: what a field leads to that holds a URL or Base64 of an audio or a video."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from kling_contracts.facts.file_content import MEASURED, URL, base64_bytes, base64_size, named_format
from kling_contracts.facts.members import NOT_MEASURED, TEXT, Member, provided
from kling_contracts.facts.near_base64 import other_spelling, wrong_with
from kling_contracts.facts.provider import NO_SUCH_ID, UNKNOWN, Draft, Entry, FieldPath
from kling_contracts.facts.sources import FactSources, unfetched
from kling_contracts.facts.with_evidence import WithEvidence
from kling_contracts.unknown import Absent, Unknown

if TYPE_CHECKING:
    from kling_contracts.facts.ways import Entry as MadeEntry
    from kling_contracts.facts.ways import OwnText, Recipe, Way

UNREACHABLE: Final = Unknown("the URL does not answer")
TOO_LARGE: Final = Unknown("the file is too large to be looked into")
PROVIDED: Final[Mapping[str, str]] = {
    "kind": "string",
    "reachable": "boolean",
    "format": "string",
    "size_bytes": "integer",
}
"""The members that the provider finds out, with their types; all others are read from the entry."""


class Held(NamedTuple):
    """The content of a field: its kind (`url`, `base64`, `data_url`, `other`), and the file, as far as it is known."""

    kind: str
    reachable: bool | Unknown
    format: str | Unknown
    size_bytes: int | Unknown
    entry: Entry


class Media(NamedTuple):
    """A file behind a URL, or in the text itself."""

    holds: str
    """`audio` or `video`."""
    field: FieldPath
    table: str
    """The table of the world that lists URLs."""
    base64: bool = False
    """Whether Base64 is read, too."""

    def code(self, draft: Draft) -> Iterator[str]:
        """Yield what looks into the field and makes the fact."""
        hold = draft.bind(partial(self._hold, size_limit(draft.fact, draft.members, draft.limit_on)))
        yield f"text = {draft.fields}.get({self.field.name!r}, '')"
        yield f"{draft.unknown} = not text or not isinstance(text, str)"
        yield f"if not {draft.unknown}:"
        yield f"    found = {hold}(text, sources); {draft.entry} = found.entry"
        yield f"    if isinstance({draft.entry}, Unknown): {draft.read(_of_what_is_not_known(draft.members))}"
        yield f"    else: {draft.read(draft.members)}"
        yield f"elif isinstance(text, str): {draft.entry} = {draft.bind(self.field.not_given)}"
        yield f"else: {draft.entry} = {draft.bind(self.field.unusable)}"

    def kind_of(self, text: str) -> str:
        """Return what a text that is not empty is: `url`, `data_url`, `base64` or `other`."""
        if URL.match(text):
            return "url"
        if text[:5].lower() == "data:":
            return "data_url"
        return "base64" if self.base64 and base64_bytes(text) is not None else "other"

    def _hold(self, largest: int | None, text: str, sources: FactSources) -> Held:
        if URL.match(text):
            return _behind(text, self._looked_up(text, sources))
        if self.base64 and text[:5].lower() != "data:":
            size = base64_size(text)
            if largest is not None and size > largest:
                return Held("base64", True, TOO_LARGE, size, TOO_LARGE)
            data = base64_bytes(text)
            if data is not None:
                file = MEASURED[self.holds](data)
                return Held("base64", True, file.format, file.size_bytes, file)
        unreadable = Unknown(f"{self.field.name} cannot be read")
        kind = WithEvidence(self.kind_of(text), wrong_with(text) if self.base64 else other_spelling(text))
        return Held(kind, unreadable, unreadable, unreadable, unreadable)

    def _looked_up(self, url: str, sources: FactSources) -> Entry:
        files = getattr(sources.world, self.table) if sources.world else None
        if files is None:
            return sources.fetch.get(self.holds, unfetched)(url)
        return files.get(url, NO_SUCH_ID)

    def ways(self, recipe: "Recipe", text: "str | OwnText") -> "Iterator[Way]":
        """Yield the files that a text of its own may lead to, and none for a text that a rule names."""
        if isinstance(text, str):
            yield recipe.way(f"is {text!r}", text, self.unnamed(text))
            return
        url = recipe.own("url")
        for entry, says, bounds in recipe.entries(self.table):
            found = {"kind": "url", "reachable": True, **entry}
            if found.get("decodes") is False:
                found.pop("duration_ms", None)
            yield recipe.way(f"is a URL{says}", url, found, bounds)
        yield recipe.way("is a URL that does not answer", url, {"kind": "url", "reachable": False})
        if self.base64:
            yield from _base64_ways(recipe)
        yield recipe.way("is a data: URL", recipe.own("data_url"), {"kind": "data_url"})
        yield recipe.way("is neither Base64 nor a URL", recipe.own("other"), {"kind": "other"})

    def huge(self, recipe: "Recipe") -> "Iterator[Way]":
        """Yield a file in Base64 that is larger than what is looked into: only its size is known."""
        from kling_contracts.facts.made_files import MADE_FORMATS

        if self.base64 and recipe.largest is not None:
            made, size, duration = next(iter(MADE_FORMATS)), recipe.amount("size_bytes"), recipe.amount("duration_ms")
            entry = {"kind": "base64", "reachable": True, "size_bytes": size}
            bounds = ((size.name, recipe.largest + 1), (duration.name, 1, 10_000))
            yield recipe.way(f"is a huge {made} in Base64", recipe.own("huge", made), entry, bounds)

    def unnamed(self, text: str) -> "MadeEntry | Unknown":
        """Return what a text leads to that was not made; no literal of a rule is a file that can be measured."""
        if not text:
            return UNKNOWN
        kind = self.kind_of(text)
        if kind == "url":
            return {"kind": kind, "reachable": False}
        if kind == "base64":
            return {"kind": kind, "reachable": True, "size_bytes": base64_size(text)}
        return {"kind": kind}


def size_limit(fact: str, members: tuple[Member, ...], limit_on: Callable[[str], int | None]) -> int | None:
    """Return the size in bytes that the rules allow the file of a fact; None where no rule does."""
    sizes = [member.name for member in members if member.origin == provided("size_bytes")]
    return limit_on(f"facts.{fact}.{sizes[0]}") if sizes else None


def _behind(url: str, file: Entry) -> Held:
    if type(file) is Absent:
        return Held(WithEvidence("url", file.reason), False, UNREACHABLE, UNREACHABLE, UNREACHABLE)
    if isinstance(file, Unknown):
        return Held("url", file, named_format(url) or file, file, file)
    return Held("url", True, file.format, NOT_MEASURED if file.size_bytes is None else file.size_bytes, file)


def _of_what_is_not_known(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Return the members of a file that nobody has seen: those from the entry are unknown for the reason that it is."""
    return tuple(one if one.origin.kind == "provided" else one._replace(origin=TEXT) for one in members)


def _base64_ways(recipe: "Recipe") -> "Iterator[Way]":
    from kling_contracts.facts.made_files import (
        BARE_MP3_BYTES,
        BARE_MP3_MS,
        CUT_OFF_BYTES,
        MADE_FORMATS,
        OTHER_BYTES,
        OTHER_FORMATS,
    )

    duration, size = recipe.amount("duration_ms"), recipe.amount("size_bytes")
    held = {"kind": "base64", "reachable": True, "flagged": False}
    for made, (spare, longest) in MADE_FORMATS.items():
        bounds = ((duration.name, 1, longest), (size.name, spare, None, duration.name), (size.name, 0, recipe.largest))
        entry = {**held, "format": made, "decodes": True, "duration_ms": duration, "size_bytes": size}
        yield recipe.way(f"is {made} in Base64", recipe.own("base64", made), entry, bounds)
    bare = {**held, "format": "mp3", "decodes": True, "duration_ms": duration, "size_bytes": BARE_MP3_BYTES}
    yield recipe.way(
        "is an mp3 without a Xing header in Base64",
        recipe.own("bare_mp3"),
        bare,
        ((duration.name, BARE_MP3_MS, BARE_MP3_MS),),
    )
    for made, length in CUT_OFF_BYTES.items():
        entry = {**held, "format": made, "decodes": False, "size_bytes": length}
        yield recipe.way(f"is a broken {made} in Base64", recipe.own("cut_off", made), entry)
    for other in OTHER_FORMATS:
        entry = {**held, "format": other, "size_bytes": OTHER_BYTES}
        yield recipe.way(f"is {other} in Base64", recipe.own("other_format", other), entry)

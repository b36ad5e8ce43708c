"""Two documents walked side by side: fields, types, paths, servers, and which description became which."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

from kling_contracts.documents.quotes import folded
from kling_contracts.drift.change import Change
from kling_contracts.jsonio import json_pointer

MIN_NEAR: Final = 0.6
"""How alike two names must be for one to be the other renamed."""
MAX_DEPTH: Final = 100
SHOWN: Final = 80
"""Characters of a value that a change shows."""

_IGNORED: Final = {"tags", "operationId", "openapi", "title", "version", "externalDocs"}
_KEYWORDS: Final = {
    *("format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("pattern", "minItems", "maxItems", "uniqueItems", "additionalProperties", "nullable", "default", "const"),
}
_METHODS: Final = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


class DescriptionPair(NamedTuple):
    """One description of the old document and what stands in its place; either may be empty."""

    old_pointer: str
    old: str
    pointer: str
    new: str


class StructureComparison(NamedTuple):
    """The differences between two documents beside their prose, and which descriptions belong together."""

    changes: tuple[Change, ...]
    described: tuple[DescriptionPair, ...]
    renamed: Mapping[str, str]
    """Pointers in the old document of what has another name in the newer one."""


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> StructureComparison:
    """Compare two OpenAPI documents. Extensions of the vendor's tool (`x-`) make no difference."""
    walk = _Walk(old, new)
    walk.node(old, new, "", "", 0)
    return StructureComparison(tuple(walk.changes), tuple(walk.described), walk.renamed)


def pointer_to(parent: str, key: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) of a member."""
    return parent + json_pointer.pointer([key])


def field_of(place: str) -> str:
    """Return the name that people know a place by: the field's, or the last token of the pointer."""
    named = [token for token in json_pointer.tokens(place) if token not in ("properties", "schema", "items")]
    return named[-1] if named else ""


class _Walk:
    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self._roots = old, new
        self.changes: list[Change] = []
        self.described: list[DescriptionPair] = []
        self.renamed: dict[str, str] = {}

    def node(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare two values that stand in each other's place; `before` and `after` are their pointers."""
        if depth > MAX_DEPTH:
            return
        old, new = self._resolved(old, 0), self._resolved(new, 1)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            self._objects(old, new, before, after, depth)
        elif isinstance(old, list) and isinstance(new, list):
            self._lists(old, new, before, after, depth)
        elif old != new:
            self._report("document-changed", before, after, old, new)

    def _objects(self, old: Mapping[str, Any], new: Mapping[str, Any], before: str, after: str, depth: int) -> None:
        self._prose(old, new, before, after)
        # Which fields have another name must be known before what is required can be compared.
        for key in sorted(dict.fromkeys([*old, *new]), key=lambda key: key == "required"):
            if key == "description" or key in _IGNORED or key.startswith("x-"):
                continue
            a, b = pointer_to(before, key), pointer_to(after, key)
            if key in _NAMED and before.rpartition("/")[2] != "properties":
                _NAMED[key](self, old.get(key), new.get(key), a, b, depth)
            elif key in old and key in new:
                self.node(old[key], new[key], a, b, depth + 1)
            else:
                self._report("document-changed", a, b, old.get(key), new.get(key))
                self._texts(old.get(key), new.get(key), a, b)

    def _prose(self, old: Mapping[str, Any], new: Mapping[str, Any], before: str, after: str) -> None:
        texts = [value if isinstance(value, str) else "" for value in (old.get("description"), new.get("description"))]
        if any(texts):
            self.described.append(DescriptionPair(before, texts[0], after, texts[1]))

    def _texts(self, old: Any, new: Any, before: str, after: str) -> None:
        """Note every description below a value that stands on one side alone."""
        for pointer, text in _descriptions(old, before):
            self.described.append(DescriptionPair(pointer, text, "", ""))
        for pointer, text in _descriptions(new, after):
            self.described.append(DescriptionPair("", "", pointer, text))

    def _lists(self, old: list[Any], new: list[Any], before: str, after: str, depth: int) -> None:
        for index in range(max(len(old), len(new))):
            a, b = pointer_to(before, index), pointer_to(after, index)
            if index < len(old) and index < len(new):
                self.node(old[index], new[index], a, b, depth + 1)
            else:
                one, two = (side[index] if index < len(side) else None for side in (old, new))
                self._report("document-changed", a, b, one, two)
                self._texts(one, two, a, b)

    def fields(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare `properties`: a field that is gone may have another name."""
        self._members("field", _mapping(old), _mapping(new), before, after, depth)

    def paths(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare `paths`, and the methods of each path."""
        self._members("path", _mapping(old), _mapping(new), before, after, depth)

    def methods(self, old: Mapping[str, Any], new: Mapping[str, Any], before: str, after: str, depth: int) -> None:
        """Compare the methods at one path."""
        olds, news = ({key: side[key] for key in side if key in _METHODS} for side in (old, new))
        self._members("method", olds, news, before, after, depth)

    def _members(
        self, what: str, old: Mapping[str, Any], new: Mapping[str, Any], before: str, after: str, depth: int
    ) -> None:
        pairs = self._pairs(what, old, new)
        for key, other in pairs.items():
            a, b = pointer_to(before, key), pointer_to(after, other)
            if key != other:
                kind = "field-renamed" if what == "field" else f"{what}-changed"
                self.renamed[a] = b
                self.changes.append(Change(kind, b, f"{key} is now {other}", key, other, old_pointer=a))
            if what == "path":
                self.methods(_mapping(old[key]), _mapping(new[other]), a, b, depth + 1)
            else:
                self.node(old[key], new[other], a, b, depth + 1)
        for key in [key for key in old if key not in pairs]:
            self._gone(f"{what}-dropped", key, pointer_to(before, key), old[key])
        for key in [key for key in new if key not in pairs.values()]:
            b = pointer_to(after, key)
            self.changes.append(Change(f"{what}-added", b, f"{key} is new", new=_shown(new[key])))
            self._texts(None, new[key], "", b)

    def _gone(self, kind: str, key: str, before: str, value: Any) -> None:
        self.changes.append(Change(kind, before, f"{key} is gone", _shown(value), old_pointer=before, is_gone=True))
        self._texts(value, None, before, "")

    def _pairs(self, what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
        """Return which name became which: the same one, or the nearest of those that are left."""
        pairs = {key: key for key in old if key in new}
        gone, added = [key for key in old if key not in new], [key for key in new if key not in old]
        while gone and added:
            near, key, other = max(
                (self._nearness(what, one, two, old, new), one, two) for one in gone for two in added
            )
            # If one path or method has gone and one has come, the first became the second.
            if near < MIN_NEAR and not (what != "field" and len(gone) == len(added) == 1):
                break
            pairs[key] = other
            gone.remove(key)
            added.remove(other)
        return {key: pairs[key] for key in old if key in pairs}

    def _nearness(self, what: str, one: str, two: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
        near = SequenceMatcher(None, one, two).ratio()
        if what != "field":
            return near
        texts = [folded(str(_mapping(side).get("description") or "")) for side in (old[one], new[two])]
        types = [_mapping(side).get("type") for side in (old[one], new[two])]
        if types[0] != types[1]:
            return 0.0
        return 1.0 + near if texts[0] and texts[0] == texts[1] else near

    def type(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare `type`."""
        if old != new:
            self._report("type-changed", before, after, old, new)

    def keyword(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare a schema keyword."""
        if old != new:
            self._report("keyword-changed", before, after, old, new)

    def required(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare `required`, a list of fields or, of a parameter or body, true or false."""
        if isinstance(old, list) or isinstance(new, list):
            self._set("required-changed", self._renamed_fields(old, before), new or [], before, after)
        elif bool(old) != bool(new):
            self._report("required-changed", before, after, old, new)

    def _renamed_fields(self, names: Any, before: str) -> list[Any]:
        fields = pointer_to(before.rpartition("/")[0], "properties")
        now = {name: self.renamed.get(pointer_to(fields, name)) for name in map(str, names or ())}
        return [field_of(pointer) if pointer else name for name, pointer in now.items()]

    def enum(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare `enum`; its order makes no difference."""
        self._set("enum-changed", old or [], new or [], before, after)

    def example(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare an example."""
        if old != new:
            self._report("example-changed", before, after, old, new)

    def servers(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare the servers, one after the other."""
        olds, news = (side if isinstance(side, list) else [] for side in (old, new))
        for index in range(max(len(olds), len(news))):
            one, two = (_mapping(side[index]) if index < len(side) else {} for side in (olds, news))
            a, b = pointer_to(before, index), pointer_to(after, index)
            if one.get("url") != two.get("url"):
                self._report("server-changed", a, b, one.get("url"), two.get("url"))
            self._prose(one, two, a, b)

    def parameters(self, old: Any, new: Any, before: str, after: str, depth: int) -> None:
        """Compare parameters by place and name."""
        olds, news = (_by_name(side) for side in (old, new))
        for key in dict.fromkeys([*olds, *news]):
            a, b = (pointer_to(p, side[key][0]) if key in side else "" for p, side in ((before, olds), (after, news)))
            if key in olds and key in news:
                self.node(olds[key][1], news[key][1], a, b, depth + 1)
            elif key in olds:
                self._gone("field-dropped", key[1], a, olds[key][1])
            else:
                self.changes.append(Change("field-added", b, f"{key[1]} is new", new=_shown(news[key][1])))
                self._texts(None, news[key][1], "", b)

    def _set(self, kind: str, old: Any, new: Any, before: str, after: str) -> None:
        olds, news = ([str(one) for one in side] if isinstance(side, list) else [] for side in (old, new))
        added, removed = (tuple(one for one in a if one not in b) for a, b in ((news, olds), (olds, news)))
        if added or removed:
            what = "; ".join(filter(None, [_listed("new", added), _listed("gone", removed)]))
            owner = field_of(before.rpartition("/")[0]) or "the payload"
            message = f"{owner}: {before.rpartition('/')[2]}: {what}"
            self.changes.append(
                Change(
                    kind, after, message, ", ".join(olds), ", ".join(news),
                    added=added, removed=removed, old_pointer=before, is_gone=new == [],
                )
            )  # fmt: skip

    def _report(self, kind: str, before: str, after: str, old: Any, new: Any) -> None:
        parent, _, name = before.rpartition("/")
        owner = field_of(parent)
        subject = f"{owner}: {name}" if owner else name or "the document"
        if kind == "server-changed":
            subject = "the server"
        was, now = _shown(old), _shown(new)
        gone = new is None
        self.changes.append(
            Change(
                kind, before if gone else after, f"{subject}: {was or 'nothing'} -> {now or 'nothing'}",
                was, now, old_pointer=before, is_gone=gone,
            )
        )  # fmt: skip

    def _resolved(self, node: Any, side: int) -> Any:
        """Follow local references; one that leads nowhere, or in a circle, stays as it is."""
        for _ in range(MAX_DEPTH):
            if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
                return node
            target: Any = self._roots[side]
            for token in json_pointer.tokens(node["$ref"].removeprefix("#")):
                target = _mapping(target).get(token)
            if target is None:
                return node
            node = target
        return node


_NAMED: Final = {
    "properties": _Walk.fields,
    "paths": _Walk.paths,
    "type": _Walk.type,
    "required": _Walk.required,
    "enum": _Walk.enum,
    "example": _Walk.example,
    "examples": _Walk.example,
    "servers": _Walk.servers,
    "parameters": _Walk.parameters,
    **dict.fromkeys(_KEYWORDS, _Walk.keyword),
}
"""The members that mean something, each with what compares it."""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _by_name(parameters: Any) -> dict[tuple[str, str], tuple[int, Mapping[str, Any]]]:
    listed = parameters if isinstance(parameters, list) else []
    entries = ((index, _mapping(one)) for index, one in enumerate(listed))
    return {(str(one.get("in")), str(one.get("name"))): (index, one) for index, one in entries}


def _descriptions(node: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        text = node.get("description")
        if isinstance(text, str) and text:
            yield pointer, text
        for key, child in node.items():
            yield from _descriptions(child, pointer_to(pointer, key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _descriptions(child, pointer_to(pointer, index))


def _shown(value: Any) -> str:
    import json

    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _listed(word: str, names: tuple[str, ...]) -> str:
    return f"{word}: {', '.join(names)}" if names else ""

"""The vocabulary of our documents: what an overlay may hold, and every extension of klingkit, by a JSON Schema.

A misspelt extension would otherwise drop its rule in silence.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError, OverlayError
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import BrokenKeyword, Checker, nearest, readable
from kling_contracts.jsonio.keywords import Path as Steps

SCHEMA_FILE: Final = Path(__file__).with_name("overlay-vocabulary.schema.json")
CONDITIONS: Final[Mapping[str, str]] = {"x-validations": "rule", "x-notes": "when"}
"""The extensions whose entries hold a condition in CEL, with the member that holds it."""
MAX_SHOWN: Final = 10
"""Mistakes that one error lists."""

Document = Mapping[str, Any]


class SourceDocument(NamedTuple):
    """One of our documents: its name, its bytes as they were read (empty: unknown), and what they say."""

    name: str
    text: bytes
    content: Any


def refuse_malformed_overlay(overlay: Any, name: str) -> None:
    """Raise `OverlayError` where an overlay is not OpenAPI Overlay 1.0 or 1.1; its extensions are not looked at."""
    version = overlay.get("overlay") if isinstance(overlay, Mapping) else None
    faults = _checker("Overlay10" if str(version).startswith("1.0.") else "Overlay11").broken(overlay)
    if faults:
        raise OverlayError(_listed(SourceDocument(name, b"", overlay), faults))


def refuse_unfit(document: SourceDocument) -> None:
    """Raise `DocumentError` where a document of ours is malformed, or holds an extension that is not known."""
    faults = _checker().broken(document.content)
    if faults:
        kind = OverlayError if "overlay" in document.content else DocumentError
        raise kind(_listed(document, faults))


def refuse_unfit_result(effective: Document, sources: list[SourceDocument]) -> None:
    """Raise `DocumentError` where the effective document holds a malformed extension, or names an unknown field.

    `sources` are the documents that it was made from; the error names the one that holds the rule.
    """
    # The sources have been checked for unknown extensions, and those of the vendor are not ours.
    faults = [one for one in _checker("Node").broken(effective) if one.place[-2:] != ("Object", "additionalProperties")]
    if faults:
        raise DocumentError(_listed(SourceDocument("the effective document", b"", effective), faults))
    mistakes = [*_unknown_schemas(effective)]
    mistakes += [_placed(rule, at, says, sources) for rule, at, says in _misplaced(effective, ())]
    if mistakes:
        raise DocumentError("\n".join(mistakes[:MAX_SHOWN]))


def place_of_rule(rule_id: str, sources: Iterable[SourceDocument], place: Steps = ()) -> str:
    """Return file, line and JSON Pointer of a rule, or of a place within it; empty where no source holds it."""
    for source in sources:
        for path in _rules_with(rule_id, source.content, ()):
            return _place(source, (*path, *place))
    return ""


@cache
def _schema() -> Document:
    schema: Document = json.loads(SCHEMA_FILE.read_bytes())
    return schema


@cache
def _checker(name: str = "") -> Checker:
    """Return what checks a document of ours or, by its name, one part of the schema."""
    return Checker({"$ref": f"#/$defs/{name}", "$defs": _schema()["$defs"]} if name else _schema())


def _listed(source: SourceDocument, faults: list[BrokenKeyword]) -> str:
    return "\n".join(f"{_place(source, fault.path)}: {_said(fault, source.content)}" for fault in faults[:MAX_SHOWN])


def _place(source: SourceDocument, path: Steps) -> str:
    line = _line(source.text, path)
    return ", ".join(filter(None, [source.name, f"line {line}" if line else "", pointer(path)]))


def _line(text: bytes, path: Steps) -> int:
    """Return the line of a YAML file, from 1, on which the value at a path begins; 0 where it is not known."""
    if not text:
        return 0
    import yaml

    node = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    line = 0
    for step in path:
        if isinstance(node, yaml.MappingNode):
            key, node = next(((k, v) for k, v in node.value if k.value == str(step)), (None, None))
            line = key.start_mark.line + 1 if key else line
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _said(fault: BrokenKeyword, content: Any) -> str:
    keyword = fault.place[-1]
    schema = _at(_schema(), fault.place[:-1])
    name = str(fault.path[-1]) if fault.path and isinstance(fault.path[-1], str) else "this"
    if keyword in ("pattern", "not"):
        described = schema["not"] if keyword == "not" else schema
        return f"{name} {described['description']}"
    says = fault.message.replace(readable(fault.path), name, 1)
    if keyword == "enum":
        return f"{says}{nearest(str(_at(content, fault.path)), schema['enum'])}"
    return says


def _at(value: Any, path: Steps) -> Any:
    for step in path:
        value = value[int(step) if isinstance(value, list) else step]
    return value


def _unknown_schemas(effective: Document) -> Iterator[str]:
    """Yield a sentence for every operation whose facts no schema declares."""
    schemas = effective.get("components", {}).get("schemas", {})
    for path, item in effective.get("paths", {}).items():
        for method, operation in item.items():
            name = operation.get("x-facts") if isinstance(operation, Mapping) else None
            if name is not None and name not in schemas:
                place = pointer(("paths", path, method, "x-facts"))
                yield f"{place}: x-facts names {name}, no such schema in components.schemas{nearest(name, schemas)}"


def _misplaced(node: Any, path: Steps) -> Iterator[tuple[str, Steps, str]]:
    """Yield rule id, place within the rule, and sentence for rules in the wrong place and fields that do not exist."""
    if isinstance(node, Mapping):
        for rule in chain.from_iterable(node.get(extension, ()) for extension in CONDITIONS):
            if not _is_of_payload(path):
                yield rule["id"], (), "it stands outside of every payload's schema, where no rule is judged"
            yield from _unknown_in_rule(rule, list(node.get("properties", ())))
        for key, child in node.items():
            yield from _misplaced(child, (*path, key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _misplaced(child, (*path, index))


def _is_of_payload(path: Steps) -> bool:
    return path[:1] == ("paths",) and path[3:4] in (("requestBody",), ("parameters",)) and "schema" in path


def _unknown_in_rule(rule: Document, fields: list[str]) -> Iterator[tuple[str, Steps, str]]:
    blamed = rule.get("fieldPath", [])
    named: list[tuple[Steps, str]] = [(("fieldPath",), blamed)] if isinstance(blamed, str) else []
    named += [(("fieldPath", index), name) for index, name in enumerate(blamed) if not isinstance(blamed, str)]
    named += [(("prose", index, "at"), one["at"]) for index, one in enumerate(rule.get("prose", ())) if "at" in one]
    for place, name in named:
        if name.removeprefix(".") not in fields:
            hint = nearest(name, [f".{field}" for field in fields])
            yield (
                rule["id"],
                place,
                f"{place[0] if place[0] == 'fieldPath' else 'at'} names {name}, no such field{hint}",
            )


def _placed(rule_id: str, place: Steps, says: str, sources: list[SourceDocument]) -> str:
    where = place_of_rule(rule_id, sources, place)
    return f"{where}: rule {rule_id!r}: {says}" if where else f"rule {rule_id!r}: {says}"


def _rules_with(rule_id: str, node: Any, path: Steps) -> Iterator[Steps]:
    if isinstance(node, Mapping):
        if node.get("id") == rule_id and node.keys() & {"rule", "code", "when"}:
            yield path
        for key, child in node.items():
            yield from _rules_with(rule_id, child, (*path, key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _rules_with(rule_id, child, (*path, index))

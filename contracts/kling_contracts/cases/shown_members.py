"""Members of answers and callbacks, as the responses' schemas of the documents describe them."""

from collections.abc import Iterator, Mapping
from typing import Any

from kling_contracts.cases.places import EVERY, is_at, value_at
from kling_contracts.contract import Contract
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.task import Task
from kling_contracts.jsonio.json_pointer import pointer
from kling_contracts.jsonio.keywords import Checker, Path, Schema
from kling_contracts.judging.operation import Operation


def page_of(contract: Contract, operation: Operation) -> Mapping[str, str] | None:
    """Return the `x-entry` of an operation whose answer is a page; None for any other."""
    schema = schema_of(contract, operation, 200) or {}
    about: Mapping[str, str] = schema.get("properties", {}).get("data", {}).get("x-entry", {})
    return about if "table" in about else None


def kept_members(contract: Contract, look_up: Operation, answer: Any) -> Any:
    """Return those members of an answer that a later look-up shows again: they do not hang on the clock."""
    schema = schema_of(contract, look_up, 200) or {}
    node = resolved(contract, schema.get("properties", {}).get("data", {}))
    return _kept(contract, node, value_at(answer, "/data"))


def _kept(contract: Contract, node: Schema, value: Any) -> Any:
    members = {}
    for name, child in node.get("properties", {}).items():
        schema = resolved(contract, child)
        if isinstance(value, Mapping) and name in value:
            is_fixed = schema.get("x-shows") in Task._fields
            found = value[name] if is_fixed else _kept(contract, schema, value[name])
            if is_fixed or found:
                members[name] = found
    return members


def marked(contract: Contract, node: Schema, path: Path, mark: str) -> Iterator[str]:
    """Yield the JSON Pointers of the members that have an extension."""
    schema = resolved(contract, node)
    if schema.get(mark):
        yield pointer(path)
    for part in schema.get("allOf", ()):
        yield from marked(contract, part, path, mark)
    for name, child in schema.get("properties", {}).items():
        yield from marked(contract, child, (*path, name), mark)
    if "items" in schema:
        yield from marked(contract, schema["items"], (*path, EVERY), mark)


def file_members(contract: Contract, operation: Operation) -> Iterator[str]:
    """Yield the JSON Pointers of the URLs in an accepted answer that lead to a file while it is new."""
    yield from marked(contract, schema_of(contract, operation, 200) or {}, (), "x-file")


def members_there(contract: Contract, operation: Operation, answer: Any) -> bool:
    """Return whether an answer has every member that is there only at times, as a result is."""
    schema = schema_of(contract, operation, 200) or {}
    return all(is_at(answer, where) for where in marked(contract, schema, (), "x-there"))


def callback_fields(operation: Operation, document: Any) -> frozenset[str]:
    """Return the fields that hold a URL which the server calls."""
    body = document["paths"][operation.paths[0]][operation.method.lower()]
    names = (name for one in body.get("callbacks", {}).values() for name in one)
    return frozenset(name.partition("#/")[2].strip("}").replace("/", ".") for name in names)


def callback_checker(contract: Contract, operation: Operation) -> Checker | None:
    """Return what judges the body of a callback; None where the documents describe none."""
    body = contract.document["paths"][operation.paths[0]][operation.method.lower()]
    calls = (call for one in body.get("callbacks", {}).values() for call in one.values())
    content: Schema = next((next(iter(one["post"]["requestBody"]["content"].values()), {}) for one in calls), {})
    components = contract.document.get("components", {})
    return Checker({**content["schema"], "components": components}) if "schema" in content else None


def schema_of(contract: Contract, operation: Operation, status: int) -> Schema | None:
    """Return the schema of an operation's answer with a status; None where the documents have none."""
    body = contract.document["paths"][operation.paths[0]][operation.method.lower()]
    response = resolved(contract, body["responses"].get(str(status), {}))
    content: Schema = next(iter(response.get("content", {}).values()), {})
    return resolved(contract, content["schema"]) if "schema" in content else None


def tables_shown(contract: Contract, operation: Operation) -> tuple[str, ...]:
    """Return the tables of a world of which answers to an operation show a page."""
    body = contract.document["paths"][operation.paths[0]][operation.method.lower()]
    return tuple(dict.fromkeys(_tables(body["responses"])))


def names_shown(contract: Contract, operation: Operation) -> tuple[str, ...]:
    """Return the names by which any operation looks up an entry of the tables that one reads or shows."""
    own = {one.provider.table for one in operation.facts.declared if isinstance(one.provider, Lookup)}
    tables = own.union(tables_shown(contract, operation))
    every = (one.provider for operation in contract.operations for one in operation.facts.declared)
    found = [one for one in every if isinstance(one, Lookup) and one.table in tables]
    return tuple(dict.fromkeys(name for one in found for name in (one.field.name, one.also) if name))


def _tables(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        entry = node.get("x-entry")
        if isinstance(entry, Mapping) and "table" in entry:
            yield entry["table"]
        for child in node.values():
            yield from _tables(child)


def resolved(contract: Contract, node: Schema) -> Schema:
    """Return what a reference within the document leads to, and any other node as it is."""
    while "$ref" in node:
        target: Any = contract.document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node

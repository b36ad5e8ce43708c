"""Making a patch load: what has nothing left to stand on in the newer document is taken out, by name."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kling_contracts.contract import Contract
from kling_contracts.documents import loading, overlay
from kling_contracts.documents.patches import patched
from kling_contracts.documents.prose_coverage import Described, coverage
from kling_contracts.documents.vocabulary import CONDITIONS, SourceDocument
from kling_contracts.drift.baseline import OVERLAYS, Baseline
from kling_contracts.drift.comparing import Drift
from kling_contracts.drift.overlay_quotes import action_path, entry_path
from kling_contracts.drift.patch import MAIN, Edit, edits_for, patch_document
from kling_contracts.errors import DocumentError, OverlayError, RuleError
from kling_contracts.facts.declaration import declared_facts
from kling_contracts.judging.timeline import Timeline
from kling_contracts.rules.rule import Compiler
from kling_contracts.rules.service_codes import Statuses

Document = dict[str, Any]

TITLE = "Our overlays fitted to a newer document of the vendor"


class Proposal(NamedTuple):
    """A patch, and what comes of it."""

    patch: Document
    """Empty where nothing has to change."""
    lost: tuple[str, ...]
    """Parts that were removed because their source is gone: rules by id, parts of overlays by target."""
    described: tuple[Described, ...]
    """The prose coverage of the newer document under the patch; empty where it does not load."""
    problem: str
    """Why the newer document does not load even so; empty where it does."""


def propose(drift: Drift, baseline: Baseline, newer: Document) -> Proposal:
    """Return the patch of our documents under which a newer document loads."""
    edits, documents = edits_for(drift, baseline), baseline.documents
    lost: list[str] = []
    try:
        for edit, what in _unfounded(newer, documents, edits):
            edits.append(edit)
            lost.append(what)
        described = _coverage(newer, documents, edits)
    except DocumentError as error:
        return Proposal(patch_document(TITLE, edits) if edits else {}, tuple(lost), (), str(error))
    return Proposal(patch_document(TITLE, edits) if edits else {}, tuple(lost), described, "")


def _fitted(documents: Mapping[str, Document], edits: list[Edit]) -> dict[str, Document]:
    if not edits:
        return dict(documents)
    return patched(documents, patch_document(TITLE, edits), "the patch", frozenset(documents))


def _unfounded(newer: Document, documents: Mapping[str, Document], edits: list[Edit]) -> Iterator[tuple[Edit, str]]:
    """Yield the removal of every action that selects nothing, then of every rule that cannot be compiled."""
    fitted = _fitted(documents, edits)
    document = newer
    for name in OVERLAYS:
        try:
            document = overlay.apply(document, fitted[name], name)
        except OverlayError:
            document, removed = _one_by_one(document, fitted[name], name)
            yield from removed
    yield from _uncompilable(overlay.merged(document, fitted[loading.COMPANIONS], loading.COMPANIONS))


def _one_by_one(document: Document, one: Document, name: str) -> tuple[Document, list[tuple[Edit, str]]]:
    """Apply what selects anything; return the removal of the rest."""
    removed: list[tuple[Edit, str]] = []
    for action in one["actions"]:
        try:
            document = overlay.apply(document, {**one, "actions": [action]}, name)
        except OverlayError:
            target = action["target"]
            edit = Edit(name, {"target": action_path(target), "description": _NOTHING, "remove": True})
            if not any(edit == earlier for earlier, _ in removed):
                removed.append((edit, f"{name}: {target}"))
    if len(removed) == len(one["actions"]):
        kept = {"target": "$", "description": _NOTHING, "update": {}}
        removed.insert(0, (Edit(name, {"target": "$.actions", "description": _NOTHING, "update": [kept]}), name))
    return document, removed


_NOTHING = "It selects nothing in the newer document"


def _uncompilable(document: Document) -> Iterator[tuple[Edit, str]]:
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, Mapping) and "x-name" in operation and "requestBody" in operation:
                content: Document = next(iter(operation["requestBody"].get("content", {}).values()), {})
                statuses = Statuses.of(operation["responses"], document["components"].get("responses", {}))
                name = operation.get("x-facts", "")
                declared = document["components"]["schemas"][name] if name else {}
                schema = content.get("schema", {})
                facts, removed = _founded_facts(name, declared, schema)
                yield from removed
                yield from _in_node(schema, "", Compiler(facts, operation["x-violation-code"], statuses))


def _founded_facts(name: str, declared: Document, schema: Document) -> tuple[Document, list[tuple[Edit, str]]]:
    """Return the facts that can still be found out, and the removal of the others."""
    kept: dict[str, Any] = {}
    removed: list[tuple[Edit, str]] = []
    for fact, body in declared.get("properties", {}).items():
        try:
            declared_facts({"properties": {**kept, fact: body}}, schema)
            kept[fact] = body
        except DocumentError as error:
            target = f"$.actions[*].update.schemas.{name}.properties.{fact}"
            edit = Edit(MAIN, {"target": target, "description": f"{error} in the newer document", "remove": True})
            removed.append((edit, f"facts.{fact}"))
    return {**declared, "properties": kept}, removed


def _in_node(schema: Document, node: str, compiler: Compiler) -> Iterator[tuple[Edit, str]]:
    yield from _in_timeline(schema, compiler.facts)
    for extension in CONDITIONS:
        for entry in schema.get(extension, ()):
            blamed = entry.get("fieldPath", [])
            fields = [blamed] if isinstance(blamed, str) else blamed
            known = all(name.lstrip(".") in schema.get("properties", {}) for name in fields)
            if not known or not _compiles(
                compiler, {**schema, **dict.fromkeys(CONDITIONS, ()), extension: [entry]}, node
            ):
                target = entry_path(extension, "id", entry["id"])
                why = f"{entry['id']} reads what the newer document does not have"
                yield Edit(MAIN, {"target": target, "description": why, "remove": True}), entry["id"]
    for name, child in schema.get("properties", {}).items():
        yield from _in_node(child, f"{node}.{name}".lstrip("."), compiler)
    if "items" in schema:
        yield from _in_node(schema["items"], f"{node}[]", compiler)


def _in_timeline(schema: Document, facts: Mapping[str, Any]) -> Iterator[tuple[Edit, str]]:
    gone: set[str] = set()
    for bar in schema.get("x-timeline", ()):
        try:
            Timeline.compile({**schema, "x-timeline": [bar]}, facts)
            founded = gone.isdisjoint(bar.get("of", ()))
        except RuleError:
            founded = False
        if not founded:
            gone.add(bar["label"])
            target = entry_path("x-timeline", "label", bar["label"])
            why = f"the bar {bar['label']} reads what the newer document does not have"
            yield Edit(MAIN, {"target": target, "description": why, "remove": True}), f"x-timeline {bar['label']}"


def _compiles(compiler: Compiler, schema: Document, node: str) -> bool:
    try:
        list(compiler.cel_rules(schema, node))
        list(compiler.advice(schema))
    except RuleError:
        return False
    return True


def _coverage(newer: Document, documents: Mapping[str, Document], edits: list[Edit]) -> tuple[Described, ...]:
    """Compile the newer document under every profile, and return the coverage of the first. Raises `DocumentError`."""
    fitted = _fitted(documents, edits)
    main, companions = (SourceDocument(name, b"", fitted[name]) for name in (MAIN, loading.COMPANIONS))
    effective = loading.assemble(newer, [main, companions])
    for name in OVERLAYS[1:]:
        # The result of the first overlay is the same for all: the others are applied on top of it.
        Contract.compile(overlay.apply(effective, fitted[name], name))
    Contract.compile(effective)
    return coverage(newer, effective)

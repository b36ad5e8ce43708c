"""OpenAPI Overlay 1.1, stricter than the standard: an action whose target selects nothing is an error.

A vendor who renames a field would otherwise take its rules away in silence.
"""

from copy import deepcopy
from typing import Any

from kling_contracts.documents.vocabulary import refuse_malformed_overlay
from kling_contracts.errors import OverlayError

Node = dict[str, Any]


def apply(document: Node, overlay: Node, name: str = "overlay") -> Node:
    """Return `document` with every action of `overlay` applied in order; neither argument is changed.

    Raises `OverlayError`, naming `name` and the place, where the overlay is malformed, a target is not JSONPath or
    selects nothing, or an update does not fit what its target selects.
    """
    refuse_malformed_overlay(overlay, name)
    result = deepcopy(document)
    for index, action in enumerate(overlay["actions"]):
        try:
            _act(result, action)
        except OverlayError as error:
            raise OverlayError(f"{name}, actions[{index}], target {action['target']!r}: {error}") from None
    return result


def merged(document: Node, companion: Node, name: str) -> Node:
    """Return `document` with the paths, components and extensions of another OpenAPI document merged in.

    Neither argument is changed; raises `OverlayError`, naming `name`, where the two do not fit.
    """
    result = deepcopy(document)
    try:
        _merge(result, {key: value for key, value in companion.items() if key not in _OF_ONE_DOCUMENT})
    except OverlayError as error:
        raise OverlayError(f"{name}: {error}") from None
    return result


def places(document: Node, target: str) -> tuple[tuple[str | int, ...], ...]:
    """Return the places of a document that a JSONPath selects, each as keys and indexes from the root.

    Raises `OverlayError` where it is no JSONPath or selects nothing.
    """
    return tuple(match.parts for match in _select(document, target))


_OF_ONE_DOCUMENT = {"openapi", "info", "servers"}


def _act(document: Node, action: Node) -> None:
    matches = _select(document, action["target"])
    if action.get("remove", False):
        _remove(matches)
    elif "update" in action:
        for match in matches:
            _update(match, action["update"])
    elif "copy" in action:
        source = _source(document, action["copy"])
        for match in matches:
            _update(match, deepcopy(source))


def _source(document: Node, path: str) -> object:
    try:
        found = _select(document, path)
    except OverlayError as error:
        raise OverlayError(f"copy {path!r}: {error}") from None
    if len(found) > 1:
        raise OverlayError(f"copy {path!r}: it selects {len(found)} places")
    return found[0].obj


def _remove(matches: list[Any]) -> None:
    # Each node once; within one array the last first, so that no index drifts.
    chosen = {match.parts: match for match in matches}
    for parts in sorted(chosen, key=_position, reverse=True):
        if chosen[parts].parent is None:
            raise OverlayError("the document itself cannot be removed")
        del chosen[parts].parent.obj[parts[-1]]


def _position(parts: tuple[str | int, ...]) -> list[tuple[bool, str | int]]:
    return [(isinstance(part, int), part) for part in parts]


def _select(document: Node, target: str) -> list[Any]:
    # Imported late: a contract whose effective document is cached needs no JSONPath.
    import jsonpath

    if not target.startswith("$"):
        raise OverlayError("not a JSONPath: it does not start at the root, $")
    try:
        matches = list(jsonpath.JSONPathEnvironment(strict=True).finditer(target, document))
    except jsonpath.JSONPathError as error:
        raise OverlayError(f"not a JSONPath: {error}") from None
    if not matches:
        raise OverlayError("it selects nothing")
    return matches


def _update(match: Any, update: object) -> None:
    merged = _merge(match.obj, update)
    if match.parent is not None:
        match.parent.obj[match.parts[-1]] = merged


def _merge(old: object, new: object) -> object:
    """Objects merge member by member in place, arrays are joined, a primitive takes another's place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in new.items():
            old[key] = _merge(old[key], value) if key in old else deepcopy(value)
        return old
    if isinstance(old, list):
        old.extend(deepcopy(new if isinstance(new, list) else [new]))
        return old
    if isinstance(old, dict) or isinstance(new, dict | list):
        raise OverlayError("an update must be of the same kind as what it updates")
    return new

"""Patches: overlays of our own overlays, so that a newer document or an observed fact needs no edited file.

A patch is an OpenAPI Overlay whose targets lie in one of our documents: `extends` names it, and an action with
`x-document` is for another one. It is applied before that document is. The vendor's own document is never patched.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from kling_contracts.documents import overlay
from kling_contracts.errors import OverlayError

Document = dict[str, Any]

DOCUMENT_MEMBER: Final = "x-document"


def patched(
    documents: Mapping[str, Document], patch: Document, name: str, known: frozenset[str]
) -> dict[str, Document]:
    """Return documents, by the names of their files, with a patch applied; nothing that is given is changed.

    Actions on a document in `known` that is not among them are left out: another profile has it. Raises
    `OverlayError`, naming `name`, where the patch is malformed, its document is not known, or a target selects
    nothing.
    """
    result = dict(documents)
    for document, actions in _by_document(patch, name).items():
        if document not in known:
            raise OverlayError(
                f"{name}: there is no document {document!r} to patch; there are: {', '.join(sorted(known))}"
            )
        if document in result:
            part = {**patch, "actions": actions}
            result[document] = overlay.apply(result[document], part, name)
    return result


def _by_document(patch: Document, name: str) -> dict[str, list[Any]]:
    actions = patch.get("actions")
    if not isinstance(actions, list):
        raise OverlayError(f"{name}: actions must be a list of at least one action")
    by_document: dict[str, list[Any]] = {}
    for action in actions:
        chosen = action.get(DOCUMENT_MEMBER) if isinstance(action, Mapping) else None
        plain = (
            {key: deepcopy(member) for key, member in action.items() if key != DOCUMENT_MEMBER} if chosen else action
        )
        by_document.setdefault(str(chosen or patch.get("extends")), []).append(plain)
    return by_document

"""What a client may do without breaking a rule, though a strict server might think so."""

import codecs
import json
from collections.abc import Iterator
from functools import partial
from typing import Final

from kling_contracts.body import DEEPEST
from kling_contracts.contract import Contract
from kling_contracts.generation.changes import Change, plan_with, put
from kling_contracts.generation.payloads import TAKEN, URLS
from kling_contracts.generation.transport import TOKEN, beside, body, header, nested, path
from kling_contracts.http import JSON_TYPE


def harmless_changes(contract: Contract) -> Iterator[Change]:
    """Yield changes that break nothing; each names the rule that it comes near, or none."""
    for index, url in enumerate(URLS):
        yield Change("sound-file-format", f"The format is not told by {url}.", "url", plan=plan_with(number=index))
    for known in contract.operation.paths:
        yield Change("path", f"The operation is at {known}.", request=path(partial(_instead, known)))
    yield from _HARMLESS


_HARMLESS: Final = (
    Change("path", "A query is no part of the path.", request=path(lambda asked: f"{asked}?page=1")),
    Change("authorization-invalid", "A scheme may be in lower case.", request=header("authorization", f"bearer {TOKEN}")),
    Change("authorization-invalid", "A scheme may be in upper case.", request=header("authorization", f"BEARER {TOKEN}")),
    Change("content-type", "An absent content type means JSON.", request=header("content-type", None)),
    Change("content-type", "A content type has parameters.", request=header("content-type", f"{JSON_TYPE}; charset=utf-8")),
    Change("content-type", "A content type may be in upper case.", request=header("content-type", JSON_TYPE.upper())),
    Change("body-json", "A byte order mark is skipped.", request=body(lambda sent: codecs.BOM_UTF8 + sent)),
    Change("body-json", "JSON may have white space around it.", request=body(lambda sent: b"\r\n\t " + sent + b"\n")),
    Change("body-json", "JSON may be written widely.", request=body(lambda sent: _widely(sent))),
    Change("body-json", "A text may be UTF-8.", request=beside('"note":"声音 🎤"'.encode())),
    Change("body-json", "A surrogate pair is one character.", request=beside(b'"note":"\\ud83c\\udfa4"')),
    Change("body-json", "Brackets in a string nest nothing.", request=beside(b'"note":"' + b"[" * 300 + b'"')),
    Change("body-json", "A name may stand in two objects.", request=beside(b'"note":{"session_id":1}')),
    Change("body-json", f"The body may be nested {DEEPEST} levels deep.", request=beside(nested(DEEPEST))),
    Change("body-json", "An unknown number may be large.", request=beside(b'"number":18446744073709551617')),
    Change(
        "external-task-id-duplicate",
        "Letters in upper case make another external id.",
        payload=put("external_task_id", value=TAKEN.upper()),
    ),
    Change(
        "external-task-id-duplicate",
        "A space is a value, and a new external id.",
        payload=put("external_task_id", value=" "),
    ),
    Change("", "The callback URL is not looked into.", payload=put("callback_url", value="no URL at all")),
)


def _instead(known: str, asked: str) -> str:
    return known


def _widely(sent: bytes) -> bytes:
    return json.dumps(json.loads(sent), indent=4).encode()

"""What a client may do without breaking a rule, though a strict server might think so."""

import codecs
import json
from collections.abc import Iterator
from functools import partial
from typing import Final

from kling_contracts.cases.generation.changes import Change, plan_with, put
from kling_contracts.cases.generation.payloads import TAKEN, URLS
from kling_contracts.cases.generation.transport import TOKEN, authorization, beside, body, content_type, nested, path
from kling_contracts.contract import Contract
from kling_contracts.http import JSON_TYPE
from kling_contracts.jsonio.strict_json import MAX_DEPTH


def harmless_changes(contract: Contract) -> Iterator[Change]:
    """Yield changes that break nothing; each names the rule that it comes near, or none."""
    for index, url in enumerate(URLS):
        yield Change("sound-file-format", f"The format is not told by {url}.", "url", plan=plan_with(number=index))
    for known in contract.operation.paths:
        yield Change("path", f"The operation is at {known}.", request=path(partial(_instead, known)))
    for rule, says, of_request in _REQUESTS:
        yield Change(rule, says, request=of_request)
    for rule, says, of_payload in _PAYLOADS:
        yield Change(rule, says, payload=of_payload)


def _instead(known: str, asked: str) -> str:
    return known


def _widely(sent: bytes) -> bytes:
    return json.dumps(json.loads(sent), indent=4).encode()


_REQUESTS: Final = (
    ("path", "A query is no part of the path.", path(lambda asked: f"{asked}?page=1")),
    ("authorization-invalid", "A scheme may be in lower case.", authorization(f"bearer {TOKEN}")),
    ("authorization-invalid", "A scheme may be in upper case.", authorization(f"BEARER {TOKEN}")),
    ("content-type", "An absent content type means JSON.", content_type(None)),
    ("content-type", "A content type has parameters.", content_type(f"{JSON_TYPE}; charset=utf-8")),
    ("content-type", "A content type may be in upper case.", content_type(JSON_TYPE.upper())),
    ("body-json", "A byte order mark is skipped.", body(lambda sent: codecs.BOM_UTF8 + sent)),
    ("body-json", "JSON may have white space around it.", body(lambda sent: b"\r\n\t " + sent + b"\n")),
    ("body-json", "JSON may be written widely.", body(_widely)),
    ("body-json", "A text may be UTF-8.", beside('"note":"声音 🎤"'.encode())),
    ("body-json", "A surrogate pair is one character.", beside(b'"note":"\\ud83c\\udfa4"')),
    ("body-json", "Brackets in a string nest nothing.", beside(b'"note":"' + b"[" * 300 + b'"')),
    ("body-json", "A name may stand in two objects.", beside(b'"note":{"session_id":1}')),
    ("body-json", f"The body may be nested {MAX_DEPTH} levels deep.", beside(nested(MAX_DEPTH))),
    ("body-json", "An unknown number may be large.", beside(b'"number":18446744073709551617')),
)
_PAYLOADS: Final = (
    ("external-task-id-duplicate", "Another case is another id.", put("external_task_id", value=TAKEN.upper())),
    ("external-task-id-duplicate", "A space is a value, and a new id.", put("external_task_id", value=" ")),
    ("", "The callback URL is not looked into.", put("callback_url", value="no URL at all")),
)

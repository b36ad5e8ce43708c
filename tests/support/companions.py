"""Requests to the operations around create, and the rules that they break."""

import json

import pytest

from kling_contracts import Contract, Request, World
from support.serving import documented

MB = 1024 * 1024
DAY_MS = 24 * 60 * 60 * 1000
VIDEO_ID = "825465778199224381"

CONTRACTS = {
    "documented": documented(),
    "upstream": Contract.load("upstream"),
    "documented, no upstream state": Contract.load(upstream_state=False),
    "upstream, no upstream state": Contract.load("upstream", upstream_state=False),
}
DOCUMENT = documented().document
COMPANION_NAMES = ("list", "query", "identify", "tts")


def request(path, body=None, query="", method=None, **headers):
    """Return a request as a client sends it, with a key unless `headers` says otherwise."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    chosen = method or ("GET" if body is None else "POST")
    return Request(chosen, path, {"authorization": "Bearer key", **headers}, content, query)


def broken(asked, world=None, contract=None):
    """Return the ids of the rules that a request breaks in a world, as its JSON, or in none."""
    known = None if world is None else World.from_json(world)
    return {one.rule.id for one in (contract or documented()).collect_violations(asked, known)}


def unverified(asked, world=None):
    known = None if world is None else World.from_json(world)
    return {one.rule.id for one in documented().report(asked, known).unverified}


every_contract = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


def video(**changes):
    return {"duration_ms": 10_000, "faces": {"0": [0, 10_000]}, **changes}


TABLE = {
    "list": [
        ("pageNum.type", 400, 1201),
        ("pageNum.minimum", 400, 1201),
        ("pageNum.maximum", 400, 1201),
        ("pageSize.type", 400, 1201),
        ("pageSize.minimum", 400, 1201),
        ("pageSize.maximum", 400, 1201),
    ],
    "query": [("task_id.type", 400, 1201), ("task-unknown", 400, 1201)],
    "identify": [
        ("body.type", 400, 1201),
        ("video-source-missing", 400, 1201),
        ("video-source-conflict", 400, 1201),
        ("video-too-short", 400, 1201),
        ("video-too-long", 400, 1201),
        ("video-height", 400, 1201),
        ("video-width", 400, 1201),
        ("video-resolution", 400, 1201),
        ("video-content", 400, 1301),
        ("no-human", 400, 1201),
        ("video_id.type", 400, 1201),
        ("video-id-unknown", 400, 1201),
        ("video-id-expired", 400, 1201),
        ("video_url.type", 400, 1201),
        ("video-url-unreadable", 400, 1201),
        ("video-url-unreachable", 400, 1201),
        ("video-format", 400, 1201),
        ("video-too-large", 400, 1201),
    ],
    "tts": [
        ("body.type", 400, 1201),
        ("text.required", 400, 1201),
        ("voice_id.required", 400, 1201),
        ("voice_language.required", 400, 1201),
        ("voice-language-mismatch", 400, 1201),
        ("text.type", 400, 1201),
        ("text.minLength", 400, 1201),
        ("text.maxLength", 400, 1201),
        ("text-content", 400, 1301),
        ("voice_id.type", 400, 1201),
        ("voice-unknown", 400, 1201),
        ("voice_language.type", 400, 1201),
        ("voice_language.enum", 400, 1201),
        ("voice_speed.type", 400, 1201),
        ("voice_speed.minimum", 400, 1201),
        ("voice_speed.maximum", 400, 1201),
    ],
}
"""What upstream's documentation says of each operation, rule by rule, in document order: id, HTTP status, code."""

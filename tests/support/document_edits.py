"""Edits of the documents, one at a time: each makes another contract, whose cases must follow it."""

import copy
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from kling_contracts.documents import loading


class Edit(NamedTuple):
    """One change of the effective document."""

    name: str
    change: Callable[[Any], None]
    rule: str = ""
    """The rule that the edit adds, which some case must break at the least distance."""
    operation: str = "create"


def edited(edit: Edit) -> Any:
    """Return the effective document with one edit."""
    document = copy.deepcopy(loading.effective())
    edit.change(document)
    return document


def payload(document: Any, operation: str = "create") -> Any:
    """Return the schema of an operation's payload."""
    for item in document["paths"].values():
        for body in item.values():
            if body.get("x-name") == operation:
                return next(iter(body["requestBody"]["content"].values()))["schema"]
    raise LookupError(operation)


def item(document: Any) -> Any:
    """Return the schema of the items of create's array."""
    return payload(document)["properties"]["face_choose"]["items"]


def nodes(schema: Any) -> Any:
    """Yield every node of a schema."""
    yield schema
    for child in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from nodes(child)


def all_rules(document: Any, operation: str = "create") -> list[Any]:
    """Return the rules of an operation's payload."""
    return [rule for node in nodes(payload(document, operation)) for rule in node.get("x-validations", ())]


def find(document: Any, rule_id: str) -> Any:
    """Return a rule of any operation by its id."""
    for operation in ("create", "identify", "tts"):
        for rule in all_rules(document, operation):
            if rule["id"] == rule_id:
                return rule
    raise LookupError(rule_id)


def rewrite(rule_id: str, old: str, new: str, count: int = 1) -> Callable[[Any], None]:
    """Return the change that replaces a part of a rule's text."""

    def change(document: Any) -> None:
        rule = find(document, rule_id)
        assert old in rule["rule"], f"{rule_id} does not say {old}"
        rule["rule"] = rule["rule"].replace(old, new, count)

    return change


def moved(rule_id: str, by: int) -> Callable[[Any], None]:
    """Return the change that raises every number of a rule."""

    def change(document: Any) -> None:
        rule = find(document, rule_id)
        rule["rule"] = re.sub(r"(?<![\w'])\d+(?![\w'])", lambda number: str(int(number[0]) + by), rule["rule"])

    return change


def replaced(rule_id: str, text: str) -> Callable[[Any], None]:
    """Return the change that gives a rule another text."""
    return lambda document: find(document, rule_id).update(rule=text)


def dropped(rule_id: str) -> Callable[[Any], None]:
    """Return the change that leaves out a rule."""

    def change(document: Any) -> None:
        for node in nodes(payload(document)):
            kept = [rule for rule in node.get("x-validations", ()) if rule["id"] != rule_id]
            if "x-validations" in node:
                node["x-validations"] = kept

    return change


def added(text: str, where: Callable[[Any], Any] = item, rule_id: str = "own") -> Callable[[Any], None]:
    """Return the change that adds a rule to a node."""

    def change(document: Any) -> None:
        entry = {"id": rule_id, "source": "upstream", "rule": text, "message": "Not so"}
        where(document).setdefault("x-validations", []).append(entry)

    return change


def keyword(where: Callable[[Any], Any], **keywords: Any) -> Callable[[Any], None]:
    """Return the change that gives a node other keywords."""
    return lambda document: where(document).update(keywords)


def field(name: str) -> Callable[[Any], Any]:
    """Return what finds a field of create's item."""
    return lambda document: item(document)["properties"][name]


def top(name: str) -> Callable[[Any], Any]:
    """Return what finds a field of create's payload."""
    return lambda document: payload(document)["properties"][name]


def new_field(name: str, schema: Any, required: bool, where: Callable[[Any], Any] = item) -> Callable[[Any], None]:
    """Return the change that adds a field."""

    def change(document: Any) -> None:
        node = where(document)
        node["properties"][name] = schema
        if required:
            node.setdefault("required", []).append(name)

    return change


def together(*changes: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return the change that makes several."""

    def change(document: Any) -> None:
        for one in changes:
            one(document)

    return change


LIMITED = (
    "session-expired",
    "audio-id-expired",
    "audio-too-short",
    "audio-too-long",
    "clip-too-short",
    "face-overlap-too-short",
    "sound-file-too-large",
)


def new_operation(document: Any) -> None:
    """Add an operation with a lookup and a media fact of its own."""
    create = next(
        (path, item["post"])
        for path, item in document["paths"].items()
        if item.get("post", {}).get("x-name") == "create"
    )[1]
    document["components"]["schemas"]["OwnFacts"] = {
        "type": "object",
        "properties": {
            "voice": {
                "type": "object",
                "x-provider": {"kind": "lookup", "table": "voices", "key": "speaker"},
                "properties": {"language": {"type": "string"}},
            },
            "sample": {
                "type": "object",
                "x-provider": {"kind": "media", "holds": "audio", "field": "sample", "table": "files", "base64": True},
                "properties": {
                    "kind": {"type": "string"},
                    "reachable": {"type": "boolean"},
                    "format": {"type": "string"},
                    "size_bytes": {"type": "integer"},
                    "duration_ms": {"type": "integer"},
                    "decodes": {"type": "boolean"},
                },
            },
        },
    }
    rules = [
        ("speaker-unknown", "has(facts.voice)"),
        ("sample-unreadable", "facts.sample.kind == 'url' || facts.sample.kind == 'base64'"),
        ("sample-unreachable", "facts.sample.reachable"),
        ("sample-format", "facts.sample.format == 'wav' || facts.sample.format == 'mp3'"),
        ("sample-decodes", "facts.sample.decodes"),
        ("sample-too-short", "facts.sample.duration_ms >= 5000 + self.pause"),
        ("sample-too-large", "facts.sample.size_bytes <= 90000"),
        ("language", "facts.voice.language == 'en' || facts.voice.language == self.language"),
    ]
    schema = {
        "type": "object",
        "required": ["speaker", "sample", "pause", "language"],
        "properties": {
            "speaker": {"type": "string"},
            "sample": {"type": "string"},
            "pause": {"type": "integer", "minimum": 0, "maximum": 500},
            "language": {"type": "string"},
        },
        "x-validations": [
            {"id": name, "source": "upstream", "rule": text, "message": "Not so"} for name, text in rules
        ],
    }
    document["paths"]["/own/v1/clone"] = {
        "post": {
            "operationId": "clone",
            "x-name": "clone",
            "x-violation-code": 1201,
            "x-facts": "OwnFacts",
            "x-source": "upstream",
            "security": [{"bearer": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": copy.deepcopy(create["responses"]),
        }
    }


EDITS = (
    *(Edit(f"{rule} {by:+}", moved(rule, by)) for rule in LIMITED for by in (-1500, 777)),
    # Operators.
    Edit("<= becomes <", rewrite("clip-past-audio-end", "<=", "<")),
    Edit(">= becomes >", rewrite("clip-too-short", ">=", ">")),
    Edit("one >= of three becomes >", rewrite("face-overlap-too-short", ">=", ">", 2)),
    Edit("<= becomes < of an age", rewrite("session-expired", "<=", "<")),
    # The same rule written otherwise.
    Edit(
        "a clip the other way round", replaced("clip-too-short", "2000 <= self.sound_end_time - self.sound_start_time")
    ),
    Edit("a clip by negation", replaced("clip-too-short", "!(self.sound_end_time - self.sound_start_time < 2000)")),
    Edit("a clip as a sum", replaced("clip-too-short", "self.sound_end_time >= 2000 + self.sound_start_time")),
    Edit(
        "a negated disjunction",
        replaced("audio-too-long", "!(facts.audio.duration_ms > 60000 || facts.audio.duration_ms == 0)"),
    ),
    # Conjuncts and disjuncts.
    Edit(
        "a conjunct more",
        rewrite("clip-too-short", ">= 2000", ">= 2000 && self.sound_end_time - self.sound_start_time <= 20000"),
    ),
    Edit("a disjunct more", rewrite("audio-too-long", "<= 60000", "<= 60000 || facts.audio.duration_ms == 90000")),
    Edit(
        "a disjunct over a field",
        rewrite(
            "insert-past-video-end",
            "<= facts.video.duration_ms",
            "<= facts.video.duration_ms || self.sound_insert_time == 0",
        ),
    ),
    Edit("a disjunct with !=", rewrite("clip-too-short", ">= 2000", ">= 2000 || self.sound_start_time != 0")),
    Edit(
        "four disjuncts over numbers",
        replaced(
            "clip-too-short",
            "self.sound_end_time - self.sound_start_time >= 9000"
            " || self.sound_start_time >= 3000 && self.sound_end_time >= 5000"
            " || self.sound_insert_time <= 100 && self.sound_end_time >= 4000 || self.sound_volume == 2",
        ),
    ),
    Edit(
        "conjuncts in another order",
        replaced(
            "face-overlap-too-short",
            "facts.face.end_ms - facts.face.start_ms >= 2000 && facts.face.end_ms - self.sound_insert_time >= 2000"
            " && self.sound_insert_time + (self.sound_end_time - self.sound_start_time) - facts.face.start_ms >= 2000",
        ),
    ),
    # Rules dropped.
    *(
        Edit(f"{rule} dropped", dropped(rule))
        for rule in ("face-overlap-too-short", "audio-source-conflict", "sound-file-too-large", "session-unknown")
    ),
    # New rules.
    Edit("over fields", added("self.sound_insert_time >= self.sound_start_time + 100"), "own"),
    Edit(
        "over fields, a linear one",
        added("self.sound_insert_time + self.sound_start_time + 500 <= self.sound_end_time + 9000"),
        "own",
    ),
    Edit("over facts", added("facts.video.duration_ms <= facts.audio.duration_ms + 30000"), "own"),
    Edit(
        "over facts and fields",
        added(
            "facts.face.start_ms <= self.sound_insert_time && self.sound_insert_time <= facts.video.duration_ms - 3000"
        ),
        "own",
    ),
    Edit("over a text", added("self.face_id == '0'"), "own"),
    Edit("over a text that may not be", added("self.face_id != '0' && self.face_id != '-1'"), "own"),
    Edit(
        "over the source of the audio",
        added("!has(self.sound_file) || self.sound_file == '' || self.sound_start_time == 0"),
        "own",
    ),
    Edit(
        "over the source and a file",
        added("has(self.audio_id) && self.audio_id != '' || facts.file.format == 'wav'"),
        "own",
    ),
    Edit("over two texts", added("!has(self.callback_url) || self.session_id == self.callback_url", payload), "own"),
    Edit(
        "over two texts that differ",
        added("!has(self.external_task_id) || self.session_id != self.external_task_id", payload),
        "own",
    ),
    Edit(
        "over a literal URL",
        added("!has(self.sound_file) || self.sound_file != 'https://files.example/banned.mp3'"),
        "own",
    ),
    Edit("over a field twice", added("self.sound_start_time + self.sound_start_time <= self.sound_end_time"), "own"),
    Edit("over an equality", added("self.sound_insert_time == self.sound_start_time"), "own"),
    Edit("over an inequality", added("self.sound_insert_time != self.sound_end_time"), "own"),
    Edit("over volumes", added("self.sound_volume + self.original_audio_volume >= 1"), "own"),
    Edit("over a flag", added("facts.audio.decodes == !facts.audio.flagged"), "own"),
    Edit("over a volume and a fact", added("self.sound_volume == 1 || facts.audio.duration_ms <= 30000"), "own"),
    Edit("over the payload", added("has(self.external_task_id)", payload), "own"),
    Edit(
        "over the callback",
        added("!has(self.callback_url) || self.callback_url == '' || self.callback_url != 'http'", payload),
        "own",
    ),
    Edit("over a fact that may be absent", added("has(facts.task) || facts.session.age_ms <= 1000", payload), "own"),
    # Keywords.
    Edit("multipleOf 500", keyword(field("sound_start_time"), multipleOf=500)),
    Edit(
        "multipleOf on two",
        together(
            keyword(field("sound_start_time"), multipleOf=250), keyword(field("sound_insert_time"), multipleOf=100)
        ),
    ),
    Edit("an exclusive minimum", keyword(field("sound_insert_time"), exclusiveMinimum=0)),
    Edit("a maximum", keyword(field("sound_insert_time"), maximum=5000)),
    Edit("another maximum of a volume", keyword(field("sound_volume"), maximum=3)),
    Edit("a length on an id", keyword(top("session_id"), maxLength=8)),
    Edit("two lengths on an id", keyword(top("external_task_id"), minLength=3, maxLength=12)),
    Edit("an enum on a number", keyword(field("sound_volume"), enum=[0, 2])),
    Edit("an enum on a text", keyword(field("face_id"), enum=["0", "1", "-1"])),
    Edit("a const", keyword(field("original_audio_volume"), const=1)),
    Edit("two items", keyword(top("face_choose"), minItems=2, maxItems=2)),
    Edit("up to three items", keyword(top("face_choose"), maxItems=3)),
    Edit("a new optional number", new_field("speed", {"type": "integer", "minimum": 1, "maximum": 9}, False)),
    Edit("a new required text", new_field("mode", {"type": "string", "enum": ["std", "pro"]}, True, payload)),
    Edit("a new required number", new_field("gain", {"type": "number", "minimum": 0.25, "maximum": 4}, True)),
    Edit(
        "a new optional flag with a rule",
        together(
            new_field("mute", {"type": "boolean"}, False),
            added("!has(self.mute) || !self.mute || self.sound_volume == 0"),
        ),
        "own",
    ),
    Edit("unknown members refused", keyword(payload, additionalProperties=False)),
    Edit(
        "numbers and texts of a new field",
        together(
            new_field("note", {"type": "string", "minLength": 2, "maxLength": 5}, False, payload),
            added("!has(self.note) || self.note != 'no'", payload),
        ),
        "own",
    ),
    # Other operations.
    Edit("a wider video", rewrite("video-width", "2160", "4096"), operation="identify"),
    Edit(
        "a square video",
        added("facts.video.width_px == facts.video.height_px", lambda d: payload(d, "identify")),
        "own",
        "identify",
    ),
    Edit("a longer text", keyword(lambda d: payload(d, "tts")["properties"]["text"], maxLength=50), operation="tts"),
    Edit("a speed", keyword(lambda d: payload(d, "tts")["properties"]["voice_speed"], minimum=0.5), operation="tts"),
    Edit(
        "a language more",
        keyword(lambda d: payload(d, "tts")["properties"]["voice_language"], enum=["zh", "en", "ja"]),
        operation="tts",
    ),
    Edit("a new operation", new_operation, "sample-too-short", "clone"),
)

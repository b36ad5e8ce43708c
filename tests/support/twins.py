"""Twins of the mock that deviate in one thing each, and what a recording of them must name."""

import json
from typing import Any, NamedTuple

from kling_contracts import Contract
from kling_contracts.documents import loading

EFFECTIVE = json.dumps(loading.effective())


class Twin(NamedTuple):
    """One deviating service: what it is called, the rule or kind of difference to be named, how it is made."""

    name: str
    named: str
    switches: Any = None
    """Makes the options of the mock."""
    change: Any = None
    """Changes its answers."""


def validations(node):
    """Every list of rules in a document."""
    if isinstance(node, dict):
        if "x-validations" in node:
            yield node["x-validations"]
        for child in node.values():
            yield from validations(child)
    elif isinstance(node, list):
        for child in node:
            yield from validations(child)


def of_rule(rule_id, change, named=None, kind="literal"):
    """A twin with one rule changed."""

    def switches():
        document = json.loads(EFFECTIVE)
        for rules in validations(document):
            for rule in rules:
                if rule["id"] == rule_id:
                    change(rule, rules)
                    return {"contract": Contract.compile(document)}
        raise AssertionError(rule_id)

    return Twin(f"{kind} of {rule_id}", named or rule_id, switches)


def of_text(rule_id, old, new, named=None, kind="literal"):
    def change(rule, _):
        assert old in rule["rule"], rule["rule"]
        rule["rule"] = rule["rule"].replace(old, new)

    return of_rule(rule_id, change, named, f"{kind} {old} -> {new}")


def without(rule_id):
    return of_rule(rule_id, lambda rule, rules: rules.remove(rule), kind="rule dropped:")


def with_member(rule_id, **members):
    return of_rule(rule_id, lambda rule, _: rule.update(members), kind=f"other {', '.join(members)}")


def last(rule_id):
    def change(rule, rules):
        rules.remove(rule)
        rules.append(rule)

    return of_rule(rule_id, change, kind="order")


def of_keyword(field, keyword, value, named):
    """A twin with one schema keyword changed wherever a field of that name stands."""

    def switches():
        document = json.loads(EFFECTIVE)
        for node in schemas(document, field):
            if keyword in node:
                node[keyword] = value
        return {"contract": Contract.compile(document)}

    return Twin(f"{field}.{keyword} is {value}", named, switches)


def schemas(node, field):
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and field in node["properties"]:
            yield node["properties"][field]
        if node.get("name") == field and "schema" in node:
            yield node["schema"]
        for child in node.values():
            yield from schemas(child, field)
    elif isinstance(node, list):
        for child in node:
            yield from schemas(child, field)


def request_rule(rule_id, **members):
    def switches():
        document = json.loads(EFFECTIVE)
        next(rule for rule in document["x-request-rules"] if rule["id"] == rule_id).update(members)
        return {"contract": Contract.compile(document)}

    return Twin(f"other {', '.join(members)} of {rule_id}", rule_id, switches)


# Answers changed on their way.


def answers(name, named, change):
    return Twin(name, f"recording.{named}", None, change)


def on_status(wanted, status):
    return lambda method, path, was, value: (status if was == wanted else was, value)


def member(path_part, change):
    """Change `data` of every answer at paths that hold `path_part`."""

    def changed(method, path, status, value):
        if path_part in path and isinstance(value.get("data"), dict):
            change(value["data"])
        return status, value

    return changed


def without_request_id(method, path, status, value):
    return status, {key: one for key, one in value.items() if key != "request_id"}


def without_envelope(method, path, status, value):
    return status, value.get("data", value)


def code_as_text(method, path, status, value):
    return status, {**value, "code": str(value["code"])}


def is_state(data):
    return "task_info" in data and "task_status_msg" in data


def succeeded(data):
    if data.get("task_status") == "succeed":
        data["task_status"] = "succeeded"


def without_result(data):
    data.pop("task_result", None)


def number_of_seconds(data):
    for video in data.get("task_result", {}).get("videos", []):
        video["duration"] = float(video["duration"])


def longer_result(data):
    for video in data.get("task_result", {}).get("videos", []):
        video["duration"] = "99"


def dearer(data):
    if data.get("task_status") == "succeed":
        data["final_unit_deduction"] = "77"


def forgetful(data):
    if "task_info" in data:
        data["task_info"]["external_task_id"] = "other"


def backwards(data):
    if is_state(data):
        steps = {"submitted": "processing", "processing": "submitted"}
        data["task_status"] = steps.get(data["task_status"], data["task_status"])


def at_once(data):
    if "task_status" in data and not is_state(data):
        data["task_status"] = "processing"


def made_later(data):
    if is_state(data):
        data["created_at"] += 7


def moving(data):
    if is_state(data):
        data["updated_at"] += next(_TIMES)


_TIMES = iter(range(1, 1_000_000))


def turned(method, path, status, value):
    if isinstance(value.get("data"), list):
        value["data"].reverse()
    return status, value


def another_task(data):
    if is_state(data):
        data["task_id"] = "1"
        data["task_info"]["external_task_id"] = ""


TASKS = "advanced-lip-sync"

TWINS = [
    of_text("clip-too-short", "2000", "1500"),
    of_text("clip-too-short", "2000", "2500"),
    of_text("audio-too-short", "2000", "500"),
    of_text("audio-too-long", "60000", "900000"),
    of_text("face-overlap-too-short", "2000", "1500"),
    of_text("session-expired", "86400000", "172800000"),
    of_text("session-expired", "86400000", "3600000"),
    of_keyword("sound_volume", "maximum", 3, "sound_volume.maximum"),
    of_keyword("sound_volume", "minimum", 1, "sound_volume.minimum"),
    of_keyword("original_audio_volume", "maximum", 5, "original_audio_volume.maximum"),
    of_keyword("sound_start_time", "minimum", -5, "sound_start_time.minimum"),
    of_keyword("sound_insert_time", "minimum", -5, "sound_insert_time.minimum"),
    of_keyword("text", "maxLength", 2000, "text.maxLength"),
    of_keyword("voice_speed", "maximum", 3, "voice_speed.maximum"),
    of_keyword("pageSize", "maximum", 1000, "pageSize.maximum"),
    of_text("clip-too-short", ">=", ">", kind="operator"),
    of_text("clip-past-audio-end", "<=", "<", kind="operator"),
    of_text(
        "face-overlap-too-short",
        "facts.face.end_ms - self.sound_insert_time >=",
        "facts.face.end_ms - self.sound_insert_time >",
        kind="operator",
    ),
    without("audio-source-missing"),
    without("audio-source-conflict"),
    without("external-task-id-duplicate"),
    of_keyword("voice_language", "enum", ["zh", "en", "fr"], "voice_language.enum"),
    without("clip-past-audio-end"),
    of_text(
        "sound-file-format",
        "facts.file.format == 'm4a'",
        "facts.file.format == 'm4a' || facts.file.format == 'ogg'",
        kind="list",
    ),
    Twin("the reading of the end of an audio", "clip-past-audio-end", lambda: {"audio_slack_ms": 20}),
    Twin("the reading of volumes", "sound_volume.type", lambda: {"profile": "upstream"}),
    Twin("the reading of absent volumes", "sound_volume.required", lambda: {"profile": "upstream"}),
    with_member("clip-too-short", code=1200),
    with_member("session-expired", code=1203),
    with_member("task-unknown", code=1203),
    request_rule("authorization-missing", code=1000),
    request_rule("content-type", code=1201),
    with_member("clip-too-short", message="Clip below {limit} ms"),
    with_member("audio-source-missing", message="Give some audio"),
    with_member("task-unknown", message="Task not found by id/external id"),
    request_rule("body.required", message="Nothing was sent"),
    last("clip-too-short"),
    answers("status 422 for 400", "status", on_status(400, 422)),
    answers("no request_id", "schema", without_request_id),
    answers("no envelope", "schema", without_envelope),
    answers("code as text", "schema", code_as_text),
    answers("succeeded for succeed", "schema", member(TASKS, succeeded)),
    answers("seconds as a number", "schema", member(TASKS, number_of_seconds)),
    answers("no result", "course", member(TASKS, without_result)),
    answers("a longer result", "course", member(TASKS, longer_result)),
    answers("another price", "course", member(TASKS, dearer)),
    answers("another external id", "course", member(TASKS, forgetful)),
    answers("a task that goes back", "course", member(TASKS, backwards)),
    answers("a task that begins at once", "course", member(TASKS, at_once)),
    answers("another time of creation", "course", member(TASKS, made_later)),
    answers("updated_at that moves on", "course", member(TASKS, moving)),
    answers("a list that begins with the oldest", "course", turned),
    answers("another task than asked for", "course", member(TASKS, another_task)),
]

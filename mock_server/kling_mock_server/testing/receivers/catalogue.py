"""The catalogue of callbacks: good ones and precisely broken ones, in the order in which they are sent."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from kling_contracts.http import JSON_TYPE
from kling_mock_server.testing.receivers.callbacks import STATUSES, CallbackMaker, SentCallback, encoded
from kling_mock_server.testing.receivers.forging import FORGED, GOOD_SIGNATURES, body_signed_as

_DAY_MS: Final = timedelta(days=1) // timedelta(milliseconds=1)


def catalogue(make: CallbackMaker, *, is_signed: bool) -> Iterator[SentCallback]:
    """Yield the callbacks of every check; those that need a secret only where `is_signed`."""
    yield from _good(make)
    yield from _in_another_order(make)
    yield from _repeated(make)
    yield from _late(make)
    yield from _unknown(make)
    yield from _spelt_otherwise(make)
    if is_signed:
        yield from _signed(make)
    yield from _wrong_json(make)
    yield from _odd(make)


def _good(make: CallbackMaker) -> Iterator[SentCallback]:
    task = make.new_task()
    for status in STATUSES[:3]:
        yield make.callback("good", f"a task is {status}", make.state(task, status))
    yield make.callback("good", "a task has failed", make.state(make.new_task(), "failed"))


def _in_another_order(make: CallbackMaker) -> Iterator[SentCallback]:
    task = make.new_task()
    for status, says in zip(
        STATUSES[2::-1],
        ("the first news of a task is that it succeeded", "processing follows succeed", "submitted follows succeed"),
        strict=True,
    ):
        yield make.callback("order", says, make.state(task, status))
    task = make.new_task()
    yield make.callback("order", "the first news of a task is that it failed", make.state(task, "failed"))
    yield make.callback("order", "processing follows failed", make.state(task, "processing"))


def _repeated(make: CallbackMaker) -> Iterator[SentCallback]:
    task = make.new_task()
    for status in ("processing", "succeed"):
        once = make.callback("good", f"a task is {status}", make.state(task, status))
        yield once
        yield once._replace(check="repeated", says=f"{status} comes a second time, with the same id")
    yield once._replace(check="repeated", says="succeed comes a third time, with the same id")
    again = make.state(task, "succeed")
    yield make.callback("repeated", "succeed comes once more, with another id", again)
    at_once = make.callback("repeated", "two of the same come at the same time", make.state(make.new_task(), "succeed"))
    yield at_once._replace(at_once=2)


def _late(make: CallbackMaker) -> Iterator[SentCallback]:
    for days in (1, 30):
        value = make.state(make.new_task(), "succeed")
        times = {name: value[name] - days * _DAY_MS for name in ("created_at", "updated_at")}
        yield make.callback("late", f"the task ended {days * 24} hours before", {**value, **times})


def _unknown(make: CallbackMaker) -> Iterator[SentCallback]:
    for status in ("queued", "partially_succeed", "canceled"):
        yield make.callback("unknown-status", f"a task is {status}", make.state(make.new_task(), status))
    more: dict[str, Any] = {"request_id": "1", "billing": [{"unit": "credit", "amount": "0.5"}], "progress": 0.5}
    value = make.state(make.new_task(), "succeed")
    yield make.callback("unknown-fields", "a task has members more", {**value, **more})
    for name in ("task_info", "task_result"):
        yield make.callback("unknown-fields", f"{name} has members more", {**value, name: {**value[name], **more}})
    info = {name: one for name, one in value["task_info"].items() if name != "external_task_id"}
    yield make.callback("optional-fields", "there is no external_task_id", {**value, "task_info": info})
    bare = {name: one for name, one in value.items() if name != "final_unit_deduction"}
    yield make.callback("optional-fields", "there is no final_unit_deduction", bare)


def _spelt_otherwise(make: CallbackMaker) -> Iterator[SentCallback]:
    chinese = make.state(make.new_task(), "failed") | {"task_status_msg": "音频内容未通过审核 🎤"}
    yield make.callback("spelling", "a text is Chinese, as UTF-8", chinese)
    yield make.callback("spelling", "a text is Chinese, in escapes", json.dumps(chinese).encode())
    yield make.callback("spelling", "it is written over several lines", json.dumps(chinese, indent=4).encode())
    backwards = dict(reversed(make.state(make.new_task(), "succeed").items()))
    yield make.callback("spelling", "its members are in another order", backwards)
    value = make.state(make.new_task(), "processing")
    for content_type in (f"{JSON_TYPE}; charset=utf-8", "Application/JSON"):
        says = f"its Content-Type is {content_type}"
        yield make.callback("spelling", says, value, headers={"Content-Type": content_type})


def _signed(make: CallbackMaker) -> Iterator[SentCallback]:
    for one in (*GOOD_SIGNATURES, *FORGED):
        body = encoded(make.state(make.new_task(), "succeed"))
        yield make.callback(one.check, one.says, body, sign=one.sign)
    widely = json.dumps(make.state(make.new_task(), "succeed"), indent=4).encode()
    compact = body_signed_as(lambda body: encoded(json.loads(body)))
    yield make.callback("signature-wrong", "the same JSON is signed, written in another way", widely, sign=compact)


def _wrong_json(make: CallbackMaker) -> Iterator[SentCallback]:
    whole = encoded(make.state(make.new_task(), "succeed"))
    for says, body in (
        ("the body is empty", b""),
        ("the body is cut off", whole[: len(whole) // 2]),
        ("the body is a form", b"task_id=1&task_status=succeed"),
        ("the body is plain text", b"succeed"),
        ("something follows the JSON", whole + b"}"),
        ("the body has single quotes", whole.replace(b'"', b"'")),
        ("the body is not UTF-8", whole.replace(b"succeed", b"\xff\xfe")),
        ("the body is an array", b"[" + whole + b"]"),
        ("the body is a text", encoded(whole.decode())),
        ("the body is a number", b"1"),
        ("the body is null", b"null"),
    ):
        yield make.callback("wrong-json", says, body)


_ODD_VALUES: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("task_id", (None, 825466120331415623, "", [], {"id": "1"}, "\0", "1" * 5000)),
    ("task_status", (None, 2, "", ["succeed"], {"succeed": True})),
    ("task_result", (None, [], "none", {}, {"videos": None}, {"videos": []}, {"videos": [{}]}, {"videos": [None]})),
    ("task_info", (None, [], "none", {"parent_video": None})),
    ("created_at", ("yesterday", 1e300, -1)),
    ("updated_at", (None, 1.5)),
)


def _odd(make: CallbackMaker) -> Iterator[SentCallback]:
    whole = make.state(make.new_task(), "succeed")
    yield make.callback("odd-values", "the body is an empty object", b"{}")
    for name in whole:
        less = {other: one for other, one in make.state(make.new_task(), "succeed").items() if other != name}
        yield make.callback("odd-values", f"there is no {name}", less)
    for name, values in _ODD_VALUES:
        for value in values:
            shown = json.dumps(value)[:40]
            yield make.callback("odd-values", f"{name} is {shown}", {**whole, "task_id": make.new_task(), name: value})
    text = encoded(whole)[:-1]
    for says, member in (
        ("a number is NaN", b'"more":NaN'),
        ("a number has 5000 digits", b'"more":' + b"9" * 5000),
        ("half of a surrogate pair is in a text", b'"more":"\\ud83d"'),
        ("a member stands twice", b'"task_status":"failed"'),
        ("an unknown member is nested 10000 levels deep", b'"more":' + b"[" * 10_000 + b"]" * 10_000),
        ("an unknown text has 200 KB", b'"more":"' + b"x" * 200_000 + b'"'),
    ):
        yield make.callback("odd-values", says, text + b"," + member + b"}")

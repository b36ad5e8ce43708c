"""Keys of any spelling in what a caller hands over: worlds, scenarios, clocks, limits, payloads."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_contracts import World
from kling_contracts.facts import world as worlds
from kling_contracts.jsonio.keywords import Checker
from support.serving import Mock, documented, payload

KEYS = [
    "",
    "0",
    "00",
    "01",
    "1",
    "+0",
    "-0",
    "18446744073709551616",
    "\0",
    "\x000",
    "/",
    "~",
    "~0",
    "~1",
    "²",
    "١",
    "__proto__",
]
HOSTILE = st.sampled_from(KEYS) | st.text(max_size=4)
SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.just(2**70) | st.floats(allow_nan=False) | st.text(max_size=3)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3), max_leaves=8
)
MEMBERS = ["now_ms", "sessions", "audios", "files", "videos", "voices", "faces", "external_task_ids", "flagged_words"]
CALLS = {
    "/world": ("PUT", MEMBERS),
    "/scenario": ("PUT", ["name", "steps", "title", "when", "then"]),
    "/clock": ("POST", ["advance_ms"]),
    "/limits": ("PUT", ["concurrency"]),
    "/sessions/1": ("PUT", ["video_ms", "faces", "created_ms"]),
    "/audios/1": ("PUT", ["duration_ms", "created_ms"]),
}


@pytest.fixture(scope="module")
def mock():
    return Mock()


@pytest.mark.parametrize("path", CALLS)
@settings(max_examples=25)
@given(data=st.data())
def test_the_control_surface_takes_it_or_says_what_is_wrong(mock, path, data):
    method, names = CALLS[path]
    body = data.draw(st.dictionaries(st.sampled_from(names) | HOSTILE, JSON, max_size=4) | JSON)
    answer = mock.ask(method, f"/_mock{path}", json.dumps(body).encode())
    assert answer.status in (200, 400)
    assert answer.json.keys() == {"code", "message", "request_id", "data"} if answer.status == 200 else answer.message


@given(value=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4) | JSON)
@example(value={"files": {"00": None}})
@example(value={"files": {"1": {}, "01": {}}})
def test_a_world_is_read_or_refused_with_lines(value):
    with suppress(ValueError):
        assert World.from_json(value)


@given(keys=st.lists(HOSTILE, min_size=1, max_size=5, unique=True))
def test_a_pointer_leads_to_the_very_key(keys):
    checker = Checker({"additionalProperties": {"type": "integer"}})
    value = dict.fromkeys(keys, "no integer")
    faults = checker.broken(value)
    assert sorted(token for fault in faults for token in fault.path) == sorted(keys)
    assert sorted(decoded(fault.pointer) for fault in faults) == sorted(keys)


def decoded(pointer):
    assert pointer.startswith("/")
    return pointer[1:].replace("~1", "/").replace("~0", "~")


@given(key=HOSTILE)
def test_a_pointer_leads_to_an_unexpected_key(key):
    (fault,) = Checker({"properties": {"known": {}}, "additionalProperties": False}).broken({key: 1})
    assert fault.path == (key,)


def test_a_world_with_a_numeric_key_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"^/files/00: files\.00 must be an object, not null$"):
        worlds.World.from_json({"files": {"00": None}})


@given(members=st.dictionaries(HOSTILE, JSON, max_size=3))
def test_a_payload_with_such_fields_is_judged(members):
    report = documented().report({**payload(), **members})
    assert {note.pointer for note in report.notes} <= {f"/{encoded(key)}" for key in members}


def encoded(key):
    return key.replace("~", "~0").replace("/", "~1")

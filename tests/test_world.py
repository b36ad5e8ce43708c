"""The world: plain JSON in, frozen records, the same JSON out; and every mistake in it named by its place."""

import json
from dataclasses import FrozenInstanceError
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import World
from kling_contracts.facts.record_json import record_from_json
from kling_contracts.facts.world import Audio, Face, File, Session, VideoFile

MAX_TIME_MS = 2**53 - 1
SESSION = {"video_ms": 10_000, "faces": {"0": [2000, 7000]}}

numbers = st.integers(0, MAX_TIME_MS)
created = {"created_ms": numbers}
sessions = st.fixed_dictionaries(
    {"video_ms": numbers, "faces": st.dictionaries(st.text(), st.tuples(numbers, numbers).map(list), max_size=3)},
    optional=created,
)
audios = st.fixed_dictionaries({"duration_ms": numbers}, optional=created | {"flagged": st.booleans()})
files = st.fixed_dictionaries(
    {"format": st.text(), "size_bytes": numbers},
    optional={"duration_ms": numbers, "decodes": st.booleans(), "flagged": st.booleans(), "brand": st.text(max_size=4)},
)
worlds = st.fixed_dictionaries(
    {},
    optional={
        "now_ms": numbers,
        "sessions": st.dictionaries(st.text(), sessions, max_size=3),
        "audios": st.dictionaries(st.text(), audios, max_size=3),
        "files": st.dictionaries(st.text(), files, max_size=3),
        "external_task_ids": st.lists(st.text(), max_size=3),
        "audio_slack_ms": numbers,
    },
)


@given(worlds)
def test_a_world_survives_the_way_through_json(value):
    world = World.from_json(value)
    assert World.from_json(json.loads(json.dumps(world.to_json()))) == world


@given(worlds)
def test_what_a_world_says_stands_in_its_json(value):
    told = World.from_json(value).to_json()
    for collection in ("sessions", "audios", "files"):
        assert told.get(collection, {}).keys() == value.get(collection, {}).keys()
        for name, entry in value.get(collection, {}).items():
            assert told[collection][name].items() >= entry.items()
    assert set(told["external_task_ids"]) == set(value.get("external_task_ids", ()))
    assert told.get("now_ms") == value.get("now_ms")
    assert told.get("audio_slack_ms", 0) == value.get("audio_slack_ms", 0)


def test_every_member_becomes_a_record():
    world = World.from_json(
        {
            "now_ms": 1,
            "sessions": {"s": {"video_ms": 2, "created_ms": 3, "faces": {"f": [4, 5]}}},
            "audios": {"a": {"duration_ms": 6, "created_ms": 7, "flagged": True}},
            "files": {"u": {"format": "mp3", "size_bytes": 8, "duration_ms": 9, "decodes": False, "flagged": True}},
            "external_task_ids": ["mine", "mine"],
            "audio_slack_ms": 10,
        }
    )
    assert world == World(
        now_ms=1,
        sessions={"s": Session(2, {"f": Face(4, 5)}, created_ms=3)},
        audios={"a": Audio(6, created_ms=7, flagged=True)},
        files={"u": File("mp3", 8, 9, decodes=False, flagged=True)},
        external_task_ids=frozenset(["mine"]),
        audio_slack_ms=10,
    )


def test_what_is_left_out_has_its_default():
    assert World.from_json({}) == World(None, {}, {}, None, frozenset(), 0)
    assert record_from_json(Session, SESSION).created_ms is None
    assert record_from_json(Audio, {"duration_ms": 1}) == Audio(1, None, flagged=False)
    world = World.from_json({"files": {"u": {"format": "mp3", "size_bytes": 1}}})
    assert world.files == {"u": File("mp3", 1, None, decodes=True, flagged=False)}


def test_what_nobody_measured_of_a_video_is_not_known():
    value = {"videos": {"v": {"duration_ms": 1}}}
    world = World.from_json(value)
    assert world.videos == {"v": VideoFile("mp4", None, 1, 1280, 720, None)}
    assert World.from_json(world.to_json()) == world
    assert "faces" not in world.to_json()["videos"]["v"]


def test_no_files_at_all_is_not_the_same_as_none_listed():
    assert (World.from_json({}).files, World.from_json({"files": {}}).files) == (None, {})
    assert "files" not in World.from_json({}).to_json()
    assert World.from_json({"files": {}}).to_json()["files"] == {}


@pytest.mark.parametrize(
    "value",
    [
        {"now_ms": 5.0},
        {"audio_slack_ms": 5.0},
        {"sessions": {"s": {"video_ms": 5.0, "created_ms": 5.0, "faces": {"f": [5.0, 5.0]}}}},
        {"audios": {"a": {"duration_ms": 5.0, "created_ms": 5.0}}},
        {"files": {"u": {"format": "mp3", "size_bytes": 5.0, "duration_ms": 5.0}}},
    ],
    ids=lambda value: next(iter(value)),
)
def test_an_integral_float_is_the_integer_it_stands_for(value):
    assert "5.0" not in json.dumps(World.from_json(value).to_json())


def test_a_world_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        World().now_ms = 1


def mistakes(value, parse=World.from_json):
    """The places at which a world is refused."""
    with pytest.raises(ValueError, match=r"^/") as caught:
        parse(value)
    return [line.partition(":")[0] for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("value", [None, [], "world", 5, True])
def test_a_world_is_an_object(value):
    assert mistakes(value) == ["/"]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"now": 1}, "/now"),
        ({"now_ms": "1"}, "/now_ms"),
        ({"now_ms": None}, "/now_ms"),
        ({"now_ms": -1}, "/now_ms"),
        ({"now_ms": MAX_TIME_MS + 1}, "/now_ms"),
        ({"now_ms": True}, "/now_ms"),
        ({"audio_slack_ms": -1}, "/audio_slack_ms"),
        ({"external_task_ids": "mine"}, "/external_task_ids"),
        ({"external_task_ids": ["mine", 5]}, "/external_task_ids/1"),
        ({"sessions": []}, "/sessions"),
        ({"sessions": {"s": None}}, "/sessions/s"),
        ({"sessions": {"s": {"faces": {}}}}, "/sessions/s/video_ms"),
        ({"sessions": {"s": {"video_ms": 1}}}, "/sessions/s/faces"),
        ({"sessions": {"s": {**SESSION, "video_ms": 1.5}}}, "/sessions/s/video_ms"),
        ({"sessions": {"s": {**SESSION, "created": 1}}}, "/sessions/s/created"),
        ({"sessions": {"s": {**SESSION, "faces": [[0, 1]]}}}, "/sessions/s/faces"),
        ({"sessions": {"s": {**SESSION, "faces": {"f": [0]}}}}, "/sessions/s/faces/f"),
        ({"sessions": {"s": {**SESSION, "faces": {"f": [0, 1, 2]}}}}, "/sessions/s/faces/f"),
        ({"sessions": {"s": {**SESSION, "faces": {"f": [0, "1"]}}}}, "/sessions/s/faces/f/1"),
        ({"sessions": {"a/b~c": {**SESSION, "video_ms": -1}}}, "/sessions/a~1b~0c/video_ms"),
        ({"audios": {"a": {}}}, "/audios/a/duration_ms"),
        ({"audios": {"a": {"duration_ms": 1, "flagged": 1}}}, "/audios/a/flagged"),
        ({"audios": {"a": {"duration_ms": 1, "created_ms": None}}}, "/audios/a/created_ms"),
        ({"files": {"u": {"size_bytes": 1}}}, "/files/u/format"),
        ({"files": {"u": {"format": "mp3"}}}, "/files/u/size_bytes"),
        ({"files": {"u": {"format": "mp3", "size_bytes": -1}}}, "/files/u/size_bytes"),
        ({"files": {"u": {"format": "mp3", "size_bytes": 1, "decodes": "yes"}}}, "/files/u/decodes"),
    ],
    ids=str,
)
def test_a_mistake_is_named_by_its_place(value, place):
    assert mistakes(value) == [place]


def test_every_mistake_has_a_line_of_its_own():
    value = {"now_ms": -1, "sessions": {"s": {}}, "audios": {"a": {"duration_ms": "1"}}}
    assert sorted(mistakes(value)) == ["/audios/a/duration_ms", "/now_ms", "/sessions/s/faces", "/sessions/s/video_ms"]


def test_one_session_is_parsed_like_a_whole_world():
    assert record_from_json(Session, SESSION) == World.from_json({"sessions": {"s": SESSION}}).sessions["s"]
    assert mistakes({**SESSION, "faces": {"f": [0]}}, partial(record_from_json, Session)) == ["/faces/f"]


def test_one_audio_is_parsed_like_a_whole_world():
    value = {"duration_ms": 5, "created_ms": 1, "flagged": True}
    assert record_from_json(Audio, value) == World.from_json({"audios": {"a": value}}).audios["a"]
    assert mistakes({"duration_ms": -1}, partial(record_from_json, Audio)) == ["/duration_ms"]

"""The timeline: one payload's times as bars, to one scale."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import World
from kling_mock_server.reports.check_text import check_text
from kling_mock_server.reports.payload_checker import PayloadChecker
from support.serving import documented

CONTRACT = documented()
EXAMPLE = CONTRACT.operation.example
WORLD = CONTRACT.operation.example_world
TIMELINE = CONTRACT.operation.tree.timeline
COLUMNS = 48
TIMES = ("sound_start_time", "sound_end_time", "sound_insert_time")

wild = st.none() | st.booleans() | st.text() | st.integers() | st.floats() | st.lists(st.integers())


def drawn(world=WORLD, **changes):
    """The drawing of the vendor's example with some changes, as lines."""
    item = {**EXAMPLE["face_choose"][0], **changes}
    (facts,) = CONTRACT.report({**EXAMPLE, "face_choose": [item]}, world).facts
    return TIMELINE.drawing(item, facts).splitlines()


def labels(world=WORLD, **changes):
    return [line.split()[0] for line in drawn(world, **changes)]


def test_the_vendors_own_example_is_drawn_on_two_clocks():
    assert drawn() == [
        "   video  ├──────────────────────────────────────────────┤  0 to 10000, 10000 ms",
        "    face  ├──────────────────────────────────────────────┤  0 to 10000, 10000 ms",
        "inserted       ├──────────────────────┤                     1000 to 6000, 5000 ms",
        " overlap       ├──────────────────────┤                     1000 to 6000, 5000 ms",
        "   audio  ├─────────────────────────────────────┤           0 to 8000, 8000 ms",
        "    clip  ├───────────────────────┤                         0 to 5000, 5000 ms",
    ]


def test_a_clip_past_the_end_of_the_video_is_drawn_past_it():
    assert drawn(face_id="0", sound_insert_time=6500) == [
        "   video  ├────────────────────────────────────────┤        0 to 10000, 10000 ms",
        "    face          ├────────────────────┤                    2000 to 7000, 5000 ms",
        "inserted                             ├───────────────────┤  6500 to 11500, 5000 ms",
        " overlap                             ├─┤                    6500 to 7000, 500 ms",
        "   audio  ├────────────────────────────────┤                0 to 8000, 8000 ms",
        "    clip  ├───────────────────┤                             0 to 5000, 5000 ms",
    ]


def test_without_a_world_the_payloads_own_times_are_drawn():
    assert drawn(None) == [
        "inserted          ├──────────────────────────────────────┤  1000 to 6000, 5000 ms",
        "    clip  ├──────────────────────────────────────┤          0 to 5000, 5000 ms",
    ]


def test_an_interval_of_no_length_is_a_stroke():
    assert drawn(face_id="0", sound_insert_time=8000, sound_end_time=2000)[3] == (
        " overlap                                        │           8000 to 8000, 0 ms"
    )


def test_a_world_of_no_length_is_drawn_too():
    empty = {
        "sessions": {EXAMPLE["session_id"]: {"video_ms": 0, "faces": {"-1": [0, 0]}}},
        "audios": {EXAMPLE["face_choose"][0]["audio_id"]: {"duration_ms": 0}},
    }
    lines = drawn(World.from_json(empty), **dict.fromkeys(TIMES, 0))
    assert lines == [f"{line.split()[0]:>8}  {'│':<{COLUMNS}}  0 to 0, 0 ms" for line in lines]
    assert len(lines) == 6


def test_nothing_known_is_nothing_drawn():
    assert drawn(None, sound_end_time=None) == []


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"face_id": "9"}, ["video", "inserted", "audio", "clip"]),
        ({"audio_id": "9"}, ["video", "face", "inserted", "overlap", "clip"]),
        ({"sound_insert_time": None}, ["video", "face", "audio", "clip"]),
        ({"sound_start_time": "0"}, ["video", "face", "audio"]),
        ({"sound_end_time": 2500.5}, ["video", "face", "audio"]),
        ({"sound_end_time": True}, ["video", "face", "audio"]),
        ({"sound_start_time": 6000}, ["video", "face", "overlap", "audio"]),
        ({"sound_start_time": -1}, ["video", "face", "inserted", "overlap", "audio"]),
        ({"sound_insert_time": -1}, ["video", "face", "overlap", "audio", "clip"]),
    ],
    ids=str,
)
def test_what_is_not_known_or_makes_no_interval_is_left_out(changes, left):
    assert labels(**changes) == left


def test_a_time_in_seconds_after_the_year_is_left_out():
    assert labels(sound_end_time=10**10) == ["video", "face", "overlap", "audio"]


def test_the_latest_time_that_is_drawn_is_a_million_seconds():
    assert "clip" in labels(sound_end_time=10**9)
    assert "clip" not in labels(sound_end_time=10**9 + 1)


def test_an_integral_float_is_drawn_like_the_integer():
    assert drawn(sound_end_time=5000.0) == drawn()


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TIMES, st.integers(-1000, 20_000))))
def test_every_bar_is_as_wide_as_every_other(changes):
    for line in drawn(**changes):
        assert {line[8:10], line[10 + COLUMNS : 12 + COLUMNS]} == {"  "}
        bar = line[10 : 10 + COLUMNS]
        assert bar.strip("├─┤│ ") == ""
        assert bar.strip()[0] in "├│"


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TIMES, wild)))
def test_any_times_at_all_can_be_drawn(changes):
    item = {**EXAMPLE["face_choose"][0], **changes}
    (facts,) = CONTRACT.report(EXAMPLE, WORLD).facts
    assert len(TIMELINE.drawing(item, facts).splitlines()) <= 6


def test_a_rule_about_times_is_drawn_and_another_is_not():
    drawn_for = {rule.id for rule in CONTRACT.operation.rules if TIMELINE.concerns(rule)}
    assert drawn_for == {
        *("audio-too-short", "audio-too-long", "clip-too-short", "clip-past-audio-end"),
        *("face-overlap-too-short", "insert-past-video-end"),
    }


@pytest.mark.parametrize("neighbour", ["text", None, 5, [], {}], ids=repr)
def test_a_face_is_drawn_beside_one_that_is_no_object(neighbour):
    faces = [neighbour, {**EXAMPLE["face_choose"][0], "sound_end_time": 1999}]
    checking = PayloadChecker(CONTRACT, WORLD, lambda url: pytest.fail(url))
    result = checking.judge("payload.json", json.dumps({**EXAMPLE, "face_choose": faces}).encode())
    assert "1000 to 2999, 1999 ms" in check_text([result])

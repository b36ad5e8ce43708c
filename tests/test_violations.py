"""Violations as people read them: where, why, what stands there, what would be right, and the vendor's words."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import ContractViolation, World
from kling_contracts.judging.report import SOURCES, Report, describe, printable
from support.serving import documented

CONTRACT = documented()
EXAMPLE = CONTRACT.operation.example
(ITEM,) = EXAMPLE["face_choose"]
WORLD = CONTRACT.operation.example_world


def violations(world=WORLD, session_id=EXAMPLE["session_id"], **changes):
    """The violations of the vendor's example with some changes of its item, by rule id."""
    payload = {**EXAMPLE, "session_id": session_id, "face_choose": [{**ITEM, **changes}]}
    return {one.rule.id: one for one in CONTRACT.collect_violations(payload, world)}


def test_a_violation_is_described_with_all_that_is_known_about_it():
    assert describe(violations(sound_end_time=1999)["clip-too-short"]) == (
        "clip-too-short at /face_choose/0/sound_end_time: The cropped audio must last at least 2000 ms\n"
        "  found:  1999\n"
        "  wanted: at least 2000\n"
        "  vendor: 裁剪后音频不得短于2秒  (the cropped audio must not be shorter than 2 seconds)"
    )


def test_a_violation_of_the_whole_payload_is_placed_at_the_request():
    (violation,) = CONTRACT.collect_violations([], WORLD)
    assert describe(violation).startswith("body.type at the request: the request body must be an object, not an array")


def test_every_sentence_of_a_rule_is_shown_once():
    violation = violations(audio_id="")["audio-source-missing"]
    texts = [quote.text for quote in violation.rule.quotes]
    assert len(texts) == 4
    shown = [line for line in describe(violation).splitlines() if line.startswith("  vendor: ")]
    assert [line.split("  ")[1] for line in shown] == [f"vendor: {text}" for text in dict.fromkeys(texts)]


@pytest.mark.parametrize("rule", CONTRACT.rules.values(), ids=lambda rule: rule.id)
def test_every_rule_quotes_the_vendor_or_names_its_source(rule):
    assert rule.source in SOURCES
    assert bool(rule.quotes) == (rule.source == "prose")


def test_a_rule_without_a_quote_is_described_with_its_source_and_grade():
    aged = deepcopy(WORLD.to_json()) | {"now_ms": 86_400_001}
    aged["sessions"][EXAMPLE["session_id"]]["created_ms"] = 0
    violation = violations(World.from_json(aged))["session-expired"]
    assert describe(violation).splitlines()[-2:] == [
        "  source: Kling's own documentation; the vendor's document does not say it",
        "  grade:  documented",
    ]


@pytest.mark.parametrize(
    ("changes", "rule_id", "message"),
    [
        ({"audio": {"created_ms": 0}}, "audio-id-expired", "The audio was generated more than 30 days ago"),
        ({"session": {"created_ms": 0}}, "session-expired", "The session is older than 24 hours"),
        ({"file": {"size_bytes": 6_000_000}}, "sound-file-too-large", "The sound file must not be larger than 5 MB"),
        ({"file": {"format": "ogg"}}, "sound-file-format", "Audio format is invalid, it must be mp3, wav or m4a"),
        ({"audio": {"duration_ms": 60_001}}, "audio-too-long", "The audio must last at most 60000 ms"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_says_the_limit_as_people_say_it(changes, rule_id, message):
    world = deepcopy(WORLD.to_json()) | {"now_ms": 2**52}
    world["sessions"][EXAMPLE["session_id"]] |= changes.get("session", {})
    world["audios"][ITEM["audio_id"]] |= changes.get("audio", {})
    item = {}
    if "file" in changes:
        world["files"] = {"https://a/b": {"format": "mp3", "size_bytes": 1, "duration_ms": 8000} | changes["file"]}
        item = {"audio_id": "", "sound_file": "https://a/b"}
    assert violations(World.from_json(world), **item)[rule_id].message == message


# Where: the field to blame.


@pytest.mark.parametrize(
    ("changes", "rule_id", "pointer"),
    [
        ({"sound_end_time": 1999}, "clip-too-short", "/face_choose/0/sound_end_time"),
        ({"sound_end_time": 8001}, "clip-past-audio-end", "/face_choose/0/sound_end_time"),
        ({"sound_insert_time": 5001}, "insert-past-video-end", "/face_choose/0/sound_insert_time"),
        ({"sound_insert_time": 9000}, "face-overlap-too-short", "/face_choose/0/sound_insert_time"),
        ({"session_id": "1"}, "session-unknown", "/session_id"),
        ({"face_id": "1"}, "face-unknown", "/face_choose/0/face_id"),
        ({"audio_id": ""}, "audio-source-missing", "/face_choose/0/audio_id"),
        ({"sound_file": "UklG"}, "audio-source-conflict", "/face_choose/0/sound_file"),
        ({"audio_id": "", "sound_file": "UklGRgQAAABXQVZF"}, "audio-content", "/face_choose/0/sound_file"),
    ],
)
def test_a_violation_blames_the_field_that_would_have_to_change(changes, rule_id, pointer):
    assert violations(**changes)[rule_id].pointer == pointer


def test_a_missing_field_is_blamed_where_it_should_stand():
    (violation,) = CONTRACT.collect_violations(
        {**EXAMPLE, "face_choose": [{k: v for k, v in ITEM.items() if k != "face_id"}]}
    )
    assert (violation.pointer, violation.value) == ("/face_choose/0/face_id", "")


# What stands there, cut short.


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        (None, "null"),
        (True, "true"),
        ([], "[]"),
        ({}, "{}"),
        ([1, 2], "an array of 2"),
        ({"a": 1}, "an object of 1"),
    ],
)
def test_the_value_is_shown_as_json(value, shown):
    assert violations(face_id=value)["face_id.type"].value == shown


def test_text_is_shown_as_it_is():
    assert violations(face_id='会话"')["face-unknown"].value == '"会话\\""'


@pytest.mark.parametrize("length", [57, 58, 59, 60, 61, 100_000])
def test_long_text_is_cut_within_its_quotes_and_its_length_told(length):
    cut = f'"{"x" * 60}…" ({length} characters)'
    assert violations(face_id="x" * length)["face-unknown"].value in (f'"{"x" * min(length, 60)}"', cut)


@pytest.mark.parametrize(("length", "cut"), [(58, False), (61, True)])
def test_text_is_cut_only_where_it_is_long(length, cut):
    assert ("…" in violations(face_id="x" * length)["face-unknown"].value) == cut


@given(
    st.sampled_from(["face_id", "audio_id", "sound_file", "sound_volume", "sound_end_time"]),
    st.sampled_from(["!" * 10**6, ["!" * 10**6], {"!" * 10**6: 1}, 10**4000]),
)
def test_no_description_grows_with_the_payload(field, value):
    for violation in violations(**{field: value}).values():
        assert len(describe(violation)) < 2000


# What would be right.


@pytest.mark.parametrize(
    ("changes", "rule_id", "remedy"),
    [
        ({"sound_end_time": 1999}, "clip-too-short", "at least 2000"),
        ({"sound_start_time": 4000, "sound_end_time": 5000}, "clip-too-short", "at least 6000"),
        ({"sound_end_time": 8001}, "clip-past-audio-end", "at most 8000"),
        ({"sound_insert_time": 5001}, "insert-past-video-end", "at most 5000"),
        ({"face_id": "0", "sound_end_time": 3999, "sound_insert_time": 0}, "face-overlap-too-short", "at least 1"),
        ({"face_id": "0", "sound_insert_time": 5001}, "face-overlap-too-short", "at most 5000"),
        ({"sound_end_time": 5001.0, "sound_insert_time": 5000.0}, "insert-past-video-end", "at most 4999"),
    ],
)
def test_a_violation_says_what_would_be_right(changes, rule_id, remedy):
    assert violations(**changes)[rule_id].remedy == remedy


@pytest.mark.parametrize(
    ("changes", "rule_id"),
    [
        ({"audio_id": ""}, "audio-source-missing"),
        ({"face_id": "1"}, "face-unknown"),
        ({"sound_start_time": 0, "sound_end_time": 1999}, "face-overlap-too-short"),
        ({"sound_end_time": 12_000}, "insert-past-video-end"),
    ],
)
def test_where_no_value_of_the_field_would_do_none_is_wanted(changes, rule_id):
    assert violations(**changes)[rule_id].remedy == ""


times = st.integers(0, 9000)
lengths = st.integers(0, 9000) | st.sampled_from([1999, 2000, 2001])


@st.composite
def planned(draw):
    """A clip, an audio, a video and a face's interval, each near the others."""
    start, length, insert, video, audio = (draw(one) for one in (times, lengths, times, times, times))
    face_start = draw(times)
    world = {
        "sessions": {
            EXAMPLE["session_id"]: {"video_ms": video, "faces": {"-1": [face_start, face_start + draw(lengths)]}}
        },
        "audios": {ITEM["audio_id"]: {"duration_ms": audio}},
    }
    item = {"sound_start_time": start, "sound_end_time": start + length, "sound_insert_time": insert}
    return item, World.from_json(world)


@given(planned())
def test_what_is_wanted_is_right_and_the_next_value_before_it_is_not(plan):
    item, world = plan
    for rule_id, violation in violations(world, **item).items():
        if not violation.remedy:
            continue
        field = violation.pointer.rpartition("/")[2]
        side, _, number = violation.remedy.rpartition(" ")
        step = {"at least": -1, "at most": 1}[side]
        assert rule_id not in violations(world, **{**item, field: int(number)})
        assert rule_id in violations(world, **{**item, field: int(number) + step})


def test_a_clip_around_a_face_that_is_seen_too_shortly_cannot_be_moved_to_overlap():
    """The face's own interval is too short, so wherever the clip is moved, the rule stays broken."""
    world = {
        "sessions": {EXAMPLE["session_id"]: {"video_ms": 10_000, "faces": {"-1": [5000, 6000]}}},
        "audios": {ITEM["audio_id"]: {"duration_ms": 8000}},
    }
    broken = violations(World.from_json(world), sound_insert_time=0, sound_end_time=2000)
    assert broken["face-overlap-too-short"].remedy == ""


# All of them together.


def test_a_report_names_each_broken_rule_once():
    payload = {**EXAMPLE, "face_choose": [{**ITEM, "sound_volume": 3}] * 3}
    report = CONTRACT.report(payload, WORLD)
    assert len(report.violations) == 4
    assert report.broken == ("face_choose.maxItems", "sound_volume.maximum")


def test_an_empty_report_breaks_nothing():
    assert Report().broken == ()


def test_the_exception_describes_every_violation_on_lines_of_its_own():
    found = tuple(violations(sound_end_time=1999, sound_volume=3).values())
    raised = ContractViolation(found)
    assert raised.violations == found
    assert str(raised) == "\n".join(describe(one) for one in found)
    assert json.dumps(str(raised))


@pytest.mark.parametrize(("video_ms", "wanted"), [(5001, "at most 1"), (5000, "at most 0"), (4999, "")])
def test_a_number_that_would_be_right_is_named_down_to_exactly_zero(video_ms, wanted):
    world = World.from_json({**WORLD.to_json(), "sessions": {EXAMPLE["session_id"]: session_of(video_ms)}})
    violation = violations(world, sound_end_time=5000, sound_insert_time=2)["insert-past-video-end"]

    assert violation.remedy == wanted


def session_of(video_ms):
    return {"video_ms": video_ms, "faces": {"-1": [0, video_ms]}}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 中文", "plain, 中文"),
        ("a\nb", "a\nb"),
        ("a\x1b[0m\nb\r", "a\\x1b[0m\nb\\r"),
        ("a\u202eb\n", "a\\u202eb\n"),
    ],
)
def test_control_characters_are_escaped_and_line_breaks_stay(text, shown):
    assert printable(text) == shown

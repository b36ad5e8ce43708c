"""A validator and a builder as integrators write them, and the audit that finds what they get wrong."""

import pytest

from kling_contracts.audits import audit, audit_builder

VOLUMES = ("sound_volume", "original_audio_volume")


def validate(payload: dict) -> list[str]:
    """Return what is wrong with a payload; empty: send it."""
    try:
        (item,) = payload["face_choose"]
        return list(errors_of(payload["session_id"], item))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [repr(error)]


def errors_of(session_id, item):
    if not session_id.isdecimal():
        yield "session_id is a number in quotes"
    if not int(item["face_id"]):
        yield "choose a face"
    if not (item.get("audio_id") or item.get("sound_file")):
        yield "choose an audio"
    if item["sound_end_time"] - item["sound_start_time"] <= 2000:
        yield "the clip is too short"
    if not all(0 <= item[volume] <= 10 for volume in VOLUMES):
        yield "a volume goes from 0 to 10"


def build(session_id: str, face_id: str, audio_id: str, *, start: float, end: float, insert: float) -> dict:
    """Let a face speak a clip of an audio; times in seconds."""
    if not audio_id or min(start, insert) < 0 or end - start < 2:
        raise ValueError("an audio, a time from 0 on, and a clip of 2 s at least")
    item = {
        "face_id": face_id,
        "audio_id": audio_id,
        "sound_start_time": int(start * 1000),
        "sound_end_time": int(end * 1000),
        "sound_insert_time": int(insert * 1000),
        **dict.fromkeys(VOLUMES, 1),
    }
    return {"session_id": session_id, "face_choose": [item]}


@pytest.fixture(scope="module")
def mistakes():
    return audit(validate)


def test_a_clip_of_exactly_2_s_is_refused_though_it_would_be_accepted(mistakes):
    assert [finding.kind for finding in mistakes.of("clip-too-short")] == ["refused"]


def test_a_volume_above_2_is_let_through_and_the_paid_call_is_wasted(mistakes):
    finding, *_ = mistakes.of("sound_volume.maximum")

    assert finding.kind == "accepted"
    assert 2 < finding.case.payload["face_choose"][0]["sound_volume"] <= 10


def test_a_valid_payload_is_refused_whose_id_looks_like_none(mistakes):
    (finding,) = mistakes.of("")

    assert finding.kind == "refused"
    assert {finding.case.payload["session_id"], finding.case.payload["face_choose"][0]["face_id"]} & {"", "0"}


def test_two_audio_sources_are_one_too_many(mistakes):
    assert [finding.kind for finding in mistakes.of("audio-source-conflict")] == ["accepted"]


def test_seconds_that_are_cut_to_ms_lose_one_now_and_then():
    assert audit_builder(build, n=1000, seed=1).findings

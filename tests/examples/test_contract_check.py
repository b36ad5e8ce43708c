"""A client's payload builder, checked against the contract: no network, no key, no cost."""

import pytest

from kling_contracts import Contract, ContractViolation, World

CONTRACT = Contract.load()
WORLD = World.from_json(
    {
        "sessions": {"session-1": {"video_ms": 10_000, "faces": {"face-1": [2_000, 7_000]}}},
        "audios": {"audio-1": {"duration_ms": 8_000}},
    }
)


def build_payload(start_ms: int, end_ms: int, insert_ms: int) -> dict:
    """Stands for the code under test."""
    item = {
        "face_id": "face-1",
        "audio_id": "audio-1",
        "sound_start_time": start_ms,
        "sound_end_time": end_ms,
        "sound_insert_time": insert_ms,
        "sound_volume": 1,
        "original_audio_volume": 1,
    }
    return {"session_id": "session-1", "face_choose": [item]}


def test_our_payload_would_be_accepted():
    CONTRACT.check(build_payload(0, 3_000, 2_500), WORLD)


def test_a_clip_that_starts_before_the_face_is_refused():
    with pytest.raises(ContractViolation, match="face-overlap-too-short") as refused:
        CONTRACT.check(build_payload(0, 3_000, 500), WORLD)
    assert refused.value.violations[0].remedy == "at least 1000"

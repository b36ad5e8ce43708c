"""The client against klingkit's mock: what it sends is accepted, what is refused it understands."""

import json
from pathlib import Path

import pytest
from lipsync import LipSync, Refused, Shot

from kling_contracts import Contract, World

PROJECT = Path(__file__).parents[1]
WORLD = json.loads((PROJECT / "worlds" / "studio.json").read_text())
SHOT = Shot("session-1", "face-1", (2_000, 7_000), "audio-1", audio_ms=8_000)


@pytest.fixture
def kling(kling_respx):
    """The mock, with a session and an audio as identify-face and TTS would have issued them."""
    kling_respx.world.put(WORLD)
    return kling_respx


@pytest.fixture
def client(kling):
    return LipSync(kling.url, kling.token)


def test_a_shot_becomes_a_task(client):
    assert client.create(SHOT).isdecimal()


def test_a_clip_is_no_longer_than_the_face_is_seen(kling, client):
    client.create(SHOT)
    assert json.loads(kling.journal[-1].body)["face_choose"][0]["sound_end_time"] == 5_000


@pytest.mark.parametrize("seen_ms", [2_000, 2_001, 5_000])
def test_a_face_that_is_seen_long_enough_is_accepted(client, seen_ms):
    client.create(Shot("session-1", "face-1", (2_000, 2_000 + seen_ms), "audio-1", 8_000))


def test_a_face_that_is_seen_too_shortly_is_never_sent(kling, client):
    with pytest.raises(ValueError, match="1999 ms"):
        client.create(Shot("session-1", "face-1", (2_000, 3_999), "audio-1", 8_000))
    assert not kling.journal


@pytest.mark.kling_violates("external-task-id-duplicate")
def test_an_order_is_paid_once(client):
    client.create(SHOT, order="order-17")
    with pytest.raises(Refused, match="1201") as refused:
        client.create(SHOT, order="order-17")
    assert not refused.value.retryable


@pytest.mark.kling_violates("session-expired")
def test_a_session_is_used_within_its_day(kling, client):
    kling.clock.advance(24 * 60 * 60 * 1000 + 1)
    with pytest.raises(Refused):
        client.create(SHOT)


@pytest.mark.parametrize("path", sorted(PROJECT.glob("payloads/*.json")), ids=lambda path: path.name)
def test_a_recorded_payload_still_speaks_the_contract(path):
    Contract.load().check(json.loads(path.read_text()), World.from_json(WORLD))

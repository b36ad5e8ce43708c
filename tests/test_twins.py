"""Recordings prove the mock wrong: twins that deviate in one thing each are found by what they answered."""

import random

import pytest

from support.nightly import share
from support.recorded import RecordedClient, judged, recorded, session
from support.twins import TWINS

CHOSEN = random.Random(7).sample(TWINS, share(len(TWINS), 5))


def named(judgement):
    return {one.rule or f"recording.{one.kind}" for one in judgement.differences}


def test_there_are_enough_twins():
    assert len(TWINS) >= 40
    assert len({twin.name for twin in TWINS}) == len(TWINS)


@pytest.mark.parametrize("twin", CHOSEN, ids=lambda twin: twin.name)
def test_a_recording_names_what_its_service_does_otherwise(twin, tmp_path):
    switches = twin.switches() if twin.switches else {}
    judgement = judged(recorded(tmp_path, change=twin.change, **switches))
    assert twin.named in named(judgement), [one.message for one in judgement.differences]


def walk(rng):
    """A session of another client: what it does, and in which order, is drawn."""

    def talk(client: RecordedClient):
        shown = client.identify()
        audio = client.speak("What a client says is never twice the same. " * rng.randint(2, 5))
        length = int(float(audio["duration"]) * 1000)
        for number in range(rng.randint(2, 6)):
            start = rng.randint(0, 3000)
            end = rng.choice([length, length + 1, start + 1999, start + 2000, start + 3500])
            task = {"external_task_id": rng.choice(["", f"own-{number}", "again"])}
            insert = rng.choice([0, shown["face_data"][0]["start_time"], 8000])
            answer = client.create(
                shown, audio["id"], sound_start_time=start, sound_end_time=end, sound_insert_time=insert, task=task
            ).json()
            if answer["code"] == 0:
                client.get("query", answer["data"]["task_id"])
                client.advance(rng.choice([0, 120, 400, 90_000_000]))
                client.get("query", answer["data"]["task_id"])
            client.get("list", pageSize=rng.choice([1, 30]))

    return talk


@pytest.mark.parametrize("number", range(share(19, 2)))
def test_a_recording_of_the_plain_mock_shows_no_difference(number, tmp_path):
    judgement = judged(recorded(tmp_path, talk=walk(random.Random(number))))
    assert [one.message for one in judgement.differences] == []
    assert judgement.calls >= 6


def test_the_long_session_shows_no_difference_and_confirms_limits_from_both_sides(tmp_path):
    judgement = judged(recorded(tmp_path, talk=session))
    assert [one.message for one in judgement.differences] == []
    verdict = judgement.verdicts["clip-too-short"]
    margins = {margin.distance.margin for margin in verdict.margins}
    assert {0, -1} <= margins
    assert verdict.nearest == 0

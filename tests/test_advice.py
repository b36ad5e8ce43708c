"""Advice of the documents: a note on what no rule refuses."""

import pytest

from kling_contracts import Contract, World
from support.serving import AUDIO, payload, world

CONTRACT = Contract.load()
ENDS_WITH_AUDIO = "the clip ends with the last millisecond of the audio"
AUDIO_MS = 8000
WORLD = World.from_json(world(audios={AUDIO: {"duration_ms": AUDIO_MS}}))


def advised(end, judged_in):
    """Return the pointers of the notes on a clip that ends there."""
    report = CONTRACT.report(payload(sound_start_time=4000, sound_end_time=end), judged_in)
    return [note.pointer for note in report.notes if ENDS_WITH_AUDIO in note.message]


@pytest.mark.parametrize(("end", "pointers"), [(7999, []), (8000, ["/face_choose/0/sound_end_time"]), (8001, [])])
def test_a_clip_that_ends_with_the_last_ms_of_the_audio_gets_a_note(end, pointers):
    assert advised(end, WORLD) == pointers


def test_an_unknown_audio_gives_no_advice():
    assert advised(AUDIO_MS, None) == []

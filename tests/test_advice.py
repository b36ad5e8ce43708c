"""Advice of the documents: a note on what no rule refuses."""

import base64

import pytest

from kling_contracts import World
from kling_contracts.judging.report import Note
from kling_contracts.media import silent_audio
from support.serving import AUDIO, documented, payload, world

CONTRACT = documented()
ENDS_WITH_AUDIO = "the clip ends with the last millisecond of the audio"
OF_AN_MP4 = "an m4a whose major brand is that of an mp4"
AUDIO_MS = 8000
WORLD = World.from_json(world(audios={AUDIO: {"duration_ms": AUDIO_MS}}))
URL = "https://files.example/voice.m4a"


def advised(says, body, judged_in):
    """Return the pointers of the notes with these words, and whether the payload is refused."""
    report = CONTRACT.report(body, judged_in)
    return [note.pointer for note in report.notes if says in note.message], bool(report.broken)


def branded(brand):
    """Return a payload with an m4a of that major brand; its clip ends before its audio."""
    data = silent_audio.m4a(AUDIO_MS).replace(b"M4A ", brand, 1)
    return payload(audio_id="", sound_file=base64.b64encode(data).decode())


@pytest.mark.parametrize(("end", "pointers"), [(7999, []), (8000, ["/face_choose/0/sound_end_time"]), (8001, [])])
def test_a_clip_that_ends_with_the_last_ms_of_the_audio_gets_a_note(end, pointers):
    body = payload(sound_start_time=4000, sound_end_time=end)
    assert advised(ENDS_WITH_AUDIO, body, WORLD) == (pointers, end > AUDIO_MS)


def test_an_unknown_audio_gives_no_advice():
    body = payload(sound_start_time=4000, sound_end_time=AUDIO_MS)
    assert advised(ENDS_WITH_AUDIO, body, None) == ([], False)


@pytest.mark.parametrize(
    ("brand", "is_noted", "is_refused"),
    [
        (b"M4A ", False, False),
        (b"M4B ", False, False),
        (b"mp42", True, False),
        (b"isom", True, False),
        (b"iso5", False, False),
        (b"qt  ", False, True),
        (b"3gp4", False, True),
    ],
)
@pytest.mark.parametrize("judged_in", [WORLD, None], ids=["in a world", "without a world"])
def test_an_m4a_of_the_brand_of_an_mp4_is_accepted_with_a_note(brand, is_noted, is_refused, judged_in):
    noted, refused = advised(OF_AN_MP4, branded(brand), judged_in)
    assert (noted, refused) == (["/face_choose/0/sound_file"] * is_noted, is_refused)


@pytest.mark.parametrize(("listed", "is_noted"), [({"brand": "mp42"}, True), ({"brand": "M4A "}, False), ({}, False)])
def test_the_brand_of_a_file_behind_a_url_is_what_the_world_says(listed, is_noted):
    files = {URL: {"format": "m4a", "size_bytes": 9000, "duration_ms": AUDIO_MS, **listed}}
    noted, refused = advised(OF_AN_MP4, payload(audio_id="", sound_file=URL), World.from_json(world(files=files)))
    assert (bool(noted), refused) == (is_noted, False)


def test_a_payload_that_is_refused_gets_no_advice():
    body = branded(b"mp42")
    body["face_choose"][0]["sound_end_time"] = AUDIO_MS + 1
    assert advised(OF_AN_MP4, body, WORLD) == ([], True)


@pytest.mark.parametrize(("pointer", "printed"), [("/face_choose/0", "note: /face_choose/0: so"), ("", "note: so")])
def test_a_note_is_printed_with_its_place_unless_it_is_on_the_whole_request(pointer, printed):
    assert str(Note(pointer, "so")) == printed

"""A recorder of violations tells what of a test's refusals was announced and what was not."""

import pytest

from kling_mock_server.protocol.explanation import explain
from kling_mock_server.testing.expected_violations import MAX_SHOWN, ViolationRecorder
from support.serving import Mock, documented, payload

SHORT = ("clip-too-short", "face-overlap-too-short")


@pytest.fixture
def mock():
    return Mock()


@pytest.fixture
def recorder(mock):
    recorder = ViolationRecorder(documented().rules)
    mock.responder.watch = recorder.record
    return recorder


@pytest.fixture
def entry(mock):
    """The last exchange, whole."""
    entries = []
    mock.responder.watch = entries.append
    return lambda: entries[-1]


def test_what_was_accepted_is_nothing_to_tell(mock, recorder):
    mock.post(payload())
    assert recorder.refusals() == recorder.unexpected(()) == recorder.missing(()) == ""


def test_a_refusal_that_was_announced_in_full_is_expected(mock, recorder):
    mock.post(payload(sound_end_time=1000))
    assert recorder.unexpected(SHORT) == recorder.missing(SHORT) == ""


@pytest.mark.parametrize("announced", [(), SHORT[:1], ("audio-too-long",)])
def test_a_refusal_that_was_not_announced_in_full_is_unexpected(mock, recorder, announced):
    mock.post(payload(sound_end_time=1000))
    text = recorder.unexpected(announced)
    assert text.startswith("the mock refused 1 request,")
    assert all(f"{rule_id} at /face_choose/0/" in text for rule_id in SHORT)


def test_the_unexpected_shows_no_refusal_that_was_announced(mock, recorder):
    mock.post(payload(sound_end_time=1000))
    mock.post(payload(face_id="9"))
    text = recorder.unexpected(SHORT)
    assert "face-unknown at" in text
    assert "clip-too-short at" not in text


def test_the_remedy_announces_all_that_was_announced_and_all_that_was_not(mock, recorder):
    mock.post(payload(sound_end_time=1000))
    assert recorder.unexpected(("audio-too-long",)).endswith(
        '@pytest.mark.kling_violates("audio-too-long", "clip-too-short", "face-overlap-too-short")'
    )


@pytest.mark.parametrize("misspelt", ["clip-to-short", "clip_too_short", "Clip-Too-Short"])
def test_the_remedy_puts_the_right_rule_in_place_of_a_misspelt_one(mock, recorder, misspelt):
    mock.post(payload(sound_end_time=1000))
    *_, hint, remedy = recorder.unexpected((misspelt, SHORT[1])).splitlines()
    assert hint == f"The mark announces {misspelt} (there is no such rule; did you mean clip-too-short?)"
    assert misspelt not in remedy
    assert all(f'"{rule_id}"' in remedy for rule_id in SHORT)


def test_what_was_announced_may_be_spread_over_requests(mock, recorder):
    mock.post(payload(face_id="9"))
    mock.post(payload(audio_id="9"))
    assert recorder.missing(("face-unknown", "audio-id-unknown")) == ""


def test_a_rule_that_stayed_whole_is_missing(mock, recorder):
    mock.post(payload(face_id="9"))
    assert recorder.missing(("face-unknown", "audio-too-long")) == (
        "announced, but no request broke it: audio-too-long"
    )


def test_a_name_that_is_far_from_every_rule_gets_no_suggestion(recorder):
    assert recorder.missing(("?",)).endswith("? (there is no such rule)")


def test_what_is_forgotten_is_not_told(mock, recorder):
    mock.post(b"{")
    recorder.forget()
    assert recorder.refusals() == recorder.unexpected(()) == ""


def test_of_many_kinds_of_refusal_the_first_are_shown_and_the_rest_counted(mock, recorder):
    fields = ("face_id", "audio_id", "sound_file", "sound_start_time", "sound_insert_time", "sound_volume", "x")
    for field in fields:
        mock.post(payload(**{field: {}}))
    text = recorder.refusals()
    assert text.count("POST ") == MAX_SHOWN
    assert text.endswith("… and 1 more kinds of refusal")


def test_a_text_names_the_unknown_fields_of_a_refused_payload(mock, entry):
    mock.post(payload(sound_starttime=1, face_id=9))
    assert '  note: /face_choose/0/sound_starttime: "sound_starttime" is not a documented field' in explain(entry())


def test_a_text_draws_the_times_of_every_item_that_has_any(mock, entry):
    short = {**payload()["face_choose"][0], "sound_end_time": 1000}
    mock.post({**payload(), "face_choose": [7, short, short]})
    assert explain(entry()).count("  inserted  ") == 2


def test_a_text_draws_nothing_where_no_broken_rule_is_about_times(mock, entry):
    mock.post(payload(face_id="9"))
    assert "inserted" not in explain(entry())

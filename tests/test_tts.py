"""TTS: an audio at once, as long as its text takes to say, to be used and to be heard."""

import io
import wave

import pytest

from support.serving import AUDIO, NOW_MS, SESSION, Mock, world
from support.workflow import DAY_MS, Caller, said

LONG = "A sentence that is long enough to be used for lip-sync, with a pause or two. "


@pytest.fixture
def mock():
    return Caller()


def audio_of(answer):
    (audio,) = answer.data["task_result"]["audios"]
    return audio


def milliseconds(audio):
    """Return what a client computes from a duration, which is a string in seconds."""
    return round(float(audio["duration"]) * 1000)


def test_an_answer_has_what_the_vendor_documents(mock):
    mock.put_world()
    data = mock.speak().data
    assert data | {"task_id": "", "task_result": {}} == {
        "task_id": "",
        "task_status": "succeed",
        "task_status_msg": "",
        "task_result": {},
        "final_unit_deduction": "0.05",
        "created_at": NOW_MS,
        "updated_at": NOW_MS,
    }
    assert audio_of(mock.speak()).keys() == {"id", "url", "duration"}


def test_the_world_lists_the_audio(mock):
    mock.put_world()
    mock.advance(5)
    audio = audio_of(mock.speak())
    assert mock.control("GET", "/world")["audios"][audio["id"]] == {
        "duration_ms": milliseconds(audio),
        "created_ms": NOW_MS + 5,
        "flagged": False,
    }


def test_ids_have_18_digits_and_are_never_the_same(mock):
    answers = [mock.speak() for _ in range(50)]
    ids = [name for answer in answers for name in (answer.data["task_id"], audio_of(answer)["id"])]
    assert all(len(name) == 18 and name.isdecimal() for name in ids)
    assert len(set(ids)) == 100


def test_the_same_text_lasts_the_same_in_every_account(mock):
    durations = {audio_of(mock.speak(LONG, key))["duration"] for mock in (mock, Caller()) for key in ("a", "b")}
    assert len(durations) == 1


def test_a_longer_text_lasts_longer(mock):
    durations = [milliseconds(audio_of(mock.speak(LONG * times))) for times in (1, 2, 3)]
    assert durations == sorted(set(durations))


@pytest.mark.parametrize(("speed", "times"), [(0.8, 0.8), (1, 1), (1.0, 1), (2, 2), (2.0, 2)])
def test_a_faster_voice_takes_less_time(mock, speed, times):
    usual = milliseconds(audio_of(mock.speak(LONG)))
    assert milliseconds(audio_of(mock.speak(LONG, voice_speed=speed))) == pytest.approx(usual / times, abs=1)


def test_a_speed_of_more_than_one_decimal_is_rounded(mock):
    assert audio_of(mock.speak(LONG, voice_speed=1.04))["duration"] == audio_of(mock.speak(LONG))["duration"]
    quicker = audio_of(mock.speak(LONG, voice_speed=1.1))["duration"]
    assert audio_of(mock.speak(LONG, voice_speed=1.05))["duration"] == quicker


@pytest.mark.parametrize("text", ["a", "你好", LONG * 12, "你" * 1000, "   ", "🙂", "\0", "e\u0301" * 400])
def test_the_url_downloads_a_wav_of_exactly_that_duration(mock, text):
    audio = audio_of(mock.speak(text))
    answer = mock.download(audio["url"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(answer.body)) as file:
        assert file.getnframes() * 1000 == milliseconds(audio) * file.getframerate()


def test_the_audio_is_something_to_be_heard(mock):
    with wave.open(io.BytesIO(mock.download(audio_of(mock.speak(LONG))["url"]).body)) as file:
        assert len(set(file.readframes(file.getnframes()))) > 10


def test_the_audio_can_be_used_at_once(mock):
    audio = audio_of(mock.speak(LONG))
    duration_ms = milliseconds(audio)
    assert mock.create(audio_id=audio["id"], sound_end_time=duration_ms, sound_insert_time=0).broken == []
    assert mock.create(audio_id=audio["id"], sound_end_time=duration_ms + 1).broken == ["clip-past-audio-end"]


def test_the_url_of_the_audio_can_be_used_as_well(mock):
    audio = audio_of(mock.speak(LONG))
    changes = {"audio_id": "", "sound_file": audio["url"], "sound_end_time": milliseconds(audio)}
    answer = mock.create(**changes)
    assert (answer.broken, answer.unverified) == ([], [])


@pytest.mark.parametrize(
    ("text", "refusal"), [("Hi.", "audio-too-short"), ("你好," * 333, "audio-too-long")], ids=["short", "long"]
)
def test_what_is_too_short_or_too_long_is_spoken_and_cannot_be_used(mock, text, refusal):
    answer = mock.speak(text, voice_language="zh")
    assert answer.status == 200
    assert refusal in mock.create(audio_id=audio_of(answer)["id"]).broken


@pytest.mark.parametrize(
    ("advance_ms", "refusal", "status"),
    [(30 * DAY_MS, [], 200), (30 * DAY_MS + 1, ["audio-id-expired"], 404)],
    ids=["30 days", "1 ms later"],
)
def test_an_audio_is_there_for_30_days(mock, advance_ms, refusal, status):
    mock.put_world()
    audio = audio_of(mock.speak(LONG * 2))
    mock.advance(advance_ms)
    mock.control("PUT", f"/sessions/{SESSION}", world()["sessions"][SESSION])
    assert mock.create(audio_id=audio["id"]).broken == refusal
    assert mock.download(audio["url"]).status == status


@pytest.mark.parametrize(("advance_ms", "status"), [(30 * DAY_MS, 200), (30 * DAY_MS + 1, 404)])
def test_an_audio_without_a_time_of_its_own_is_as_old_as_the_clock_was_advanced(mock, advance_ms, status):
    audio = audio_of(mock.speak())
    fresh = audio["url"].replace(audio["id"], AUDIO)
    mock.advance(advance_ms)
    assert mock.download(fresh).status == status


def test_an_audio_belongs_to_the_account_that_asked(mock):
    audio = audio_of(mock.speak(LONG, "a"))
    assert mock.create("b", audio_id=audio["id"]).broken == ["audio-id-unknown"]


def test_a_refused_text_makes_no_audio(mock):
    before = mock.control("GET", "/world")
    assert mock.speak("").status == 400
    assert mock.control("GET", "/world") == before


def test_a_text_that_moderation_refuses_is_told_so(mock):
    mock.put_world(flagged_words=["lips"])
    answer = mock.speak("Today: lips.")
    assert (answer.status, answer.code, answer.broken) == (400, 1301, ["text-content"])


def test_an_unknown_voice_is_answered_as_observed_upstream(mock):
    mock.put_world(voices={"oversea_male1": "en"})
    answer = mock.speak(voice_id="nobody")
    assert (answer.status, answer.code, answer.message) == (400, 1201, "Voice id not found")


def test_the_journal_tells_of_it(mock):
    mock.speak("Hello")
    (entry,) = mock.journal()["entries"]
    assert (entry["operation"], entry["request"]["body"]) == ("tts", said("Hello"))


def test_a_url_is_relative_where_nobody_said_how_the_mock_is_reached():
    answer = Mock().post(said(), path="/v1/audio/tts")
    assert audio_of(answer)["url"].startswith("/_mock/files/")

"""Silent files last exactly as long as asked, for our own reader and for FFmpeg, and stay small."""

import io
import wave

import av
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_contracts.media import silent_audio
from kling_contracts.media.audio import identify, measure
from support.audio_files import played

FORMATS = ("wav", "mp3", "m4a")
# The limits of the endpoint with their neighbours, and the edges of the frames of mp3 (36 ms) and AAC (128 ms).
DURATIONS = (1, 2, 35, 36, 37, 64, 65, 127, 128, 129, 1_999, 2_000, 2_001, 59_999, 60_000, 60_001)
FIVE_MEGABYTES = 5 * 1024 * 1024

formats = pytest.mark.parametrize("audio_format", FORMATS)


@formats
@pytest.mark.parametrize("duration_ms", DURATIONS)
def test_a_decoder_plays_silence_of_exactly_that_duration(audio_format, duration_ms):
    sound = played(silent_audio.make(audio_format, duration_ms))
    assert (sound.milliseconds, sound.samples % (sound.rate // 1000), sound.silent) == (duration_ms, 0, True)


@formats
@pytest.mark.parametrize("duration_ms", [1, 65, 129, 2_000])
def test_a_decoder_has_nothing_to_complain_about(audio_format, duration_ms):
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints:
            played(silent_audio.make(audio_format, duration_ms))
    finally:
        av.logging.set_level(before)
    assert complaints == []


@formats
@pytest.mark.parametrize("duration_ms", DURATIONS)
def test_the_headers_promise_the_same_duration(audio_format, duration_ms):
    with av.open(io.BytesIO(silent_audio.make(audio_format, duration_ms))) as file:
        assert file.duration == duration_ms * 1000


@formats
@settings(max_examples=50, deadline=None)
@given(duration_ms=st.integers(1, 100_000))
@example(duration_ms=3_600_000)
def test_our_reader_agrees_to_the_millisecond(audio_format, duration_ms):
    data = silent_audio.make(audio_format, duration_ms)
    assert identify(data) == audio_format
    assert measure(data, audio_format) == duration_ms


def test_the_standard_library_reads_the_wav():
    with wave.open(io.BytesIO(silent_audio.make("wav", 2_001, 3_001))) as file:
        assert (file.getnframes(), file.getframerate()) == (2_001, 1_000)
        assert set(file.readframes(2_001)) == {0x80}


def test_a_wav_is_padded_to_an_even_size():
    data = silent_audio.make("wav", 2_001)
    assert len(data) == 8 + int.from_bytes(data[4:8], "little") == 2_046


@pytest.mark.parametrize(("audio_format", "most"), [("wav", 2_100), ("mp3", 2_400), ("m4a", 700)])
def test_two_seconds_are_small(audio_format, most):
    assert len(silent_audio.make(audio_format, 2_000)) <= most


@formats
def test_each_format_has_a_function_of_its_own(audio_format):
    assert getattr(silent_audio, audio_format)(2_000) == silent_audio.make(audio_format, 2_000)


@formats
@pytest.mark.parametrize("size_bytes", [2_500, 2_501, FIVE_MEGABYTES - 1, FIVE_MEGABYTES, FIVE_MEGABYTES + 1])
def test_padding_changes_the_size_and_nothing_else(audio_format, size_bytes):
    data = silent_audio.make(audio_format, 2_000, size_bytes)
    assert len(data) == size_bytes
    assert identify(data) == audio_format
    assert measure(data, audio_format) == 2_000
    assert played(data) == played(silent_audio.make(audio_format, 2_000))


@formats
def test_a_size_that_needs_no_padding_is_fine(audio_format):
    smallest = silent_audio.make(audio_format, 2_000)
    assert silent_audio.make(audio_format, 2_000, len(smallest)) == smallest


@pytest.mark.parametrize(("audio_format", "overhead"), [("wav", 8), ("mp3", 10), ("m4a", 8)])
def test_the_least_padding_is_an_empty_one(audio_format, overhead):
    least = len(silent_audio.make(audio_format, 2_000)) + overhead
    assert measure(silent_audio.make(audio_format, 2_000, least), audio_format) == 2_000
    with pytest.raises(ValueError, match=f"or {least} and more with padding"):
        silent_audio.make(audio_format, 2_000, least - 1)


@formats
@pytest.mark.parametrize("size_bytes", [-1, 0, 100, 2**28])
def test_a_size_that_cannot_be_is_refused(audio_format, size_bytes):
    with pytest.raises(ValueError, match=f"not {size_bytes}"):
        silent_audio.make(audio_format, 2_000, size_bytes)


@formats
@pytest.mark.parametrize("duration_ms", [-1, 0, 24 * 60 * 60 * 1000 + 1])
def test_a_duration_that_cannot_be_is_refused(audio_format, duration_ms):
    with pytest.raises(ValueError, match=f"duration_ms must be from 1 to 86400000, not {duration_ms}"):
        silent_audio.make(audio_format, duration_ms)


def test_another_format_is_refused():
    with pytest.raises(ValueError, match="audio_format must be one of wav, mp3, m4a"):
        silent_audio.make("ogg", 2_000)

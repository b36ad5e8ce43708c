"""The mock's speech follows text and speed, and is audible for exactly as long as it says."""

import io
import os
import subprocess
import sys
import wave
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_contracts.media import audio
from kling_mock_server.assets import speech
from kling_mock_server.protocol.task_json import seconds

speeds = st.integers(8, 20).map(lambda tenths: tenths / 10)
texts = st.text(max_size=200)
HOUR_MS = 60 * 60 * 1000


def samples_of(data):
    with wave.open(io.BytesIO(data)) as file:
        return file.readframes(file.getnframes())


def loudness(samples):
    return (sum((sample - 128) ** 2 for sample in samples) / len(samples)) ** 0.5


@pytest.mark.parametrize(
    ("text", "speed", "milliseconds"),
    [
        ("今" * 45, 1.0, 45 * 222),
        ("a" * 140, 1.0, 140 * 71),
        ("aaaaaaaaaa,", 1.0, 10 * 71 + 180),
        ("今今今今今。", 1.0, 5 * 222 + 180),
        ("aaaaa aaaaa\n", 1.0, 10 * 71),
        ("今" * 100, 2.0, 11_100),
        ("今" * 100, 0.8, 27_750),
        ("今" * 100, 1.3, 17_077),
    ],
)
def test_a_duration_follows_the_text_and_the_speed(text, speed, milliseconds):
    assert speech.duration_ms(text, speed) == milliseconds


@pytest.mark.parametrize(("speed", "rounded"), [(1.04, 1.0), (1.05, 1.1), (0.85, 0.9), (1.96, 2.0), (1, 1.0)])
def test_a_speed_is_rounded_to_one_decimal(speed, rounded):
    text = "今" * 100

    assert speech.duration_ms(text, speed) == speech.duration_ms(text, rounded)


@given(texts, texts, speeds)
def test_more_text_never_takes_less_time(text, more, speed):
    assert speech.duration_ms(text + more, speed) >= speech.duration_ms(text, speed) >= speech.MIN_MS


@given(texts, speeds, speeds)
def test_speaking_faster_never_takes_more_time(text, one, other):
    assert speech.duration_ms(text, max(one, other)) <= speech.duration_ms(text, min(one, other))


@pytest.mark.parametrize("text", ["", " ", "a", "。"])
def test_the_shortest_text_takes_its_time(text):
    assert speech.duration_ms(text, 2.0) == speech.MIN_MS


@pytest.mark.parametrize("speed", [0, -1.0, 0.09, 10.1, float("inf"), float("nan")])
def test_a_speed_that_cannot_be_is_refused(speed):
    with pytest.raises(ValueError, match=f"speed must be from 0.1 to 10.0, not {speed}"):
        speech.duration_ms("text", speed)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0"), (1, "0.001"), (300, "0.3"), (2_048, "2.048"), (5_000, "5"), (8_000, "8"), (10_050, "10.05")],
)
def test_a_duration_is_written_in_seconds(milliseconds, text):
    assert seconds(milliseconds) == text


@given(st.integers(0, 10**12))
def test_no_millisecond_is_lost_in_writing(milliseconds):
    whole, _, decimals = seconds(milliseconds).partition(".")

    assert int(whole) * 1000 + int(decimals.ljust(3, "0")) == milliseconds
    assert not decimals.endswith("0")


@given(st.integers(1, 60_000), st.text(max_size=20))
@example(speech.MAX_MS, "")
def test_audio_lasts_exactly_as_long_as_asked(milliseconds, voice):
    data = speech.wav(milliseconds, voice)

    assert audio.identify(data) == "wav"
    assert audio.measure(data, "wav") == milliseconds


def test_audio_is_audible_but_soft():
    samples = samples_of(speech.wav(5_000))

    assert 5 < loudness(samples) < 30
    assert 64 <= min(samples) < max(samples) <= 192


def test_audio_comes_in_syllables():
    samples = samples_of(speech.wav(5_000))
    tenths = [loudness(samples[start : start + 160]) for start in range(0, len(samples), 160)]

    assert sum(level < 1 for level in tenths) > 20
    assert sum(level > 10 for level in tenths) > 20


@given(st.integers(1, 3_000), st.sampled_from(["", "a", "genshin_vindi2"]))
def test_audio_has_no_click_anywhere(milliseconds, voice):
    samples = samples_of(speech.wav(milliseconds, voice))

    steps = [abs(after - before) for before, after in pairwise(samples)]
    assert max(steps, default=0) < 20
    assert abs(samples[0] - 128) <= 2
    assert abs(samples[-1] - 128) <= 2


def test_voices_sound_different():
    assert len({speech.wav(1_000, voice) for voice in ("", "chat1_female_new-3", "genshin_vindi2")}) == 3


def test_a_voice_sounds_the_same_in_every_process():
    code = "import zlib; from kling_mock_server.assets import speech; print(zlib.crc32(speech.wav(1000, 'girl')))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(printed) == 1


@pytest.mark.parametrize("milliseconds", [-1, 0, HOUR_MS + 1])
def test_a_duration_that_cannot_be_is_refused(milliseconds):
    with pytest.raises(ValueError, match=f"duration_ms must be from 1 to {HOUR_MS}, not {milliseconds}"):
        speech.wav(milliseconds)

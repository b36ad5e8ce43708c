"""Files of every flavour and of foreign formats are real: FFmpeg plays them, for as long as they say."""

import io

import av
import pytest

from kling_contracts.media import audio, silent_audio
from kling_contracts.media.audio_flavours import FLAVOURS, flavoured
from kling_contracts.media.foreign_audio import FOREIGN
from support.audio_files import played

ALL_FLAVOURS = [(name, number) for name, flavours in FLAVOURS.items() for number in range(len(flavours))]
MAX_FRAME_MS = {"aac": 128, "flac": 500, "amr": 20, "webm": 120}
"""How much longer than asked a file may be, by format; all others are exact."""


def named(case):
    return f"{case[0]} {FLAVOURS[case[0]][case[1]].says}"


@pytest.fixture
def errors():
    """What FFmpeg cannot make sense of meanwhile."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture() as said:
        yield said
    av.logging.set_level(before)


@pytest.mark.parametrize("case", ALL_FLAVOURS, ids=named)
def test_every_flavour_lasts_exactly_as_long_as_asked(case, errors):
    name, number = case
    for duration_ms in (129, 1999, 2000, 2001):
        data = flavoured(name, number, duration_ms)
        assert (audio.identify(data), audio.measure(data, name)) == (name, duration_ms)
        assert (played(data).milliseconds, played(data).silent) == (duration_ms, True)
    assert not errors


@pytest.mark.parametrize("case", ALL_FLAVOURS, ids=named)
def test_every_flavour_can_be_padded(case):
    data = flavoured(*case, 2000, 9001)
    assert (len(data), audio.measure(data, case[0]), played(data).milliseconds) == (9001, 2000, 2000)


def test_no_two_flavours_of_a_format_are_the_same():
    for name, flavours in FLAVOURS.items():
        assert len({flavoured(name, number, 2000) for number in range(len(flavours))}) == len(flavours)
        assert flavours[0].make(2000) == silent_audio.make(name, 2000)


@pytest.mark.parametrize("frames", [2, 167])
def test_an_mp3_without_a_xing_header_lasts_as_long_as_its_frames(frames):
    data = silent_audio.bare_mp3(frames)
    assert audio.measure(data, "mp3") == played(data).milliseconds == 36 * frames


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_plays_and_is_told_by_its_content(name, errors):
    for duration_ms in (999, 2000):
        data = FOREIGN[name](duration_ms)
        assert audio.identify(data) == name
        assert 0 <= played(data).milliseconds - duration_ms <= MAX_FRAME_MS.get(name, 0)
    assert not errors


def test_an_mp4_with_a_video_track_holds_both():
    with av.open(io.BytesIO(FOREIGN["mp4"](2500))) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
        assert file.duration == 2_500_000

"""A still video decodes without a complaint and lasts exactly as long as asked, for our own reader and for FFmpeg."""

import io
import re
from contextlib import contextmanager
from fractions import Fraction

import av
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_contracts.media import still_video, video

# The limits of the endpoint with their neighbours, and the edges of the pictures (1 s).
DURATIONS = (1, 2, 999, 1_000, 1_001, 1_999, 2_000, 2_001, 59_999, 60_000, 60_001)
# What is a whole number of macroblocks and what is not, and the limits of identify-face and of ours.
SIZES = ((2, 2), (16, 16), (18, 34), (512, 512), (854, 480), (1280, 720), (1080, 1920), (2160, 2160), (4096, 2))

durations = pytest.mark.parametrize("duration_ms", DURATIONS)
sizes = pytest.mark.parametrize("size", SIZES)
even_sides = st.integers(1, 1_080).map(lambda half: 2 * half)


@contextmanager
def no_complaints():
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints:
            yield
    finally:
        av.logging.set_level(before)
    assert complaints == []


@contextmanager
def opened(data):
    """The video track in a decoder that gives up at the first mistake."""
    with no_complaints(), av.open(io.BytesIO(data), options={"err_detect": "explode"}) as file:
        (track,) = file.streams
        track.codec_context.options = {"err_detect": "explode"}
        yield file, track


def frames(data):
    with opened(data) as (file, track):
        return [(frame.pts, frame.width, frame.height) for frame in file.decode(track)]


def rows_of(plane):
    content = bytes(plane)
    return {content[row * plane.line_size :][: plane.width] for row in range(plane.height)}


@durations
def test_a_decoder_shows_a_picture_every_second(duration_ms):
    assert frames(still_video.mp4(duration_ms)) == [(start, 1280, 720) for start in range(0, duration_ms, 1_000)]


@sizes
def test_every_picture_has_exactly_that_size(size):
    assert frames(still_video.mp4(2_500, *size)) == [(start, *size) for start in (0, 1_000, 2_000)]


@sizes
def test_every_pixel_is_grey(size):
    with opened(still_video.mp4(2_500, *size)) as (file, track):
        for frame in file.decode(track):
            assert [rows_of(plane) for plane in frame.planes] == [{b"\x80" * plane.width} for plane in frame.planes]


@durations
def test_the_headers_promise_the_same_duration(duration_ms):
    with opened(still_video.mp4(duration_ms)) as (file, track):
        assert file.duration == duration_ms * 1_000
        assert track.duration * track.time_base == Fraction(duration_ms, 1_000)


@durations
def test_the_last_picture_ends_with_the_video(duration_ms):
    with opened(still_video.mp4(duration_ms)) as (file, track):
        packets = [packet for packet in file.demux(track) if packet.size]
        assert packets[-1].pts + packets[-1].duration == sum(packet.duration for packet in packets) == duration_ms


@sizes
def test_a_strict_parser_finds_nothing_that_breaks_the_standard(size):
    with opened(still_video.mp4(3_600_000, *size)) as (file, track):
        parser = av.BitStreamFilterContext("h264_metadata=level=auto", track)
        units = [unit for packet in file.demux(track) if packet.size for unit in parser.filter(packet)]
    assert len(units) == 3_600


@pytest.mark.parametrize(
    ("size", "level"),
    [
        ((352, 288), 11),
        ((640, 480), 22),
        ((1280, 720), 31),
        ((1920, 1080), 40),
        ((2, 4096), 40),
        ((2160, 2160), 50),
        ((4096, 4096), 60),
    ],
)
def test_it_asks_for_no_better_decoder_than_the_standard_does(size, level):
    profile, _, claimed = decoder_settings(still_video.mp4(1_000, *size))[1:4]
    assert (profile, claimed) == (66, level)


def test_an_hour_decodes_to_its_last_picture():
    assert frames(still_video.mp4(3_600_000, 16, 16))[-1] == (3_599_000, 16, 16)


@pytest.mark.parametrize("target_ms", [0, 500, 30_000, 59_900])
def test_a_player_seeks_in_it(target_ms):
    with opened(still_video.mp4(60_000)) as (file, track):
        file.seek(target_ms, stream=track)
        shown = [frame.pts for frame in file.decode(track) if frame.pts <= target_ms]
    assert shown[-1] == target_ms // 1_000 * 1_000


def test_only_the_first_picture_claims_to_stand_alone():
    with opened(still_video.mp4(3_000)) as (file, track):
        assert [packet.is_keyframe for packet in file.demux(track) if packet.size] == [True, False, False]


def test_it_plays_while_it_is_downloaded():
    data = still_video.mp4(60_000)
    assert data[4:8] == b"ftyp"
    assert data.index(b"moov") < data.index(b"mdat")


@settings(max_examples=100, deadline=None)
@given(duration_ms=st.integers(1, 120_000), width=even_sides, height=even_sides)
@example(duration_ms=3_600_000, width=4_096, height=4_096)
def test_our_reader_agrees_to_the_millisecond_and_the_pixel(duration_ms, width, height):
    data = still_video.mp4(duration_ms, width, height)
    assert video.identify(data) == "mp4"
    assert video.measure(data) == (duration_ms, width, height)


@given(duration_ms=st.integers(1, 3_600_000), width=even_sides, height=even_sides)
@example(duration_ms=3_600_000, width=4_096, height=4_096)
def test_nothing_in_it_looks_like_the_start_of_a_unit(duration_ms, width, height):
    data = still_video.mp4(duration_ms, width, height)
    units = list(pictures_of(data[data.index(b"mdat") + 4 :]))
    assert len(units) == -(-duration_ms // 1_000)
    assert not [unit for unit in units if re.search(rb"\0\0[\0-\3]", unit)]
    assert not re.search(rb"\0\0[\0-\3]", decoder_settings(data)[8:])


def pictures_of(media):
    while media:
        end = 4 + int.from_bytes(media[:4])
        yield media[4:end]
        media = media[end:]


def decoder_settings(data):
    """The body of the avcC box: 6 bytes, then the two units with the length of each in front."""
    place = data.index(b"avcC")
    return data[place + 4 : place - 4 + int.from_bytes(data[place - 4 : place])]


@settings(max_examples=25, deadline=None)
@given(duration_ms=st.integers(1, 5_000), width=even_sides, height=even_sides)
def test_a_decoder_takes_any_size(duration_ms, width, height):
    expected = [(start, width, height) for start in range(0, duration_ms, 1_000)]
    assert frames(still_video.mp4(duration_ms, width, height)) == expected


@pytest.mark.parametrize(("size", "most"), [((1280, 720), 5_500), ((2160, 2160), 20_500)])
def test_a_minute_is_small(size, most):
    assert len(still_video.mp4(60_000, *size)) <= most


@pytest.mark.parametrize("duration_ms", [-1, 0, 3_600_001])
def test_a_duration_that_cannot_be_is_refused(duration_ms):
    with pytest.raises(ValueError, match=f"duration_ms must be from 1 to 3600000, not {duration_ms}"):
        still_video.mp4(duration_ms)


@pytest.mark.parametrize("side", [-2, 0, 1, 719, 4_097, 4_098])
def test_a_size_that_cannot_be_is_refused(side):
    with pytest.raises(ValueError, match=f"width must be even and from 2 to 4096 pixels, not {side}"):
        still_video.mp4(1_000, width=side)
    with pytest.raises(ValueError, match=f"height must be even and from 2 to 4096 pixels, not {side}"):
        still_video.mp4(1_000, height=side)


def test_the_data_reference_says_that_the_media_lie_in_the_file():
    # ISO 14496-12, 8.7.2: version and count, then one box of 12 bytes whose flag stands for "this file".
    data = still_video.mp4(1_000)
    start = data.index(b"dref") + 4
    assert data[start : start + 20] == bytes.fromhex("00000000 00000001 0000000c") + b"url " + bytes.fromhex("00000001")
    assert int.from_bytes(data[start - 8 : start - 4]) == 8 + 20

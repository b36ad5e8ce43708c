"""Hostile and damaged audio files are refused, or last a positive time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile.media import hostile_files
from kling_contracts.media.audio import MEASURED_FORMATS, AudioError, identify, measure
from support.audio_files import bare_mp3, m4a, mp3, patched, wav


@pytest.fixture(scope="module")
def hostile():
    return hostile_files()


class TestHostileFiles:
    def test_each_is_refused_or_lasts_a_positive_time(self, hostile):
        for name, data in hostile.items():
            assert_refused_or_positive(data, name.split()[0])

    def test_each_keeps_the_name_of_its_format(self, hostile):
        assert {name: identify(data) for name, data in hostile.items()} == {name: name.split()[0] for name in hostile}

    @pytest.mark.parametrize("name", ["mp3 of four frames, then FF", "mp3 of four frames, then headers alone"])
    def test_frames_are_not_searched_for_without_end(self, hostile, name):
        assert measure(hostile[name], "mp3") in (4 * 24, 5 * 24)

    @pytest.mark.parametrize("name", ["m4a of empty boxes", "m4a of nested boxes", "m4a of fragments"])
    def test_boxes_are_not_followed_without_end(self, hostile, name):
        with pytest.raises(AudioError, match="too many boxes"):
            measure(hostile[name], "m4a")

    def test_a_table_is_not_believed_beyond_its_box(self):
        with pytest.raises(AudioError, match="more rows than its box has room for"):
            measure(patched(m4a(), b"stts", 4, ">I", 2**32 - 1), "m4a")


def assert_refused_or_positive(data, name):
    try:
        duration = measure(data, name)
    except AudioError:
        return
    assert duration > 0


@st.composite
def damaged_files(draw):
    """Real files with overwritten bytes, cut and spliced."""
    files = st.sampled_from(
        [
            wav(rate=8_000),
            wav("adpcm_ms", 8_000),
            mp3(8_000),
            bare_mp3(8_000),
            m4a(rate=8_000),
            m4a(rate=8_000, movflags="faststart"),
            m4a("alac", 8_000, streamed=True, movflags="empty_moov"),
        ]
    )
    data = bytearray(draw(files))
    # The headers are where a wrong byte matters, and they lie at the start or at the end.
    places = st.integers(0, 900) | st.integers(max(len(data) - 900, 0), len(data) - 1)
    for place in draw(st.lists(places, max_size=6)):
        wrong = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff"]) | st.binary(max_size=8))
        data[place : place + len(wrong)] = wrong
    start, end = draw(st.just((0, len(data))) | st.tuples(places, places))
    return bytes(data[start:end] + draw(st.just(b"") | files)[: draw(st.integers(0, 2_000))])


class TestDamagedFiles:
    @settings(max_examples=200, deadline=None)
    @given(damaged_files())
    def test_they_are_refused_or_last_a_positive_time(self, data):
        for name in MEASURED_FORMATS:
            assert_refused_or_positive(data, name)

    @settings(max_examples=50, deadline=None)
    @given(damaged_files() | st.binary())
    def test_they_are_identified_or_unknown(self, data):
        name = identify(data)
        assert name is None or name.isalnum()

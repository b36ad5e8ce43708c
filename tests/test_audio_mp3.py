"""What is said of an mp3 file is what a decoder would play; FFmpeg is the oracle."""

import io
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest

from kling_contracts.media.audio import AudioError, measure
from support.audio_files import JUNK, bare_mp3, encoded, id3, milliseconds, mp3, patched, played, untagged

MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


MAX_FRAME_MS = 72
PARTS = {
    "44.1 kHz mono": bare_mp3,
    "48 kHz stereo": lambda: bare_mp3(48_000, channels=2),
    "8 kHz": lambda: bare_mp3(8_000),
    "gapless 32 kHz": lambda: untagged(mp3(32_000)),
    "layer II": lambda: encoded("mp2", "mp2", 24_000),
}


def played_at_all_rates(data):
    """Return how long FFmpeg plays a file, in whole ms, each frame at its own rate."""
    seconds = Fraction(0)
    with av.open(io.BytesIO(data)) as file:
        for packet in file.demux(audio=0):
            with suppress(av.FFmpegError):
                seconds += sum(Fraction(frame.samples, frame.sample_rate) for frame in packet.decode())
    return int(seconds * 1000)


class TestMp3:
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("rate", MP3_RATES)
    def test_a_gapless_mp3_is_exact(self, rate, channels):
        assert measure(mp3(rate, channels), "mp3") == milliseconds(rate)

    @pytest.mark.parametrize("rate", MP3_RATES)
    def test_without_a_header_frame_it_lasts_as_long_as_all_its_frames(self, rate):
        data = bare_mp3(rate)
        assert measure(data, "mp3") == played(data).milliseconds > milliseconds(rate)

    def test_a_variable_bit_rate_is_exact(self):
        data = mp3(vbr=True)
        assert b"Xing" in data
        assert measure(data, "mp3") == milliseconds(44_100)

    def test_a_variable_bit_rate_without_a_header_frame_is_walked(self):
        data = bare_mp3(vbr=True)
        assert measure(data, "mp3") == played(data).milliseconds

    def test_a_vbri_frame_is_no_audio(self):
        data = mp3()
        header = data.index(b"Info") - 21
        data = data.replace(b"Info", bytes(4), 1)
        data = data[: header + 36] + b"VBRI" + data[header + 40 :]
        assert measure(data, "mp3") == played(data).milliseconds

    @pytest.mark.parametrize("claimed", [0, 5, 1_000, 2**32 - 1])
    def test_a_header_frame_that_lies_does_not_change_the_number_of_frames(self, claimed):
        data = patched(mp3(), b"Info", 4, ">I", claimed)
        assert measure(data, "mp3") == played(data).milliseconds

    @pytest.mark.parametrize("padding", [0, 528, 529, 530, 4_095])
    def test_padding_is_dropped_as_far_as_a_decoder_reaches(self, padding):
        data = patched(mp3(), b"Lavf", 16, ">I", 576 << 12 | padding)
        assert measure(data, "mp3") == played(data).milliseconds

    def test_an_unknown_encoder_is_not_believed_on_its_padding(self):
        data = mp3().replace(b"Lavf", b"Abcd")
        assert measure(data, "mp3") == played(data).milliseconds > milliseconds(44_100)

    @pytest.mark.parametrize("size", [0, 1, 300, 3_000_000])
    def test_a_tag_of_any_size_adds_nothing(self, size):
        assert measure(id3(size) + mp3(), "mp3") == milliseconds(44_100)

    def test_a_tag_with_a_footer_adds_nothing(self):
        tag = bytearray(id3(300) + b"3DI\4\0\0" + bytes(4))
        tag[5] = 0x10
        assert measure(bytes(tag) + mp3(), "mp3") == milliseconds(44_100)

    def test_junk_behind_the_tag_adds_nothing(self):
        assert measure(id3(10) + bytes(3_000) + mp3(), "mp3") == milliseconds(44_100)

    @pytest.mark.parametrize(
        "tail",
        [b"TAG" + bytes(125), b"APETAGEX" + bytes(300_000), id3(200_000), bytes(1_000), b"\xff" * 100_000],
        ids=["ID3v1", "APE", "ID3v2", "zeros", "FF"],
    )
    def test_what_follows_the_last_frame_adds_nothing(self, tail):
        assert measure(mp3() + tail, "mp3") == milliseconds(44_100)

    def test_a_tag_between_two_halves_adds_nothing(self):
        data = bare_mp3()
        middle = data.index(data[:2], len(data) // 2)
        assert measure(data[:middle] + id3(100_000) + data[middle:], "mp3") == measure(data, "mp3")

    @pytest.mark.parametrize("left", [2_000, 5_000, 8_000])
    def test_an_mp3_cut_short_lasts_as_long_as_what_is_left(self, left):
        data = mp3()[:left]
        assert measure(data, "mp3") == played(data).milliseconds < milliseconds(44_100)

    def test_a_frame_counts_as_soon_as_its_header_is_there(self):
        data = bare_mp3()
        last = data.rindex(data[:2])
        durations = [measure(data[: last + size], "mp3") for size in (0, 3, 4, 5)]
        assert durations == [played(data[: last + size]).milliseconds for size in (0, 3, 4, 5)]
        assert durations[1] < durations[2]

    def test_frames_with_a_checksum_count(self):
        frame = b"\xff\xf2\x18\xc0".ljust(36, b"\0")
        assert measure(frame * 10, "mp3") == played(frame * 10).milliseconds == 360

    def test_a_recording_cut_out_of_a_stream_starts_at_its_first_frame(self):
        data = bare_mp3()[100:]
        assert measure(data, "mp3") == played(data).milliseconds

    def test_a_header_frame_alone_is_an_audio_error(self):
        data = untagged(mp3())
        second = data.index(data[:2], 100)
        with pytest.raises(AudioError, match="less than a millisecond"):
            measure(data[:second], "mp3")

    def test_too_much_junk_in_front_is_an_audio_error(self):
        with pytest.raises(AudioError, match="does not start with mp3 frames"):
            measure(b"x" * 70_000 + mp3(), "mp3")

    def test_a_recording_of_another_rate_behind_the_first_counts(self):
        data = Path(__file__).with_name("media").joinpath("48_kHz_then_44_kHz.mp3").read_bytes()
        assert measure(data, "mp3") == played_at_all_rates(data) == 4659

    @pytest.mark.parametrize("second", PARTS)
    @pytest.mark.parametrize("first", [part for part in PARTS if part != "layer II"])
    def test_recordings_of_any_rate_layer_and_channels_add_up(self, first, second):
        data = PARTS[first]() + PARTS[second]()
        # FFmpeg labels the first frame of a file and of a part with the rate of another part.
        assert abs(measure(data, "mp3") - played_at_all_rates(data)) <= MAX_FRAME_MS

    def test_junk_between_two_recordings_adds_nothing(self):
        data = bare_mp3() + JUNK * 100 + bare_mp3(48_000)
        assert abs(measure(data, "mp3") - played_at_all_rates(data)) <= MAX_FRAME_MS

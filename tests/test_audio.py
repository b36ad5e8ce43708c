"""What kling_contracts.media.audio says of a file is what a decoder would play; FFmpeg is the oracle."""

import ast
import io
import struct
import sys
import wave
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile.media import hostile_files
from kling_contracts.media import audio
from kling_contracts.media.audio import MEASURED_FORMATS, AudioError, identify, measure
from support.audio_files import encoded, milliseconds, played, samples

MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def mp3(rate=44_100, channels=1, **options):
    return encoded("mp3", "libmp3lame", rate, channels, **options)


def bare_mp3(rate=44_100, channels=1, **options):
    """An mp3 file without a tag and without a header frame: nothing tells its duration or its padding."""
    return untagged(mp3(rate, channels, write_xing="0", **options))


def wav(codec="pcm_s16le", rate=16_000, channels=1, **options):
    return encoded("wav", codec, rate, channels, **options)


def m4a(codec="aac", rate=44_100, **options):
    return encoded("ipod", codec, rate, **options)


def untagged(data):
    return data[10 + id3_size(data) :]


def id3_size(data):
    return data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]


def id3(size):
    return b"ID3\3\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


def patched(data, mark, offset, layout, *values):
    """Overwrite fields so many bytes behind the first place of a mark."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.index(mark) + len(mark) + offset, *values)
    return bytes(changed)


JUNK = b"HTTP/1.1 200 OK, "
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


class TestIdentify:
    @pytest.mark.parametrize(
        ("name", "container", "codec"),
        [
            ("wav", "wav", "pcm_s16le"),
            ("mp3", "mp3", "libmp3lame"),
            ("m4a", "ipod", "aac"),
            ("m4a", "mp4", "aac"),
            ("ogg", "ogg", "libopus"),
            ("flac", "flac", "flac"),
            ("aac", "adts", "aac"),
            ("aiff", "aiff", "pcm_s16be"),
            ("webm", "webm", "libopus"),
            ("wma", "asf", "libmp3lame"),
        ],
    )
    def test_it_names_the_format_by_content(self, name, container, codec):
        assert identify(encoded(container, codec, 48_000)) == name

    def test_audio_in_a_container_for_films_is_no_m4a(self):
        film = Path(__file__).with_name("media").joinpath("audio_only.mov").read_bytes()
        assert identify(film) == "mov"
        assert identify(film.replace(b"qt  ", b"3gp4", 1)) == "3gp"

    @pytest.mark.parametrize("brand", [b"M4A ", b"mp42", b"isom"])
    def test_audio_of_the_usual_brands_is_an_m4a(self, brand):
        assert identify(m4a().replace(b"M4A ", brand)) == "m4a"

    def test_it_knows_the_format_of_telephones(self):
        assert identify(encoded("amr", "libopencore_amrnb", 8_000)) == "amr"

    def test_a_video_track_makes_it_an_mp4(self):
        assert identify(encoded("mp4", "aac", video=True)) == "mp4"

    @pytest.mark.parametrize("size", [0, 1, 300, 3_000_000])
    def test_an_mp3_behind_a_tag_of_any_size_is_an_mp3(self, size):
        assert identify(id3(size) + bare_mp3()) == "mp3"

    def test_a_tag_that_claims_more_than_the_file_is_an_mp3(self):
        assert identify(id3(3_000)[:1_000]) == "mp3"

    @pytest.mark.parametrize(("name", "container", "codec"), [("aac", "adts", "aac"), ("flac", "flac", "flac")])
    def test_a_tag_does_not_turn_another_format_into_an_mp3(self, name, container, codec):
        assert identify(id3(300) + encoded(container, codec)) == name

    def test_a_recording_cut_out_of_an_mp3_stream_is_an_mp3(self):
        assert identify(bare_mp3()[100:]) == "mp3"

    def test_an_m4a_that_lost_its_tables_is_still_an_m4a(self):
        assert identify(m4a()[:2_000]) == "m4a"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff",
            b"\xff\xfb",
            b"RIFF",
            b"ID3",
            b"hello, world",
            b"<!DOCTYPE html><html>",
            b'{"code": 0}',
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(100),
            b"RIFF\x18A\x00\x00AVI LIST" + bytes(100),
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100),
            bytes(5_000),
            b"\xff" * 5_000,
        ],
    )
    def test_anything_else_is_unknown(self, data):
        assert identify(data) is None

    @pytest.mark.parametrize("rate", [22_050, 48_000])
    @pytest.mark.parametrize("tag", [b"", id3(300)], ids=["untagged", "tagged"])
    def test_layer_ii_is_no_mp3(self, rate, tag):
        assert identify(tag + encoded("mp2", "mp2", rate)) == "mp2"

    @pytest.mark.parametrize("junk", [JUNK, b"\0"], ids=["text", "zeros"])
    @pytest.mark.parametrize("size", [1, 1_441, 65_000])
    def test_an_mp3_behind_what_decoders_skip_is_an_mp3(self, junk, size):
        data = (junk * size)[:size] + bare_mp3()
        assert identify(data) == "mp3"
        assert measure(data, "mp3") == measure(bare_mp3(), "mp3") == played(data).milliseconds

    def test_an_mp3_behind_more_than_decoders_skip_is_none(self):
        data = (JUNK * 100_000)[:100_000] + bare_mp3()
        assert identify(data) is None
        with pytest.raises(av.FFmpegError):
            played(data)

    def test_any_number_of_zeros_is_skipped_as_decoders_do(self):
        data = bytes(200_000) + bare_mp3()
        assert identify(data) == "mp3"
        assert measure(data, "mp3") == played(data).milliseconds


class TestMeasure:
    def test_it_measures_what_the_endpoint_accepts(self):
        assert {"wav", "mp3", "m4a"} == MEASURED_FORMATS

    @pytest.mark.parametrize("name", ["ogg", "MP3", ".wav", ""])
    def test_another_format_is_a_mistake_of_the_caller(self, name):
        with pytest.raises(ValueError, match="audio_format must be one of m4a, mp3, wav") as caught:
            measure(wav(), name)
        assert not isinstance(caught.value, AudioError)

    @pytest.mark.parametrize("name", sorted(MEASURED_FORMATS))
    @pytest.mark.parametrize("data", [b"", b"hello, world", bytes(5_000), b"\xff" * 5_000])
    def test_what_is_no_audio_is_an_audio_error(self, data, name):
        with pytest.raises(AudioError):
            measure(data, name)

    @pytest.mark.parametrize(("name", "data"), [("mp3", wav()), ("m4a", mp3()), ("wav", m4a())])
    def test_audio_of_another_format_is_an_audio_error(self, name, data):
        with pytest.raises(AudioError):
            measure(data, name)

    def test_it_needs_nothing_but_the_standard_library(self):
        imported = set()
        for module in Path(audio.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(module.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module.removeprefix("kling_contracts."))
        assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names | {"media"}


class TestWav:
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize(
        "codec",
        ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"],
    )
    def test_uncompressed_audio_is_exact(self, codec, channels):
        assert measure(wav(codec, channels=channels), "wav") == milliseconds(16_000)

    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms", "libmp3lame"])
    def test_compressed_audio_lasts_as_long_as_it_plays(self, codec, channels):
        data = wav(codec, channels=channels)
        assert measure(data, "wav") == played(data).milliseconds

    def test_an_extensible_header_names_its_real_coding(self):
        data = wav("pcm_s24le", channels=2)
        assert b"fmt \x28\x00\x00\x00\xfe\xff" in data
        assert measure(data, "wav") == milliseconds(16_000)

    @pytest.mark.parametrize("mark", [b"RF64", b"BW64"])
    def test_the_64_bit_kinds_are_wavs(self, mark):
        data = wav(rf64="always").replace(b"RF64", mark)
        assert identify(data) == "wav"
        assert measure(data, "wav") == milliseconds(16_000)

    def test_the_64_bit_size_leaves_out_what_follows_the_audio(self):
        assert measure(wav(rf64="always") + b"LIST\x04\0\0\0INFO", "wav") == milliseconds(16_000)

    def test_a_streamed_wav_lasts_to_the_end_of_the_file(self):
        data = wav(streamed=True)
        assert b"data\xff\xff\xff\xff" in data
        assert measure(data, "wav") == milliseconds(16_000)

    def test_a_size_of_0_means_the_same(self):
        assert measure(patched(wav(streamed=True), b"data", 0, "<I", 0), "wav") == milliseconds(16_000)

    def test_a_wav_cut_short_lasts_as_long_as_what_is_left(self):
        data = wav()[:10_000]
        assert measure(data, "wav") == played(data).milliseconds < milliseconds(16_000)

    def test_a_chunk_behind_the_audio_is_no_audio(self):
        assert measure(wav() + b"LIST\x04\0\0\0INFO", "wav") == milliseconds(16_000)

    def test_of_several_chunks_of_audio_the_first_is_played(self):
        before, mark, sound = wav().partition(b"data")
        data = before + mark + sound + mark + sound
        assert measure(data, "wav") == played(data).milliseconds == milliseconds(16_000)

    def test_a_chunk_of_odd_size_is_padded(self):
        before, found, after = wav().partition(b"data")
        assert measure(before + b"junk\x01\0\0\0\0\0" + found + after, "wav") == milliseconds(16_000)

    def test_the_fact_chunk_may_say_where_the_last_block_ends(self):
        data = wav("adpcm_ima_wav")
        shorter = played(data).samples - 1_000
        assert measure(patched(data, b"fact", 4, "<I", shorter), "wav") == shorter * 1000 // 16_000

    @pytest.mark.parametrize("promised", [0, 1, 2**32 - 1])
    def test_a_fact_chunk_that_lies_is_not_believed(self, promised):
        data = wav("adpcm_ima_wav")
        assert measure(patched(data, b"fact", 4, "<I", promised), "wav") == played(data).milliseconds

    def test_without_a_fact_chunk_all_blocks_count(self):
        data = wav("adpcm_ima_wav").replace(b"fact", b"junk")
        assert measure(data, "wav") == played(data).milliseconds

    def test_a_header_that_leaves_out_the_sample_width_is_completed(self):
        assert measure(patched(wav(channels=2), b"fmt ", 16, "<H", 0), "wav") == milliseconds(16_000)

    def test_other_codings_last_as_long_as_their_byte_rate_says(self):
        data = patched(wav("pcm_u8"), b"fmt ", 4, "<H", 0xFF)
        assert measure(data, "wav") == milliseconds(16_000)

    def test_one_millisecond_is_the_least(self):
        assert measure(silent_wav(samples=8), "wav") == 1
        with pytest.raises(AudioError, match="less than a millisecond"):
            measure(silent_wav(samples=7), "wav")

    @pytest.mark.parametrize(
        ("offset", "layout", "values"),
        [pytest.param(8, "<I", [0], id="rate"), pytest.param(16, "<HH", [0, 0], id="sample width")],
    )
    def test_a_header_of_zeros_is_an_audio_error(self, offset, layout, values):
        with pytest.raises(AudioError):
            measure(patched(wav(), b"fmt ", offset, layout, *values), "wav")

    @pytest.mark.parametrize("missing", [b"fmt ", b"data"])
    def test_a_missing_chunk_is_an_audio_error(self, missing):
        with pytest.raises(AudioError, match="does not describe its audio, or has none"):
            measure(wav().replace(missing, b"junk", 1), "wav")


def silent_wav(samples):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8_000, samples, "NONE", ""))
        writer.writeframes(bytes(2 * samples))
    return file.getvalue()


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


class TestM4a:
    @pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
    @pytest.mark.parametrize("codec", ["aac", "alac"])
    def test_it_is_exact(self, codec, rate):
        assert measure(m4a(codec, rate), "m4a") == milliseconds(rate)

    @pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
    def test_a_decoder_that_plays_whole_frames_differs_by_less_than_one(self, rate):
        assert abs(played(m4a(rate=rate)).samples - samples(rate)) < 1024

    @pytest.mark.parametrize("codec", ["aac", "alac"])
    def test_tables_in_front_of_the_audio_are_exact(self, codec):
        data = m4a(codec, movflags="faststart")
        assert data.index(b"moov") < data.index(b"mdat")
        assert measure(data, "m4a") == milliseconds(44_100)

    @pytest.mark.parametrize("codec", ["aac", "alac"])
    def test_fragments_with_an_edit_list_are_exact(self, codec):
        data = m4a(codec, streamed=True, movflags="frag_keyframe+delay_moov", frag_duration="200000")
        assert data.count(b"moof") > 2
        assert measure(data, "m4a") == milliseconds(44_100)

    @pytest.mark.parametrize("flags", ["empty_moov", "empty_moov+default_base_moof", "frag_every_frame", "dash"])
    def test_fragments_last_as_long_as_their_samples(self, flags):
        data = m4a("alac", streamed=True, movflags=flags)
        assert b"elst" not in data or flags == "dash"
        assert measure(data, "m4a") == played(data).milliseconds == milliseconds(44_100)

    def test_fragments_without_an_edit_list_keep_the_start_of_the_encoder(self):
        data = m4a(streamed=True, movflags="empty_moov")
        assert measure(data, "m4a") == (samples(44_100) + 1024) * 1000 // 44_100

    def test_the_headline_duration_is_ignored(self):
        data = patched(m4a(), b"mvhd", 16, ">I", 3_600_000)
        assert measure(data, "m4a") == milliseconds(44_100)

    def test_so_are_the_durations_of_track_and_media(self):
        data = patched(m4a(), b"tkhd", 20, ">I", 3_600_000)
        data = patched(data, b"mdhd", 16, ">I", 2**31)
        assert measure(data, "m4a") == milliseconds(44_100)

    @pytest.mark.parametrize(
        ("duration", "start", "expected"),
        [(1_000, 0, 1_000), (1_000, 1024, 1_000), (1, 0, 1), (0, 22_050, 707), (9_999, 22_050, 707)],
    )
    def test_the_edit_list_says_which_part_is_played(self, duration, start, expected):
        data = m4a("alac")
        assert measure(patched(data, b"elst", 8, ">Ii", duration, start), "m4a") == expected

    def test_an_edit_that_only_delays_adds_nothing(self):
        with pytest.raises(AudioError, match="less than a millisecond"):
            measure(patched(m4a(), b"elst", 8, ">Ii", 5_000, -1), "m4a")

    def test_an_edit_list_without_edits_changes_nothing(self):
        assert measure(patched(m4a("alac"), b"elst", 4, ">I", 0), "m4a") == milliseconds(44_100)

    def test_audio_next_to_a_picture_is_measured(self):
        assert measure(encoded("mp4", "aac", video=True), "m4a") == milliseconds(44_100)

    @pytest.mark.parametrize("flags", ["faststart", "empty_moov"])
    def test_a_file_that_was_cut_is_an_audio_error(self, flags):
        data = m4a(movflags=flags)
        with pytest.raises(AudioError, match="ends in the middle of a box"):
            measure(data[:-200], "m4a")

    def test_lost_tables_are_an_audio_error(self):
        with pytest.raises(AudioError, match="no audio track"):
            measure(m4a().replace(b"moov", b"free"), "m4a")

    def test_a_video_without_sound_is_an_audio_error(self):
        with pytest.raises(AudioError, match="no audio track"):
            measure(m4a().replace(b"soun", b"vide"), "m4a")

    def test_tables_that_disagree_are_an_audio_error(self):
        with pytest.raises(AudioError, match="disagree on its number of samples"):
            measure(patched(m4a(), b"stts", 8, ">I", 1), "m4a")

    def test_more_samples_than_bytes_are_an_audio_error(self):
        data = m4a("alac").replace(b"mdat", b"free")
        with pytest.raises(AudioError, match="more samples than it has bytes for"):
            measure(data, "m4a")


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


def movie(*fragments, media=None, data_handler=b"", **changed):
    """An m4a built by hand, 1250 ms long if nothing is changed: ten samples of 1000 ticks, 8000 to the second."""
    bodies = {
        "mvhd": numbers(0, 0, 0, 1000),
        "tkhd": numbers(0, 0, 0, 1),
        "mdhd": numbers(0, 0, 0, 8_000),
        "hdlr": bytes(8) + b"soun",
        "stts": numbers(0, 1, 10, 1_000),
        "stsz": numbers(0, 1, 10),
        "trex": numbers(0, 1, 1, 500, 0, 0),
    } | changed
    boxes = {kind: box(kind.encode(), body) for kind, body in bodies.items() if body is not None}
    part = {kind: boxes.get(kind, b"") for kind in (*bodies, "elst")}
    tables = box(b"minf", data_handler, box(b"stbl", part["stts"], part["stsz"]))
    media_box = box(b"mdia", part["mdhd"], part["hdlr"], tables)
    track = box(b"trak", part["tkhd"], box(b"edts", part["elst"]), media_box)
    moov = box(b"moov", part["mvhd"], track, box(b"mvex", part["trex"]))
    return box(b"ftyp", b"M4A ") + moov + b"".join(fragments) + (media or box(b"mdat", bytes(100)))


def fragment(header, *runs):
    return box(b"moof", box(b"traf", box(b"tfhd", header), *(box(b"trun", run) for run in runs)))


class TestM4aByHand:
    def test_the_tables_tell_the_duration(self):
        assert measure(movie(), "m4a") == 1_250

    def test_long_dates_move_the_fields_behind_them(self):
        long = {
            "mvhd": numbers(1 << 24, 0, 0, 0, 0, 1_000),
            "tkhd": numbers(1 << 24, 0, 0, 0, 0, 1),
            "mdhd": numbers(1 << 24, 0, 0, 0, 0, 8_000),
            "elst": numbers(1 << 24, 1, 0, 600, 0, 0, 1 << 16),
        }
        assert measure(movie(**long), "m4a") == 600

    def test_audio_may_have_a_long_size(self):
        assert measure(movie(media=struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)), "m4a") == 1_250

    def test_audio_may_last_to_the_end_of_the_file(self):
        assert measure(movie(media=struct.pack(">I4s", 0, b"mdat") + bytes(100)), "m4a") == 1_250

    def test_the_handler_of_the_data_is_not_that_of_the_track(self):
        assert measure(movie(data_handler=box(b"hdlr", bytes(8) + b"alis")), "m4a") == 1_250

    @pytest.mark.parametrize(
        ("edits", "expected"),
        [
            pytest.param([(500, 0), (300, 2_000)], 800, id="two parts"),
            pytest.param([(9_000, -1), (500, 0)], 500, id="a delay"),
            pytest.param([(500, 90_000), (500, 0)], 500, id="a part behind the end"),
            pytest.param([(0, 2_000)], 1_000, id="from a place to the end"),
            pytest.param([(500, 9_000)], 125, id="more than is left"),
        ],
    )
    def test_edits_add_up(self, edits, expected):
        rows = b"".join(struct.pack(">Iii", *edit, 1 << 16) for edit in edits)
        assert measure(movie(elst=numbers(0, len(edits)) + rows), "m4a") == expected

    def test_an_edit_that_is_shorter_by_rounding_alone_shows_everything(self):
        coarse = {"mvhd": numbers(0, 0, 0, 600), "elst": numbers(0, 1, 749, 0, 1 << 16)}
        assert measure(movie(stts=numbers(0, 2, 9, 1_000, 1, 999), **coarse), "m4a") == 1_249

    def test_fragments_add_to_the_tables(self):
        assert measure(movie(fragment(numbers(0, 1), numbers(0, 4))), "m4a") == 1_250 + 4 * 500 // 8

    def test_fragments_of_another_track_do_not(self):
        assert measure(movie(fragment(numbers(0, 2), numbers(0, 4))), "m4a") == 1_250

    @pytest.mark.parametrize("skipped", [0, 1, 2, 3])
    def test_a_fragment_may_have_a_duration_of_its_own(self, skipped):
        offset, description = [7, 7] * (skipped & 1), [7] * (skipped >> 1)
        header = numbers(0x8 | skipped, 1, *offset, *description, 800)
        assert measure(movie(fragment(header, numbers(0, 4))), "m4a") == 1_250 + 400

    @pytest.mark.parametrize("skipped", [0, 0x1, 0x4, 0x5])
    @pytest.mark.parametrize("fields", [1, 2, 3, 4])
    def test_so_may_every_sample(self, skipped, fields):
        flags = (0xF00 >> 4 - fields & 0xF00) | skipped
        rows = [800, *[7] * (fields - 1)] * 3
        run = numbers(flags, 3, *[7] * skipped.bit_count(), *rows)
        assert measure(movie(fragment(numbers(0, 1), run)), "m4a") == 1_250 + 300

    @pytest.mark.parametrize("kind", ["mvhd", "tkhd", "mdhd", "stts", "stsz", "elst"])
    def test_a_box_that_ends_early_is_an_audio_error(self, kind):
        boxes = {"elst": numbers(0, 1, 600, 0, 1 << 16)} | {kind: b"\0\0"}
        with pytest.raises(AudioError, match="ends before its fields do"):
            measure(movie(**boxes), "m4a")

    @pytest.mark.parametrize("kind", ["tkhd", "mdhd", "stts", "stsz"])
    def test_a_missing_box_is_an_audio_error(self, kind):
        with pytest.raises(AudioError, match=f"no {kind} box"):
            measure(movie(**{kind: None}), "m4a")

    @pytest.mark.parametrize(
        "boxes",
        [
            pytest.param({"mvhd": numbers(0, 0, 0, 0), "elst": numbers(0, 1, 600, 0, 1 << 16)}, id="timescale 0"),
            pytest.param({"elst": numbers(0, 5_000) + numbers(1, 0, 1 << 16) * 5_000}, id="too many edits"),
        ],
    )
    def test_an_edit_list_out_of_bounds_is_an_audio_error(self, boxes):
        with pytest.raises(AudioError, match="edit list is not usable"):
            measure(movie(**boxes), "m4a")

    def test_a_box_smaller_than_its_header_is_an_audio_error(self):
        with pytest.raises(AudioError, match="smaller than its own header"):
            measure(movie(media=struct.pack(">I4s", 7, b"mdat")), "m4a")


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

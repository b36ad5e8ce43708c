"""What audio a file holds, and how long a wav file plays; FFmpeg is the oracle."""

import ast
import io
import struct
import sys
import wave
from pathlib import Path

import av
import pytest

from kling_contracts.media import audio
from kling_contracts.media.audio import MEASURED_FORMATS, AudioError, identify, measure
from support.audio_files import JUNK, bare_mp3, encoded, id3, m4a, milliseconds, mp3, patched, played, wav


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

    @pytest.mark.parametrize("of_the_last", [0, 1])
    def test_a_fact_chunk_is_believed_that_ends_within_the_last_block(self, of_the_last):
        data = wav("adpcm_ima_wav")
        (block,) = struct.unpack_from("<H", data, data.index(b"fmt ") + 8 + 18)
        promised = played(data).samples - block + of_the_last
        lasts = promised if of_the_last else played(data).samples
        assert measure(patched(data, b"fact", 4, "<I", promised), "wav") == lasts * 1000 // 16_000

    def test_without_a_fact_chunk_all_blocks_count(self):
        data = wav("adpcm_ima_wav").replace(b"fact", b"junk")
        assert measure(data, "wav") == played(data).milliseconds

    @pytest.mark.parametrize("bits", [9, 12, 16])
    def test_a_header_that_leaves_out_the_sample_width_is_completed(self, bits):
        assert measure(patched(wav(channels=2), b"fmt ", 16, "<HH", 0, bits), "wav") == milliseconds(16_000)

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

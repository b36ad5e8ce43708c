"""What is said of an m4a file is what a decoder would play; FFmpeg is the oracle."""

import struct

import pytest

from kling_contracts.media.audio import AudioError, measure
from support.audio_files import box, encoded, fragment, m4a, milliseconds, movie, numbers, patched, played, samples


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

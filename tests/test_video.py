"""What kling_contracts.media.video says of a file is what a player would show; FFmpeg is the oracle."""

import io
import struct
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_contracts.media import audio, silent_audio, still_video
from kling_contracts.media.video import Measured, VideoError, identify, measure

FILM = Fraction(24_000, 1_001)
TELEVISION = Fraction(25)
PICTURES = 50
SIZE = (64, 48)

WRITTEN = (
    {},
    {"movflags": "faststart"},
    {"movflags": "negative_cts_offsets"},
    {"use_editlist": "0"},
    {"movflags": "frag_keyframe+empty_moov"},
    {"movflags": "frag_keyframe+delay_moov"},
    {"movflags": "frag_every_frame+empty_moov+default_base_moof"},
    {"movflags": "dash+delay_moov"},
)

containers = pytest.mark.parametrize("container", ["mp4", "mov"])
rates = pytest.mark.parametrize("rate", [TELEVISION, FILM], ids=["25", "23.976"])
written = pytest.mark.parametrize("muxer", WRITTEN, ids=lambda muxer: "".join(muxer.values()) or "plain")


@cache
def film(container="mp4", codec="libx264", rate=TELEVISION, *, size=SIZE, sound=False, turned=0, at=None, **muxer):
    """A film of `PICTURES` pictures at a rate, or of pictures shown at the given multiples of its time base."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "film")
        with av.open(path, "w", format=container, container_options=muxer) as file:
            track = file.add_stream(codec, rate, width=size[0], height=size[1], pix_fmt="yuv420p")
            # Pictures that are shown in another order than they are stored in.
            track.options = {"bf": "2"} if codec in ("libx264", "mpeg4") else {}
            track.set_display_rotation(turned)
            streams = {track: pictures(size, rate, at or range(PICTURES))}
            if sound:
                streams[file.add_stream("aac", 8_000, layout="mono")] = silent_sound(PICTURES / rate)
            for stream, frames in streams.items():
                for frame in [*frames, None]:
                    file.mux(stream.encode(frame))
        return path.read_bytes()


def pictures(size, rate, at):
    for number in at:
        picture = av.VideoFrame(*size, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes([number * 5 % 256]) * plane.buffer_size)
        picture.pts, picture.time_base = number, 1 / rate
        yield picture


def silent_sound(seconds):
    for start in range(0, int(8_000 * seconds), 1_024):
        frame = av.AudioFrame("s16", "mono", 1_024)
        frame.sample_rate, frame.pts = 8_000, start
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        yield frame


def milliseconds(rate):
    return int(PICTURES * 1_000 / rate)


def shown(data):
    """What FFmpeg shows of the first video track: how long in ms, and the size of the picture after it was turned."""
    with av.open(io.BytesIO(data)) as file:
        track = file.streams.video[0]
        packets = [packet for packet in file.demux(track) if packet.size]
        frame = next(frame for packet in packets for frame in packet.decode())
        ticks = max(packet.pts + packet.duration for packet in packets) - min(packet.pts for packet in packets)
        size = (frame.width, frame.height)
        return float(ticks * track.time_base * 1_000), size[::-1] if frame.rotation % 180 else size


def brandless(data):
    return data[int.from_bytes(data[:4]) :]


def patched(data, mark, offset, layout, *values):
    """Overwrite fields so many bytes behind the first place of a mark."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.index(mark) + len(mark) + offset, *values)
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("mp4", "mp4", "libx264"),
        ("mp4", "mp4", "mpeg4"),
        ("mp4", "ipod", "mpeg4"),
        ("mp4", "3gp", "mpeg4"),
        ("mp4", "ismv", "mpeg4"),
        ("mov", "mov", "libx264"),
        ("mov", "mov", "mpeg4"),
        ("webm", "webm", "libvpx"),
        ("mkv", "matroska", "mpeg4"),
        ("avi", "avi", "mpeg4"),
        ("flv", "flv", "flv"),
        ("wmv", "asf", "wmv2"),
        ("mpg", "mpeg", "mpeg2video"),
        ("ts", "mpegts", "mpeg2video"),
    ],
)
def test_it_names_the_format_by_content(name, container, codec):
    assert identify(film(container, codec)) == name


@containers
def test_the_beginning_of_a_file_is_enough_for_its_name(container):
    assert identify(film(container)[:64]) == container


@pytest.mark.parametrize(
    "brand", [b"isom", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"3gp4", b"3g2a", b"MSNV", b"dash", b"cmfc"]
)
def test_its_brand_alone_makes_it_an_mp4(brand):
    assert identify(box(b"ftyp", brand, bytes(4)) + numbers(100_000, int.from_bytes(b"mdat"))) == "mp4"


def test_a_quicktime_file_from_before_there_were_brands_is_a_mov():
    data = brandless(film("mov"))
    assert identify(data) == "mov"
    assert measure(data) == (milliseconds(TELEVISION), *SIZE)


@pytest.mark.parametrize("name", ["wav", "mp3", "m4a"])
def test_a_file_of_sound_alone_keeps_its_name(name):
    assert identify(silent_audio.make(name, 2_000)) == name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"RIFF",
        b"hello, world",
        b"Good morning. " * 100,
        b"GIF89a" + bytes(1_000),
        b"<!DOCTYPE html><html>",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(100),
        bytes(5_000),
    ],
)
def test_anything_else_is_unknown(data):
    assert identify(data) is None


@containers
@written
@rates
def test_it_measures_what_was_filmed(container, muxer, rate):
    measured = measure(film(container, rate=rate, **muxer))
    assert abs(measured.duration_ms - milliseconds(rate)) <= 1
    assert measured[1:] == SIZE


@containers
@written
@rates
def test_it_measures_what_is_shown_next_to_sound(container, muxer, rate):
    # Where no edit list may hide that sound starts early, the first picture stays a little longer.
    data = film(container, rate=rate, sound=True, **muxer)
    assert measure(data).duration_ms == int(shown(data)[0])
    assert abs(measure(data).duration_ms - milliseconds(rate)) <= 50


@containers
@pytest.mark.parametrize("muxer", [{}, {"movflags": "frag_keyframe+empty_moov"}], ids=["whole", "fragments"])
def test_another_codec_is_measured_as_well(container, muxer):
    assert measure(film(container, "mpeg4", **muxer)) == (milliseconds(TELEVISION), *SIZE)


@written
def test_pictures_may_come_at_any_time(muxer):
    data = film(at=(0, 3, 10, 11, 50, 51, 90), **muxer)
    assert measure(data).duration_ms == int(shown(data)[0]) >= 90 * 1_000 / TELEVISION


@containers
@pytest.mark.parametrize(("turned", "size"), [(0, (64, 48)), (90, (48, 64)), (180, (64, 48)), (-90, (48, 64))])
def test_a_picture_turned_by_a_quarter_swaps_its_sides(container, turned, size):
    data = film(container, turned=turned)
    assert measure(data)[1:] == shown(data)[1] == size


def test_the_track_says_how_large_the_picture_is_shown():
    assert measure(patched(film(), b"tkhd", 76, ">II", 85 << 16, 48 << 16))[1:] == (85, 48)


@pytest.mark.parametrize("size", [(0, 0), (64, 0), (0, 48)])
def test_a_track_without_a_size_has_that_of_its_coding(size):
    assert measure(patched(film(), b"tkhd", 76, ">II", *(side << 16 for side in size)))[1:] == SIZE


def test_without_any_size_it_is_no_video():
    data = patched(patched(film(), b"tkhd", 76, ">II", 0, 0), b"stsd", 40, ">HH", 0, 0)
    with pytest.raises(VideoError, match="does not say how large its picture is"):
        measure(data)


def test_the_headline_durations_are_ignored():
    data = patched(film(), b"mvhd", 16, ">I", 3_600_000)
    data = patched(patched(data, b"tkhd", 20, ">I", 3_600_000), b"mdhd", 16, ">I", 2**31)
    assert measure(data).duration_ms == milliseconds(TELEVISION)


def test_the_edit_list_says_which_part_is_shown():
    # libx264 stores two pictures ahead: the first is shown at that time.
    data = film()
    (ahead,) = struct.unpack_from(">i", data, data.index(b"elst") + 16)
    assert measure(patched(data, b"elst", 8, ">Ii", 500, ahead)).duration_ms == 500
    assert measure(patched(data, b"elst", 8, ">Ii", 9_999, 2 * ahead)).duration_ms == milliseconds(TELEVISION) - 80


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


MATRIX = numbers(1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
SHOWN = MATRIX + numbers(64 << 16, 48 << 16)


def track(**changed):
    """A track built by hand, 1250 ms long if nothing is changed: ten pictures of 1000 ticks, 8000 to the second."""
    part = {
        "tkhd": numbers(0, 0, 0, 1, *[0] * 6) + SHOWN,
        "mdhd": numbers(0, 0, 0, 8_000),
        "hdlr": bytes(8) + b"vide",
        "stts": numbers(0, 1, 10, 1_000),
        "stsz": numbers(0, 1, 10),
    } | changed
    boxes = {kind: box(kind.encode(), body) for kind, body in part.items() if body is not None}
    edits = box(b"edts", boxes.pop("elst", b""))
    return box(b"trak", edits, box(b"mdia", b"".join(boxes.values())))


def fragment(start, ticks, number=1, delay=0):
    """A fragment of one picture; `start`: its turn on the time line, or None; `delay`: how much later it is shown."""
    place = b"" if start is None else box(b"tfdt", numbers(0, start))
    run = box(b"trun", numbers(0x900, 1, ticks, delay) if delay else numbers(0x100, 1, ticks))
    return box(b"moof", box(b"traf", box(b"tfhd", numbers(0, number)), place, run))


def movie(*tracks, fragments=b""):
    moov = box(b"moov", box(b"mvhd", numbers(0, 0, 0, 1_000)), *(tracks or [track()]))
    return box(b"ftyp", b"isom") + moov + fragments + box(b"mdat", bytes(100))


ELSEWHERE = track(mdhd=numbers(0, 0, 0, 500), tkhd=numbers(0, 0, 0, 2, *[0] * 6) + SHOWN)
SOUND = track(mdhd=numbers(0, 0, 0, 500), hdlr=bytes(8) + b"soun")
NO_TABLES = {"stts": numbers(0, 0), "stsz": numbers(0, 0, 0)}


@pytest.mark.parametrize("tracks", [(track(), ELSEWHERE), (SOUND, track())], ids=["of two", "behind sound"])
def test_the_first_video_track_counts(tracks):
    assert measure(movie(*tracks)) == (1_250, 64, 48)


def test_a_track_header_may_have_long_dates():
    header = numbers(1 << 24, 0, 0, 0, 0, 1, *[0] * 7) + SHOWN
    assert measure(movie(track(tkhd=header))) == (1_250, 64, 48)


def test_a_matrix_that_only_mirrors_does_not_swap_the_sides():
    mirrored = numbers(0xFFFF0000, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30) + numbers(64 << 16, 48 << 16)
    assert measure(movie(track(tkhd=numbers(0, 0, 0, 1, *[0] * 6) + mirrored)))[1:] == (64, 48)


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        pytest.param([(0, 800), (800, 800)], 200, id="one behind the other"),
        pytest.param([(None, 800), (None, 800)], 200, id="without a place"),
        pytest.param([(0, 0), (4_000, 0), (8_000, 800)], 1_100, id="until the next one comes"),
        pytest.param([(80_000, 800), (80_800, 800)], 200, id="cut out of a stream"),
        pytest.param([(4_000, 800), (0, 800)], 200, id="out of order"),
    ],
)
def test_fragments_last_until_the_end_of_the_last(fragments, expected):
    parts = b"".join(fragment(*part) for part in fragments)
    assert measure(movie(track(**NO_TABLES), fragments=parts)).duration_ms == expected


def test_an_edit_of_fragments_counts_from_their_first():
    parts = fragment(80_000, 8_000) + fragment(88_000, 8_000)
    edits = numbers(0, 1, 0, 2_000, 1 << 16)
    assert measure(movie(track(**NO_TABLES, elst=edits), fragments=parts)).duration_ms == 2_000 - 250


def test_where_sound_is_missing_it_does_not_last_longer():
    parts = fragment(0, 800) + fragment(80_000, 800)
    data = movie(track(**NO_TABLES, hdlr=bytes(8) + b"soun"), fragments=parts)
    assert audio.measure(data, "m4a") == 200


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        pytest.param([(10, 500)], 1_250, id="all the same"),
        pytest.param([(1, 3_000), (7, 1_000), (1, 3_000), (1, 0)], 1_250, id="first and last stored near the end"),
        pytest.param([(1, 0), (9, 2**32 - 500)], 9_500 // 8, id="early"),
        pytest.param([(8, 0), (1, 16_000), (1, 0)], 25_000 // 8, id="late"),
        pytest.param([], 1_250, id="none"),
    ],
)
def test_pictures_are_shown_in_another_order_than_stored(delays, expected):
    table = numbers(0, len(delays)) + b"".join(numbers(*row) for row in delays)
    assert measure(movie(track(ctts=table))).duration_ms == expected


def test_turns_may_differ_in_length():
    # The last but one goes 2000 ticks after its turn, long before the turn of the last is over.
    turns, delays = numbers(0, 2, 9, 1_000, 1, 4_000), numbers(0, 3, 8, 0, 1, 2_000, 1, 0)
    assert measure(movie(track(stts=turns, ctts=delays))).duration_ms == 13_000 // 8


def test_pictures_are_shown_in_another_order_than_their_fragments():
    parts = (fragment(800 * turn, 800, delay=delay) for turn, delay in enumerate([2_400, 0, 2_400, 0]))
    assert measure(movie(track(**NO_TABLES), fragments=b"".join(parts))).duration_ms == (4_800 - 800) // 8


def test_a_track_without_pictures_is_a_video_error():
    with pytest.raises(VideoError, match="less than a millisecond of video"):
        measure(movie(track(**NO_TABLES)))


def test_the_place_of_another_track_is_none_of_this_one():
    parts = fragment(0, 800) + fragment(80_000, 800, number=2) + fragment(None, 800)
    assert measure(movie(track(**NO_TABLES), fragments=parts)).duration_ms == 200


def test_fragments_may_have_long_places():
    place = box(b"tfdt", struct.pack(">IQ", 1 << 24, 2**40))
    parts = fragment(None, 800).replace(box(b"tfhd", numbers(0, 1)), box(b"tfhd", numbers(0, 1)) + place)
    # The sizes of the boxes around it are not followed.
    assert measure(movie(track(**NO_TABLES), fragments=parts + fragment(2**32 - 1, 800))).duration_ms == 200


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("left", [0, 1, 500])
def test_the_beginning_of_a_file_is_enough_where_it_describes_the_pictures(container, left):
    data = film(container, movflags="faststart")
    media = data.index(b"mdat") + 4
    assert measure(data[: media + left]) == measure(data)


@containers
def test_a_beginning_that_does_not_is_no_video(container):
    data = film(container)
    with pytest.raises(VideoError, match="ends in the middle of a box"):
        measure(data[: data.index(b"moov") - 100])


def test_a_beginning_that_ends_in_the_description_is_no_video():
    data = film(movflags="faststart")
    with pytest.raises(VideoError, match="ends in the middle of a box"):
        measure(data[: data.index(b"stts")])


def test_a_beginning_of_fragments_is_no_video():
    data = film(movflags="frag_keyframe+empty_moov")
    with pytest.raises(VideoError, match="ends in the middle of a box"):
        measure(data[: data.index(b"mdat") + 10])


def test_sound_alone_is_no_video():
    with pytest.raises(VideoError, match="no video track"):
        measure(silent_audio.m4a(2_000))


@pytest.mark.parametrize("data", [b"", b"hello, world", bytes(5_000), b"\xff" * 5_000, silent_audio.wav(2_000)])
def test_what_is_no_video_is_a_video_error(data):
    with pytest.raises(VideoError, match=r"no video track|in the middle of a box"):
        measure(data)


def test_another_container_is_a_video_error():
    with pytest.raises(VideoError):
        measure(film("matroska", "mpeg4"))


@pytest.mark.parametrize("kind", ["tkhd", "mdhd", "stts", "stsz"])
def test_a_missing_box_is_a_video_error(kind):
    with pytest.raises(VideoError, match=f"The video track has no {kind} box"):
        measure(movie(track(**{kind: None})))


@pytest.mark.parametrize("kind", ["tkhd", "mdhd", "stts", "stsz", "elst"])
def test_a_box_that_ends_early_is_a_video_error(kind):
    with pytest.raises(VideoError, match="ends before its fields do"):
        measure(movie(track(**{kind: b"\0\0"})))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mdhd": numbers(0, 0, 0, 0)}, "timescale of 0"),
        ({"mdhd": numbers(0, 0, 0, 10_000_001)}, "less than a millisecond of video"),
        ({"stsz": numbers(0, 1, 9)}, "tables of the video track disagree"),
        ({"stsz": numbers(0, 1, 101), "stts": numbers(0, 1, 101, 1)}, "more samples than it has bytes for"),
        ({"stts": numbers(0, 2**32 - 1, 1, 1)}, "more rows than its box has room for"),
    ],
)
def test_tables_that_cannot_be_are_a_video_error(changed, message):
    with pytest.raises(VideoError, match=message):
        measure(movie(track(**changed)))


def test_one_millisecond_is_the_least():
    assert measure(movie(track(mdhd=numbers(0, 0, 0, 10_000_000)))).duration_ms == 1


@pytest.mark.parametrize(
    ("filling", "message"),
    [
        pytest.param(box(b"free") * 40_000, "too many boxes", id="empty boxes"),
        pytest.param(numbers(2**31 - 1, int.from_bytes(b"moov")) * 40_000, "in the middle of a box", id="nested boxes"),
        pytest.param(fragment(0, 1) * 40_000, "too many boxes", id="fragments"),
        pytest.param(box(b"stts", numbers(0, 1_200_000), bytes(9_600_000)), "too many samples", id="a huge table"),
        pytest.param(box(b"ctts", bytes(9_000_000)), "too many samples", id="a huge table of delays"),
        pytest.param(box(b"trun", bytes(5_000_000)) * 2, "too many samples", id="huge runs"),
    ],
)
def test_a_hostile_file_is_not_followed_without_end(filling, message):
    data = movie(track(), filling)
    assert identify(data) == "mp4"
    with pytest.raises(VideoError, match=message):
        measure(data)


@st.composite
def damaged_files(draw):
    """Real files with overwritten bytes, cut."""
    files = st.sampled_from(
        [
            still_video.mp4(2_500, 64, 48),
            film(),
            film("mov", sound=True),
            film(movflags="faststart"),
            film(movflags="frag_keyframe+empty_moov"),
        ]
    )
    data = bytearray(draw(files))
    # The headers are where a wrong byte matters, and they lie at the start or at the end.
    places = st.integers(0, 1_500) | st.integers(max(len(data) - 1_500, 0), len(data) - 1)
    for place in draw(st.lists(places, max_size=6)):
        wrong = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff"]) | st.binary(max_size=8))
        data[place : place + len(wrong)] = wrong
    return bytes(data[: draw(st.just(len(data)) | places)])


@settings(max_examples=200, deadline=None)
@given(damaged_files() | st.binary())
def test_damaged_files_are_refused_or_have_a_duration_and_a_size(data):
    name = identify(data)
    assert name is None or name.isalnum()
    try:
        measured = measure(data)
    except VideoError:
        return
    assert isinstance(measured, Measured)
    assert min(measured) > 0

"""M4A: an audio track in ISO base media, whole or in fragments. The sample tables count, not the headline."""

import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from operator import mul

from kling_contracts.audio.duration import AudioError, milliseconds

_MAX_BOXES = 30_000
_MAX_EDITS = 4_096

_CONTAINERS = frozenset((b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"))
_TRACK_BOXES = frozenset((b"tkhd", b"elst", b"mdhd", b"hdlr", b"stts", b"stsz"))
_FRAGMENT_BOXES = frozenset((b"trex", b"tfhd", b"trun"))
_KNOWN = _CONTAINERS | _TRACK_BOXES | _FRAGMENT_BOXES | {b"mvhd", b"mdat"}

_BOX = struct.Struct(">I4s")
_PAIR = struct.Struct(">II")
# An edit, short and long: its duration in units of the movie, and its start in units of the media.
_EDITS = (struct.Struct(">Ii4x"), struct.Struct(">Qq4x"))

# Flags of a fragment's header (tfhd) and of a run of its samples (trun) that say which fields follow.
_BASE_OFFSET, _DESCRIPTION, _DEFAULT_TICKS = 0x1, 0x2, 0x8
_DATA_OFFSET, _FIRST_FLAGS, _SAMPLE_TICKS = 0x1, 0x4, 0x100
_SAMPLE_FIELDS = 0xF00

_Boxes = dict[bytes, memoryview]
_EMPTY = memoryview(b"")


@dataclass(slots=True)
class _Movie:
    """The boxes that say how long a movie lasts; of each kind in a track, the first."""

    header: memoryview = _EMPTY
    tracks: list[_Boxes] = field(default_factory=list)
    fragments: list[tuple[bytes, memoryview]] = field(default_factory=list)
    media_bytes: int = 0


def is_iso_media(data: bytes) -> bool:
    """Tell whether the bytes start as ISO base media files do."""
    return data[4:8] == b"ftyp"


def identify(data: bytes) -> str | None:
    """Return "mp4" with a video track, "m4a" with audio alone or by its brand, otherwise None."""
    handlers = set()
    with suppress(AudioError, struct.error):
        for kind, body in _walk(data):
            if kind == b"hdlr":
                handlers.add(_handler(body))
    if b"vide" in handlers:
        return "mp4"
    return "m4a" if b"soun" in handlers or data[8:11] in (b"M4A", b"M4B") else None


def measure(data: bytes) -> int:
    """Return the duration of the first audio track of an m4a file in whole milliseconds.

    Raises:
        AudioError: there is no audio track, its tables contradict the file, or the file was cut.
        struct.error: a box ends before its fields do.
    """
    movie = _movie(data)
    track = _audio_track(movie)
    timescale = _after_dates(_required(track, b"mdhd"))
    ticks = _media_ticks(movie, track)
    if b"elst" in track:
        ticks = _shown_ticks(ticks, track[b"elst"], timescale, _after_dates(movie.header))
    return milliseconds(ticks, timescale)


def _walk(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the boxes that matter in the order of the file, a container before what is in it.

    Stepping into a container without remembering its end makes hostile nesting as cheap as a flat list.
    """
    view = memoryview(data)
    position = 0
    for _ in range(_MAX_BOXES):
        if position + _BOX.size > len(data):
            return
        kind, body, end = _box(data, position)
        if kind in _KNOWN:
            if end > len(data):
                raise AudioError("The file ends in the middle of a box.")
            yield kind, view[body:end]
        position = body if kind in _CONTAINERS else end
    raise AudioError("The file has too many boxes.")


def _box(data: bytes, position: int) -> tuple[bytes, int, int]:
    """Return the kind of a box, where its body starts, and where it ends."""
    size, kind = _BOX.unpack_from(data, position)
    body = position + _BOX.size
    if size == 0:
        return kind, body, len(data)
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, body)
        body += 8
    if position + size < body:
        raise AudioError("A box is smaller than its own header.")
    return kind, body, position + size


def _movie(data: bytes) -> _Movie:
    movie = _Movie()
    for kind, body in _walk(data):
        if kind == b"mvhd":
            movie.header = body
        elif kind == b"trak":
            movie.tracks.append({})
        elif kind in _TRACK_BOXES and movie.tracks:
            movie.tracks[-1].setdefault(kind, body)
        elif kind in _FRAGMENT_BOXES:
            movie.fragments.append((kind, body))
        elif kind == b"mdat":
            movie.media_bytes += len(body)
    return movie


def _audio_track(movie: _Movie) -> _Boxes:
    for track in movie.tracks:
        if _handler(track.get(b"hdlr", _EMPTY)) == b"soun":
            return track
    raise AudioError("The file has no audio track.")


def _handler(box: memoryview) -> bytes:
    return bytes(box[8:12])


def _required(track: _Boxes, kind: bytes) -> memoryview:
    if kind not in track:
        raise AudioError(f"The audio track has no {kind.decode()} box.")
    return track[kind]


def _after_dates(box: memoryview) -> int:
    """Return the number behind the two dates: the timescale in mvhd and mdhd, the track's number in tkhd."""
    version, number = struct.unpack_from(">B11xI", box)
    if version == 1:
        (number,) = struct.unpack_from(">20xI", box)
    return int(number)


def _media_ticks(movie: _Movie, track: _Boxes) -> int:
    """Return the duration of all samples of a track in units of its timescale."""
    samples, ticks = _table(track)
    for run_samples, run_ticks in _fragments(movie, _after_dates(_required(track, b"tkhd"))):
        samples += run_samples
        ticks += run_ticks
    if samples > movie.media_bytes:
        raise AudioError("The file promises more samples than it has bytes for.")
    return ticks


def _table(track: _Boxes) -> tuple[int, int]:
    """Return how many samples the track lists outside of fragments, and their ticks."""
    table = _required(track, b"stts")
    (rows,) = struct.unpack_from(">4xI", table)
    (samples,) = struct.unpack_from(">8xI", _required(track, b"stsz"))
    numbers = _numbers(_rows(table, 8, rows, _PAIR.size))
    counts, durations = numbers[::2], numbers[1::2]
    if sum(counts) != samples:
        raise AudioError("The tables of the audio track disagree on its number of samples.")
    return samples, sum(map(mul, counts, durations))


def _fragments(movie: _Movie, track_number: int) -> Iterator[tuple[int, int]]:
    """Yield how many samples each run of a track has in the fragments, and their ticks."""
    defaults: dict[int, int] = {}
    default: int | None = None
    for kind, body in movie.fragments:
        if kind == b"trex":
            number, ticks = struct.unpack_from(">4xI4xI", body)
            defaults[number] = ticks
        elif kind == b"tfhd":
            default = _default_ticks(body, track_number, defaults.get(track_number, 0))
        elif default is not None:
            yield _run(body, default)


def _default_ticks(header: memoryview, track_number: int, usual: int) -> int | None:
    """Return how long a sample of this fragment lasts by default, None if it is of another track."""
    flags, number = _PAIR.unpack_from(header)
    if number != track_number:
        return None
    if not flags & _DEFAULT_TICKS:
        return usual
    skipped = 8 * bool(flags & _BASE_OFFSET) + 4 * bool(flags & _DESCRIPTION)
    (ticks,) = struct.unpack_from(">I", header, 8 + skipped)
    return int(ticks)


def _run(box: memoryview, default: int) -> tuple[int, int]:
    flags, count = _PAIR.unpack_from(box)
    if not flags & _SAMPLE_TICKS:
        return count, count * default
    start = 8 + 4 * bool(flags & _DATA_OFFSET) + 4 * bool(flags & _FIRST_FLAGS)
    fields = (flags & _SAMPLE_FIELDS).bit_count()
    return count, sum(_numbers(_rows(box, start, count, 4 * fields))[::fields])


def _rows(box: memoryview, start: int, count: int, size: int) -> memoryview:
    """Return the rows of a table, never more than its box has room for."""
    end = start + count * size
    if end > len(box):
        raise AudioError("A table claims more rows than its box has room for.")
    return box[start:end]


def _numbers(table: memoryview) -> "array[int]":
    """Return the 32-bit numbers of a table, which may be more than a million."""
    numbers = array("I", table.tobytes())
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _shown_ticks(media: int, edit_list: memoryview, timescale: int, movie_timescale: int) -> int:
    """Return how much of the media the edit list shows."""
    version, count = struct.unpack_from(">B3xI", edit_list)
    if count > _MAX_EDITS or movie_timescale == 0:
        raise AudioError("The edit list is not usable.")
    row = _EDITS[version == 1]
    edits = row.iter_unpack(_rows(edit_list, 8, count, row.size))
    # An edit that starts before the media delays it and shows nothing.
    shown = (_edit(media - start, ticks, timescale, movie_timescale) for ticks, start in edits if start >= 0)
    return sum(shown) if count else media


def _edit(left: int, duration: int, timescale: int, movie_timescale: int) -> int:
    """Return how much of what is left of the media an edit shows, all of it for a duration of 0."""
    # The units of the movie are the coarser ones: less than one of them is no difference.
    if duration == 0 or left * movie_timescale < (duration + 1) * timescale:
        return max(left, 0)
    return -(-duration * timescale // movie_timescale)

"""How long a track of ISO base media lasts: the sample tables count, not the headline."""

import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice, repeat
from operator import mul
from typing import Final, NamedTuple

from kling_contracts.media.iso_media import IsoMediaError, Movie, Track, name_of, required

_MAX_EDITS: Final = 4_096
_MAX_REORDERED: Final = 17
"""Among this many pictures stored in a row, one is shown first, and one last: no codec looks further ahead."""

_PAIR = struct.Struct(">II")
# An edit, short and long: its duration in units of the movie, and its start in units of the media.
_EDITS = (struct.Struct(">Ii4x"), struct.Struct(">Qq4x"))

# Flags of a fragment's header (tfhd) and of a run of its samples (trun) that say which fields follow.
_BASE_OFFSET, _DESCRIPTION, _DEFAULT_TICKS = 0x1, 0x2, 0x8
_DATA_OFFSET, _FIRST_FLAGS, _SAMPLE_TICKS, _SAMPLE_DELAY = 0x1, 0x4, 0x100, 0x800
_SAMPLE_FIELDS = 0xF00


class Duration(NamedTuple):
    """How long a track is shown, in units of its timescale (ticks per second)."""

    ticks: int
    timescale: int


class _Delays(NamedTuple):
    """How much later than the turns of the samples in a row the first of them is shown, and the last one is over."""

    first: int = 0
    last: int = 0


class _Run(NamedTuple):
    """Samples in a row, the ticks of their turns in all, and the tick of the first turn, unless it was reached before.

    `delays` are told when asked for: few of them matter.
    """

    samples: int
    ticks: int
    start: int
    delays: Callable[[], _Delays]


class _Media(NamedTuple):
    """When the first sample of a track is shown, and when the last one is over."""

    start: int
    end: int


def duration(movie: Movie, track: Track) -> Duration:
    """Return how long an audio or video track lasts by its sample tables and fragments, after its edit list.

    Raises `IsoMediaError` where its tables are missing, or contradict one another or the file. Raises `struct.error`
    where a box ends before its fields do.
    """
    timescale = _after_dates(required(track, b"mdhd"))
    media = _media(movie, track)
    if b"elst" not in track:
        return Duration(media.end - media.start, timescale)
    return Duration(_shown_ticks(media, track[b"elst"], timescale, _after_dates(movie.header)), timescale)


def _after_dates(box: memoryview) -> int:
    """Return the number behind the two dates: the timescale in mvhd and mdhd, the track's number in tkhd."""
    version, number = struct.unpack_from(">B11xI", box)
    if version == 1:
        (number,) = struct.unpack_from(">20xI", box)
    return int(number)


def _media(movie: Movie, track: Track) -> _Media:
    runs = [run for run in (_table(track), *_fragments(movie, track)) if run.samples]
    if sum(run.samples for run in runs) > movie.media_bytes:
        raise IsoMediaError("The file promises more samples than it has bytes for.")
    # A picture stays until the next one comes; where there is no sound, nothing is heard.
    if runs and name_of(track) == "video":
        return _on_screen(runs)
    return _Media(0, sum(run.ticks for run in runs))


def _on_screen(runs: list[_Run]) -> _Media:
    """Return when the first picture comes and the last one goes, from the first turn on."""
    origin = position = runs[0].start
    placed = []
    for run in runs:
        position = max(position, run.start)
        placed.append((position - origin, run))
        position += run.ticks
    first = min(start + run.delays().first for start, run in placed[:_MAX_REORDERED])
    last = max(start + run.ticks + run.delays().last for start, run in placed[-_MAX_REORDERED:])
    return _Media(first, last)


def _table(track: Track) -> _Run:
    """Return the samples that the track lists outside of fragments."""
    counts, durations = _pairs(required(track, b"stts"))
    (samples,) = struct.unpack_from(">8xI", required(track, b"stsz"))
    if sum(counts) != samples:
        raise IsoMediaError(f"The tables of the {name_of(track)} track disagree on its number of samples.")
    delays = partial(_table_delays, counts, durations, track[b"ctts"]) if b"ctts" in track else _Delays
    return _Run(samples, sum(map(mul, counts, durations)), 0, delays)


def _table_delays(counts: "array[int]", durations: "array[int]", delays: memoryview) -> _Delays:
    delay_counts, values = _pairs(delays)
    forwards = zip(_each(counts, durations), _each(delay_counts, values), strict=False)
    backwards = zip(_each(counts[::-1], durations[::-1]), _each(delay_counts[::-1], values[::-1]), strict=False)
    return _delays(forwards, backwards)


def _pairs(table: memoryview) -> tuple["array[int]", "array[int]"]:
    """Return how often in a row each value of a table comes, and the values."""
    (rows,) = struct.unpack_from(">4xI", table)
    numbers = _numbers(_rows(table, 8, rows, _PAIR.size))
    return numbers[::2], numbers[1::2]


def _each(counts: "array[int]", values: "array[int]") -> Iterator[int]:
    """Yield the first values of a table as often as they come; a row that comes never is not looked behind."""
    return chain.from_iterable(map(repeat, values[:_MAX_REORDERED], counts[:_MAX_REORDERED]))


def _delays(forwards: Iterable[tuple[int, int]], backwards: Iterable[tuple[int, int]]) -> _Delays:
    """Return what the delays of samples come to; each sample is its ticks and its own delay, of 32 bits and signed."""
    turn, shown, over = 0, [], []
    for ticks, delay in islice(forwards, _MAX_REORDERED):
        shown.append(turn + _signed(delay))
        turn += ticks
    turn = 0
    for ticks, delay in islice(backwards, _MAX_REORDERED):
        over.append(turn + _signed(delay))
        turn -= ticks
    return _Delays(min(shown, default=0), max(over, default=0))


def _signed(number: int) -> int:
    return number - (number >> 31 << 32)


def _fragments(movie: Movie, track: Track) -> Iterator[_Run]:
    """Yield the runs of a track in the fragments."""
    track_number = _after_dates(required(track, b"tkhd"))
    defaults: dict[int, int] = {}
    default: int | None = None
    start = 0
    for kind, body in movie.fragments:
        if kind == b"trex":
            number, ticks = struct.unpack_from(">4xI4xI", body)
            defaults[number] = ticks
        elif kind == b"tfhd":
            default, start = _default_ticks(body, track_number, defaults.get(track_number, 0)), 0
        elif kind == b"tfdt":
            start = _start(body)
        elif default is not None:
            yield _run(body, default, start)


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


def _start(box: memoryview) -> int:
    version, start = struct.unpack_from(">B3xI", box)
    if version == 1:
        (start,) = struct.unpack_from(">4xQ", box)
    return int(start)


def _run(box: memoryview, default: int, start: int) -> _Run:
    flags, count = _PAIR.unpack_from(box)
    if not flags & (_SAMPLE_TICKS | _SAMPLE_DELAY):
        return _Run(count, count * default, start, _Delays)
    table = 8 + 4 * bool(flags & _DATA_OFFSET) + 4 * bool(flags & _FIRST_FLAGS)
    fields = (flags & _SAMPLE_FIELDS).bit_count()
    numbers = _numbers(_rows(box, table, count, 4 * fields))
    ticks = numbers[::fields] if flags & _SAMPLE_TICKS else array("I", [default]) * count
    # The delay is the last of the fields.
    delays = partial(_run_delays, ticks, numbers[fields - 1 :: fields]) if flags & _SAMPLE_DELAY else _Delays
    return _Run(count, sum(ticks), start, delays)


def _run_delays(ticks: "array[int]", delays: "array[int]") -> _Delays:
    return _delays(zip(ticks, delays, strict=True), zip(ticks[::-1], delays[::-1], strict=True))


def _rows(box: memoryview, start: int, count: int, size: int) -> memoryview:
    """Return the rows of a table, never more than its box has room for."""
    end = start + count * size
    if end > len(box):
        raise IsoMediaError("A table claims more rows than its box has room for.")
    return box[start:end]


def _numbers(table: memoryview) -> "array[int]":
    """Return the 32-bit numbers of a table, which may be more than a million."""
    numbers = array("I", table.tobytes())
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _shown_ticks(media: _Media, edit_list: memoryview, timescale: int, movie_timescale: int) -> int:
    """Return how much of the media the edit list shows."""
    version, count = struct.unpack_from(">B3xI", edit_list)
    if count > _MAX_EDITS or movie_timescale == 0:
        raise IsoMediaError("The edit list is not usable.")
    row = _EDITS[version == 1]
    edits = row.iter_unpack(_rows(edit_list, 8, count, row.size))
    # An edit that starts before the media delays it and shows nothing.
    shown = (_edit(media.end - start, ticks, timescale, movie_timescale) for ticks, start in edits if start >= 0)
    return sum(shown) if count else media.end - media.start


def _edit(left: int, duration: int, timescale: int, movie_timescale: int) -> int:
    """Return how much of what is left of the media an edit shows, all of it for a duration of 0."""
    # The units of the movie are the coarser ones: less than one of them is no difference.
    if duration == 0 or left * movie_timescale < (duration + 1) * timescale:
        return max(left, 0)
    return -(-duration * timescale // movie_timescale)

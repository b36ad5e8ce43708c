"""ISO base media (m4a, mp4, mov): the boxes that describe its tracks, whole or in fragments."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

_MAX_BOXES: Final = 30_000
_MAX_TABLE_BYTES: Final = 8 * 1024 * 1024
"""The limit for all sample tables that are read: hours of video, and a fraction of a second of work."""

_CONTAINERS = frozenset((b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"))
_TRACK_BOXES = frozenset((b"tkhd", b"elst", b"mdhd", b"hdlr", b"stsd", b"stts", b"ctts", b"stsz"))
_FRAGMENT_BOXES = frozenset((b"trex", b"tfhd", b"tfdt", b"trun"))
_TABLES = frozenset((b"stts", b"ctts", b"trun"))
_KNOWN = _CONTAINERS | _TRACK_BOXES | _FRAGMENT_BOXES | {b"mvhd", b"mdat"}

_BOX = struct.Struct(">I4s")

AUDIO: Final = b"soun"
"""The handler of an audio track."""

VIDEO: Final = b"vide"
"""The handler of a video track."""

_CUT: Final = "The file ends in the middle of a box."
_NAMES = {AUDIO: "audio", VIDEO: "video"}
_EMPTY = memoryview(b"")

Track = dict[bytes, memoryview]
"""The bodies of the boxes that describe a track, by their kind; of each kind, the first."""


class IsoMediaError(ValueError):
    """The boxes contradict one another or the file."""


@dataclass(slots=True)
class Movie:
    """The boxes that describe a movie. `media_bytes` counts what it claims to hold, `cut` tells that it holds less."""

    header: memoryview = _EMPTY
    tracks: list[Track] = field(default_factory=list)
    fragments: list[tuple[bytes, memoryview]] = field(default_factory=list)
    media_bytes: int = 0
    table_bytes: int = 0
    cut: bool = False


def is_iso_media(data: bytes) -> bool:
    """Tell whether the bytes start as ISO base media files do."""
    return data[4:8] == b"ftyp"


def major_brand(data: bytes) -> str:
    """Return the four characters that name what a file conforms to; empty for anything but ISO media."""
    return data[8:12].decode("latin-1") if is_iso_media(data) else ""


def handlers(data: bytes) -> set[bytes]:
    """Return the handlers of all tracks, as far as the boxes can be followed."""
    found = set()
    with suppress(IsoMediaError, struct.error):
        for kind, body, _ in _walk(data):
            if kind == b"hdlr":
                found.add(_handler(body))
    return found


def read(data: bytes) -> Movie:
    """Return the boxes of a file, of which only the end of the media may be missing.

    Raises `IsoMediaError` where the file was cut elsewhere, or is not made of boxes. Raises `struct.error` where the
    header of a box ends before its fields do.
    """
    movie = Movie()
    for kind, body, size in _walk(data):
        if kind == b"mdat":
            movie.media_bytes += size
            movie.cut = size > len(body)
        else:
            _collect(movie, kind, body)
    return movie


def track(movie: Movie, handler: bytes) -> Track:
    """Return the first track of a handler; raises `IsoMediaError` if there is none."""
    for candidate in movie.tracks:
        if _handler(candidate.get(b"hdlr", _EMPTY)) == handler:
            return candidate
    raise IsoMediaError(f"The file has no {_NAMES[handler]} track.")


def refuse_cut(movie: Movie) -> None:
    """Raise `IsoMediaError` where the end of the media is missing."""
    if movie.cut:
        raise IsoMediaError(_CUT)


def name_of(track: Track) -> str:
    """Return what the handler of a track stands for: audio or video."""
    return _NAMES[_handler(track[b"hdlr"])]


def required(track: Track, kind: bytes) -> memoryview:
    """Return the body of a box of a track; raises `IsoMediaError` without it."""
    if kind not in track:
        raise IsoMediaError(f"The {name_of(track)} track has no {kind.decode()} box.")
    return track[kind]


def _walk(data: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Yield the boxes that matter in the order of the file, a container before what is in it.

    Each comes as its kind, its body and the bytes that its body claims; only media may have fewer of them.
    Stepping into a container without remembering its end makes hostile nesting as cheap as a flat list.
    """
    view = memoryview(data)
    position = 0
    for _ in range(_MAX_BOXES):
        if position + _BOX.size > len(data):
            return
        kind, body, end = _box(data, position)
        if kind in _KNOWN:
            if end > len(data) and kind != b"mdat":
                raise IsoMediaError(_CUT)
            yield kind, view[body:end], end - body
        position = body if kind in _CONTAINERS else end
    raise IsoMediaError("The file has too many boxes.")


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
        raise IsoMediaError("A box is smaller than its own header.")
    return kind, body, position + size


def _collect(movie: Movie, kind: bytes, body: memoryview) -> None:
    if kind in _TABLES:
        movie.table_bytes += len(body)
        if movie.table_bytes > _MAX_TABLE_BYTES:
            raise IsoMediaError("The file has too many samples.")
    if kind == b"mvhd":
        # The first one counts, like the first of everything else.
        movie.header = movie.header or body
    elif kind == b"trak":
        movie.tracks.append({})
    elif kind in _TRACK_BOXES and movie.tracks:
        movie.tracks[-1].setdefault(kind, body)
    elif kind in _FRAGMENT_BOXES:
        movie.fragments.append((kind, body))


def _handler(box: memoryview) -> bytes:
    return bytes(box[8:12])

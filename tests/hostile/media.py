"""Files of 5 MB that are made to cost a careless reader seconds, or to make it recurse or allocate."""

import struct

SIZE = 5 * 1024 * 1024

_TINY_FRAME = b"\xff\xf3\x14\xc0".ljust(24, b"\0")
# It promises 25 bytes, and there is never another one after so many.
_HEADER_ALONE = b"\xff\xf3\x16"
_EMPTY_TAG = b"ID3\3\0\0\0\0\0\0"
_RIFF = b"RIFF\xff\xff\xff\xffWAVE"
_LIMIT = 0xFFFFFFFF


def hostile_files():
    """Return the files by what is wrong with them."""
    return {
        "wav of empty chunks": _filled(_RIFF, b"JUNK\0\0\0\0"),
        "wav of chunks that all differ": _filled(_RIFF, _different_chunks()),
        "mp3 of the tiniest frames": _filled(b"", _TINY_FRAME),
        "mp3 of headers alone": _filled(_EMPTY_TAG, _HEADER_ALONE),
        "mp3 of four frames, then FF": _filled(_TINY_FRAME * 4, b"\xff"),
        "mp3 of four frames, then headers alone": _filled(_TINY_FRAME * 4, _HEADER_ALONE),
        "mp3 that breaks off at every second frame": _filled(b"", _TINY_FRAME * 2 + _HEADER_ALONE),
        "mp3 with tags between its frames": _filled(b"", _TINY_FRAME * 2 + _EMPTY_TAG * 15),
        "mp3 of empty tags": _filled(b"", _EMPTY_TAG),
        "m4a of empty boxes": _filled(_box(b"ftyp", b"M4A "), _box(b"free")),
        "m4a of nested boxes": _nested(b"moov"),
        "m4a of tracks": _filled(_box(b"ftyp", b"M4A "), _box(b"trak")),
        "m4a of handlers": _filled(_box(b"ftyp", b"M4A "), _box(b"hdlr", bytes(8) + b"soun")),
        "m4a of long sizes": _filled(_box(b"ftyp", b"M4A "), struct.pack(">I4sQ", 1, b"trun", 16)),
        "m4a with a huge table": _movie(_table(b"stts", SIZE // 9, 8), _sizes(SIZE // 9)),
        "m4a with a huge edit list": _movie(_table(b"elst", SIZE // 13, 12), _durations(1), _sizes(1)),
        "m4a that claims 2^32 samples": _movie(_durations(_LIMIT), _sizes(_LIMIT)),
        "m4a with runs of a million rows": _movie(_durations(0), _sizes(0), after=_fragment(SIZE // 9, SIZE // 9)),
        "m4a of fragments": _movie(_durations(0), _sizes(0), after=_fragment(1)),
        "m4a of fragments that claim 2^32 samples": _movie(_durations(0), _sizes(0), after=_fragment(_LIMIT)),
    }


def _filled(start, unit):
    """Return as many whole units as there is room for."""
    return (start + unit * ((SIZE - len(start)) // len(unit))).ljust(SIZE, b"\0")


def _different_chunks():
    return b"".join(struct.pack(">II", number, 0) for number in range(SIZE // 100))


def _box(kind, body=b""):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _nested(kind):
    start = _box(b"ftyp", b"M4A ")
    boxes = (struct.pack(">I4s", SIZE - at, kind) for at in range(len(start), SIZE // 10, 8))
    return (start + b"".join(boxes)).ljust(SIZE, b"\0")


def _table(kind, rows, size):
    return _box(kind, struct.pack(">II", 0, rows) + bytes((0, 0, 0, 1)) * (rows * size // 4))


def _durations(samples):
    return _box(b"stts", struct.pack(">4I", 0, 1, samples, 1024))


def _sizes(samples):
    return _box(b"stsz", struct.pack(">3I", 0, 1, samples))


def _fragment(samples, rows=0):
    header = _box(b"tfhd", struct.pack(">II", 0, 1))
    run = _box(b"trun", struct.pack(">II", 0x100 if rows else 0, samples) + bytes((0, 0, 0, 1)) * rows)
    return _box(b"moof", _box(b"traf", header + run * 2))


def _movie(*tables, after=b""):
    """Return a movie whose only track has these tables, filled up with the boxes that come after."""
    header = _box(b"mvhd", struct.pack(">4I", 0, 0, 0, 1000) + bytes(84))
    track = (
        _box(b"tkhd", struct.pack(">4I", 0, 0, 0, 1))
        + _box(b"mdhd", struct.pack(">5I", 0, 0, 0, 8000, 0))
        + _box(b"hdlr", bytes(8) + b"soun")
        + b"".join(tables)
    )
    defaults = _box(b"mvex", _box(b"trex", struct.pack(">6I", 0, 1, 1, 1024, 0, 0)))
    start = _box(b"ftyp", b"M4A ") + _box(b"moov", header + _box(b"trak", track) + defaults)
    media = _box(b"mdat", bytes(64))
    return _filled(start + media, after or _box(b"free", bytes(4096)))

"""Files inside a made payload: formats, how small they can be, and how those begin that are not measured."""

from collections.abc import Mapping
from typing import Final

MADE_FORMATS: Final[Mapping[str, tuple[int, int | None]]] = {
    "m4a": (800, None),
    "mp3": (540, 8000),
    "wav": (8100, 8000),
}
"""Limits of every flavour of a format: bytes beyond one per ms that suffice, and the most ms for a small payload."""
BARE_MP3_FRAMES: Final = 84
BARE_MP3_MS: Final = 36 * BARE_MP3_FRAMES
BARE_MP3_BYTES: Final = 36 * BARE_MP3_FRAMES
"""An mp3 without a Xing header lasts a whole number of frames, so there is one of these only."""
CUT_OFF_BYTES: Final[Mapping[str, int]] = {"m4a": 40, "mp3": 180, "wav": 20}
"""How much of a file tells its format and does not decode."""
OTHER_FORMATS: Final[Mapping[str, bytes]] = {
    "ogg": b"OggS",
    "flac": b"fLaC",
    "amr": b"#!AMR\n",
    "webm": b"\x1aE\xdf\xa3",
    "wma": b"0&\xb2u\x8ef\xcf\x11",
    "aiff": b"FORM\0\0\0\x38AIFF",
    "aac": b"\xff\xf1\x50\x80\x01\xff\xfc",
    "mov": b"\0\0\0\x10ftypqt  \0\0\0\0",
    "3gp": b"\0\0\0\x10ftyp3gp4\0\0\0\0",
    "mp4": b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0,moov\0\0\0$trak\0\0\0\x1cmdia\0\0\0\x14hdlr\0\0\0\0\0\0\0\0vide",
    "unknown": b"These bytes are no audio.",
}
"""How files of formats begin that are recognised and not measured."""
OTHER_BYTES: Final = 64

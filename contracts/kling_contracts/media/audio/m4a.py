"""M4A: an audio track in ISO base media, whole or in fragments. The sample tables count, not the headline."""

from kling_contracts.media import iso_media, sample_tables
from kling_contracts.media.audio.duration import milliseconds


def identify(data: bytes) -> str | None:
    """Return "mp4" with a video track, "mov" or "3gp" by its brand, "m4a" with audio alone or by its brand, or None."""
    handlers = iso_media.handlers(data)
    if iso_media.VIDEO in handlers:
        return "mp4"
    if data[8:12] == b"qt  ":
        return "mov"
    if data[8:10] == b"3g":
        return "3gp"
    return "m4a" if iso_media.AUDIO in handlers or data[8:11] in (b"M4A", b"M4B") else None


def measure(data: bytes) -> int:
    """Return the duration of the first audio track of an m4a file in whole milliseconds.

    Raises `AudioError` where it holds less than a millisecond of audio. Raises `IsoMediaError` where there is no audio
    track, its tables contradict the file, or the file was cut. Raises `struct.error` where a box ends before its fields
    do.
    """
    movie = iso_media.read(data)
    iso_media.refuse_cut(movie)
    ticks, timescale = sample_tables.duration(movie, iso_media.track(movie, iso_media.AUDIO))
    return milliseconds(ticks, timescale)

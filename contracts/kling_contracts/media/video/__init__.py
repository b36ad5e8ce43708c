"""The format, duration and picture size of a video file, told from its bytes alone.

Nothing is decoded, and every walk through a file is bounded, so that no upload can hold up a server.
"""

import struct
from typing import NamedTuple

from kling_contracts.media import iso_media, sample_tables
from kling_contracts.media.video.picture import size
from kling_contracts.media.video.sniffing import identify

__all__ = ["Measured", "VideoError", "identify", "measure"]


class VideoError(ValueError):
    """The bytes do not hold a video that can be measured."""


class Measured(NamedTuple):
    """How long a video is shown, in whole ms and at least 1, and its picture as it is shown, in pixels."""

    duration_ms: int
    width: int
    height: int


def measure(data: bytes) -> Measured:
    """Return the duration and the size of the first video track of an mp4 or mov file.

    The duration is that of the pictures, rounded down, after edit lists. The beginning of a file is enough
    as soon as it describes all of its pictures: those themselves are not needed.

    Raises `VideoError` where there is no video track of at least a millisecond with a picture, its tables contradict
    the file, or the part of the file that describes it is missing.
    """
    try:
        return _measure(data)
    except iso_media.IsoMediaError as error:
        raise VideoError(str(error)) from error
    except struct.error as error:
        raise VideoError("A header of the file ends before its fields do.") from error


def _measure(data: bytes) -> Measured:
    movie = iso_media.read(data)
    if movie.fragments or not movie.tracks:
        # The rest of the description follows the media.
        iso_media.refuse_cut(movie)
    track = iso_media.track(movie, iso_media.VIDEO)
    return Measured(_milliseconds(sample_tables.duration(movie, track)), *size(track))


def _milliseconds(duration: sample_tables.Duration) -> int:
    if duration.timescale == 0:
        raise VideoError("The video track names a timescale of 0.")
    if duration.ticks * 1000 < duration.timescale:
        raise VideoError("The file holds less than a millisecond of video.")
    return duration.ticks * 1000 // duration.timescale

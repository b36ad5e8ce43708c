"""The content of a media field: a URL, Base64, and the audio or video in its bytes."""

import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from kling_contracts.facts.with_evidence import WithEvidence
from kling_contracts.facts.world import File, VideoFile

URL: Final = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
"""How an http(s) URL begins."""
_EXTENSION: Final = r"^[^?#]*/[^/?#]*\.([A-Za-z0-9]+)(?:[?#]|$)"
_NAMED: Final = {
    **{
        name: name
        for name in ("mp3", "wav", "m4a", "ogg", "flac", "aac", "amr", "aiff", "webm", "wma", "mp4", "avi", "mkv")
    },
    "oga": "ogg",
    "opus": "ogg",
    "aif": "aiff",
    "wave": "wav",
    "mov": "mp4",
}


def named_format(url: str) -> str | None:
    """Return the format that a path's extension names: the only evidence about a file that was not fetched."""
    match = re.match(_EXTENSION, url.partition("://")[2])
    return _NAMED.get(match[1].lower()) if match else None


def base64_bytes(text: str) -> bytes | None:
    """Return what a Base64 text holds; None where it is not RFC 4648 to the letter, padding included."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    # Python 3.11 lets more padding pass than there may be.
    return data if len(text) == (len(data) + 2) // 3 * 4 else None


def base64_size(text: str) -> int:
    """Return the size in bytes of what a Base64 text holds, from its length alone."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def measured_audio(data: bytes) -> File:
    """Return format, size, duration and brand of the bytes of an audio file, by content.

    The format is `"unknown"` where nothing recognises it; `decodes` and `duration_ms` are None for a format that
    is recognised but not measured.
    """
    # At first use: payloads that name an audio by its id need none of the readers.
    from kling_contracts.media import audio, iso_media

    name, brand = audio.identify(data), iso_media.major_brand(data)
    if name not in audio.MEASURED_FORMATS:
        return File(described_format(data, name), len(data), None, None, brand=brand)
    try:
        return File(described_format(data, name), len(data), audio.measure(data, name), True, brand=brand)
    except audio.AudioError as error:
        return File(described_format(data, name, error), len(data), None, False, brand=brand)


def described_format(data: bytes, name: str | None, error: Exception | None = None) -> WithEvidence:
    """Return the name of a format, `unknown` for None, with what the file is and why it cannot be measured."""
    from kling_contracts.media.description import describe

    what = describe(data, name)
    return WithEvidence(name or "unknown", f"{what} that does not decode: {error}" if error else what)


def measured_video(data: bytes) -> VideoFile:
    """Return format, size, duration and picture of the bytes of a video file, by content.

    The format is `"unknown"` where nothing recognises it; what cannot be measured is None.
    """
    from kling_contracts.media import video

    name = video.identify(data)
    try:
        measured = video.measure(data)
    except video.VideoError as error:
        found = described_format(data, name, error if name in VIDEOS else None)
        return VideoFile(found, len(data), None, None, None, None)
    found = described_format(data, name)
    return VideoFile(found, len(data), measured.duration_ms, measured.width, measured.height, None)


VIDEOS: Final = ("mp4", "mov")
"""Formats of videos whose duration and picture can be measured."""
MEASURED: Final[Mapping[str, Callable[[bytes], Any]]] = {"audio": measured_audio, "video": measured_video}
"""The functions that measure the bytes of a Base64 text, by what the field holds."""

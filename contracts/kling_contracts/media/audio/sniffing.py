"""Which format a file has, by its content and never by its name."""

from kling_contracts.media import iso_media
from kling_contracts.media.audio import m4a, mp3, wav

_MAGIC = {
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"#!AMR": "amr",
    b"\x1aE\xdf\xa3": "webm",
    b"0&\xb2u\x8ef\xcf\x11": "wma",
}


def identify(data: bytes) -> str | None:
    """Return the format of an audio or video file as a lower-case file extension, None if it is unknown.

    One of wav, mp3, mp2, m4a, mov, 3gp, mp4 (a video track as well), ogg, flac, aac, amr, aiff, webm and wma.
    Naming a format does not promise that the file decodes.
    """
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if wav.is_wav(data):
        return "wav"
    if data.startswith(b"FORM") and data[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if iso_media.is_iso_media(data):
        return m4a.identify(data)
    return _identify_frames(data)


def _identify_frames(data: bytes) -> str | None:
    start = mp3.skip_tags(data)
    if data.startswith(b"fLaC", start):
        return "flac"
    if _is_adts(data[start : start + 2]):
        return "aac"
    if mp3.is_older_layer(data, start):
        return "mp2"
    # Nothing but mp3 is commonly tagged this way, so the tag alone tells what the file claims to be.
    return "mp3" if start or mp3.is_mp3(data) else None


def _is_adts(header: bytes) -> bool:
    return len(header) == 2 and header[0] == 0xFF and header[1] & 0xF6 == 0xF0

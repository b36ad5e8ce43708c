"""Which format a video file has, by its content and never by its name."""

from kling_contracts.media import audio, iso_media

_MAGIC = {b"FLV\1": "flv", b"\0\0\1\xba": "mpg"}
# How far into a file its own description of its kind can stand.
_EBML_BYTES = 64
_ASF_BYTES = 8_192
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_TS_PACKET = 188

_QUICKTIME = b"qt  "
# The beginnings of the brands whose files are mp4 to their players.
_MP4_BRANDS = (b"iso", b"mp4", b"avc", b"M4V", b"3gp", b"3g2", b"MSNV", b"dash", b"cmf")


def identify(data: bytes) -> str | None:
    """Return the format of a video or audio file as a lower-case file extension, None if it is unknown.

    One of mp4, mov, webm, mkv, avi, flv, wmv, mpg, ts, and what `kling_contracts.media.audio.identify` returns.
    The beginning of a file is enough. Naming a format does not promise that the file decodes.
    """
    if data[8:12] == b"AVI " and data.startswith(b"RIFF"):
        return "avi"
    if data[: 4 * _TS_PACKET : _TS_PACKET] == b"GGGG":
        return "ts"
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    return _refined(audio.identify(data), data)


def _refined(name: str | None, data: bytes) -> str | None:
    """Return the name of a format that holds audio alone by its name for audio, but more in this file."""
    if name == "webm" and b"matroska" in data[:_EBML_BYTES]:
        return "mkv"
    if name == "wma" and _ASF_VIDEO in data[:_ASF_BYTES]:
        return "wmv"
    if name in (None, "mp4", "mov", "3gp"):
        return _iso_media(data)
    return name


def _iso_media(data: bytes) -> str | None:
    """Return the format by the brand of the file, which stands where tracks may be out of reach."""
    if not iso_media.is_iso_media(data):
        # Before there were brands, a file started with any box.
        return "mov" if iso_media.VIDEO in iso_media.handlers(data) else None
    brand = data[8:12]
    if brand == _QUICKTIME:
        return "mov"
    known = brand.startswith(_MP4_BRANDS) or iso_media.VIDEO in iso_media.handlers(data)
    return "mp4" if known else None

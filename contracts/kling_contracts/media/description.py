"""The content of a file in words: its format, or what else the first bytes show."""

import re
from typing import Final

_FORMATS: Final = {
    "3gp": "a 3GP file",
    "aac": "bare AAC without a container (ADTS)",
    "aiff": "an AIFF file",
    "amr": "an AMR file",
    "avi": "an AVI file",
    "flac": "a FLAC file",
    "flv": "a Flash video",
    "m4a": "an m4a file",
    "mkv": "a Matroska file",
    "mov": "a QuickTime file",
    "mp2": "MPEG audio of layer I or II",
    "mp3": "an mp3 file",
    "mp4": "an mp4 file with a video track",
    "mpg": "an MPEG program stream",
    "ogg": "an Ogg file",
    "ts": "an MPEG transport stream",
    "wav": "a wav file",
    "webm": "a WebM or Matroska file",
    "wma": "a Windows Media file (ASF)",
    "wmv": "a Windows Media video (ASF)",
}
_BEGINNINGS: Final = (
    (rb"\x89PNG", "a PNG picture"),
    (rb"\xff\xd8\xff", "a JPEG picture"),
    (rb"GIF8", "a GIF picture"),
    (rb"RIFF....WEBP", "a WebP picture"),
    (rb"%PDF", "a PDF document"),
    (rb"PK\x03\x04", "a zip archive"),
    (rb"\x1f\x8b", "gzip data"),
    (rb"MThd", "a MIDI file"),
    (rb"....ftyp", "an ISO media file of another brand"),
    (rb"\s*<(?:!doctype html|html|head|body)", "an HTML page"),
    (rb"\s*<\?xml|\s*<[A-Za-z]", "XML"),
    (rb"\s*[{\[]", "JSON"),
    (rb"data:[\w/+.-]+;base64,", "a data: URL, encoded once more"),
    (rb"https?://", "the text of a URL"),
    (rb"[A-Za-z0-9+/\r\n]{64}", "Base64, encoded twice"),
)
_LOOKED_AT: Final = 512
"""Bytes at the beginning that are looked at."""
_MAX_SHOWN: Final = 8
"""Bytes that are shown where nothing recognises them."""
_QUOTED: Final = 40
"""Characters of a text that are shown."""


def describe(data: bytes, name: str | None) -> str:
    """Return in words what a file is; `name`: its format as `identify` of audio or video names it, None or another."""
    return _FORMATS.get(name or "") or _by_beginning(data[:_LOOKED_AT])


def _by_beginning(head: bytes) -> str:
    if not head:
        return "an empty file"
    for pattern, words in _BEGINNINGS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return words
    text = _as_text(head)
    if text:
        return f"the text {text}"
    if not head.strip(b"\0"):
        return "nothing but zeros, as far as one can see"
    return f"no known format; its first bytes are {head[:_MAX_SHOWN].hex(' ')}"


def _as_text(head: bytes) -> str:
    try:
        # The last character may be cut.
        text = head[: _LOOKED_AT - 3].decode()
    except UnicodeDecodeError:
        return ""
    line = text.strip().partition("\n")[0][:_QUOTED].strip()
    return f'"{line}"' if line and line.isprintable() else ""

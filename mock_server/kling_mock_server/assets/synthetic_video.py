"""Videos that nobody can look at: what one shows is a pure function of its URL or id, so that it is always the same.

The fragment of a URL chooses what happens instead: `#faces=0`, `#duration=8000&face=2000-7000`. The vendor documents
nothing of the kind; it is ours, and never reaches a server that a video is fetched from.
"""

import hashlib
import re
from typing import Any, Final, NamedTuple

from kling_contracts import Note
from kling_contracts.facts.payload_facts import named_format
from kling_contracts.facts.world import Face, VideoFile
from kling_contracts.judging.evaluator import shown_value
from kling_contracts.unknown import Absent, Unknown

_CHOICE: Final = re.compile(
    r"(?P<name>faces|duration|width|height|size)=(?P<number>[0-9]{1,12})"
    r"|face=(?P<start>[0-9]{1,9})-(?P<end>[0-9]{1,9})|format=(?P<format>[a-z0-9]+)|(?P<flagged>flagged)"
)
_TAKES: Final = {
    "faces": "a number",
    "duration": "a number of ms",
    "width": "a number of pixels",
    "height": "a number of pixels",
    "size": "a number of bytes",
    "face": "START-END in ms, the start first",
    "format": "small letters and digits",
    "flagged": "no value",
}
_MOST_PARTS: Final = 100
"""Parts of a fragment that are looked at."""
_MOST_FACES: Final = 20
_NOT_A_VIDEO: Final = "unknown"


class Choices(NamedTuple):
    """What a fragment asks for: times in ms, sides in pixels, a size in bytes; None where it says nothing."""

    faces: int | None = None
    duration: int | None = None
    width: int | None = None
    height: int | None = None
    size: int | None = None
    format: str | None = None
    flagged: bool = False
    intervals: tuple[Face, ...] = ()


def choices_of(url: str) -> Choices:
    """Return what the fragment of a URL chooses; of two parts of one name the later one counts, faces add up."""
    choices = Choices()
    for part in _parts(url):
        match = _chosen_by(part)
        if match:
            choices = _with(choices, match)
    return choices


def notes_on(url: str, pointer: str) -> tuple[Note, ...]:
    """Return a note on every part of a URL's fragment that names a choice and does not make it."""
    named = ((part.partition("=")[0], part) for part in _parts(url) if "=" in part and not _chosen_by(part))
    return tuple(
        Note(pointer, f"{shown_value(part)} in the fragment chooses nothing: {name} takes {_TAKES[name]}")
        for name, part in named
        if name in _TAKES
    )


def video_of(name: str, data: bytes | Unknown, largest: int | None = None) -> VideoFile | Unknown:
    """Return the video of a URL or an id, measured where there are bytes of it; `Absent` stays what it is.

    What more than `largest` bytes do not tell is made up: they may not be the whole file.
    """
    choices = choices_of(name)
    if isinstance(data, Absent):
        return data
    made_up = _made_up(name.partition("#")[0])
    if isinstance(data, Unknown):
        return _chosen(made_up, choices)
    cut = largest is not None and len(data) > largest
    return _chosen(_measured(data, made_up, cut=cut), choices)


def _parts(url: str) -> list[str]:
    return url.partition("#")[2].split("&", _MOST_PARTS)[:_MOST_PARTS]


def _chosen_by(part: str) -> re.Match[str] | None:
    match = _CHOICE.fullmatch(part)
    backwards = match and match["start"] and int(match["start"]) >= int(match["end"])
    return None if backwards else match


def _with(choices: Choices, match: re.Match[str]) -> Choices:
    if match["name"]:
        number: dict[str, Any] = {match["name"]: int(match["number"])}
        return choices._replace(**number)
    if match["format"]:
        return choices._replace(format=match["format"])
    if match["flagged"]:
        return choices._replace(flagged=True)
    return choices._replace(intervals=(*choices.intervals, Face(int(match["start"]), int(match["end"]))))


def _made_up(name: str) -> VideoFile:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    # From 6 to 14.9 s, in whole tenths, as most footage that integrators send.
    duration_ms = 6_000 + digest[0] % 90 * 100
    width_px, height_px = ((1280, 720), (720, 1280), (1920, 1080))[digest[1] % 3]
    size_bytes = duration_ms * 500 + int.from_bytes(digest[2:4], "big")
    faces = _faces(1 + (digest[4] % 4 == 0), duration_ms, digest[5])
    return VideoFile(named_format(name) or "mp4", size_bytes, duration_ms, width_px, height_px, faces)


def _measured(data: bytes, made_up: VideoFile, *, cut: bool) -> VideoFile:
    # At first use: most mocks are never shown a video.
    from kling_contracts.media import video

    name = video.identify(data) or _NOT_A_VIDEO
    try:
        measured = video.measure(data)
    except video.VideoError:
        if cut:
            return made_up._replace(format=name, size_bytes=len(data))
        return VideoFile(name if name not in ("mp4", "mov") else _NOT_A_VIDEO, len(data), 0, 0, 0, {})
    faces = _faces(len(made_up.faces), measured.duration_ms, made_up.duration_ms // 100)
    return VideoFile(name, len(data), measured.duration_ms, measured.width, measured.height, faces)


def _faces(count: int, duration_ms: int, seed: int) -> dict[str, Face]:
    """Return faces `0`, `1`, … one after the other; a single one is there for most of the video."""
    share = duration_ms // max(count, 1)
    margin = min(seed % 5 * 100, share // 10)
    return {str(index): Face(index * share + margin, (index + 1) * share) for index in range(count)}


def _chosen(video: VideoFile, choices: Choices) -> VideoFile:
    duration_ms = video.duration_ms if choices.duration is None else choices.duration
    faces = dict(video.faces)
    if choices.duration is not None or choices.faces is not None:
        count = len(video.faces) if choices.faces is None else min(choices.faces, _MOST_FACES)
        faces = _faces(count, duration_ms, 0)
    if choices.intervals:
        faces = {str(index): face for index, face in enumerate(choices.intervals[:_MOST_FACES])}
    return video._replace(
        format=choices.format or video.format,
        size_bytes=video.size_bytes if choices.size is None else choices.size,
        duration_ms=duration_ms,
        width_px=video.width_px if choices.width is None else choices.width,
        height_px=video.height_px if choices.height is None else choices.height,
        faces=faces,
        flagged=choices.flagged,
    )

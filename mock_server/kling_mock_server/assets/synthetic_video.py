"""Videos that nobody can look at: what one shows is a pure function of its URL or id, so that it is always the same.

The fragment of a URL chooses what happens instead: `#faces=0`, `#duration=8000&face=2000-7000`. The vendor documents
nothing of the kind; it is ours, and never reaches a server that a video is fetched from.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from kling_contracts import Note
from kling_contracts.facts.file_content import VIDEOS, measured_video, named_format
from kling_contracts.facts.with_evidence import WithEvidence
from kling_contracts.facts.world import Face, VideoFile
from kling_contracts.judging.explaining import shown_value
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.state.short_text_cache import cached_for_short

_CHOICE: Final = (
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
_MAX_NAME: Final = 20
"""Characters of a name that are compared with the known ones."""
_ALIKE: Final = 0.8
_MAX_PARTS: Final = 100
"""Parts of a fragment that are looked at."""
_MAX_FACES: Final = 20
_MAX_KEPT: Final = 100
"""Names whose videos are kept: most callers ask for the same few again and again."""
_NOT_A_VIDEO: Final = "unknown"


class SyntheticVideo(VideoFile):
    """A video that stands for one that was not looked at."""

    __slots__ = ()


class Choices(NamedTuple):
    """The wishes in a URL's fragment: times in ms, sides in pixels, a size in bytes; None where it says nothing."""

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
    """Return a note on every part of a URL's fragment that names a choice, or nearly so, and does not make it."""
    return tuple(Note(pointer, says) for part in _parts(url) if not _chosen_by(part) for says in _hints(part))


def _hints(part: str) -> Iterator[str]:
    name = part.partition("=")[0]
    shown = f"{shown_value(part)} in the fragment chooses nothing"
    if name in _TAKES:
        yield f"{shown}: {name} takes {_TAKES[name]}"
    elif near := get_close_matches(name[:_MAX_NAME].lower(), _TAKES, n=1, cutoff=_ALIKE):
        yield f"{shown}; did you mean {near[0]}, which takes {_TAKES[near[0]]}?"


def video_of(name: str, data: bytes | Unknown, largest: int | None = None) -> VideoFile | Unknown:
    """Return the video of a URL or an id, measured where there are bytes of it; `Absent` stays what it is.

    For bytes that cannot be measured only size and format are known; for more than `largest` bytes they may
    be the beginning.
    """
    if isinstance(data, Absent):
        return data
    if isinstance(data, Unknown):
        return synthetic(name)
    cut = largest is not None and len(data) > largest
    return _chosen(_measured(name.partition("#")[0], data, cut=cut), choices_of(name))


@cached_for_short(_MAX_KEPT)
def synthetic(name: str) -> VideoFile:
    """Return the video that a URL or an id stands for where nobody can look at one, as the fragment chooses."""
    bare = name.partition("#")[0]
    digest, duration_ms = _digest(bare), _synthetic_ms(bare)
    width_px, height_px = ((1280, 720), (720, 1280), (1920, 1080))[digest[1] % 3]
    size_bytes = duration_ms * 500 + int.from_bytes(digest[2:4], "big")
    faces = _synthetic_faces(bare, duration_ms)
    video = SyntheticVideo(named_format(bare) or "mp4", size_bytes, duration_ms, width_px, height_px, faces)
    return _chosen(video, choices_of(name))


def shown_in(video: VideoFile | Unknown, name: str) -> tuple[int, Mapping[str, Face]]:
    """Return the duration in ms and the faces of a video, synthetic where they are not known."""
    known = video if isinstance(video, VideoFile) else synthetic(name)
    duration_ms = _synthetic_ms(name) if known.duration_ms is None else known.duration_ms
    return duration_ms, _synthetic_faces(name, duration_ms) if known.faces is None else known.faces


def _parts(url: str) -> list[str]:
    return url.partition("#")[2].split("&", _MAX_PARTS)[:_MAX_PARTS]


def _chosen_by(part: str) -> re.Match[str] | None:
    match = re.fullmatch(_CHOICE, part)
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


def _synthetic_ms(name: str) -> int:
    # From 6 to 14.9 s, in whole tenths, as most footage that integrators send.
    return 6_000 + _digest(name)[0] % 90 * 100


def _synthetic_faces(name: str, duration_ms: int) -> dict[str, Face]:
    digest = _digest(name)
    return _faces(1 + (digest[4] % 4 == 0), duration_ms, digest[5])


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()


def _measured(name: str, data: bytes, *, cut: bool) -> VideoFile:
    measured = measured_video(data)
    kind = measured.format
    if measured.duration_ms is None:
        # The rest of a file that was cut may be in order.
        if kind in VIDEOS and not cut:
            kind = WithEvidence(_NOT_A_VIDEO, getattr(kind, "because", ""))
        return VideoFile(kind, len(data), None, None, None, None)
    faces = _synthetic_faces(name, measured.duration_ms)
    return VideoFile(kind, len(data), measured.duration_ms, measured.width_px, measured.height_px, faces)


def _faces(count: int, duration_ms: int, seed: int) -> dict[str, Face]:
    """Return faces `0`, `1`, … one after the other; a single one is there for most of the video."""
    share = duration_ms // max(count, 1)
    margin = min(seed % 5 * 100, share // 10)
    return {str(index): Face(index * share + margin, (index + 1) * share) for index in range(count)}


def _chosen(video: VideoFile, choices: Choices) -> VideoFile:
    duration_ms = video.duration_ms if choices.duration is None else choices.duration
    return video._replace(
        format=choices.format or video.format,
        size_bytes=video.size_bytes if choices.size is None else choices.size,
        duration_ms=duration_ms,
        width_px=video.width_px if choices.width is None else choices.width,
        height_px=video.height_px if choices.height is None else choices.height,
        faces=_chosen_faces(video, choices, duration_ms),
        flagged=choices.flagged,
    )


def _chosen_faces(video: VideoFile, choices: Choices, duration_ms: int | None) -> Mapping[str, Face] | None:
    if choices.intervals:
        return {str(index): face for index, face in enumerate(choices.intervals[:_MAX_FACES])}
    if choices.faces == 0:
        return {}
    count = choices.faces or (None if video.faces is None else len(video.faces))
    if duration_ms is None or count is None or (choices.duration is None and choices.faces is None):
        return video.faces
    return _faces(min(count, _MAX_FACES), duration_ms, 0)

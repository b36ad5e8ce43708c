"""Notes on a world: entries that contradict each other. The world is taken as it is all the same."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from kling_contracts.facts.world import Face, World

MAX_NOTES: Final = 20
"""Notes on one world."""
_MIN_SECONDS: Final = 10**8
_MAX_SECONDS: Final = 10**11
"""Instants between these are some day of the early 1970s in ms, and of our time in s."""


def world_notes(world: World) -> tuple[str, ...]:
    """Return a sentence for each contradiction, of the first `MAX_NOTES`."""
    return tuple(islice(_notes(world), MAX_NOTES))


def _notes(world: World) -> Iterator[str]:
    if _looks_like_seconds(world.now_ms):
        yield f"now_ms {world.now_ms} is an instant of the early 1970s; it is in ms, and this looks like seconds"
    for table in ("sessions", "audios", "videos"):
        for name, entry in (getattr(world, table) or {}).items():
            yield from _on_entry(f"{table}/{name}", entry.created_ms, world.now_ms)
    for name, session in world.sessions.items():
        yield from _on_faces(f"sessions/{name}", session.faces, session.video_ms)
    for name, video in (world.videos or {}).items():
        yield from _on_faces(f"videos/{name}", video.faces or {}, video.duration_ms)


def _looks_like_seconds(instant: int | None) -> bool:
    return instant is not None and _MIN_SECONDS <= instant < _MAX_SECONDS


def _on_entry(place: str, created_ms: int | None, now_ms: int | None) -> Iterator[str]:
    if created_ms is None:
        return
    if _looks_like_seconds(created_ms):
        yield f"{place}: created_ms {created_ms} is of the early 1970s; it is in ms, and this looks like seconds"
    elif now_ms is not None and created_ms > now_ms:
        yield f"{place}: created_ms {created_ms} is later than now_ms {now_ms}, so it is made in the future"


def _on_faces(place: str, faces: Mapping[str, Face], video_ms: int | None) -> Iterator[str]:
    for name, face in faces.items():
        if face.start_ms >= face.end_ms:
            yield f"{place}: the face {name!r} ends at {face.end_ms} ms, not after its start at {face.start_ms} ms"
        elif video_ms is not None and face.end_ms > video_ms:
            yield f"{place}: the face {name!r} ends at {face.end_ms} ms, after the video, which lasts {video_ms} ms"

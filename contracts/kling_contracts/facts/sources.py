"""The sources of facts: a world, a resolver of what it leaves out, and a clock."""

import time
from collections.abc import Callable, Mapping, Set
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Audio, File, Session, VideoFile, World
from kling_contracts.unknown import Unknown

Resolve = Callable[[str], Any]
"""Returns the entry of an id or a URL: `Absent` where there is none, `Unknown` where nobody may look."""
Fetch = Callable[[str], File | Unknown]
"""Resolves the URL of an audio file: `Absent` where it does not answer, `Unknown` where it may not be fetched."""

NO_WORLD: Final = Unknown("no world was given")
UNFETCHED: Final = Unknown("the URL was not fetched")
_NOBODY: Final[Mapping[str, Resolve]] = MappingProxyType({})


def unfetched(url: str) -> Unknown:
    """Fetch nothing."""
    return UNFETCHED


class WorldExcerpt(NamedTuple):
    """The part of a world that the facts of one payload depend on; the members are those of `World`."""

    now_ms: int | None
    sessions: Mapping[str, Session]
    audios: Mapping[str, Audio]
    files: Mapping[str, File] | None
    external_task_ids: Set[str]
    audio_slack_ms: int
    videos: Mapping[str, VideoFile] | None
    voices: Mapping[str, str] | None
    flagged_words: tuple[str, ...]
    tasks: Mapping[str, Task] | None = None


class FactSources(NamedTuple):
    """The sources from which the facts of a payload are measured."""

    world: World | WorldExcerpt | None = None
    find: Mapping[str, Resolve] = _NOBODY
    """By table: resolves an id where the world leaves that table out."""
    fetch: Mapping[str, Resolve] = _NOBODY
    """By what is held, `audio` or `video`: resolves a URL where the world leaves its table out."""
    now_ms: int | None = None
    """The instant to judge at, Unix time in ms; None: the world's own, or real time."""
    advanced_ms: int = 0
    """How far a clock was advanced: the age in ms of what has no `created_ms`."""

    def age_ms(self, created_ms: int | None) -> int:
        """Return how old something is in ms: as old as the clock was advanced, where it has no time of its own."""
        if created_ms is None:
            return self.advanced_ms
        now_ms = self.now_ms
        if now_ms is None and self.world:
            now_ms = self.world.now_ms
        return (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - created_ms

"""The tables of a made world: how an entry is filled, and the neighbours that decide otherwise.

Neighbours make sure that a server is found which takes any entry, the first one, or one whose id only looks alike.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Audio, Face, File, Session, VideoFile

NOW_MS: Final = 1_750_000_000_000
"""The instant of every made world, Unix time in ms."""
FLAGGED_WORD: Final = "flagged"
"""The word that no text may hold."""

_HOUR_MS: Final = 3_600_000
_FACE: Final = Face(0, 10_000)

_TASK: Final = Task(
    "",
    "",
    NOW_MS - 3000,
    NOW_MS - 1000,
    NOW_MS,
    True,
    "",
    "700000000000000004",
    "https://files.example/a.mp4",
    10_000,
    "",
)

_USUAL: Final[Mapping[str, Any]] = {
    "sessions": Session(10_000, {}),
    "faces": _FACE,
    "audios": Audio(8_000),
    "files": File("mp3", 16_000, 8_000),
    "videos": VideoFile("mp4", 1_000_000, 10_000, 1280, 720, {"0": _FACE}),
    "tasks": _TASK,
}
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {table: entry._asdict() for table, entry in _USUAL.items()}
"""By table, what an entry holds that no rule asks for."""
KINDS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "tasks": {
        "that is about to begin": {"begins_ms": NOW_MS + 1, "ends_ms": NOW_MS + 2},
        "that has just begun": {"begins_ms": NOW_MS, "ends_ms": NOW_MS + 1},
        "that never ends": {"begins_ms": NOW_MS - 1, "ends_ms": None},
        "that has just succeeded": {"begins_ms": NOW_MS - 1, "ends_ms": NOW_MS},
        "that has just failed": {"ends_ms": NOW_MS, "succeeds": False, "message": "The video could not be made."},
        "that succeeded long ago": {
            "created_ms": 10**6,
            "begins_ms": 10**6 + 1,
            "ends_ms": 10**6 + 2,
            "video_ms": 59_999,
        },
    },
}
"""By table, what entries may hold that no rule asks for and an answer shows."""
OTHERS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("files", "format"): ("ogg", "flac", "aac", "webm", "unknown"),
    ("videos", "format"): ("webm", "avi", "mkv", "3gp", "unknown"),
}
"""By table and member, the texts that an entry holds, case by case, where no rule names the one that it has."""
MANY: Final = (31, 0, 1, 2, 3)
"""How many entries a table has of which answers show a page: more than a page's usual size, none, and a few."""


@cache
def many(table: str, number: int) -> Mapping[str, Any]:
    """Return a table of which answers show a page; `number` tells cases apart."""
    records = {}
    for place in range(MANY[number % len(MANY)]):
        kind = KINDS[table][list(KINDS[table])[place % len(KINDS[table])]]
        name = str(700_000_000_000_001_000 + place)
        made_ms = kind.get("created_ms", NOW_MS - 100_000) - place
        changed = {**kind, "id": name, "created_ms": made_ms, "external_task_id": f"many-{place}" if place % 2 else ""}
        records[name] = _TASK._replace(**{**changed, "begins_ms": max(made_ms, changed.get("begins_ms", made_ms))})
    return records


ALIASED: Final = "700000000000000006"
"""The id of an entry that a field names by another of its members."""


class Neighbours(NamedTuple):
    """Entries around the one that is meant."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


ELSEWHERE: Final[Mapping[str, str]] = {"faces": "5"}
"""By nested table, an id that only the entries around have."""
NEIGHBOURS: Final[Mapping[str, Neighbours]] = {
    "sessions": Neighbours(
        {"700000000000000001": Session(_HOUR_MS, {"5": Face(0, _HOUR_MS)})}, {"1": Session(1, {"5": Face(0, 1)})}
    ),
    "faces": Neighbours({"7": Face(0, _HOUR_MS)}, {"8": Face(0, 0)}),
    "audios": Neighbours({"700000000000000002": Audio(59_000)}, {"2": Audio(1)}),
    "files": Neighbours(
        {"https://files.example/other.mp3": File("unknown", 1, 1)},
        {"https://files.example/last.wav": File("wav", 2**16, 59_000)},
    ),
    "videos": Neighbours(
        {"https://files.example/other.mp4": VideoFile("webm", 1, 1, 1, 1, {})},
        {"700000000000000003": VideoFile("mp4", 1_000_000, 30_000, 720, 1280, {"0": _FACE})},
    ),
    "voices": Neighbours({"other_voice": "no"}, {"1": "xx"}),
    "external_task_ids": Neighbours({"taken": None}, {}),
    "tasks": Neighbours(
        {"700000000000000005": _TASK._replace(id="700000000000000005", external_task_id="another", ends_ms=None)},
        {"1": _TASK._replace(id="1", created_ms=NOW_MS - 3001, video_ms=2500)},
    ),
}
"""By table; an entry whose id a rule compares something with is left out."""

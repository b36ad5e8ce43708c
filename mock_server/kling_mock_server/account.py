"""One account: everything the mock knows hangs on one."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from kling_contracts import World
from kling_contracts.facts import Fetch, Meter
from kling_contracts.world import Audio, Session
from kling_mock_server.clock import Clock
from kling_mock_server.journal import Journal
from kling_mock_server.tasks import Task, TaskIds, Tasks

Entry = TypeVar("Entry", Session, Audio)


class Account:
    """World, clock, tasks and journal of one caller.

    The world's `now_ms` is where its clock began; its external ids are those of the tasks, growing with them.
    """

    def __init__(self, fresh: World, ids: TaskIds) -> None:
        self._fresh = fresh
        self._ids = ids
        self._lock = threading.Lock()
        self.journal = Journal()
        self.put_world(fresh)

    def put_world(self, world: World) -> None:
        """Replace everything the account knows; tasks and external ids are forgotten."""
        with self._lock:
            self.clock = Clock(world.now_ms)
            self.tasks = Tasks(self._ids, set(world.external_task_ids))
            self.world = replace(world, external_task_ids=self.tasks.external_ids)

    def put_world_json(self, value: Any) -> None:
        """Replace the world by its JSON form. Raises `ValueError` with one line per mistake."""
        slack = {"audio_slack_ms": self._fresh.audio_slack_ms}
        self.put_world(World.from_json({**slack, **value} if isinstance(value, dict) else value))

    def world_json(self) -> dict[str, Any]:
        """Return the world as it can be put again: what has aged says when it was made."""
        clock, world = self.clock, self.world
        born_ms = clock.now_ms() - clock.advanced_ms if clock.advanced_ms else None
        now_ms = None if clock.standing_ms is None else clock.now_ms()
        sessions, audios = _made_at(world.sessions, born_ms), _made_at(world.audios, born_ms)
        return replace(world, now_ms=now_ms, sessions=sessions, audios=audios).to_json()

    def reset(self) -> None:
        """Go back to the state of a fresh account; the journal is emptied too."""
        self.journal = Journal()
        self.put_world(self._fresh)

    def put_session(self, session_id: str, session: Session) -> None:
        """Add or replace one session of the world."""
        with self._lock:
            added = _made_at({session_id: session}, self._made_ms())
            self.world = replace(self.world, sessions={**self.world.sessions, **added})

    def put_audio(self, audio_id: str, audio: Audio) -> None:
        """Add or replace one audio of the world."""
        with self._lock:
            added = _made_at({audio_id: audio}, self._made_ms())
            self.world = replace(self.world, audios={**self.world.audios, **added})

    def meter(self, fetch: Fetch, largest_file: int | None) -> Meter:
        """Return what measures a payload against the world of this instant."""
        return Meter(self.world, fetch, largest_file, self.clock.now_ms(), self.clock.advanced_ms)

    def create_task(self, external_id: str) -> Task:
        """Store a new task of this instant."""
        return self.tasks.create(external_id, self.clock.now_ms())

    def _made_ms(self) -> int | None:
        # What has no time of its own is as old as the clock was advanced; what is added later is new.
        return self.clock.now_ms() if self.clock.advanced_ms else None


def _made_at(entries: Mapping[str, Entry], made_ms: int | None) -> dict[str, Entry]:
    return {
        name: entry._replace(created_ms=made_ms) if entry.created_ms is None else entry
        for name, entry in entries.items()
    }

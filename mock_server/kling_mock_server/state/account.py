"""One account: everything the mock knows hangs on one, and lies in a store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from kling_contracts import World
from kling_contracts.facts.world import Audio, Session
from kling_mock_server.state.clock import Clock
from kling_mock_server.state.journal import Journal
from kling_mock_server.state.pace import PACES, Pace
from kling_mock_server.state.stores.store import Store, Table, Transaction, real_ms
from kling_mock_server.state.tables import (
    AUDIOS,
    EXTERNAL_IDS,
    FILES,
    ONE,
    SESSIONS,
    STATE,
    TASK_TABLES,
    VIDEOS,
    WORLD_TABLES,
    State,
)
from kling_mock_server.state.tasks import Tasks

Entry = TypeVar("Entry", Session, Audio)


class InitialState(NamedTuple):
    """How an account begins: its world, how fast its tasks end, how many may run at once, what is played (JSON)."""

    world: World
    pace: Pace = PACES["fast"]
    concurrency: int | None = None
    scenario: Any = None


def _nobody_cares() -> None:
    """Send no callbacks."""


class Account:
    """World, clock, tasks and journal of one caller.

    The world's `now_ms` is where its clock began; its external ids are those of the tasks, growing with them.
    """

    def __init__(
        self, key: str, store: Store, beginning: InitialState, journal: Table, alarm: Callable[[], None] = _nobody_cares
    ) -> None:
        self.key = key
        self.alarm = alarm
        """Called when something may have become due."""
        self.store = store
        self.pace = beginning.pace
        self.journal = Journal(store, key, journal)
        self.clock = Clock(self)
        self.tasks = Tasks(self)
        self._beginning = beginning
        self._states = store.view(key, STATE)
        self._built: tuple[State | None, World] = None, beginning.world

    @property
    def state(self) -> State:
        """What there is one of; an account that nobody has used before begins here."""
        state: State | None = self._states.get(ONE)
        return self.store.transaction(self.key, self._begin) if state is None else state

    @property
    def world(self) -> World:
        """The world as it is; its mappings look rows up in the store."""
        return self.world_of(self.state)

    def world_of(self, state: State) -> World:
        """Return the world that belongs to a state of the account, just read."""
        built_from, world = self._built
        if state is not built_from:
            world = _world_of(state, lambda table: self.store.view(self.key, table))
            # Both at once: other threads do the same.
            self._built = state, world
        return world

    def change_state(self, **changes: Any) -> None:
        """Replace members of the state."""
        state = self.state

        def work(rows: Transaction) -> None:
            rows.put(STATE, ONE, (rows.get(STATE, ONE) or state)._replace(**changes))

        self.store.transaction(self.key, work)

    def put_world(self, world: World) -> None:
        """Replace everything the account knows; tasks and external ids are forgotten."""
        self.store.transaction(self.key, lambda rows: self._write(rows, world))

    def put_world_json(self, value: Any) -> None:
        """Replace the world by its JSON form. Raises `ValueError` with one line per mistake."""
        slack = {"audio_slack_ms": self._beginning.world.audio_slack_ms}
        self.put_world(World.from_json({**slack, **value} if isinstance(value, dict) else value))

    def world_json(self) -> dict[str, Any]:
        """Return the world as it can be put again: what has aged says when it was made."""
        state = self.state
        born_ms = self.clock.now_ms() - state.advanced_ms if state.advanced_ms else None

        def copy(rows: Transaction) -> World:
            return _world_of(state, lambda table: dict(rows.items(table)))

        world = self.store.transaction(self.key, copy)
        now_ms = None if state.standing_ms is None else self.clock.now_ms()
        sessions, audios = _made_at(world.sessions, born_ms), _made_at(world.audios, born_ms)
        return replace(world, now_ms=now_ms, sessions=sessions, audios=audios).to_json()

    def reset(self) -> None:
        """Go back to the state of a fresh account; the journal is emptied too."""
        self.journal.clear()
        self.store.transaction(self.key, self._begin_anew)

    def put_session(self, session_id: str, session: Session) -> None:
        """Add or replace one session of the world."""
        self._put(SESSIONS, session_id, session)

    def put_audio(self, audio_id: str, audio: Audio) -> None:
        """Add or replace one audio of the world."""
        self._put(AUDIOS, audio_id, audio)

    def _put(self, table: Table, name: str, entry: Session | Audio) -> None:
        # What has no time of its own is as old as the clock was advanced; what is added later is new.
        made_ms = self.clock.now_ms() if self.state.advanced_ms else None
        made = entry if entry.created_ms is not None else entry._replace(created_ms=made_ms)
        self.store.transaction(self.key, lambda rows: rows.put(table, name, made))

    def _begin(self, rows: Transaction) -> State:
        state: State | None = rows.get(STATE, ONE)
        return self._begin_anew(rows) if state is None else state

    def _begin_anew(self, rows: Transaction) -> State:
        beginning = self._beginning
        rows.clear(STATE)
        self._write(rows, beginning.world)
        begun: State = rows.get(STATE, ONE)
        state = begun._replace(concurrency=beginning.concurrency, scenario=beginning.scenario)
        rows.put(STATE, ONE, state)
        return state

    def _write(self, rows: Transaction, world: World) -> None:
        for table in (*WORLD_TABLES, *TASK_TABLES):
            rows.clear(table)
        rows.schedule(None)
        tables: Mapping[Table, Mapping[str, Any]] = {
            SESSIONS: world.sessions,
            AUDIOS: world.audios,
            FILES: world.files or {},
            VIDEOS: world.videos or {},
            EXTERNAL_IDS: dict.fromkeys(world.external_task_ids, ""),
        }
        for table, entries in tables.items():
            for name, entry in entries.items():
                rows.put(table, name, entry)
        kept: State = rows.get(STATE, ONE) or State()
        limits = {"concurrency": kept.concurrency, "scenario": kept.scenario, "progress": kept.progress}
        standing_ms = real_ms() if self.pace.stands and world.now_ms is None else world.now_ms
        rows.put(STATE, ONE, _state_of(world)._replace(standing_ms=standing_ms, **limits))


def _world_of(state: State, entries: Callable[[Table], Mapping[str, Any]]) -> World:
    return World(
        now_ms=state.standing_ms,
        sessions=entries(SESSIONS),
        audios=entries(AUDIOS),
        files=entries(FILES) if state.lists_files else None,
        external_task_ids=entries(EXTERNAL_IDS).keys(),
        audio_slack_ms=state.audio_slack_ms,
        videos=entries(VIDEOS) if state.lists_videos else None,
        voices=state.voices,
        flagged_words=state.flagged_words,
    )


def _state_of(world: World) -> State:
    return State(
        standing_ms=world.now_ms,
        audio_slack_ms=world.audio_slack_ms,
        lists_files=world.files is not None,
        lists_videos=world.videos is not None,
        voices=None if world.voices is None else dict(world.voices),
        flagged_words=world.flagged_words,
    )


def _made_at(entries: Mapping[str, Entry], made_ms: int | None) -> dict[str, Entry]:
    return {
        name: entry._replace(created_ms=made_ms) if entry.created_ms is None else entry
        for name, entry in entries.items()
    }

"""One account: the world, clock, tasks and journal of one caller, all of them rows in a store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from kling_contracts import World
from kling_contracts.facts.world import Audio, Session
from kling_mock_server.state.account_state import AccountState, InitialState
from kling_mock_server.state.clock import Clock
from kling_mock_server.state.folders import Folders
from kling_mock_server.state.journal import Journal
from kling_mock_server.state.large_rows import note_session
from kling_mock_server.state.seen_rows import SeenRows
from kling_mock_server.state.stores.store import RowAt, Store, Table, Transaction
from kling_mock_server.state.tables import AUDIOS, EXTERNAL_IDS, FILES, LARGE_SESSIONS, SESSIONS, TASKS, VIDEOS, State
from kling_mock_server.state.tasks import Tasks
from kling_mock_server.state.world_size import refuse_large

Entry = TypeVar("Entry", Session, Audio)


Beside = Callable[[Transaction], None]


def _ignore() -> None:
    """Send no callbacks."""


def _nothing(rows: Transaction) -> None:
    """Write nothing beside an entry."""


class Account:
    """World, clock, tasks and journal of one caller.

    The world's `now_ms` is where its clock began; its external ids are those of the tasks, growing with them.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        initial: InitialState,
        journal: Table,
        on_due: Callable[[], None] = _ignore,
    ) -> None:
        self.key = key
        self.state = AccountState(store, key, initial)
        self.pace = initial.pace
        self.journal = Journal(store, key, journal)
        self.clock = Clock(self.state, on_due)
        self.tasks = Tasks(self.state)
        self._folders = Folders(store)
        self._initial = initial
        self._built: tuple[State | None, World] = None, initial.world

    @property
    def folder(self) -> str:
        """The folder of its files, the part of their URLs that nobody can guess."""
        return self._folders.name_of(self.key)

    @property
    def world(self) -> World:
        """The world as it is; its mappings look rows up in the store."""
        return self.world_of(self.state.read())

    def world_ahead(self, state: State, rows: Mapping[RowAt, Any]) -> World:
        """Return the world that belongs to a state, with rows of it that were read together with that state."""
        return _world_of(state, lambda table: _seen(table, rows, self.state.view(table)))

    def world_of(self, state: State) -> World:
        """Return the world that belongs to a state of the account, just read."""
        built_from, world = self._built
        if state is not built_from:
            world = _world_of(state, self.state.view)
            # Both at once: other threads do the same.
            self._built = state, world
        return world

    def put_world_json(self, value: Any) -> World:
        """Replace the world by its JSON form, and return it.

        Raises `ValueError` with one line per mistake, and where it has more entries than `world_size.MAX_ENTRIES`.
        """
        refuse_large(value)
        slack = {"audio_slack_ms": self._initial.world.audio_slack_ms}
        world = World.from_json({**slack, **value} if isinstance(value, dict) else value)
        self.state.put_world(world)
        return world

    def world_json(self) -> dict[str, Any]:
        """Return the world as it can be put again: `created_ms` is set for every entry that has aged.

        The tasks are among it, without their callbacks and rendered videos.
        """
        state = self.state.read()
        born_ms = self.clock.now_ms() - state.advanced_ms if state.advanced_ms else None

        def copy(rows: Transaction) -> World:
            world = _world_of(state, lambda table: dict(rows.items(table)))
            return replace(world, tasks=dict(rows.items(TASKS)) or None)

        world = self.state.transaction(copy)
        now_ms = None if state.standing_ms is None else self.clock.now_ms()
        sessions, audios = _made_at(world.sessions, born_ms), _made_at(world.audios, born_ms)
        return replace(world, now_ms=now_ms, sessions=sessions, audios=audios).to_json()

    def reset(self) -> None:
        """Go back to the state of a fresh account; the journal is emptied too."""
        self.journal.clear()
        self.state.reset()

    def put_session(self, session_id: str, session: Session, beside: Beside = _nothing) -> None:
        """Add or replace one session of the world; `beside` writes what is to be kept with it or not at all."""
        self._put(SESSIONS, session_id, session, beside)

    def put_audio(self, audio_id: str, audio: Audio, beside: Beside = _nothing) -> None:
        """Add or replace one audio of the world; `beside` writes what is to be kept with it or not at all."""
        self._put(AUDIOS, audio_id, audio, beside)

    def _put(self, table: Table, name: str, entry: Session | Audio, beside: Beside) -> None:
        # An entry without a time of its own is as old as the clock was advanced; one that is added later is new.
        made_ms = self.clock.now_ms() if self.state.read().advanced_ms else None
        made = entry if entry.created_ms is not None else entry._replace(created_ms=made_ms)

        def work(rows: Transaction) -> None:
            rows.put(table, name, made)
            for large in note_session(rows, name, made) if isinstance(made, Session) else ():
                rows.delete(SESSIONS, large)
                rows.delete(LARGE_SESSIONS, large)
            beside(rows)

        self.state.transaction(work, [(table, name)])


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


def _seen(table: Table, rows: Mapping[RowAt, Any], view: Mapping[str, Any]) -> Mapping[str, Any]:
    seen = {key: row for (of, key), row in rows.items() if of is table}
    return SeenRows(seen, view) if seen else view


def _made_at(entries: Mapping[str, Entry], made_ms: int | None) -> dict[str, Entry]:
    return {
        name: entry._replace(created_ms=made_ms) if entry.created_ms is None else entry
        for name, entry in entries.items()
    }

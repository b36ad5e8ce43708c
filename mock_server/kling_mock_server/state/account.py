"""One account: the world, clock, tasks and journal of one caller, all of them rows in a store."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from kling_contracts import World
from kling_contracts.facts.sources import WorldExcerpt
from kling_contracts.facts.world import Audio, Session
from kling_mock_server.state.account_state import AccountState, InitialState
from kling_mock_server.state.clock import Clock
from kling_mock_server.state.file_folders import FileFolders
from kling_mock_server.state.journal import Journal
from kling_mock_server.state.large_rows import note_session
from kling_mock_server.state.stores.store import Store, StoreDownError, Table, Transaction
from kling_mock_server.state.tables import (
    AUDIOS,
    EXTERNAL_IDS,
    FILES,
    LARGE_SESSIONS,
    SESSIONS,
    TASKS,
    VIDEOS,
    Row,
    State,
)
from kling_mock_server.state.tasks import Tasks
from kling_mock_server.state.world_size import refuse_large

Entry = TypeVar("Entry", Session, Audio)
Seen = tuple[State, WorldExcerpt]
"""An account's state, and its world with the entries alone that somebody has named."""


def _ignore() -> None:
    """Send no callbacks."""


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
        self._folders = FileFolders(store)
        self._initial = initial
        self._sessions, self._audios = self.state.view(SESSIONS), self.state.view(AUDIOS)

    @property
    def folder(self) -> str:
        """The folder of its files, the part of their URLs that nobody can guess."""
        return self._folders.name_of(self.key)

    def session(self, session_id: str) -> Session | None:
        """Return a session of the world; None where it has none of that id."""
        return self._sessions.get(session_id)

    def audio(self, audio_id: str) -> Audio | None:
        """Return an audio of the world; None where it has none of that id."""
        return self._audios.get(audio_id)

    def seen(self, named: Iterable[tuple[str, str]]) -> Seen:
        """Return the account's state, and its world with the named entries alone: table and key of each.

        All is read at once: whatever happens to the account, what is judged by it is judged by one instant.
        """
        rows = [(_WORLD_TABLES[table], key) for table, key in named if table in _WORLD_TABLES]
        state, entries = self.state.read_with(rows)
        found: dict[Table, dict[str, Any]] = defaultdict(dict)
        for (table, key), entry in zip(rows, entries, strict=True):
            if entry is not None:
                found[table][key] = entry
        return state, WorldExcerpt(
            state.standing_ms,
            found[SESSIONS],
            found[AUDIOS],
            found[FILES] if state.lists_files else None,
            found[EXTERNAL_IDS].keys(),
            state.audio_slack_ms,
            found[VIDEOS] if state.lists_videos else None,
            state.voices,
            state.flagged_words,
        )

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

        def copy(items: Callable[[Table], Iterable[tuple[str, Any]]]) -> World:
            tables = {name: dict(items(table)) for name, table in _WORLD_TABLES.items()}
            return World(
                now_ms=state.standing_ms,
                sessions=tables["sessions"],
                audios=tables["audios"],
                files=tables["files"] if state.lists_files else None,
                external_task_ids=tables["external_task_ids"].keys(),
                audio_slack_ms=state.audio_slack_ms,
                videos=tables["videos"] if state.lists_videos else None,
                voices=state.voices,
                flagged_words=state.flagged_words,
                tasks=dict(items(TASKS)) or None,
            )

        try:
            world = self.state.transaction(lambda rows: copy(rows.items))
        except StoreDownError:
            # A store that is full begins no change, and is read all the same: not all is of one moment then.
            world = copy(lambda table: self.state.view(table).items())
        now_ms = None if state.standing_ms is None else self.clock.now_ms()
        sessions, audios = _made_at(world.sessions, born_ms), _made_at(world.audios, born_ms)
        return replace(world, now_ms=now_ms, sessions=sessions, audios=audios).to_json()

    def reset(self) -> None:
        """Go back to the state of a fresh account; the journal is emptied too."""
        self.journal.clear()
        self.state.reset()

    def put_session(self, session_id: str, session: Session, beside: Sequence[Row] = ()) -> None:
        """Add or replace one session of the world; the rows `beside` are kept with it or not at all."""
        self._put(SESSIONS, session_id, session, beside)

    def put_audio(self, audio_id: str, audio: Audio, beside: Sequence[Row] = ()) -> None:
        """Add or replace one audio of the world; the rows `beside` are kept with it or not at all."""
        self._put(AUDIOS, audio_id, audio, beside)

    def _put(self, table: Table, name: str, entry: Session | Audio, beside: Sequence[Row]) -> None:
        # An entry without a time of its own is as old as the clock was advanced; one that is added later is new.
        made_ms = self.clock.now_ms() if self.state.read().advanced_ms else None
        made = entry if entry.created_ms is not None else entry._replace(created_ms=made_ms)
        written: list[Row] = [(table, name, made), *beside]

        def work(rows: Transaction) -> None:
            for row in written:
                rows.put(*row)
            for large in note_session(rows, name, made) if isinstance(made, Session) else ():
                rows.delete(SESSIONS, large)
                rows.delete(LARGE_SESSIONS, large)

        self.state.transaction(work, [row[:2] for row in written])


_WORLD_TABLES: Final = {
    "sessions": SESSIONS,
    "audios": AUDIOS,
    "files": FILES,
    "external_task_ids": EXTERNAL_IDS,
    "videos": VIDEOS,
}
"""The tables of the store, by the names that a world has for them."""


def _made_at(entries: Mapping[str, Entry], made_ms: int | None) -> dict[str, Entry]:
    return {
        name: entry._replace(created_ms=made_ms) if entry.created_ms is None else entry
        for name, entry in entries.items()
    }

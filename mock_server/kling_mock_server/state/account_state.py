"""The rows of one account in a store: read, changed, and written anew when the account begins."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from kling_contracts import World
from kling_mock_server.state.pace import PACES, Pace
from kling_mock_server.state.stores.store import RowAt, Store, Table, Transaction, real_ms
from kling_mock_server.state.tables import (
    AUDIOS,
    EXTERNAL_IDS,
    FILES,
    ONE,
    OUTBOXES,
    RUNNING,
    SESSIONS,
    STATE,
    TASK_TABLES,
    TASKS,
    VIDEOS,
    WORLD_TABLES,
    State,
    end_of,
)

T = TypeVar("T")


_STATE_ROW: Final = STATE, ONE


class InitialState(NamedTuple):
    """The state in which an account begins."""

    world: World
    pace: Pace = PACES["fast"]
    """How fast its tasks end."""
    concurrency: int | None = None
    """The number of tasks that may run at once; None: any number."""
    scenario: Any = None
    """The scenario that is played, as JSON; None: none."""


class AccountState:
    """The tables of one account. It may be shared by threads."""

    def __init__(self, store: Store, key: str, initial: InitialState) -> None:
        self.store = store
        self.key = key
        self._initial = initial
        self._states = store.view(key, STATE)

    def read(self) -> State:
        """Return the account's one row of state; an account that was never used before begins here."""
        state: State | None = self._states.get(ONE)
        return self.transaction(self.begun) if state is None else state

    def read_with(self, rows: Sequence[RowAt]) -> tuple[State, list[Any]]:
        """Return the same row, and others that are asked for together with it; None for one that is not there."""
        state, *found = self.store.read(self.key, [_STATE_ROW, *rows])
        if state is None:
            # The account begins with rows that were not there.
            return self.transaction(lambda written: (self.begun(written), [written.get(*row) for row in rows]))
        return state, found

    def begun(self, rows: Transaction) -> State:
        """Return the same row within a transaction. A store may have forgotten the account in the meantime."""
        state: State | None = rows.get(STATE, ONE)
        return self._begin(rows) if state is None else state

    def transaction(self, work: Callable[[Transaction], T], rows: Sequence[RowAt] = ()) -> T:
        """Do `work` on the account's tables, as `Store.transaction` says."""
        return self.store.transaction(self.key, work, rows)

    def view(self, table: Table) -> Mapping[str, Any]:
        """Return a table to look rows up in, always as it is at that moment."""
        return self.store.view(self.key, table)

    def change(self, **members: Any) -> None:
        """Replace members of the state."""
        self.transaction(lambda rows: rows.put(STATE, ONE, self.begun(rows)._replace(**members)))

    def put_world(self, world: World) -> None:
        """Replace the world; tasks and external ids that it does not list are forgotten."""

        def work(rows: Transaction) -> None:
            # The limits with which an account begins hold in any world.
            self.begun(rows)
            self._write(rows, world)

        self.transaction(work)

    def reset(self) -> None:
        """Begin anew."""
        self.transaction(self._begin)

    def _begin(self, rows: Transaction) -> State:
        initial = self._initial
        rows.clear(STATE)
        self._write(rows, initial.world)
        begun: State = rows.get(STATE, ONE)
        state = begun._replace(concurrency=initial.concurrency, scenario=initial.scenario)
        rows.put(STATE, ONE, state)
        return state

    def _write(self, rows: Transaction, world: World) -> None:
        for queue in rows.queues(OUTBOXES):
            rows.schedule(queue, None)
        for table in (*WORLD_TABLES, *TASK_TABLES):
            rows.clear(table)
        # The newest last, as they are created.
        tasks = sorted((world.tasks or {}).values(), key=lambda task: task.created_ms)
        tables: Mapping[Table, Mapping[str, Any]] = {
            SESSIONS: world.sessions,
            AUDIOS: world.audios,
            FILES: world.files or {},
            VIDEOS: world.videos or {},
            EXTERNAL_IDS: dict.fromkeys(world.external_task_ids, "")
            | {task.external_task_id: task.id for task in tasks if task.external_task_id},
            TASKS: {task.id: task for task in tasks},
            RUNNING: {task.id: end_of(task) for task in tasks},
        }
        for table, entries in tables.items():
            for name, entry in entries.items():
                rows.put(table, name, entry)
        kept: State = rows.get(STATE, ONE) or State()
        limits = {"concurrency": kept.concurrency, "scenario": kept.scenario, "progress": kept.progress}
        standing_ms = real_ms() if self._initial.pace.stands and world.now_ms is None else world.now_ms
        rows.put(STATE, ONE, _state_of(world)._replace(standing_ms=standing_ms, **limits))


def _state_of(world: World) -> State:
    return State(
        standing_ms=world.now_ms,
        audio_slack_ms=world.audio_slack_ms,
        lists_files=world.files is not None,
        lists_videos=world.videos is not None,
        voices=None if world.voices is None else dict(world.voices),
        flagged_words=world.flagged_words,
    )

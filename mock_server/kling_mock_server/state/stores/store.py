"""The state of accounts: named tables of rows, changed as a whole or not at all; here, in memory."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from kling_mock_server.state.stores.ordered import Ordered
from kling_mock_server.state.stores.schedule import Schedule

T = TypeVar("T")

SECRET_BYTES: Final = 32
MAX_MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""Bytes that all accounts in memory may take together, about: a million tasks of the usual size."""


class QueuePlace(NamedTuple):
    """The place of a row in a queue: the rows of a queue are in order of their numbers, then of their keys."""

    queue: str
    """The queue's name: printable text."""
    number: int
    """Between -2**62 and 2**62."""


@dataclass(frozen=True, eq=False)
class Table:
    """One kind of row. `max_rows`: so many are kept, the oldest makes room.

    `to_json` and `from_json` carry a row into a store that holds text, and back. Rows are never changed in place.
    """

    name: str
    max_rows: int
    to_json: Callable[[Any], Any]
    from_json: Callable[[Any], Any]
    place_of: Callable[[Any], QueuePlace] | None = None
    """The place of a row, where rows of this kind stand in queues; None: they do not."""
    hands_back: bool = False
    """Whether `Transaction.put` returns the rows that make room; where nobody wants them, they need not be read."""
    is_reread: bool = False
    """Whether the same few rows are read again and again: a store that holds text keeps those it has read last."""
    is_log: bool = False
    """Whether rows are only added, each under a key of its own: they leave by making room or all together, nobody asks
    for them by their keys, and they are not handed back."""
    hides_passwords: bool = False
    """Whether the users and passwords of URLs in a row are taken out where it becomes text."""
    bytes_of: Callable[[Any], int] = lambda _: 512
    """About how many bytes of memory a row takes."""


RowAt = tuple[Table, str]
"""A table and the key of a row in it."""


class Transaction(Protocol):
    """The tables of one account within one change."""

    def get(self, table: Table, key: str) -> Any:
        """Return a row, None where there is none."""

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        """Add a row as the newest, or replace one in its place.

        Returns the rows that made room where the table `hands_back`, else none.
        """

    def delete(self, table: Table, key: str) -> None:
        """Remove a row, if it is there."""

    def clear(self, table: Table) -> None:
        """Remove all rows, and forget how many made room."""

    def items(self, table: Table) -> list[tuple[str, Any]]:
        """Return keys and rows, the oldest first."""

    def first(self, table: Table, queue: str) -> Any:
        """Return the first row of a queue, None where it is empty; its cost does not grow with the queue."""

    def queues(self, table: Table) -> list[str]:
        """Return the names of the queues in which rows stand."""

    def schedule(self, queue: str, at_ms: int | None) -> None:
        """Let `Store.due` name this account's queue from `at_ms` (real time, Unix ms) on; None: no longer."""


class StoreDownError(OSError):
    """The place where state is kept cannot be used just now; its message says why, in one line."""


class StoreBusyError(StoreDownError):
    """Others were changing the account, or the file it is in, for longer than anybody waits."""


class Store(Protocol):
    """The state of every account. A store may be shared by threads."""

    shared: bool
    """Whether other processes may change it, too."""
    keeps_text: bool
    """Whether it keeps rows as text: takes a `RowText` in place of a row, too."""
    on_lost: Callable[[str], None] | None
    """Called with an account that the store has dropped, as a part of its rows was lost; the change that found out is
    then done on the account as it is."""

    def transaction(self, account: str, work: Callable[[Transaction], T], rows: Sequence[RowAt] = ()) -> T:
        """Do `work` on the tables of an account as one step that no other change interrupts.

        Its writes are kept together once it returns. It may be called again from the start (a store of several
        machines), so it must do nothing but read and write rows, and raise nothing after its first write. `rows` are
        those that it is going to get and put: a store of several machines asks for all of them at once.
        """

    def read(self, account: str, rows: Sequence[RowAt]) -> list[Any]:
        """Return rows that are asked for together, None for one that is not there."""

    def view(self, account: str, table: Table) -> Mapping[str, Any]:
        """Return a table to look rows up in, always as it is at that moment."""

    def newest(self, account: str, table: Table, skip: int, count: int) -> list[Any]:
        """Return so many rows, the newest first, after skipping some."""

    def dropped(self, account: str, table: Table) -> int:
        """Return how many rows have made room since the table was last cleared."""

    def due(self, now_ms: int) -> list[tuple[str, str]]:
        """Return accounts and their queues that are scheduled by now (real time, Unix ms), longest overdue first."""

    def next_scheduled_ms(self) -> int | None:
        """Return the earliest time (real time, Unix ms) for which a queue is scheduled, None where none is."""

    def secret(self) -> bytes:
        """Return a random secret of this store, the same for every process that shares it, and after a restart."""

    def is_full(self) -> bool:
        """Return whether accounts should be forgotten, as they take more memory than they may together."""

    def forget(self, account: str) -> None:
        """Drop an account that was not used for longest, where this store cannot keep every one."""

    def close(self) -> None:
        """Let go of files and connections."""


class MemoryStore:
    """A store that lasts as long as the process."""

    shared = False
    keeps_text = False
    on_lost: Callable[[str], None] | None = None

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(SECRET_BYTES)
        self._schedule = Schedule()
        self.bytes_held = 0

    def transaction(self, account: str, work: Callable[[Transaction], T], rows: Sequence[RowAt] = ()) -> T:
        """Do `work` under the account's lock."""
        shelf = self._shelves.get(account) or self._shelf(account)
        with shelf.lock:
            try:
                return work(shelf)
            finally:
                self._count(shelf)

    def read(self, account: str, rows: Sequence[RowAt]) -> list[Any]:
        """Return the rows; an account is not made by looking."""
        shelf = self._shelves.get(account)
        if shelf is None:
            return [None] * len(rows)
        with shelf.lock:
            tables = shelf.tables
            return [tables[table.name].get(key) if table.name in tables else None for table, key in rows]

    def view(self, account: str, table: Table) -> Mapping[str, Any]:
        """Return the table; an account is not made by looking."""
        return _MemoryView(self._shelves, account, table)

    def newest(self, account: str, table: Table, skip: int, count: int) -> list[Any]:
        """Return rows, the newest first."""

        shelf = self._shelf(account)
        with shelf.lock:
            newest_first = reversed(shelf.rows(table).values())
            return list(islice(newest_first, min(skip, table.max_rows), min(skip + count, table.max_rows)))

    def dropped(self, account: str, table: Table) -> int:
        """Return how many rows have made room."""
        return self._shelf(account).dropped.get(table.name, 0)

    def due(self, now_ms: int) -> list[tuple[str, str]]:
        """Return the accounts and queues whose time has come."""
        return self._schedule.due(now_ms)

    def next_scheduled_ms(self) -> int | None:
        """Return the earliest time asked for."""
        return self._schedule.next_ms()

    def secret(self) -> bytes:
        """Return the secret of this process."""
        return self._secret

    def is_full(self) -> bool:
        """Return whether all accounts take more than `MAX_MEMORY_BYTES`."""
        return self.bytes_held > MAX_MEMORY_BYTES

    def forget(self, account: str) -> None:
        """Drop the account."""
        with self._lock:
            shelf = self._shelves.pop(account, None)
        if shelf:
            with shelf.lock:
                shelf.unschedule()
                shelf.bytes = 0
                self._count(shelf)
                shelf.is_gone = True

    def close(self) -> None:
        """Nothing is open."""

    def _count(self, shelf: "_Shelf") -> None:
        # A change that had begun before may still write to an account that was forgotten: it goes with it.
        if shelf.bytes != shelf.counted and not shelf.is_gone:
            with self._lock:
                self.bytes_held += shelf.bytes - shelf.counted
            shelf.counted = shelf.bytes

    def _shelf(self, account: str) -> "_Shelf":
        with self._lock:
            shelf = self._shelves.get(account)
            if shelf is None:
                shelf = self._shelves[account] = _Shelf(account, self._schedule)
            return shelf


class _MemoryView(Mapping[str, Any]):
    """One table of one account, as it is now: every request looks several rows up."""

    __slots__ = ("_account", "_name", "_shelves")

    def __init__(self, shelves: dict[str, "_Shelf"], account: str, table: Table) -> None:
        self._shelves = shelves
        self._account = account
        self._name = table.name

    def get(self, key: str, default: Any = None) -> Any:
        shelf = self._shelves.get(self._account)
        rows = shelf.tables.get(self._name) if shelf else None
        return default if rows is None else rows.get(key, default)

    def __getitem__(self, key: str) -> Any:
        row = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._copy())

    def __len__(self) -> int:
        shelf = self._shelves.get(self._account)
        return len(shelf.tables.get(self._name, ())) if shelf else 0

    def items(self) -> ItemsView[str, Any]:
        return self._copy().items()

    def values(self) -> ValuesView[Any]:
        return self._copy().values()

    def _copy(self) -> dict[str, Any]:
        # To walk through: the table may change meanwhile.
        shelf = self._shelves.get(self._account)
        if shelf is None:
            return {}
        with shelf.lock:
            return dict(shelf.tables.get(self._name, ()))


class _Shelf:
    """The tables of one account, in memory."""

    def __init__(self, account: str, schedule: Schedule) -> None:
        self.lock = threading.RLock()
        self.dropped: dict[str, int] = {}
        self.tables: dict[str, OrderedDict[str, Any]] = {}
        self.bytes = 0
        """About how much memory its rows take; `counted` of it stands in the store's sum."""
        self.counted = 0
        self.is_gone = False
        self._account = account
        self._schedule = schedule
        self._scheduled: set[str] = set()
        """The queues that are scheduled."""
        self._places: dict[str, Ordered] = {}
        """Queue, number and key of each row that stands in a queue, by table."""

    def rows(self, table: Table) -> OrderedDict[str, Any]:
        rows = self.tables.get(table.name)
        if rows is None:
            rows = self.tables[table.name] = OrderedDict()
        return rows

    def get(self, table: Table, key: str) -> Any:
        rows = self.tables.get(table.name)
        return None if rows is None else rows.get(key)

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        rows = self.rows(table)
        if (before := rows.get(key)) is not None:
            self._leave(table, key, before)
        if table.place_of:
            self._ordered(table).add((*table.place_of(row), key))
        rows[key] = row
        self.bytes += table.bytes_of(row)
        excess = len(rows) - table.max_rows
        if excess <= 0:
            return []
        self.dropped[table.name] = self.dropped.get(table.name, 0) + excess
        gone = [rows.popitem(last=False) for _ in range(excess)]
        for gone_key, gone_row in gone:
            self._leave(table, gone_key, gone_row)
        return [row for _, row in gone] if table.hands_back else []

    def delete(self, table: Table, key: str) -> None:
        if (row := self.rows(table).pop(key, None)) is not None:
            self._leave(table, key, row)

    def clear(self, table: Table) -> None:
        rows = self.rows(table)
        self.bytes -= sum(map(table.bytes_of, rows.values()))
        rows.clear()
        self._places.pop(table.name, None)
        self.dropped.pop(table.name, None)

    def items(self, table: Table) -> list[tuple[str, Any]]:
        return list(self.rows(table).items())

    def first(self, table: Table, queue: str) -> Any:
        found = self._ordered(table).first(queue)
        return self.rows(table)[found[-1]] if found else None

    def queues(self, table: Table) -> list[str]:
        return list(self._ordered(table).names())

    def schedule(self, queue: str, at_ms: int | None) -> None:
        self._schedule.set(self._account, queue, at_ms)
        if at_ms is None:
            self._scheduled.discard(queue)
        else:
            self._scheduled.add(queue)

    def unschedule(self) -> None:
        with self.lock:
            for queue in list(self._scheduled):
                self.schedule(queue, None)

    def _ordered(self, table: Table) -> Ordered:
        ordered = self._places.get(table.name)
        if ordered is None:
            ordered = self._places[table.name] = Ordered()
        return ordered

    def _leave(self, table: Table, key: str, row: Any) -> None:
        self.bytes -= table.bytes_of(row)
        if table.place_of:
            self._ordered(table).remove((*table.place_of(row), key))


def real_ms() -> int:
    """Return the real time, Unix time in ms."""
    return time.time_ns() // 1_000_000

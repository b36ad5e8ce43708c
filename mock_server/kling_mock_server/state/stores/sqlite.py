"""A store in one SQLite file: for several processes on one machine, and for state that outlives them."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from kling_mock_server.state.stores.sqlite_file import BUSY_S, SqliteFile
from kling_mock_server.state.stores.store import StoreBusyError, Table, Transaction, real_ms
from kling_mock_server.state.stores.text import DAY_MS, FAR, KEPT_MS, View, bytes_of, name_of, row_of, text_of

T = TypeVar("T")

_SWEEP_EVERY_MS: Final = 3_600_000
_SWEPT_ROWS: Final = 10_000
"""How many rows are deleted at a time; the rest waits for the next."""


class SqliteStore:
    """A store that several processes share, and that is still there after them.

    A finished `transaction` survives the end of the process, however it comes; the machine's may take the last
    moments along. `now_ms`: the real time, by which accounts are forgotten. Raises `ValueError` for a file that is
    not usable.
    """

    shared = True
    on_lost: Callable[[str], None] | None = None

    def __init__(self, path: str, now_ms: Callable[[], int] = real_ms) -> None:
        self._now_ms = now_ms
        self._file = SqliteFile(path)
        # Threads of one process wait for each other here: SQLite's own waiting is sleeping.
        self._changing = threading.Lock()
        self._swept_ms = -FAR
        with self._file.lent() as connection:
            self._sweep(connection)

    def transaction(self, account: str, work: Callable[[Transaction], T]) -> T:
        """Do `work` in one transaction. Raises `StoreDownError` where nothing was kept."""
        with self._alone(), self._file.lent() as connection:
            with _transaction(connection):
                rows = _SqliteTransaction(connection, account, self._now_ms())
                result = work(rows)
                rows.write_counts()
            self._sweep(connection)
            return result

    def view(self, account: str, table: Table) -> Mapping[str, Any]:
        """Return the table; what a change is still writing shows once it is done."""
        of = bytes_of(account), table.name
        return View(
            partial(self._row, of, table),
            partial(self._all, of, table),
            lambda: self._counted("held", of),
        )

    def newest(self, account: str, table: Table, skip: int, count: int) -> list[Any]:
        """Return rows, the newest first."""
        of = bytes_of(account), table.name
        found = self._read(_OF_TABLE + "ORDER BY seq DESC LIMIT ? OFFSET ?", (*of, min(count, FAR), min(skip, FAR)))
        return [row_of(table, text) for _, text in found]

    def dropped(self, account: str, table: Table) -> int:
        """Return how many rows have made room."""
        return self._counted("dropped", (bytes_of(account), table.name))

    def due(self, now_ms: int) -> list[tuple[str, str]]:
        """Return the accounts and queues whose time has come, the longest overdue first."""
        found = self._read(_DUE, (min(now_ms, FAR),))
        return [(name_of(name), queue) for name, queue in found]

    def next_scheduled_ms(self) -> int | None:
        """Return the earliest time asked for."""
        ((scheduled_ms,),) = self._read("SELECT min(at_ms) FROM schedule", ())
        return None if scheduled_ms is None else int(scheduled_ms)

    def secret(self) -> bytes:
        """Return the secret that was made with the file."""
        return self._file.secret

    def forget(self, account: str) -> None:
        """Keep the account: what is in a file is meant to last."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._changing.acquire(timeout=BUSY_S):
            raise StoreBusyError("other changes of the store's file take too long")
        try:
            yield
        finally:
            self._changing.release()

    def _row(self, of: tuple[bytes, str], table: Table, key: str) -> Any:
        found = self._read(_OF_TABLE + "AND key = ?", (*of, bytes_of(key)))
        return row_of(table, found[0][1]) if found else None

    def _all(self, of: tuple[bytes, str], table: Table) -> list[tuple[str, Any]]:
        return [(name_of(key), row_of(table, text)) for key, text in self._read(_OF_TABLE + "ORDER BY seq", of)]

    def _counted(self, what: str, of: tuple[bytes, str]) -> int:
        found = self._read(f"SELECT {what} FROM kinds WHERE account = {_ACCOUNT} AND kind = ?", of)
        return int(found[0][0]) if found else 0

    def _read(self, query: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self._file.lent() as connection:
            return connection.execute(query, parameters).fetchall()

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Now and then, forget accounts. A failure is left for another time: nobody waits for it."""
        now_ms = self._now_ms()
        if now_ms - self._swept_ms < _SWEEP_EVERY_MS:
            return
        self._swept_ms = now_ms
        with suppress(sqlite3.Error), _transaction(connection):
            _forget_unused(connection, now_ms - KEPT_MS)


_ACCOUNT: Final = "(SELECT id FROM accounts WHERE name = ?)"
_OF_TABLE: Final = f"SELECT key, value FROM rows WHERE account = {_ACCOUNT} AND kind = ? "
_DUE: Final = (
    "SELECT accounts.name, queue FROM schedule JOIN accounts ON accounts.id = schedule.account "
    "WHERE at_ms <= ? ORDER BY at_ms"
)
_OF_KIND: Final = "FROM rows INDEXED BY rows_by_place WHERE account = :account AND kind = :kind AND queue "
_FIRST: Final = f"SELECT value {_OF_KIND} = :queue ORDER BY place, key LIMIT 1"
# From name to name: SELECT DISTINCT would read every row.
_QUEUES: Final = f"""WITH RECURSIVE names (name) AS (
    SELECT min(queue) {_OF_KIND} IS NOT NULL
    UNION ALL SELECT (SELECT min(queue) {_OF_KIND} > names.name) FROM names WHERE names.name IS NOT NULL)
    SELECT name FROM names WHERE name IS NOT NULL"""
_NAMELESS: Final = "(SELECT id FROM accounts WHERE name IS NULL)"


_SCHEDULE: Final = """INSERT INTO schedule (account, queue, at_ms) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms WHERE at_ms <> excluded.at_ms"""
_UPDATE: Final = "UPDATE rows SET value = ?, queue = ?, place = ? WHERE account = ? AND kind = ? AND key = ?"


class _SqliteTransaction:
    """The tables of one account within a transaction."""

    def __init__(self, connection: sqlite3.Connection, account: str, now_ms: int) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._counts: dict[str, _Count] = {}
        self._account = _used(connection, bytes_of(account), now_ms)

    def get(self, table: Table, key: str) -> Any:
        found = self._execute(
            "SELECT value FROM rows WHERE account = ? AND kind = ? AND key = ?",
            (self._account, table.name, bytes_of(key)),
        ).fetchone()
        return row_of(table, found[0]) if found else None

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        at = text_of(table, row), *_place(table, row), self._account, table.name, bytes_of(key)
        if self._execute(_UPDATE, at).rowcount:
            return []
        self._execute("INSERT INTO rows (value, queue, place, account, kind, key) VALUES (?, ?, ?, ?, ?, ?)", at)
        count = self._count(table)
        count.held += 1
        return self._make_room(table, count) if count.held > table.max_rows else []

    def delete(self, table: Table, key: str) -> None:
        at = self._account, table.name, bytes_of(key)
        deleted = self._execute("DELETE FROM rows WHERE account = ? AND kind = ? AND key = ?", at).rowcount
        if deleted:
            self._count(table).held -= 1

    def clear(self, table: Table) -> None:
        self._execute("DELETE FROM rows WHERE account = ? AND kind = ?", (self._account, table.name))
        self._counts[table.name] = _Count(0, 0)

    def items(self, table: Table) -> list[tuple[str, Any]]:
        found = self._execute(
            "SELECT key, value FROM rows WHERE account = ? AND kind = ? ORDER BY seq", (self._account, table.name)
        )
        return [(name_of(key), row_of(table, text)) for key, text in found]

    def first(self, table: Table, queue: str) -> Any:
        at = {"account": self._account, "kind": table.name, "queue": queue}
        found = self._execute(_FIRST, at).fetchone()
        return row_of(table, found[0]) if found else None

    def queues(self, table: Table) -> list[str]:
        return [name for (name,) in self._execute(_QUEUES, {"account": self._account, "kind": table.name})]

    def schedule(self, queue: str, at_ms: int | None) -> None:
        if at_ms is None:
            self._execute("DELETE FROM schedule WHERE account = ? AND queue = ?", (self._account, queue))
        else:
            self._execute(_SCHEDULE, (self._account, queue, min(at_ms, FAR)))

    def write_counts(self) -> None:
        """Write how many rows there are by now."""
        counted = [(self._account, kind, count.held, count.dropped) for kind, count in self._counts.items()]
        self._connection.executemany("REPLACE INTO kinds (account, kind, held, dropped) VALUES (?, ?, ?, ?)", counted)

    def _make_room(self, table: Table, count: "_Count") -> list[Any]:
        at, excess = (self._account, table.name), count.held - table.max_rows
        found = self._execute(
            "SELECT seq, value FROM rows WHERE account = ? AND kind = ? ORDER BY seq LIMIT ?", (*at, excess)
        ).fetchall()
        self._execute("DELETE FROM rows WHERE account = ? AND kind = ? AND seq <= ?", (*at, found[-1][0]))
        count.held -= excess
        count.dropped += excess
        return [row_of(table, text) for _, text in found]

    def _count(self, table: Table) -> "_Count":
        count = self._counts.get(table.name)
        if count is None:
            at = self._account, table.name
            found = self._execute("SELECT held, dropped FROM kinds WHERE account = ? AND kind = ?", at).fetchone()
            count = self._counts[table.name] = _Count(*found or (0, 0))
        return count


@dataclass(slots=True)
class _Count:
    """How many rows a table holds, and how many have made room."""

    held: int
    dropped: int


def _place(table: Table, row: Any) -> tuple[str | None, int | None]:
    return table.place_of(row) if table.place_of else (None, None)


def _used(connection: sqlite3.Connection, name: bytes, now_ms: int) -> int:
    """Return the id of an account, made now if need be."""
    found = connection.execute("SELECT id, used_ms FROM accounts WHERE name = ?", (name,)).fetchone()
    if found is None:
        added = connection.execute("INSERT INTO accounts (name, used_ms) VALUES (?, ?)", (name, now_ms))
        return int(added.lastrowid or 0)
    account, used_ms = found
    if now_ms - used_ms > DAY_MS:
        connection.execute("UPDATE accounts SET used_ms = ? WHERE id = ?", (now_ms, account))
    return int(account)


def _forget_unused(connection: sqlite3.Connection, before_ms: int) -> None:
    # They lose their name at once and their rows bit by bit: whoever comes back finds a fresh account.
    connection.execute("UPDATE accounts SET name = NULL WHERE used_ms < ?", (before_ms,))
    connection.execute(f"DELETE FROM schedule WHERE account IN {_NAMELESS}")
    some = f"SELECT seq FROM rows WHERE account IN {_NAMELESS} LIMIT {_SWEPT_ROWS}"
    connection.execute(f"DELETE FROM rows WHERE seq IN ({some})")
    connection.execute(f"DELETE FROM kinds WHERE account IN {_NAMELESS}")
    connection.execute(
        "DELETE FROM accounts WHERE name IS NULL AND NOT EXISTS (SELECT 1 FROM rows WHERE account = accounts.id)"
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

"""A store in one SQLite file: for several processes on one machine, and for state that outlives them."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from kling_mock_server.state.stores.sqlite_file import BUSY_S, SqliteFile
from kling_mock_server.state.stores.store import RowAt, StoreBusyError, Table, Transaction, real_ms
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

    def transaction(self, account: str, work: Callable[[Transaction], T], rows: Sequence[RowAt] = ()) -> T:
        """Do `work` in one transaction. Raises `StoreDownError` where nothing was kept."""
        with self._alone(), self._file.lent(to_write=True) as connection:
            with _transaction(connection):
                tables = _SqliteTransaction(connection, account, self._now_ms())
                result = work(tables)
                tables.write_counts()
            self._sweep(connection)
            return result

    def read(self, account: str, rows: Sequence[RowAt]) -> list[Any]:
        """Return the rows, looked up in one statement."""
        places = [part for table, key in rows for part in (table.name, bytes_of(key))]
        found = self._read(_ASKED % ", ".join(["(?, ?)"] * len(rows)), (*places, bytes_of(account)))
        texts = {(kind, key): text for kind, key, text in found}
        return [
            None if (text := texts.get((table.name, bytes_of(key)))) is None else row_of(table, text)
            for table, key in rows
        ]

    def view(self, account: str, table: Table) -> Mapping[str, Any]:
        """Return the table; what a change is still writing shows once it is done."""
        of = bytes_of(account), table.name
        return View(
            partial(self._row, of, table),
            partial(self._all, of, table),
            lambda: self._counted(account, table).held,
        )

    def newest(self, account: str, table: Table, skip: int, count: int) -> list[Any]:
        """Return rows, the newest first."""
        of = bytes_of(account), table.name
        found = self._read(_OF_TABLE + "ORDER BY seq DESC LIMIT ? OFFSET ?", (*of, min(count, FAR), min(skip, FAR)))
        return [row_of(table, text) for _, text in found]

    def dropped(self, account: str, table: Table) -> int:
        """Return how many rows have made room."""
        return self._counted(account, table).dropped

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

    def is_full(self) -> bool:
        """Return False: what the store cannot keep, it says itself."""
        return False

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

    def _counted(self, account: str, table: Table) -> "_Count":
        found = self._read("SELECT counts FROM accounts WHERE name = ?", (bytes_of(account),))
        return _counts_of(found[0][0]).get(table.name, _NONE) if found else _NONE

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
# A cross join is done in the order in which it is written: from what is asked for to the rows, by their index.
_ASKED: Final = f"""WITH asked (kind, key) AS (VALUES %s)
    SELECT kind, key, value FROM asked CROSS JOIN rows USING (kind, key) WHERE account = {_ACCOUNT}"""
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
_INSERT: Final = (
    "INSERT INTO rows (value, queue, place, account, kind, key) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_UPDATE: Final = "UPDATE rows SET value = ?, queue = ?, place = ? WHERE account = ? AND kind = ? AND key = ?"


class _SqliteTransaction:
    """The tables of one account within a transaction."""

    def __init__(self, connection: sqlite3.Connection, account: str, now_ms: int) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._account, self._stored = _used(connection, bytes_of(account), now_ms)
        self._counts = _counts_of(self._stored)

    def get(self, table: Table, key: str) -> Any:
        found = self._execute(
            "SELECT value FROM rows WHERE account = ? AND kind = ? AND key = ?",
            (self._account, table.name, bytes_of(key)),
        ).fetchone()
        return row_of(table, found[0]) if found else None

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        at = text_of(table, row), *_place(table, row), self._account, table.name, bytes_of(key)
        # Most rows are new.
        if not self._execute(_INSERT, at).rowcount:
            self._execute(_UPDATE, at)
            return []
        held, dropped = self._counts.get(table.name, _NONE)
        excess = max(0, held + 1 - table.max_rows)
        self._counts[table.name] = _Count(held + 1 - excess, dropped + excess)
        return self._make_room(table, excess) if excess else []

    def delete(self, table: Table, key: str) -> None:
        at = self._account, table.name, bytes_of(key)
        deleted = self._execute("DELETE FROM rows WHERE account = ? AND kind = ? AND key = ?", at).rowcount
        if deleted:
            held, dropped = self._counts[table.name]
            self._counts[table.name] = _Count(held - 1, dropped)

    def clear(self, table: Table) -> None:
        self._execute("DELETE FROM rows WHERE account = ? AND kind = ?", (self._account, table.name))
        self._counts[table.name] = _NONE

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
        counts = _encode(self._counts)
        if counts != self._stored:
            self._execute("UPDATE accounts SET counts = ? WHERE id = ?", (counts, self._account))

    def _make_room(self, table: Table, excess: int) -> list[Any]:
        oldest = self._account, table.name, excess
        gone = self._execute(f"SELECT value {_OLDEST}", oldest).fetchall() if table.hands_back else []
        self._execute(f"DELETE FROM rows WHERE seq IN (SELECT seq {_OLDEST})", oldest)
        return [row_of(table, text) for (text,) in gone]


_OLDEST: Final = "FROM rows WHERE account = ? AND kind = ? ORDER BY seq LIMIT ?"
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class _Count(NamedTuple):
    """How many rows a table holds, and how many have made room."""

    held: int
    dropped: int


_NONE: Final = _Count(0, 0)


def _counts_of(text: str) -> dict[str, _Count]:
    return {kind: _Count(*count) for kind, count in json.loads(text).items()}


def _place(table: Table, row: Any) -> tuple[str | None, int | None]:
    return table.place_of(row) if table.place_of else (None, None)


def _used(connection: sqlite3.Connection, name: bytes, now_ms: int) -> tuple[int, str]:
    """Return the id of an account, made now if need be, and its counts as JSON."""
    found = connection.execute("SELECT id, used_ms, counts FROM accounts WHERE name = ?", (name,)).fetchone()
    if found is None:
        added = connection.execute("INSERT INTO accounts (name, used_ms, counts) VALUES (?, ?, '{}')", (name, now_ms))
        return int(added.lastrowid or 0), "{}"
    account, used_ms, counts = found
    if now_ms - used_ms > DAY_MS:
        connection.execute("UPDATE accounts SET used_ms = ? WHERE id = ?", (now_ms, account))
    return int(account), str(counts)


def _forget_unused(connection: sqlite3.Connection, before_ms: int) -> None:
    # They lose their name at once and their rows bit by bit: whoever comes back finds a fresh account.
    connection.execute("UPDATE accounts SET name = NULL WHERE used_ms < ?", (before_ms,))
    connection.execute(f"DELETE FROM schedule WHERE account IN {_NAMELESS}")
    some = f"SELECT seq FROM rows WHERE account IN {_NAMELESS} LIMIT {_SWEPT_ROWS}"
    connection.execute(f"DELETE FROM rows WHERE seq IN ({some})")
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

"""A store in one SQLite file: for several processes on one machine, and for state that outlives them."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

from kling_mock_server.state.stores.sqlite_file import BUSY_S, SqliteFile
from kling_mock_server.state.stores.sqlite_rows import NONE, Count, SqliteTransaction, account_with, counts_of
from kling_mock_server.state.stores.store import RowAt, StoreBusyError, Table, Transaction, real_ms
from kling_mock_server.state.stores.text import FAR, KEPT_MS, View, bytes_of, name_of, row_of

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
    keeps_text = True
    on_lost: Callable[[str], None] | None = None

    def __init__(self, path: str, now_ms: Callable[[], int] = real_ms) -> None:
        self._now_ms = now_ms
        self._file = SqliteFile(path)
        # Threads of one process wait for each other here: SQLite's own waiting is sleeping.
        self._changing = threading.Lock()
        self._swept_ms = -FAR
        with self._file.lent() as connection:
            self._sweep(connection, now_ms())

    def transaction(self, account: str, work: Callable[[Transaction], T], rows: Sequence[RowAt] = ()) -> T:
        """Do `work` in one transaction. Raises `StoreDownError` where nothing was kept."""
        if not self._changing.acquire(timeout=BUSY_S):
            raise StoreBusyError("other changes of the store's file take too long")
        try:
            with self._file.lent(to_write=True) as connection:
                now_ms = self._now_ms()
                with _transaction(connection):
                    tables = SqliteTransaction(connection, account, now_ms, rows)
                    result = work(tables)
                    tables.write_counts()
                self._sweep(connection, now_ms)
                return result
        finally:
            self._changing.release()

    def read(self, account: str, rows: Sequence[RowAt]) -> list[Any]:
        """Return the rows, looked up in one statement."""
        with self._file.lent() as connection:
            found = account_with(connection, bytes_of(account), rows)
        if found is None:
            return [None] * len(rows)
        _, _, _, *texts = found
        pairs = zip(rows, texts, strict=True)
        return [None if text is None else row_of(table, text) for (table, _), text in pairs]

    def view(self, account: str, table: Table) -> Mapping[str, Any]:
        """Return the table; what a change is still writing shows once it is done."""
        of = bytes_of(account), table.name
        return View(
            partial(self._row, of, table),
            partial(self._all, of, table),
            lambda: self._counted(account, table)[0],
        )

    def newest(self, account: str, table: Table, skip: int, count: int) -> list[Any]:
        """Return rows, the newest first."""
        query = _of_table(table) + "ORDER BY seq DESC LIMIT ? OFFSET ?"
        found = self._read(query, (bytes_of(account), table.name, min(count, FAR), min(skip, FAR)))
        return [row_of(table, text) for _, text in found]

    def dropped(self, account: str, table: Table) -> int:
        """Return how many rows have made room."""
        return self._counted(account, table)[1]

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

    def _row(self, of: tuple[bytes, str], table: Table, key: str) -> Any:
        found = self._read(_of_table(table) + "AND key = ?", (*of, bytes_of(key)))
        return row_of(table, found[0][1]) if found else None

    def _all(self, of: tuple[bytes, str], table: Table) -> list[tuple[str, Any]]:
        found = self._read(_of_table(table) + "ORDER BY seq", of)
        return [(name_of(key), row_of(table, text)) for key, text in found]

    def _counted(self, account: str, table: Table) -> Count:
        found = self._read("SELECT counts FROM accounts WHERE name = ?", (bytes_of(account),))
        return counts_of(found[0][0]).get(table.name, NONE) if found else NONE

    def _read(self, query: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self._file.lent() as connection:
            return connection.execute(query, parameters).fetchall()

    def _sweep(self, connection: sqlite3.Connection, now_ms: int) -> None:
        """Now and then, forget accounts. A failure is left for another time: nobody waits for it."""
        if now_ms - self._swept_ms < _SWEEP_EVERY_MS:
            return
        self._swept_ms = now_ms
        with suppress(sqlite3.Error), _transaction(connection):
            _forget_unused(connection, now_ms - KEPT_MS)


_ACCOUNT: Final = "(SELECT id FROM accounts WHERE name = ?)"
_DUE: Final = (
    "SELECT accounts.name, queue FROM schedule JOIN accounts ON accounts.id = schedule.account "
    "WHERE at_ms <= ? ORDER BY at_ms"
)
_NAMELESS: Final = "(SELECT id FROM accounts WHERE name IS NULL)"


def _of_table(table: Table) -> str:
    return f"SELECT key, value FROM {'log' if table.is_log else 'rows'} WHERE account = {_ACCOUNT} AND kind = ? "


def _forget_unused(connection: sqlite3.Connection, before_ms: int) -> None:
    # They lose their name at once and their rows bit by bit: whoever comes back finds a fresh account.
    connection.execute("UPDATE accounts SET name = NULL WHERE used_ms < ?", (before_ms,))
    connection.execute(f"DELETE FROM schedule WHERE account IN {_NAMELESS}")
    for held, key in (("rows", "account, kind, key"), ("log", "id")):
        some = f"SELECT {key} FROM {held} WHERE account IN {_NAMELESS} LIMIT {_SWEPT_ROWS}"
        connection.execute(f"DELETE FROM {held} WHERE ({key}) IN ({some})")
    connection.execute(
        "DELETE FROM accounts WHERE name IS NULL AND NOT EXISTS (SELECT 1 FROM rows WHERE account = accounts.id)"
        " AND NOT EXISTS (SELECT 1 FROM log WHERE account = accounts.id)"
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

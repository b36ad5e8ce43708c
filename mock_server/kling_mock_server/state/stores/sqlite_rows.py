"""One change of an account in an SQLite file."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from kling_mock_server.state.stores.store import RowAt, Table
from kling_mock_server.state.stores.text import DAY_MS, FAR, bytes_of, name_of, row_of, text_of

_AT: Final = "WHERE account = ? AND kind = ? AND key = ?"
# For three columns IN a selection, SQLite would look at every row.
_AT_SOME: Final = "WHERE account = ? AND kind = ? AND key"
_OF_KIND: Final = "FROM rows INDEXED BY rows_by_place WHERE account = :account AND kind = :kind AND queue "
_FIRST: Final = f"SELECT value {_OF_KIND} = :queue ORDER BY place, key LIMIT 1"
# From name to name: SELECT DISTINCT would read every row.
_QUEUES: Final = f"""WITH RECURSIVE names (name) AS (
    SELECT min(queue) {_OF_KIND} IS NOT NULL
    UNION ALL SELECT (SELECT min(queue) {_OF_KIND} > names.name) FROM names WHERE names.name IS NOT NULL)
    SELECT name FROM names WHERE name IS NOT NULL"""
_SCHEDULE: Final = """INSERT INTO schedule (account, queue, at_ms) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms WHERE at_ms <> excluded.at_ms"""
_INSERT: Final = """INSERT INTO rows (value, queue, place, account, kind, key, seq) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING"""
_UPDATE: Final = f"UPDATE rows SET value = ?, queue = ?, place = ? {_AT}"
_OLDEST: Final = "FROM rows INDEXED BY rows_by_age WHERE account = ? AND kind = ? ORDER BY seq LIMIT ?"
_LOG: Final = "INSERT INTO log (seq, key, value, account, kind, slot) VALUES (?, ?, ?, ?, ?, ?)"
_LOG_OVER: Final = "UPDATE log SET seq = ?, key = ?, value = ? WHERE account = ? AND kind = ? AND slot = ?"


Count = Sequence[int]
"""How many rows a table holds, how many have made room, and the number of the newest."""
NONE: Final = (0, 0, 0)
"""The count of a table that nobody has written to."""
counts_of: Final[Callable[[str], dict[str, Count]]] = json.JSONDecoder().decode
"""Returns the counts of an account's tables, of which the file holds JSON."""
_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def account_with(connection: sqlite3.Connection, name: bytes, rows: Sequence[RowAt]) -> tuple[Any, ...] | None:
    """Return id, time of last use and counts of an account, and the texts of rows, a few hundred at most.

    None stands for a row that is not there; returns None where there is no such account.
    """
    places = [member for table, key in rows for member in (table.name, bytes_of(key))]
    found: tuple[Any, ...] | None = connection.execute(_account_query(len(rows)), (*places, name)).fetchone()
    return found


@cache
def _account_query(rows: int) -> str:
    text = "(SELECT value FROM rows WHERE account = id AND kind = ? AND key = ?)"
    return f"SELECT {', '.join(['id', 'used_ms', 'counts', *[text] * rows])} FROM accounts WHERE name = ?"


class SqliteTransaction:
    """The tables of one account within a transaction; `rows` are read at its beginning, but for those of logs."""

    def __init__(self, connection: sqlite3.Connection, account: str, now_ms: int, rows: Sequence[RowAt]) -> None:
        self._execute = connection.execute
        asked = [(table, key) for table, key in rows if not table.is_log]
        self._account, self._stored, texts = _used(connection, bytes_of(account), now_ms, asked)
        self._counts = counts_of(self._stored)
        self._ahead = dict(zip(asked, texts, strict=True))
        """Texts of rows that this change has not written yet; None: there is none."""

    def get(self, table: Table, key: str) -> Any:
        """Return a row, None where there is none."""
        if (table, key) in self._ahead:
            text = self._ahead[table, key]
            return None if text is None else row_of(table, text)
        at = self._account, table.name, bytes_of(key)
        found = self._execute(f"SELECT value FROM rows {_AT}", at).fetchone()
        return row_of(table, found[0]) if found else None

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        """Add a row as the newest, or replace one in its place; return the rows that made room."""
        self._ahead.pop((table, key), None)
        held, dropped, newest = self._counts.get(table.name, NONE)
        excess = max(0, held + 1 - table.max_rows)
        text, number, at = text_of(table, row), newest + 1, (self._account, table.name)
        if table.is_log:
            # In the place of the oldest: nothing is deleted, and no index changes.
            statement = _LOG_OVER if excess else _LOG
            self._execute(statement, (number, bytes_of(key), text, *at, number % table.max_rows))
        else:
            written = text, *_place(table, row), *at, bytes_of(key)
            # Most rows are new.
            if not self._execute(_INSERT, (*written, number)).rowcount:
                self._execute(_UPDATE, written)
                return []
        self._counts[table.name] = held + 1 - excess, dropped + excess, number
        return self._make_room(table, excess) if excess and not table.is_log else []

    def delete(self, table: Table, key: str) -> None:
        """Remove a row, if it is there."""
        self._ahead.pop((table, key), None)
        if self._execute(f"DELETE FROM rows {_AT}", (self._account, table.name, bytes_of(key))).rowcount:
            held, dropped, newest = self._counts[table.name]
            self._counts[table.name] = held - 1, dropped, newest

    def clear(self, table: Table) -> None:
        """Remove all rows, and forget how many made room."""
        self._ahead.clear()
        if self._counts.pop(table.name, None):
            self._execute(f"DELETE FROM {_home(table)} WHERE account = ? AND kind = ?", (self._account, table.name))

    def items(self, table: Table) -> list[tuple[str, Any]]:
        """Return keys and rows, the oldest first."""
        query = f"SELECT key, value FROM {_home(table)} WHERE account = ? AND kind = ? ORDER BY seq"
        found = self._execute(query, (self._account, table.name))
        return [(name_of(key), row_of(table, text)) for key, text in found]

    def first(self, table: Table, queue: str) -> Any:
        """Return the first row of a queue, None where it is empty."""
        at = {"account": self._account, "kind": table.name, "queue": queue}
        found = self._execute(_FIRST, at).fetchone()
        return row_of(table, found[0]) if found else None

    def queues(self, table: Table) -> list[str]:
        """Return the names of the queues in which rows stand."""
        return [name for (name,) in self._execute(_QUEUES, {"account": self._account, "kind": table.name})]

    def schedule(self, queue: str, at_ms: int | None) -> None:
        """Schedule a queue from `at_ms` (real time, Unix ms) on; None: no longer."""
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
        self._ahead.clear()
        oldest = self._account, table.name, excess
        gone = self._execute(f"SELECT value {_OLDEST}", oldest).fetchall() if table.hands_back else []
        self._execute(f"DELETE FROM rows {_AT_SOME} IN (SELECT key {_OLDEST})", (*oldest[:2], *oldest))
        return [row_of(table, text) for (text,) in gone]


def _home(table: Table) -> str:
    return "log" if table.is_log else "rows"


def _place(table: Table, row: Any) -> tuple[str | None, int | None]:
    return table.place_of(row) if table.place_of else (None, None)


def _used(
    connection: sqlite3.Connection, name: bytes, now_ms: int, rows: Sequence[RowAt]
) -> tuple[int, str, Sequence[str | None]]:
    """Return the id of an account, made now if need be, its counts as JSON, and the texts of rows."""
    found = account_with(connection, name, rows)
    if found is None:
        added = connection.execute("INSERT INTO accounts (name, used_ms, counts) VALUES (?, ?, '{}')", (name, now_ms))
        return int(added.lastrowid or 0), "{}", [None] * len(rows)
    account, used_ms, counts, *texts = found
    if now_ms - used_ms > DAY_MS:
        connection.execute("UPDATE accounts SET used_ms = ? WHERE id = ?", (now_ms, account))
    return account, counts, texts

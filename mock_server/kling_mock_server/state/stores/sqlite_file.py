"""One SQLite file and the connections to it: the schema, and what opening it may run into."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, NoReturn

from kling_mock_server.state.stores.file_watch import FileWatch
from kling_mock_server.state.stores.store import SECRET_BYTES, StoreBusyError, StoreDownError
from kling_mock_server.state.stores.text import FORMAT

BUSY_S: Final = 10.0
"""How long one change waits for another process to finish its own."""

_APPLICATION: Final = 0x6B6C696E
"""The mark of a file that is ours."""

# Rows lie by their keys and are listed by `seq`; some stand in a queue, at a place. Those of a log, for which nobody
# asks by their keys, lie apart, in as many slots as the log may hold: the newest is written over the oldest. `counts`
# says in JSON how many rows of each kind are held and were dropped, and the number of the newest, so that nothing has
# to be walked through to know whether a table is full: with the account itself, as every change reads and writes it.
# An account without a name is waiting for its rows to be deleted.
_SCHEMA: Final = (
    """CREATE TABLE accounts (
        id INTEGER PRIMARY KEY, name BLOB UNIQUE, used_ms INTEGER NOT NULL, counts TEXT NOT NULL)""",
    """CREATE TABLE schedule (
        account INTEGER, queue TEXT, at_ms INTEGER NOT NULL, PRIMARY KEY (account, queue)) WITHOUT ROWID""",
    "CREATE INDEX schedule_by_time ON schedule (at_ms)",
    """CREATE TABLE rows (
        account INTEGER, kind TEXT, key BLOB, seq INTEGER NOT NULL, value TEXT NOT NULL, queue TEXT, place INTEGER,
        PRIMARY KEY (account, kind, key)) WITHOUT ROWID""",
    "CREATE INDEX rows_by_age ON rows (account, kind, seq)",
    "CREATE INDEX rows_by_place ON rows (account, kind, queue, place, key) WHERE queue IS NOT NULL",
    """CREATE TABLE log (
        id INTEGER PRIMARY KEY, account INTEGER NOT NULL, kind TEXT NOT NULL, slot INTEGER NOT NULL,
        seq INTEGER NOT NULL, key BLOB NOT NULL, value TEXT NOT NULL, UNIQUE (account, kind, slot))""",
    "CREATE TABLE secret (value BLOB NOT NULL)",
    f"INSERT INTO secret VALUES (randomblob({SECRET_BYTES}))",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)


class SqliteFile:
    """Connections to a file that is ours, each lent to one thread at a time. Raises `ValueError` if it is not."""

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[list[sqlite3.Connection]] = []
        self._process = os.getpid()
        self._closed = False
        try:
            with closing(_connected(self._path)) as connection:
                _prepare(connection)
                self.secret = _secret_of(connection)
            self._watch = FileWatch(self._path)
        except (sqlite3.Error, ValueError) as error:
            raise ValueError(f"the store {path} cannot be used: {error}; {_remedy(error)}") from error

    @contextmanager
    def lent(self, *, to_write: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one `to_write` after a look at the file, others where the last look is a while ago.

        Raises `StoreDownError` for whatever SQLite cannot do.
        """
        if self._closed:
            raise StoreDownError("the store was closed")
        try:
            connection = self._taken(self._watch.written() if to_write else self._watch.written_of_late())
        except sqlite3.Error as error:
            self._fail(error)
        try:
            yield connection
        except sqlite3.Error as error:
            connection.close()
            self._fail(error)
        except BaseException:
            self._give_back(connection)
            raise
        self._give_back(connection)

    def close(self) -> None:
        """Close every connection; those that are lent, when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        if _code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._watch.fail("overwritten or damaged", f" ({error})")
        kind = StoreBusyError if _is_busy(error) else StoreDownError
        raise kind(f"the store's file cannot be used: {error}") from error

    def _taken(self, written: os.stat_result | None) -> sqlite3.Connection:
        if self._process != os.getpid():
            # A connection that crosses a fork must be neither used nor closed: its locks are those of the parent.
            self._inherited.append(self._idle)
            self._idle, self._process = [], os.getpid()
        if written:
            # Others have pages in their cache that may not be in the file any more. The last to be closed would write.
            connection = self._opened()
            self._watch.accept(written)
            while self._idle:
                self._idle.pop().close()
            return connection
        try:
            return self._idle.pop()
        except IndexError:
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        connection = _connected(self._path)
        try:
            is_ours = not _is_new(connection) and _secret_of(connection) == self.secret
        except ValueError:
            is_ours = False
        except sqlite3.Error:
            connection.close()
            raise
        if not is_ours:
            connection.close()
            self._watch.fail("overwritten or damaged")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()


def _connected(path: str) -> sqlite3.Connection:
    # Transactions are spelled out; a connection wanders between threads, but serves one at a time.
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _secret_of(connection: sqlite3.Connection) -> bytes:
    (secret,) = connection.execute("SELECT value FROM secret").fetchone()
    return bytes(secret)


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the file ours if it is new. Two processes may do so at once."""
    # Looked at before anything is written to what may be somebody else's, and all at one moment.
    connection.execute("BEGIN")
    _is_new(connection)
    connection.execute("COMMIT")
    _write_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if _is_new(connection):
        for statement in _SCHEMA:
            connection.execute(statement)
    connection.execute("COMMIT")


def _is_new(connection: sqlite3.Connection) -> bool:
    """Return whether the file is empty. Raises `ValueError` where it is somebody else's."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == _APPLICATION and version != FORMAT:
        raise ValueError(f"it was written by another version of klingkit, in format {version} and not {FORMAT}")
    if application not in (0, _APPLICATION) or (application == 0 and objects):
        raise ValueError("it is a database of another program")
    return not objects


def _write_ahead(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for the lock that this takes, so two processes that start together have to try again.
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _is_busy(error: sqlite3.Error) -> bool:
    return _code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code_of(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _remedy(error: Exception) -> str:
    if isinstance(error, sqlite3.Error) and _is_busy(error):
        return "end the program that holds it"
    if isinstance(error, sqlite3.OperationalError):
        return "name a file in a directory that exists and can be written to"
    return "name another file"

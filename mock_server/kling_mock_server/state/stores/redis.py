"""A store in Redis or Valkey: for several machines that are to behave as one."""

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from kling_mock_server.state.stores.redis_ahead import RowsAhead, places_of, rows_ahead
from kling_mock_server.state.stores.redis_keys import SCHEDULE_KEY, SECRET_KEY, Keys, keys_of
from kling_mock_server.state.stores.redis_link import ConnectionLostError, Link
from kling_mock_server.state.stores.redis_places import account_and_queue
from kling_mock_server.state.stores.redis_rows import (
    LostKeyError,
    RedisTransaction,
    WriteConflictError,
    pairs,
)
from kling_mock_server.state.stores.redis_scripts import ASK
from kling_mock_server.state.stores.store import (
    SECRET_BYTES,
    RowAt,
    StoreBusyError,
    StoreDownError,
    Table,
    Transaction,
)
from kling_mock_server.state.stores.text import FAR, View, bytes_of, name_of, row_of

T = TypeVar("T")

BUSY_S: Final = 10.0
"""How long one change waits for others of the same account."""

_SECRET_KEPT_S: Final = 1.0
_MIN_PAUSE_S: Final = 0.001
_MAX_PAUSE_S: Final = 0.02


_MAX_READ: Final = 1000
"""Accounts of which is kept what was read last."""


class _NotAtOnceError(Exception):
    """A change has to lock the account, and to read what it needs."""


class RedisStore:
    """A store that several machines share. Raises `ValueError` for a server that is of no use."""

    shared = True
    keeps_text = True

    def __init__(self, url: str) -> None:
        self._link = Link(url)
        self.on_lost: Callable[[str], None] | None = None
        # Threads of one process wait for each other here: between processes, waiting is asking again and again.
        self._queues: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._joining = threading.Lock()
        self._read: dict[str, RowsAhead] = {}
        """The rows that were read last of an account, for the change that usually follows."""
        self._pid, self._process, self._changes = 0, "", count()
        self._secret = b""
        self._ask_at = 0.0

    def transaction(self, account: str, work: Callable[[Transaction], T], rows: Sequence[RowAt] = ()) -> T:
        """Do `work` while nobody else changes the account, and write all at once.

        Raises `StoreBusyError` where others do not stop, `StoreDownError` where the server does not answer: it is
        unknown then whether anything was written.
        """
        try:
            return self._alone(account, work, rows)
        except LostKeyError:
            if self.on_lost:
                self.on_lost(account)
        try:
            return self._alone(account, work, rows)
        except LostKeyError:
            raise StoreDownError("Redis: the server loses keys as fast as they are written") from None

    def read(self, account: str, rows: Sequence[RowAt]) -> list[Any]:
        """Return the rows, asked for in one exchange."""
        keys = keys_of(account)
        ahead = rows_ahead(rows, self._link.run(ASK, keys.prefix, "", 0, places_of(rows)))
        if len(self._read) >= _MAX_READ:
            self._read.clear()
        self._read[account] = ahead
        found = []
        for table, key in rows:
            text = ahead.texts[table.name, bytes_of(key)]
            is_missing = text is None and ahead.lengths[table.name] == ahead.numbers.get(f"held:{table.name}", 0)
            if text is not None:
                found.append(row_of(table, text))
            else:
                # It changed meanwhile, or was lost: a change finds out.
                found.append(None if is_missing else self.view(account, table).get(key))
        return found

    def view(self, account: str, table: Table) -> Mapping[str, Any]:
        """Return the table; what a change is still writing shows once it is done."""
        return View(
            partial(self._row, account, table),
            partial(self._all, account, table),
            lambda: int(self._link.ask(("HLEN", keys_of(account).rows(table.name)))[0]),
        )

    def newest(self, account: str, table: Table, skip: int, count: int) -> list[Any]:
        """Return rows, the newest first."""
        if count <= 0:
            return []
        keys, first, last = keys_of(account), min(skip, FAR), min(skip + count, FAR) - 1
        newest, held = self._link.ask(
            ("ZREVRANGE", keys.order(table.name), first, last), ("HGET", keys.meta, f"held:{table.name}")
        )
        (texts,) = self._link.ask(("HMGET", keys.rows(table.name), *newest)) if newest else [[]]
        if None in texts or len(texts) != max(0, min(count, int(held or 0) - skip)):
            # It changed meanwhile, or was lost: a change finds out.
            rows = self.transaction(account, lambda rows: rows.items(table))
            return [row for _, row in reversed(rows)][skip : skip + count]
        return [row_of(table, text) for text in texts]

    def dropped(self, account: str, table: Table) -> int:
        """Return how many rows have made room."""
        (found,) = self._link.ask(("HGET", keys_of(account).meta, f"dropped:{table.name}"))
        return int(found or 0)

    def due(self, now_ms: int) -> list[tuple[str, str]]:
        """Return the accounts and queues whose time has come, the longest overdue first."""
        (members,) = self._link.ask(("ZRANGEBYSCORE", SCHEDULE_KEY, "-inf", now_ms))
        return [account_and_queue(member) for member in members]

    def next_scheduled_ms(self) -> int | None:
        """Return the earliest time asked for."""
        (found,) = self._link.ask(("ZRANGE", SCHEDULE_KEY, 0, 0, "WITHSCORES"))
        return int(float(found[1])) if found else None

    def secret(self) -> bytes:
        """Return the secret that the first process left in the server.

        It is put back, within a second, where the server has lost everything: processes that start later learn it.
        """
        if time.monotonic() >= self._ask_at:
            # Not offered right away: a server that is full would refuse, and can still be asked.
            (kept,) = self._link.ask(("GET", SECRET_KEY))
            if kept is None:
                offered = self._secret or secrets.token_bytes(SECRET_BYTES)
                _, kept = self._link.ask(("SET", SECRET_KEY, offered, "NX"), ("GET", SECRET_KEY))
            self._secret = kept
            self._ask_at = time.monotonic() + _SECRET_KEPT_S
        return self._secret

    def is_full(self) -> bool:
        """Return False: what the store cannot keep, it says itself."""
        return False

    def forget(self, account: str) -> None:
        """Keep the account: the server forgets it by itself if nobody uses it."""

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _alone(self, account: str, work: Callable[[Transaction], T], rows: Sequence[RowAt]) -> T:
        deadline = time.monotonic() + BUSY_S
        with self._joining:
            queue = self._queues.setdefault(account, threading.Lock())
        if not queue.acquire(timeout=BUSY_S):
            raise _busy()
        try:
            ahead = self._read.pop(account, None)
            if ahead and ahead.serves(rows):
                with suppress(_NotAtOnceError):
                    return self._at_once(keys_of(account), work, rows, ahead)
            return self._insist(keys_of(account), work, rows, deadline)
        finally:
            queue.release()

    def _at_once(self, keys: Keys, work: Callable[[Transaction], T], rows: Sequence[RowAt], ahead: RowsAhead) -> T:
        """Do a change on what was read before. Raises `_NotAtOnceError` where that will not do: nothing was written."""
        with self._link.lent() as talk:
            if not talk.is_proven:
                raise _NotAtOnceError
            tables = RedisTransaction(talk, keys, self._new_token(), rows, ahead)
            try:
                result = work(tables)
            except Exception as error:
                # It may have stumbled over what is there no longer.
                raise _NotAtOnceError from error
            try:
                tables.commit()
            except (WriteConflictError, LostKeyError) as error:
                raise _NotAtOnceError from error
            return result

    def _insist(self, keys: Keys, work: Callable[[Transaction], T], rows: Sequence[RowAt], deadline: float) -> T:
        token, pause_s, lost = self._new_token(), _MIN_PAUSE_S, False
        while True:
            try:
                return self._tried(keys, token, work, rows)
            except WriteConflictError:
                if time.monotonic() > deadline:
                    raise _busy() from None
            except ConnectionLostError:
                # Nothing was sent that writes; the server may have been restarted.
                if lost:
                    raise
                lost = True
            time.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 1.5, _MAX_PAUSE_S)

    def _new_token(self) -> str:
        """Return what no other change has: a random number of this process, and a counter."""
        if self._pid != os.getpid():
            self._pid, self._process = os.getpid(), secrets.token_hex(8)
        return f"{self._process}:{next(self._changes)}"

    def _tried(self, keys: Keys, token: str, work: Callable[[Transaction], T], rows: Sequence[RowAt]) -> T:
        with self._link.lent() as talk:
            tables = RedisTransaction.locked(talk, keys, token, rows)
            try:
                result = self._worked(tables, work)
                tables.commit()
            except LostKeyError:
                # Some of an account is none: what is left would contradict itself.
                tables.drop()
                raise
            return result

    def _worked(self, tables: RedisTransaction, work: Callable[[Transaction], T]) -> T:
        try:
            return work(tables)
        except (StoreDownError, LostKeyError):
            # There is nobody to talk to any more, or the whole account goes.
            raise
        except Exception:
            # If its time was up, what it stumbled over may never have been there.
            tables.give_up()
            raise

    def _row(self, account: str, table: Table, key: str) -> Any:
        keys = keys_of(account)
        hash_ = keys.rows(table.name)
        (text,) = self._link.ask(("HGET", hash_, bytes_of(key)))
        if text is not None:
            return row_of(table, text)
        length, held = self._link.ask(("HLEN", hash_), ("HGET", keys.meta, f"held:{table.name}"))
        if length == int(held or 0):
            return None
        # It changed meanwhile, or was lost: a change finds out.
        return self.transaction(account, lambda rows: rows.get(table, key))

    def _all(self, account: str, table: Table) -> list[tuple[str, Any]]:
        keys = keys_of(account)
        order, found, held = self._link.ask(
            ("ZRANGE", keys.order(table.name), 0, -1),
            ("HGETALL", keys.rows(table.name)),
            ("HGET", keys.meta, f"held:{table.name}"),
        )
        texts = pairs(found)
        if len(order) == len(texts) == int(held or 0) and all(key in texts for key in order):
            return [(name_of(key), row_of(table, texts[key])) for key in order]
        return self.transaction(account, lambda rows: rows.items(table))


def _busy() -> StoreBusyError:
    return StoreBusyError(f"Redis: others have been changing this account for {BUSY_S:.0f} s")

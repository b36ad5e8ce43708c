"""One change of an account in Redis: read as it goes, written all at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from kling_mock_server.state.stores.redis_keys import SCHEDULE_KEY, Keys
from kling_mock_server.state.stores.redis_link import Command, ConnectionLostError, Talk
from kling_mock_server.state.stores.store import StoreDownError, Table, real_ms
from kling_mock_server.state.stores.text import DAY_MS, FAR, KEPT_MS, bytes_of, name_of, row_of, text_of

LOCK_MS: Final = 5000
"""The time in which a transaction must end: a process that died in the middle of one blocks the others as long."""

_UNKNOWN: Final = -FAR
"""When an account is scheduled that is new, or was forgotten while it still wanted to."""


class WriteConflictError(Exception):
    """The account belongs to another change. Nothing was written."""


def pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Return a hash, of which the server sends fields and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


@dataclass(slots=True)
class _Draft:
    """One table as it will be: what is known of it, and what this change does to it."""

    held: int
    dropped: int
    is_new: bool
    """Whether the server has no key for it, or will have lost it."""
    is_cleared: bool = False
    texts: dict[bytes, str | bytes | None] = field(default_factory=dict)
    """Rows that were read or written; None: there is none."""
    written: set[bytes] = field(default_factory=set)
    """Keys of rows that were put or deleted."""
    added: dict[bytes, int] = field(default_factory=dict)
    """Keys of the rows that are newer than all others, and their place."""


class RedisTransaction:
    """The tables of one account, which this change alone may write. Raises `WriteConflictError` where another may."""

    def __init__(self, talk: Talk, keys: Keys, token: str) -> None:
        self._talk = talk
        self._keys = keys
        # The watch outlives the lock: a change that took too long finds out when it commits.
        lock = keys.lock
        _, _, holder, meta = talk(
            ("SET", lock, token, "NX", "PX", LOCK_MS), ("WATCH", lock), ("GET", lock), ("HGETALL", keys.meta)
        )
        if holder != token.encode():
            talk(("UNWATCH",))
            raise WriteConflictError
        self._meta = {name.decode(): int(number) for name, number in pairs(meta).items()}
        self._seq = self._meta.get("seq", 0)
        self._was_scheduled_ms = self._meta.get("scheduled") if "until" in self._meta else _UNKNOWN
        self._scheduled_ms = self._was_scheduled_ms
        self._drafts: dict[str, _Draft] = {}

    def get(self, table: Table, key: str) -> Any:
        """Return a row, None where there is none."""
        text = self._text(table, bytes_of(key))
        return None if text is None else row_of(table, text)

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        """Add a row as the newest, or replace one in its place; return the rows that made room."""
        name, draft = bytes_of(key), self._draft(table)
        is_new = self._text(table, name) is None
        draft.texts[name] = text_of(table, row)
        draft.written.add(name)
        if not is_new:
            return []
        self._seq += 1
        draft.added[name] = self._seq
        draft.held += 1
        return [self._drop_oldest(table) for _ in range(draft.held - table.max_rows)]

    def delete(self, table: Table, key: str) -> None:
        """Remove a row, if it is there."""
        name = bytes_of(key)
        if self._text(table, name) is not None:
            self._remove(self._draft(table), name)

    def clear(self, table: Table) -> None:
        """Remove all rows, and forget how many made room."""
        self._drafts[table.name] = _Draft(0, 0, is_new=True, is_cleared=True)

    def items(self, table: Table) -> list[tuple[str, Any]]:
        """Return keys and rows, the oldest first."""
        return [(name_of(key), row_of(table, text)) for key, text in self._texts(table)]

    def schedule(self, at_ms: int | None) -> None:
        """Schedule the account from `at_ms` (real time, Unix ms) on; None: no longer."""
        self._scheduled_ms = None if at_ms is None else min(at_ms, FAR)

    def commit(self) -> None:
        """Write everything and let the next one in. Raises `WriteConflictError` if the time was up."""
        try:
            (*_, done) = self._talk(("MULTI",), *self._writes(), ("DEL", self._keys.lock), ("EXEC",))
        except ConnectionLostError as error:
            # Not for another try: it may have been written.
            raise StoreDownError(str(error)) from error
        if done is None:
            raise WriteConflictError
        for reply in done:
            if isinstance(reply, Exception):
                raise StoreDownError(f"Redis: {reply}")

    def give_up(self) -> None:
        """Write nothing and let the next one in. Raises `WriteConflictError` if the time was up."""
        (*_, done) = self._talk(("MULTI",), ("DEL", self._keys.lock), ("EXEC",))
        if done is None:
            raise WriteConflictError

    def _draft(self, table: Table) -> _Draft:
        draft = self._drafts.get(table.name)
        if draft is None:
            held, dropped = (self._meta.get(f"{count}:{table.name}", 0) for count in ("held", "dropped"))
            draft = self._drafts[table.name] = _Draft(held, dropped, is_new=not held)
        return draft

    def _text(self, table: Table, key: bytes) -> str | bytes | None:
        draft = self._draft(table)
        if key not in draft.texts:
            # Nothing is asked of a table that is known to be empty.
            draft.texts[key] = None if draft.is_new else self._talk(("HGET", self._keys.rows(table.name), key))[0]
        return draft.texts[key]

    def _texts(self, table: Table) -> Iterator[tuple[bytes, str | bytes]]:
        draft = self._draft(table)
        order, found = [], {}
        if not draft.is_new:
            order, rows = self._talk(
                ("ZRANGE", self._keys.order(table.name), 0, -1), ("HGETALL", self._keys.rows(table.name))
            )
            found = pairs(rows)
        for key in (*(key for key in order if key not in draft.added), *draft.added):
            text = draft.texts.get(key) if key in draft.written else found.get(key)
            if text is not None:
                yield key, text

    def _drop_oldest(self, table: Table) -> Any:
        draft = self._draft(table)
        key = self._oldest(table, draft)
        text = self._text(table, key)
        assert text is not None
        self._remove(draft, key)
        draft.dropped += 1
        return row_of(table, text)

    def _oldest(self, table: Table, draft: _Draft) -> bytes:
        moved = {key for key in draft.written if key in draft.added or draft.texts[key] is None}
        order: list[bytes] = []
        if not draft.is_new:
            (order,) = self._talk(("ZRANGE", self._keys.order(table.name), 0, len(moved)))
        return next(chain((key for key in order if key not in moved), draft.added))

    def _remove(self, draft: _Draft, key: bytes) -> None:
        draft.texts[key] = None
        draft.written.add(key)
        draft.added.pop(key, None)
        draft.held -= 1

    def _writes(self) -> Iterator[Command]:
        numbers: dict[str, int] = {}
        for name, draft in self._drafts.items():
            if draft.written or draft.is_cleared:
                yield from _table_writes(self._keys.rows(name), self._keys.order(name), draft)
                numbers |= {f"held:{name}": draft.held, f"dropped:{name}": draft.dropped}
        numbers["seq"] = self._seq
        numbers = {name: number for name, number in numbers.items() if number != self._meta.get(name, 0)}
        if self._scheduled_ms != self._was_scheduled_ms:
            yield from self._schedule_writes(numbers)
        # Made before, for the time they agree on; sent after, for they do nothing to a key that is not there yet.
        expiries = list(self._expiries(numbers)) if numbers or self._meta else []
        if numbers:
            yield ("HSET", self._keys.meta, *_flat(numbers.items()))
        yield from expiries

    def _schedule_writes(self, numbers: dict[str, int]) -> Iterator[Command]:
        if self._scheduled_ms is None:
            yield ("HDEL", self._keys.meta, "scheduled")
            yield ("ZREM", SCHEDULE_KEY, self._keys.account)
        else:
            numbers["scheduled"] = self._scheduled_ms
            yield ("ZADD", SCHEDULE_KEY, self._scheduled_ms, self._keys.account)

    def _expiries(self, numbers: dict[str, int]) -> Iterator[Command]:
        """Let everything end together, and that be put off once a day."""
        until_ms = self._meta.get("until", 0)
        tables = [name for name, draft in self._drafts.items() if draft.is_new and draft.held]
        keys = []
        if until_ms < real_ms() + KEPT_MS - DAY_MS:
            numbers["until"] = until_ms = real_ms() + KEPT_MS
            counts = self._meta | numbers
            tables = [name[5:] for name, count in counts.items() if name.startswith("held:") and count]
            keys = [self._keys.meta]
        keys += [key for name in tables for key in (self._keys.rows(name), self._keys.order(name))]
        for key in keys:
            yield ("PEXPIREAT", key, until_ms)


def _table_writes(rows: str, order: str, draft: _Draft) -> Iterator[Command]:
    if draft.is_cleared:
        yield ("DEL", rows, order)
    put = {key: draft.texts[key] for key in draft.written if draft.texts[key] is not None}
    if put:
        yield ("HSET", rows, *_flat(put.items()))
    if draft.added:
        yield ("ZADD", order, *_flat((place, key) for key, place in draft.added.items()))
    # After the others: a hash or set that is empty for a moment would forget when it ends.
    gone = [key for key in draft.written if draft.texts[key] is None]
    if gone:
        yield ("HDEL", rows, *gone)
        yield ("ZREM", order, *gone)


def _flat(couples: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    return (one for couple in couples for one in couple)

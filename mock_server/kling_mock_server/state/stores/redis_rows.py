"""One change of an account in Redis: read as it goes, written all at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from kling_mock_server.state.stores.redis_ahead import RowsAhead, places_of, rows_ahead
from kling_mock_server.state.stores.redis_keys import SCHEDULE_KEY, Keys
from kling_mock_server.state.stores.redis_link import Command, ConnectionLostError, Talk
from kling_mock_server.state.stores.redis_places import beginning_of, behind, key_of, member_of, queue_of, scheduled
from kling_mock_server.state.stores.redis_scripts import ASK, MAX_WORDS, WRITE, argument
from kling_mock_server.state.stores.store import RowAt, StoreDownError, Table, real_ms
from kling_mock_server.state.stores.text import DAY_MS, FAR, KEPT_MS, bytes_of, name_of, row_of, text_of

LOCK_MS: Final = 5000
"""The time in which a transaction must end: a process that died in the middle of one blocks the others as long."""


class WriteConflictError(Exception):
    """The account belongs to another change. Nothing was written."""


class LostKeyError(Exception):
    """The server has lost a key of the account, as one does that evicts keys when its memory is full."""


def pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Return a hash, of which the server sends fields and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


@dataclass(slots=True)
class _Draft:
    """One table as it will be: what is known of it, and what this change does to it."""

    held: int
    dropped: int
    is_new: bool
    """Whether the server has no rows of it, or will have deleted them."""
    stored: int = 0
    """How many rows the server has."""
    is_cleared: bool = False
    texts: dict[bytes, str | bytes | None] = field(default_factory=dict)
    """Rows that were read or written; None: there is none."""
    unseen: int = 0
    """How many of the oldest rows make room that nobody has looked at."""
    written: set[bytes] = field(default_factory=set)
    """Keys of rows that were put or deleted."""
    added: dict[bytes, int] = field(default_factory=dict)
    """Keys of the rows that are newer than all others, and their number."""
    members: dict[bytes, bool] = field(default_factory=dict)
    """Places in queues, and whether a row is there by now, where that changed."""


class RedisTransaction:
    """The tables of one account, which this change alone may write.

    Raises `WriteConflictError` where another one may, and `LostKeyError` where the server has not what it was given.

    `token` belongs to this change alone. If it has not locked the account, the version in which `ahead` was read has to
    be the present one when it writes.
    """

    def __init__(
        self, talk: Talk, keys: Keys, token: str, rows: Sequence[RowAt], ahead: RowsAhead, *, is_locked: bool = False
    ) -> None:
        self._talk = talk
        self._keys = keys
        self._token = token
        self._ahead = ahead
        self._is_locked = is_locked
        self._meta = ahead.numbers
        self._seq = self._meta.get("seq", 0)
        self._scheduled: dict[str, int | None] = {}
        self._drafts: dict[str, _Draft] = {}
        self._may_be_new = () if is_locked else [(table.name, bytes_of(key)) for table, key in rows]
        """Rows that are taken for new if they were not asked for."""
        self._new: list[tuple[str, bytes, int]] = []
        """Rows that were taken for new, and how many rows their table has."""
        self._sent: list[str | bytes] = []
        """The texts of the rows that are put, in the order of the commands."""

    @classmethod
    def locked(cls, talk: Talk, keys: Keys, token: str, rows: Sequence[RowAt]) -> "RedisTransaction":
        """Lock the account, and return the change. Raises `WriteConflictError` where another has locked it."""
        reply = talk.run(ASK, keys.prefix, token, LOCK_MS, places_of(rows))
        if reply is None:
            raise WriteConflictError
        return cls(talk, keys, token, rows, rows_ahead(rows, reply), is_locked=True)

    def get(self, table: Table, key: str) -> Any:
        """Return a row, None where there is none."""
        text = self._text(table, bytes_of(key))
        return None if text is None else row_of(table, text)

    def put(self, table: Table, key: str, row: Any) -> list[Any]:
        """Add a row as the newest, or replace one in its place; return the rows that made room."""
        name, draft = bytes_of(key), self._draft(table)
        text = self._text(table, name)
        self._leave(table, name, text)
        draft.texts[name] = text_of(table, row)
        draft.written.add(name)
        if table.place_of:
            draft.members[member_of(table.place_of(row), name)] = True
        if text is not None:
            return []
        self._seq += 1
        draft.added[name] = self._seq
        draft.held += 1
        gone = [self._drop_oldest(table) for _ in range(draft.held - table.max_rows)]
        return gone if table.hands_back else []

    def delete(self, table: Table, key: str) -> None:
        """Remove a row, if it is there."""
        name = bytes_of(key)
        if self._text(table, name) is not None:
            self._remove(table, name)

    def clear(self, table: Table) -> None:
        """Remove all rows, and forget how many made room."""
        self._drafts[table.name] = _Draft(0, 0, is_new=True, is_cleared=True)

    def items(self, table: Table) -> list[tuple[str, Any]]:
        """Return keys and rows, the oldest first."""
        return [(name_of(key), row_of(table, text)) for key, text in self._texts(table)]

    def first(self, table: Table, queue: str) -> Any:
        """Return the first row of a queue, None where it is empty."""
        member = self._first_member(table, queue)
        text = None if member is None else self._text(table, key_of(member))
        return None if text is None else row_of(table, text)

    def queues(self, table: Table) -> list[str]:
        """Return the names of the queues in which rows stand."""
        names = {queue_of(member) for member, is_there in self._draft(table).members.items() if is_there}
        names.update(self._stored_queues(table))
        return sorted(name for name in names if self._first_member(table, name) is not None)

    def schedule(self, queue: str, at_ms: int | None) -> None:
        """Schedule a queue from `at_ms` (real time, Unix ms) on; None: no longer."""
        self._scheduled[queue] = None if at_ms is None else min(at_ms, FAR)

    def commit(self) -> None:
        """Write everything and let the next one in. Raises `WriteConflictError` if the time was up."""
        try:
            self._write(self._writes())
        except ConnectionLostError as error:
            # Not for another try: it may have been written.
            raise StoreDownError(str(error)) from error

    def give_up(self) -> None:
        """Write nothing and let the next one in. Raises `WriteConflictError` if the time was up."""
        self._write([])

    def drop(self) -> None:
        """Delete every key of the account. Raises `WriteConflictError` if the time was up."""
        self._write(_with_words(("DEL",), list(self._every_key())))

    def _write(self, commands: Iterable[Command]) -> None:
        version = "" if self._is_locked else self._ahead.version
        words = argument(list(commands)), version, argument(self._new), *self._sent
        done = self._talk.run(WRITE, self._keys.prefix, self._token, *words)
        if done < 0:
            raise LostKeyError
        if not done:
            raise WriteConflictError

    def _every_key(self) -> Iterator[str | bytes]:
        yield self._keys.meta
        for name in self._meta:
            if name.startswith("held:"):
                yield from self._keys.of_table(name.removeprefix("held:"))
        cursor: Any = None if self._meta else b"0"
        while cursor is not None:
            # The hash that names the tables is what was lost.
            ((next_, found),) = self._talk(("SCAN", cursor, "MATCH", self._keys.prefix + "*", "COUNT", 10_000))
            yield from found
            cursor = None if next_ == b"0" else next_

    def _draft(self, table: Table) -> _Draft:
        draft = self._drafts.get(table.name)
        if draft is None:
            held, dropped = (self._meta.get(f"{count}:{table.name}", 0) for count in ("held", "dropped"))
            draft = self._drafts[table.name] = _Draft(held, dropped, is_new=not held, stored=held)
            # A new account has no rows.
            if not self._meta and self._talk(("EXISTS", *self._keys.of_table(table.name)))[0]:
                raise LostKeyError
        return draft

    def _text(self, table: Table, key: bytes) -> str | bytes | None:
        draft = self._draft(table)
        if key not in draft.texts:
            # Nothing is asked of a table that is known to be empty.
            draft.texts[key] = None if draft.is_new else self._stored_text(table, draft, key)
        return draft.texts[key]

    def _stored_text(self, table: Table, draft: _Draft, key: bytes) -> str | bytes | None:
        rows, ahead = self._keys.rows(table.name), self._ahead
        text: str | bytes | None
        if (table.name, key) in ahead.texts:
            text, held = ahead.texts[table.name, key], ahead.lengths[table.name]
        elif (table.name, key) in self._may_be_new:
            self._new.append((table.name, key, draft.stored))
            return None
        else:
            text, held = self._talk(("HGET", rows, key), ("HLEN", rows))
        if held != draft.stored:
            raise LostKeyError
        return text

    def _texts(self, table: Table) -> Iterator[tuple[bytes, str | bytes]]:
        draft = self._draft(table)
        order, found = [], {}
        if not draft.is_new:
            order, rows = self._talk(
                ("ZRANGE", self._keys.order(table.name), 0, -1), ("HGETALL", self._keys.rows(table.name))
            )
            found = pairs(rows)
            if not len(order) == len(found) == draft.stored:
                raise LostKeyError
        stored = [key for key in order[draft.unseen :] if key not in draft.added]
        for key in (*stored, *draft.added):
            text = draft.texts.get(key) if key in draft.written else found.get(key)
            if text is not None:
                yield key, text

    def _first_member(self, table: Table, queue: str) -> bytes | None:
        draft, beginning = self._draft(table), beginning_of(queue)
        changed = {member: is_there for member, is_there in draft.members.items() if member.startswith(beginning)}
        found = [member for member, is_there in changed.items() if is_there]
        if not draft.is_new:
            places = self._keys.places(table.name)
            lowest = "ZRANGEBYLEX", places, b"[" + beginning, b"(" + behind(queue), "LIMIT", 0, len(changed) + 1
            stored, held = self._talk(lowest, ("ZCARD", places))
            if held != draft.stored:
                raise LostKeyError
            found += [member for member in stored if changed.get(member, True)]
        return min(found, default=None)

    def _stored_queues(self, table: Table) -> Iterator[str]:
        """Yield the names of the queues that the server has, from one to the next."""
        draft, places, from_ = self._draft(table), self._keys.places(table.name), b"-"
        while not draft.is_new:
            found, held = self._talk(("ZRANGEBYLEX", places, from_, b"+", "LIMIT", 0, 1), ("ZCARD", places))
            if held != draft.stored:
                raise LostKeyError
            if not found:
                return
            yield queue_of(found[0])
            from_ = b"(" + behind(queue_of(found[0]))

    def _drop_oldest(self, table: Table) -> Any:
        draft = self._draft(table)
        if table.is_log and draft.unseen < min(draft.stored, MAX_WORDS) and not draft.is_new:
            draft.unseen += 1
            draft.held -= 1
            draft.dropped += 1
            return None
        key = self._oldest(table, draft)
        # Nobody wants it, and it stands in no queue: it need not be read.
        text = self._text(table, key) if table.hands_back or table.place_of else None
        self._remove(table, key)
        draft.dropped += 1
        return None if text is None else row_of(table, text)

    def _oldest(self, table: Table, draft: _Draft) -> bytes:
        moved = {key for key in draft.written if key in draft.added or draft.texts[key] is None}
        order: list[bytes] = []
        oldest = None if draft.is_new else self._ahead.oldest.get(table.name)
        if oldest is not None and oldest not in moved:
            return oldest
        if not draft.is_new:
            all_, first = self._keys.order(table.name), draft.unseen
            order, held = self._talk(("ZRANGE", all_, first, first + len(moved)), ("ZCARD", all_))
            if held != draft.stored:
                raise LostKeyError
        return next(chain((key for key in order if key not in moved), draft.added))

    def _remove(self, table: Table, key: bytes) -> None:
        draft = self._draft(table)
        self._leave(table, key, draft.texts.get(key))
        draft.texts[key] = None
        draft.written.add(key)
        draft.added.pop(key, None)
        draft.held -= 1

    def _leave(self, table: Table, key: bytes, text: str | bytes | None) -> None:
        if table.place_of and text is not None:
            self._draft(table).members[member_of(table.place_of(row_of(table, text)), key)] = False

    def _writes(self) -> Iterator[Command]:
        numbers: dict[str, int] = {}
        for name, draft in self._drafts.items():
            if draft.written or draft.is_cleared:
                yield from self._table_writes(name, draft)
                numbers |= {f"held:{name}": draft.held, f"dropped:{name}": draft.dropped}
        version = ("version", self._token) if numbers else ()
        numbers["seq"] = self._seq
        numbers = {name: number for name, number in numbers.items() if number != self._meta.get(name, 0)}
        yield from self._schedule_writes()
        # Made before, for the time they agree on; sent after, for they do nothing to a key that is not there yet.
        expiries = list(self._expiries(numbers)) if version or self._meta else []
        if numbers or version:
            yield ("HSET", self._keys.meta, *version, *chain.from_iterable(numbers.items()))
        yield from expiries

    def _table_writes(self, name: str, draft: _Draft) -> Iterator[Command]:
        rows, order, places = self._keys.of_table(name)
        if draft.is_cleared:
            yield ("DEL", rows, order, places)
        put: list[Any] = []
        gone = []
        for key in draft.written:
            text = draft.texts[key]
            if text is None:
                gone.append(key)
            else:
                put += key, draft.added.get(key, 0)
                self._sent.append(text)
        if put:
            yield ("PUT", rows, order, *put)
        if draft.members:
            there = [member for member, is_there in draft.members.items() if is_there]
            yield from _with_words(("ZADD", places), [word for member in there for word in (0, member)])
        # After the others: a hash or set that is empty for a moment would forget when it ends.
        if draft.unseen:
            yield ("DROP", order, rows, draft.unseen)
        yield from _with_words(("HDEL", rows), gone)
        yield from _with_words(("ZREM", order), gone)
        yield from _with_words(("ZREM", places), [member for member, is_there in draft.members.items() if not is_there])

    def _schedule_writes(self) -> Iterator[Command]:
        for queue, at_ms in self._scheduled.items():
            member = scheduled(queue, self._keys.account)
            yield ("ZREM", SCHEDULE_KEY, member) if at_ms is None else ("ZADD", SCHEDULE_KEY, at_ms, member)

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
        keys += [key for name in tables for key in self._keys.of_table(name)]
        for key in keys:
            yield ("PEXPIREAT", key, until_ms)


def _with_words(beginning: Command, words: Sequence[Any]) -> Iterator[Command]:
    """Yield a command with so many words, or several where they are more than one may have; none without any."""
    for first in range(0, len(words), MAX_WORDS):
        yield (*beginning, *words[first : first + MAX_WORDS])

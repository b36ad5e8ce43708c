"""Rows that are asked for together, before it is known what they are needed for: one exchange in place of one each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from kling_mock_server.state.stores.redis_keys import Keys
from kling_mock_server.state.stores.redis_link import Command
from kling_mock_server.state.stores.store import RowAt, Table
from kling_mock_server.state.stores.text import bytes_of


class RowsAhead(NamedTuple):
    """Rows that were asked for, and of their tables what is needed to change them."""

    texts: dict[tuple[str, bytes], bytes | None]
    """Rows by table and key; None: there is none."""
    lengths: dict[str, int]
    """How many rows each table has."""
    oldest: dict[str, bytes]
    """The key of the oldest row of each table to which rows are added all the time."""


def commands_for(keys: Keys, rows: Sequence[RowAt]) -> list[Command]:
    """Return the commands that ask for rows."""
    tables = _tables(rows)
    return [
        *(("HGET", keys.rows(table.name), bytes_of(key)) for table, key in rows),
        *(("HLEN", keys.rows(table.name)) for table in tables),
        *(("ZRANGE", keys.order(table.name), 0, 0) for table in tables if not table.is_reread),
    ]


def rows_ahead(rows: Sequence[RowAt], replies: list[Any]) -> RowsAhead:
    """Return what the replies to `commands_for` say."""
    tables, left = _tables(rows), iter(replies)
    texts = {(table.name, bytes_of(key)): next(left) for table, key in rows}
    lengths = {table.name: next(left) for table in tables}
    oldest = {table.name: found[0] for table in tables if not table.is_reread and (found := next(left))}
    return RowsAhead(texts, lengths, oldest)


def _tables(rows: Sequence[RowAt]) -> list[Table]:
    return list({table.name: table for table, _ in rows}.values())

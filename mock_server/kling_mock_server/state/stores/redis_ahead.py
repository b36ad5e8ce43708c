"""Rows that are asked for together, before it is known what they are needed for: one exchange in place of one each."""

from collections.abc import Sequence

from kling_contracts.named_tuple import NamedTuple
from kling_mock_server.state.stores.redis_scripts import argument, reply_of
from kling_mock_server.state.stores.store import RowAt
from kling_mock_server.state.stores.text import bytes_of


class RowsAhead(NamedTuple):
    """Rows that were asked for, the numbers of the account, and of each table what is needed to change it."""

    texts: dict[tuple[str, bytes], str | None]
    """Rows by table and key; None: there is none."""
    lengths: dict[str, int]
    """How many rows each table has."""
    oldest: dict[str, bytes]
    """The key of the oldest row of each table that has rows."""
    numbers: dict[str, int]


def places_of(rows: Sequence[RowAt]) -> bytes:
    """Return the argument of the script `ASK` that names rows."""
    return argument([(table.name, bytes_of(key)) for table, key in rows])


def rows_ahead(rows: Sequence[RowAt], reply: bytes) -> RowsAhead:
    """Return what the script has replied."""
    # An empty list of Lua's is an object in JSON.
    meta, texts, lengths, oldest = reply_of(reply)
    numbers = zip(meta[::2], meta[1::2], strict=True) if meta else ()
    places = [(table.name, bytes_of(key)) for table, key in rows]
    return RowsAhead(
        {place: text or None for place, text in zip(places, texts, strict=True)},
        lengths,
        {table: bytes_of(key) for table, key in oldest.items()},
        {name: int(number) for name, number in numbers},
    )

"""Rows that are asked for together, before it is known what they are needed for: one exchange in place of one each."""

from collections.abc import Sequence
from typing import NamedTuple

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
    """The key of the oldest row, itself among `texts`, of each table that is full and hands back what makes room."""
    numbers: dict[str, int]
    version: str
    """The token of the change that has written the account; empty where there is none."""

    def serves(self, rows: Sequence[RowAt]) -> bool:
        """Return whether a change that gets and puts these rows is best tried without asking anew."""
        return bool(self.version) and not any(
            table.hands_back and self.numbers.get(f"held:{table.name}", 0) >= table.max_rows for table, _ in rows
        )


def places_of(rows: Sequence[RowAt]) -> bytes:
    """Return the argument of the script `ASK` that names rows."""
    return argument([(table.name, bytes_of(key), table.max_rows if table.hands_back else 0) for table, key in rows])


def rows_ahead(rows: Sequence[RowAt], reply: bytes) -> RowsAhead:
    """Return what the script has replied."""
    meta, texts, lengths, oldest = reply_of(reply)
    # An empty list of Lua's is an object in JSON.
    numbers = dict(zip(meta[::2], meta[1::2], strict=True)) if meta else {}
    version = numbers.pop("version", "")
    places = [(table.name, bytes_of(key)) for table, key in rows]
    found = {place: text or None for place, text in zip(places, texts, strict=True)}
    keys = {table: bytes_of(key) for table, (key, text) in oldest.items() if text}
    found |= {(table, key): oldest[table][1] for table, key in keys.items()}
    return RowsAhead(found, lengths, keys, {name: int(number) for name, number in numbers.items()}, version)

"""The common part of stores that keep rows as text: their form, that of names, and a view that reads on access."""

import json
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kling_mock_server.state.passwords import without_passwords

if TYPE_CHECKING:
    from kling_mock_server.state.stores.store import Table

FORMAT: Final = 8
"""The version in which rows are written; a store of another one is refused. A test pins the fields of rows to it."""

DAY_MS: Final = 24 * 3_600_000
KEPT_MS: Final = 35 * DAY_MS
"""How long a store that lasts keeps an account that nobody uses: longer than the vendor keeps anything."""

FAR: Final = 2**62
"""Larger than any number that matters, and small enough for a store."""

# Made once: `json.dumps` builds an encoder at every call that asks for these separators. No row holds itself.
_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class RowText(NamedTuple):
    """A row as the text that a store keeps, made before the change that writes it: nobody has to wait for it."""

    text: str


def text_of(table: "Table", row: Any) -> str:
    """Return a row as JSON in ASCII."""
    return row.text if type(row) is RowText else encoded(table, table.to_json(row))


def encoded(table: "Table", value: Any) -> str:
    """Return the JSON form of a row as text."""
    text = _encode(value)
    return _encode(without_passwords(value)) if table.hides_passwords and "@" in text else text


def row_of(table: "Table", text: str | bytes) -> Any:
    """Return the row that `text_of` made the text of."""
    return _row_reread(table, text) if table.is_reread and len(text) <= _MAX_REREAD else _row(table, text)


def _row(table: "Table", text: str | bytes) -> Any:
    return table.from_json(json.loads(text))


_row_reread = lru_cache(maxsize=256)(_row)
_MAX_REREAD: Final = 2048
"""Characters of a row that is kept after it was read."""


def bytes_of(name: str) -> bytes:
    """Return a key or an account's name as bytes: a caller may send what no UTF-8 holds."""
    return name.encode("utf-8", "surrogatepass")


def name_of(data: bytes) -> str:
    """Return the name that `bytes_of` made the bytes of."""
    return data.decode("utf-8", "surrogatepass")


class View(Mapping[str, Any]):
    """A table, read at every look; to walk through it takes a copy first, so that it may change meanwhile.

    `get` returns a row or None, `items` keys and rows with the oldest first, `count` how many there are.
    """

    def __init__(
        self,
        get: Callable[[str], Any],
        items: Callable[[], list[tuple[str, Any]]],
        count: Callable[[], int],
    ) -> None:
        self._get = get
        self._items = items
        self._count = count

    def __getitem__(self, key: str) -> Any:
        row = self._get(key)
        if row is None:
            raise KeyError(key)
        return row

    def get(self, key: str, default: Any = None) -> Any:
        """Return a row, `default` where there is none."""
        row = self._get(key)
        return default if row is None else row

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([key for key, _ in self._items()])

    def __len__(self) -> int:
        return self._count()

    def items(self) -> ItemsView[str, Any]:
        """Return keys and rows as they are together at this moment."""
        return dict(self._items()).items()

    def values(self) -> ValuesView[Any]:
        """Return the rows as they are together at this moment."""
        return dict(self._items()).values()

"""A table of which some rows were read before: the rest is looked up when it is asked for."""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any


class SeenRows(Mapping[str, Any]):
    """A view of a table, and the rows of it that a call has read at its beginning; None for one that is not there."""

    __slots__ = ("_seen", "_view")

    def __init__(self, seen: Mapping[str, Any], view: Mapping[str, Any]) -> None:
        self._seen = seen
        self._view = view

    def get(self, key: str, default: Any = None) -> Any:
        """Return a row, `default` where there is none."""
        if key not in self._seen:
            return self._view.get(key, default)
        row = self._seen[key]
        return default if row is None else row

    def __getitem__(self, key: str) -> Any:
        row = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._view)

    def __len__(self) -> int:
        return len(self._view)

    def items(self) -> ItemsView[str, Any]:
        """Return keys and rows as they are at this moment."""
        return self._view.items()

    def values(self) -> ValuesView[Any]:
        """Return the rows as they are at this moment."""
        return self._view.values()

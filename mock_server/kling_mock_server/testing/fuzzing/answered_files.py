"""The files that answers lead to: downloaded from this machine alone, and measured."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kling_contracts.cases.answers import value_at
from kling_contracts.facts.file_content import MEASURED
from kling_contracts.jsonio.json_pointer import pointer
from kling_mock_server.outgoing.fetch import downloader

MAX_FILES: Final = 20
"""Files that are downloaded for one server."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""A longer file is not measured."""
ROUNDING_MS: Final = 100
"""The length of a file may be given with one decimal, and nobody has documented how it is rounded."""

_EVERY: Final = "-"
_MS: Final = 1000


class AnsweredFiles:
    """Downloads and measures the files that the answers of one server lead to, `MAX_FILES` at most."""

    def __init__(self) -> None:
        self._left = MAX_FILES
        self._download = downloader("loopback")

    def wrong_lengths(self, lengths: Mapping[str, str], answer: Any) -> dict[str, str]:
        """Return by JSON Pointer what is wrong with the lengths of files; one that cannot be measured is not judged."""
        found = {}
        for length_at, url_at in lengths.items():
            for indexes in _indexes(answer, length_at.split("/")[1:]):
                where = _filled(length_at, indexes)
                told, url = value_at(answer, where), value_at(answer, _filled(url_at, indexes))
                measured_ms = self._measured(url) if isinstance(told, str) and isinstance(url, str) else None
                if measured_ms is not None and abs(float(told) * _MS - measured_ms) >= ROUNDING_MS:
                    found[where] = f"is {told!r}, but the file at {url} lasts {measured_ms} ms"
        return found

    def _measured(self, url: str) -> int | None:
        """Return how long a file lasts, in ms; None where nobody knows."""
        if self._left <= 0:
            return None
        self._left -= 1
        data = self._download(url, MAX_BYTES)
        if not isinstance(data, bytes) or len(data) > MAX_BYTES:
            return None
        durations = (measure(data).duration_ms for measure in MEASURED.values())
        return next((one for one in durations if one is not None), None)


def _indexes(value: Any, steps: list[str]) -> Iterator[tuple[int, ...]]:
    """Yield, for each place in a value that the steps lead to, the indexes that stand for `-`."""
    if _EVERY not in steps:
        yield ()
        return
    before = steps.index(_EVERY)
    items = value_at(value, pointer(steps[:before]))
    for index, item in enumerate(items if isinstance(items, list) else ()):
        yield from ((index, *inner) for inner in _indexes(item, steps[before + 1 :]))


def _filled(where: str, indexes: tuple[int, ...]) -> str:
    left = iter(indexes)
    return "/".join(str(next(left)) if step == _EVERY else step for step in where.split("/"))

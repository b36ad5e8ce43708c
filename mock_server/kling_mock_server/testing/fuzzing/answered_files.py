"""The files that answers lead to: downloaded from this machine alone, and measured."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from kling_contracts.cases.answers import Expected
from kling_contracts.cases.places import EVERY, places, value_at
from kling_contracts.facts.file_content import MEASURED
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.outgoing.fetch import downloader

MAX_FILES: Final = 10
"""Files that are downloaded for one member of the answers of a server."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""A longer file is not measured."""
ROUNDING_MS: Final = 100
"""The length of a file may be given with one decimal, and nobody has documented how it is rounded."""

_MS: Final = 1000


class AnsweredFiles:
    """Downloads and measures the files that the answers of one server lead to, `MAX_FILES` for each member."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._download = downloader("loopback")

    def wrong(self, expected: Expected, answer: Any) -> dict[str, str]:
        """Return by JSON Pointer what is wrong with files and their lengths.

        A file elsewhere is not judged, nor a length that cannot be measured.
        """
        found: dict[str, str] = {}
        length_at = {url: length for length, url in expected.lengths.items()}
        for pattern in dict.fromkeys((*expected.files, *length_at)):
            lengths = places(answer, length_at[pattern]) if pattern in length_at else None
            for where in places(answer, pattern):
                length = next(lengths) if lengths else ""
                found |= dict(self._wrong(pattern, where, length, pattern in expected.files, answer))
        return found

    def _wrong(self, pattern: str, where: str, length: str, is_there: bool, answer: Any) -> Iterator[tuple[str, str]]:
        url, told = value_at(answer, where), value_at(answer, length) if length else None
        if not isinstance(url, str) or not (is_there or isinstance(told, str)):
            return
        data = self._data(pattern, url)
        if isinstance(data, Absent) and is_there:
            yield where, f"is {url!r:.200}, where there is no file: {data.reason}"
        measured_ms = _measured(data) if isinstance(data, bytes) and isinstance(told, str) else None
        if measured_ms is not None and not _tells(str(told), measured_ms):
            yield length, f"is {told!r}, but the file at {url} lasts {measured_ms} ms"

    def _data(self, pattern: str, url: str) -> bytes | Unknown | None:
        """Return a file; `Absent` where there is none, and None where it is not looked at."""
        member = re.sub("/[0-9]+", f"/{EVERY}", pattern)
        if self._taken[member] >= MAX_FILES:
            return None
        self._taken[member] += 1
        data = self._download(url, MAX_BYTES)
        return None if isinstance(data, bytes) and len(data) > MAX_BYTES else data


def _tells(told: str, measured_ms: int) -> bool:
    """Return whether a text is so many seconds; documents may leave open that it is a number at all."""
    try:
        return abs(float(told) * _MS - measured_ms) < ROUNDING_MS
    except ValueError:
        return False


def _measured(data: bytes) -> int | None:
    """Return how long a file lasts, in ms; None where nobody knows."""
    durations = (measure(data).duration_ms for measure in MEASURED.values())
    return next((one for one in durations if one is not None), None)

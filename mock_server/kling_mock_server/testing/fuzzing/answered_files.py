"""The files that answers lead to: downloaded from this machine alone, and measured."""

from collections.abc import Mapping
from typing import Any, Final

from kling_contracts.cases.answers import places, value_at
from kling_contracts.facts.file_content import MEASURED
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.outgoing.fetch import downloader

MAX_FILES: Final = 20
"""Files that are downloaded for one server."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""A longer file is not measured."""
ROUNDING_MS: Final = 100
"""The length of a file may be given with one decimal, and nobody has documented how it is rounded."""

_MS: Final = 1000


class AnsweredFiles:
    """Downloads and measures the files that the answers of one server lead to, `MAX_FILES` at most.

    `server` is its scheme, host and port: where a URL there leads to nothing, that is wrong.
    """

    def __init__(self, server: str = "") -> None:
        self._own = f"{server}/" if server else ""
        self._left = MAX_FILES
        self._download = downloader("loopback")

    def wrong_lengths(self, lengths: Mapping[str, str], answer: Any) -> dict[str, str]:
        """Return by JSON Pointer what is wrong with the lengths of files; one that cannot be measured is not judged."""
        found = {}
        for length_at, url_at in lengths.items():
            for where, url_where in zip(places(answer, length_at), places(answer, url_at), strict=True):
                told, url = value_at(answer, where), value_at(answer, url_where)
                data = self._data(url) if isinstance(told, str) and isinstance(url, str) else None
                if isinstance(data, Absent) and self._own and url.startswith(self._own):
                    found[url_where] = f"is {url!r:.200}, where there is no file: {data.reason}"
                    continue
                measured_ms = _measured(data) if isinstance(data, bytes) else None
                if measured_ms is not None and not _tells(told, measured_ms):
                    found[where] = f"is {told!r}, but the file at {url} lasts {measured_ms} ms"
        return found

    def _data(self, url: str) -> bytes | Unknown | None:
        """Return a file; `Absent` where there is none, and None where it is not looked at."""
        if self._left <= 0:
            return None
        self._left -= 1
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

"""A recording of any form becomes a list of exchanges, in the order of their times."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kling_mock_server.recordings import cassettes, har, journal_lines
from kling_mock_server.recordings.exchange import RecordedExchange

MAX_BYTES: Final = 500_000_000
"""A larger file is refused: it would have to be held in memory as a whole."""
_WANTED: Final = "wanted: HAR 1.2, a vcrpy cassette (YAML or JSON), or the mock's journal as NDJSON"


def read(source: bytes, name: str) -> list[RecordedExchange]:
    """Return the exchanges of a recording, secrets and audio taken out, the earliest first.

    Raises `ValueError`, naming `name`, where it is none.
    """
    if len(source) > MAX_BYTES:
        raise ValueError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB")
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: byte {error.start} is not UTF-8; {_WANTED}") from None
    exchanges = _exchanges(text, name)
    if not exchanges:
        raise ValueError(f"{name}: it holds no exchange; {_WANTED}")
    # A stable sort: what has no time stays behind what it followed.
    times = _filled([one.at_ms for one in exchanges])
    return [exchanges[index] for index in sorted(range(len(exchanges)), key=lambda index: times[index])]


def _filled(times: list[int | None]) -> list[int]:
    filled, last = list[int](), 0
    for time in times:
        last = last if time is None else time
        filled.append(last)
    return filled


def _exchanges(text: str, name: str) -> list[RecordedExchange]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _of_lines(text, name)
    return _of_value(value, name)


def _of_value(value: Any, name: str) -> list[RecordedExchange]:
    if isinstance(value, Mapping):
        if isinstance(value.get("log"), Mapping):
            return list(har.entries_of(value, name))
        if "interactions" in value:
            return list(cassettes.interactions_of(value, name))
        if isinstance(value.get("data"), Mapping) and "entries" in value["data"]:
            return list(journal_lines.entries_of([(0, entry) for entry in value["data"]["entries"]], name))
        if "request" in value and "operation" in value:
            return list(journal_lines.entries_of([(1, value)], name))
    raise ValueError(f"{name}: JSON, but no recording; {_WANTED}")


def _of_lines(text: str, name: str) -> list[RecordedExchange]:
    """JSON line by line is a journal; what is neither may be YAML."""
    entries: list[tuple[int, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                entries.append((number, json.loads(line)))
            except (ValueError, RecursionError):
                return _of_yaml(text, name)
    return list(journal_lines.entries_of(entries, name))


def _of_yaml(text: str, name: str) -> list[RecordedExchange]:
    import yaml

    try:
        # A cassette holds bytes (!!binary), which the safe loader knows.
        value = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{name}: neither JSON nor YAML ({first}); {_WANTED}") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: {_WANTED}")
    return _of_value(value, name)

"""One payload's times, drawn in characters: the video's clock above, the audio's below, to the same scale."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.facts.payload_facts import AudioFacts, Facts
from kling_contracts.facts.world import Face, Video
from kling_contracts.judging.report import Report
from kling_contracts.rules.rule import Rule

WIDTH: Final = 48
"""Columns of the longest bar."""
MAX_TIME_MS: Final = 10**9
"""Later than any video; a time beyond it, or before 0, is drawn nowhere."""


class Bar(NamedTuple):
    """One labelled interval in ms."""

    label: str
    start_ms: int
    end_ms: int


def timeline(item: Any, facts: Facts) -> str:
    """Return the drawing of one item of face_choose, one line a bar; empty where no time can be drawn.

    What is not known (no world, an unfetched URL) is left out.
    """
    bars = _drawable(item, facts)
    if not bars:
        return ""
    longest = max(bar.end_ms for bar in bars) or 1
    return "\n".join(_drawn(bar, longest) for bar in bars)


def timelines(payload: Any, report: Report) -> Iterator[str]:
    """Yield the drawing of every item of a payload, where a rule about its times is broken."""
    if any(concerns_times(violation.rule) for violation in report.violations):
        drawings = (timeline(item, facts) for item, facts in zip(payload["face_choose"], report.facts, strict=False))
        yield from filter(None, drawings)


def bars_of(payload: Any, report: Report) -> list[list[Bar]]:
    """Return the bars of every item of face_choose that a report has facts of; none for any other payload."""
    items = payload.get("face_choose") if isinstance(payload, dict) else None
    if not isinstance(items, list):
        return []
    return [_drawable(item, facts) for item, facts in zip(items, report.facts, strict=False)]


def concerns_times(rule: Rule) -> bool:
    """Return whether a rule is about the times that a timeline shows."""
    reads = rule.expression.reads if rule.expression else frozenset()
    return any(name.startswith(_TIMES) and name.endswith(("_ms", "_time")) for name in reads)


_TIMES: Final = ("self.", "facts.audio.", "facts.face.", "facts.video.")


def _drawable(item: Any, facts: Facts) -> list[Bar]:
    if not isinstance(item, dict):
        return []
    return [bar for bar in _bars(item, facts) if 0 <= bar.start_ms <= bar.end_ms <= MAX_TIME_MS]


def _bars(item: Mapping[str, Any], facts: Facts) -> Iterator[Bar]:
    insert, start, end = (_ms(item.get(f"sound_{name}_time")) for name in ("insert", "start", "end"))
    if isinstance(facts.video, Video):
        yield Bar("video", 0, facts.video.duration_ms)
    if isinstance(facts.face, Face):
        yield Bar("face", facts.face.start_ms, facts.face.end_ms)
    if insert is not None and start is not None and end is not None:
        inserted = Bar("inserted", insert, insert + end - start)
        yield inserted
        if isinstance(facts.face, Face):
            yield Bar("overlap", *_overlap(inserted, facts.face))
    if isinstance(facts.audio, AudioFacts) and isinstance(facts.audio.duration_ms, int):
        yield Bar("audio", 0, facts.audio.duration_ms)
    if start is not None and end is not None:
        yield Bar("clip", start, end)


def _overlap(bar: Bar, face: Face) -> tuple[int, int]:
    start = max(bar.start_ms, face.start_ms)
    return start, max(start, min(bar.end_ms, face.end_ms))


def _ms(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _drawn(bar: Bar, longest: int) -> str:
    first, last = (round(instant * (WIDTH - 1) / longest) for instant in (bar.start_ms, bar.end_ms))
    drawing = "├" + "─" * (last - first - 1) + "┤" if last > first else "│"
    length = bar.end_ms - bar.start_ms
    return f"{bar.label:>8}  {' ' * first}{drawing:<{WIDTH - first}}  {bar.start_ms} to {bar.end_ms}, {length} ms"

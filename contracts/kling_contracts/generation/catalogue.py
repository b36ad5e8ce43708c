"""The boundary catalogue: plans at their limits, each change on both sides of its own."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from kling_contracts import silence
from kling_contracts.cases import Case
from kling_contracts.generation.bounds import BOUNDS
from kling_contracts.generation.changes import ABSENT, Change, put_in_item
from kling_contracts.generation.harmless import harmless_changes
from kling_contracts.generation.limits import Limits
from kling_contracts.generation.maker import Maker
from kling_contracts.generation.payloads import DRESSINGS
from kling_contracts.generation.plans import WINDOWS, Plan, draw_plan

_SPARE_MS: Final = 500
_LOUD: Final = "sound_volume.maximum"
_CONFLICT: Final = "audio-source-conflict"


def rows(maker: Maker) -> Iterator[Case]:
    """Yield the rows: what is valid, what comes near a rule, each rule from both sides, rules broken together."""
    simplest = _simplest(maker.limits)
    bases = _bases(maker.limits)
    for plan in (simplest, *_positions(bases, maker.limits), *_exact(simplest, maker.limits)):
        yield maker.valid(plan, f"The face window lies {plan.relation} the insertion.")
    for index, says in enumerate(DRESSINGS):
        for plan in bases:
            yield maker.valid(plan._replace(dressing=index), says)
    for change in harmless_changes(maker.contract):
        yield maker.changed(simplest, 0, change)
    for rule in maker.breakable:
        for change in maker.faults[rule]:
            yield from _sides(maker, simplest, bases, change)
    yield from _together(maker, simplest)


def server_rows(maker: Maker) -> Iterator[Case]:
    """Yield the rows that only a server judges, and a file of exactly the largest size, and of one byte more."""
    simplest = _simplest(maker.limits)
    for rule in maker.faults.keys() - set(maker.breakable):
        for change in maker.faults[rule]:
            for by in (0, 1) if change.bounded else (1,):
                yield maker.changed(simplest, by, change)
    for by in (0, 1):
        yield maker.changed(simplest, by, _largest_file(maker.limits, by))


def _simplest(limits: Limits) -> Plan:
    return draw_plan(lambda options: 0, limits)


def _bases(limits: Limits) -> list[Plan]:
    """One plan for every source and format, and among them every window, several slacks and ids."""
    plan = _simplest(limits)
    ways = dict.fromkeys((source, "" if source == "audio_id" else name) for source, name in limits.sources)
    bases = []
    for index, (source, name) in enumerate(ways):
        window = WINDOWS[index % len(WINDOWS)]
        face = window(plan.insert, plan.inserted_end, limits.overlap_ms + _SPARE_MS, _SPARE_MS)
        bases.append(plan._replace(source=source, format=name or plan.format, face=face, number=index, slack=index))
    return bases


def _positions(bases: list[Plan], limits: Limits) -> Iterator[Plan]:
    """Every base with its clip at the start, in the middle and at the end of the audio."""
    for plan in bases:
        yield plan._replace(start=limits.start_ms)
        yield plan
        yield plan._replace(start=plan.audio - plan.slack - plan.clip)


def _exact(plan: Plan, limits: Limits) -> Iterator[Plan]:
    """Plans in which everything is at its limit at once."""
    snug = plan._replace(insert=limits.insert_ms, clip=limits.shortest_clip_ms, start=limits.start_ms)
    snug = snug._replace(video=snug.inserted_end, audio=max(snug.end, limits.shortest_ms))
    for window in WINDOWS:
        yield snug._replace(face=window(snug.insert, snug.inserted_end, limits.overlap_ms, 0))
    for session_age, audio_age, slack in limits.standings:
        yield plan._replace(session_age=session_age, audio_age=audio_age, slack=slack)
    for volumes in limits.volumes:
        yield plan._replace(volumes=volumes)


def _sides(maker: Maker, simplest: Plan, bases: list[Plan], change: Change) -> Iterator[Case]:
    """Both sides of a limit on every base, and what lies far beyond it; else the one thing there is."""
    if not change.bounded:
        yield maker.changed(simplest, 1, change)
        return
    if change not in BOUNDS:
        bases = [simplest]
    for plan in bases:
        if change.source in ("", plan.source):
            yield maker.changed(plan, 0, change)
            yield maker.changed(plan, 1, change)
    for by in (2, maker.limits.clip_ms, maker.limits.clip_ms + 1):
        yield maker.changed(simplest, by, change)


def _together(maker: Maker, plan: Plan) -> Iterator[Case]:
    """What a server misses that stops at the first thing it finds."""
    loud, *_ = maker.faults[_LOUD]
    for change in (change for change in BOUNDS if change.rule in maker.breakable):
        yield _also(maker.changed(plan, 1, change._replace(payload=loud.payload)), loud)
    both, *_ = (change for change in maker.faults[_CONFLICT] if change.source == "both")
    for change in maker.faults["audio-id-unknown"]:
        yield _also(maker.changed(plan, 1, change._replace(source="both")), both)


def _also(case: Case, other: Change) -> Case:
    return replace(case, breaks=case.breaks | {other.rule}, why=f"{case.why} {other.sentence(1)}")


def _largest_file(limits: Limits, by: int) -> Change:
    file = silence.make(limits.compact, limits.longest_ms, limits.file_bytes + by)
    return Change(
        "sound-file-too-large",
        "The file in Base64 is {} B larger than it may be.",
        payload=put_in_item(audio_id=ABSENT, sound_file=base64.b64encode(file).decode()),
    )

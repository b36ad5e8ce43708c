"""The boundary catalogue: plans at their limits, each change on both sides of its own."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from kling_contracts.cases.case import Case
from kling_contracts.cases.generation.bounds import BOUNDS, FARTHEST
from kling_contracts.cases.generation.changes import ABSENT, Change, put_in_item
from kling_contracts.cases.generation.faults import SERVER_RULES
from kling_contracts.cases.generation.harmless import harmless_changes
from kling_contracts.cases.generation.limits import Limits
from kling_contracts.cases.generation.maker import Maker
from kling_contracts.cases.generation.payloads import DRESSINGS
from kling_contracts.cases.generation.plans import WINDOWS, Plan, draw_plan
from kling_contracts.media import silent_audio

_SPARE_MS: Final = 500
_LOUD: Final = "sound_volume.maximum"
_CONFLICT: Final = "audio-source-conflict"


def rows(maker: Maker) -> Iterator[Case]:
    """Yield the rows: what is valid, what comes near a rule, each rule from both sides, rules broken together."""
    plain = _plain(maker.limits)
    bases = _bases(maker.limits)
    made = [_valid(maker, plain, bases), _near(maker, plain), _faulty(maker, plain, bases), _together(maker, plain)]
    return _distinct(case for some in made for case in some)


def server_rows(maker: Maker) -> Iterator[Case]:
    """Yield the rows that only a server judges, and a file of exactly the largest size and one of a byte more."""
    plain = _plain(maker.limits)
    for change in (change for rule in sorted(SERVER_RULES) for change in maker.faults.get(rule, ())):
        for by in (0, 1) if change.bounded else (1,):
            yield maker.changed(plain, by, change)
    if "sound-file-too-large" in maker.faults:
        yield from _largest_files(maker, plain)


def _plain(limits: Limits) -> Plan:
    """A plan that is far from every limit, even if its clip began with the audio."""
    plan = draw_plan(lambda options: 0, limits)
    return plan._replace(video=plan.video + plan.start)


def _bases(limits: Limits) -> Mapping[str, Plan]:
    """One plan for every source and format, and among them every window, several slacks and ids."""
    plain = _plain(limits)
    ways = dict.fromkeys((source, "" if source == "audio_id" else name) for source, name in limits.sources)
    bases = {}
    for index, (source, name) in enumerate(ways):
        window = WINDOWS[index % len(WINDOWS)]
        face = window(plain.insert, plain.inserted_end, limits.overlap_ms + _SPARE_MS, _SPARE_MS)
        bases[f"{source} {name}".rstrip()] = plain._replace(
            source=source, format=name or plain.format, face=face, number=index, slack=index
        )
    return bases


def _valid(maker: Maker, plain: Plan, bases: Mapping[str, Plan]) -> Iterator[Case]:
    for name, plan in bases.items():
        for place, start in _starts(plan, maker.limits).items():
            says = f"{name}: The clip is {place} of the audio, the face window {plan.relation} the insertion."
            yield maker.valid(plan._replace(start=start), says)
        for index, says in enumerate(DRESSINGS):
            yield maker.valid(plan._replace(dressing=index), f"{name}: {says}")
    for says, plan in _exact(plain, maker.limits):
        yield maker.valid(plan, says)


def _starts(plan: Plan, limits: Limits) -> dict[str, int]:
    last = plan.audio - plan.slack - plan.clip
    return {"at the start": limits.start_ms, "in the middle": plan.start, "at the end": last}


def _exact(plain: Plan, limits: Limits) -> Iterator[tuple[str, Plan]]:
    """Plans with many numbers exactly at their limits."""
    snug = plain._replace(insert=limits.insert_ms, clip=limits.shortest_clip_ms, start=limits.start_ms)
    snug = snug._replace(video=snug.inserted_end, audio=max(snug.end, limits.shortest_ms))
    for index, window in enumerate(WINDOWS):
        face = window(snug.insert, snug.inserted_end, limits.overlap_ms, index)
        yield (
            f"All lengths are the shortest, the face from {face.start_ms} to {face.end_ms} ms.",
            snug._replace(face=face),
        )
    for session_age, audio_age, slack in limits.standings:
        ages = f"The session is {_old(session_age)}, the audio {_old(audio_age)}"
        yield (
            f"{ages}, and its last {slack} ms are not played.",
            plain._replace(session_age=session_age, audio_age=audio_age, slack=slack),
        )
    for volumes in limits.volumes:
        yield f"The volumes are {volumes[0]} and {volumes[1]}.", plain._replace(volumes=volumes)


def _old(age_ms: int | None) -> str:
    return "new" if age_ms is None else f"{age_ms} ms old"


def _near(maker: Maker, plain: Plan) -> Iterator[Case]:
    for change in harmless_changes(maker.contract):
        yield maker.changed(plain, 0, change)


def _faulty(maker: Maker, plain: Plan, bases: Mapping[str, Plan]) -> Iterator[Case]:
    for change in (change for rule in maker.breakable for change in maker.faults[rule]):
        if change in BOUNDS:
            yield from _both_sides(maker, bases, change)
        for by in (0, 1, 2, maker.limits.clip_ms, FARTHEST) if change.bounded else (1,):
            if by <= change.farthest:
                yield maker.changed(plain, by, change)


def _both_sides(maker: Maker, bases: Mapping[str, Plan], change: Change) -> Iterator[Case]:
    for name, plan in bases.items():
        # A change to another format, for the row to stay small, is that of another base.
        if change.source in ("", plan.source) and change.plan(plan, maker.limits, 0).format == plan.format:
            for by in (0, 1):
                case = maker.changed(plan, by, change)
                yield replace(case, why=f"{name}: {case.why}")


def _together(maker: Maker, plain: Plan) -> Iterator[Case]:
    """What a server misses that stops at the first thing it finds."""
    faults = maker.faults
    for loud in faults.get(_LOUD, ())[:1]:
        for change in (change for change in BOUNDS if change.rule in faults):
            yield _also(maker.changed(plain, 1, change._replace(payload=loud.payload)), loud)
    for both in (change for change in faults.get(_CONFLICT, ()) if change.source == "both"):
        for change in faults.get("audio-id-unknown", ()):
            yield _also(maker.changed(plain, 1, change._replace(source="both")), both)


def _also(case: Case, other: Change) -> Case:
    return replace(case, breaks=case.breaks | {other.rule}, why=f"{case.why} {other.sentence(1)}")


def _largest_files(maker: Maker, plain: Plan) -> Iterator[Case]:
    limits = maker.limits
    for name in limits.made[:1]:
        for by in (0, 1):
            file = silent_audio.make(name, limits.longest_ms, limits.file_bytes + by)
            sound = put_in_item(audio_id=ABSENT, sound_file=base64.b64encode(file).decode())
            says = "The file in Base64 is {} B larger than it may be."
            yield maker.changed(plain, by, Change("sound-file-too-large", says, payload=sound))


def _distinct(cases: Iterable[Case]) -> Iterator[Case]:
    """Leave out what sends the same into the same world once more."""
    seen = set()
    for case in cases:
        sent = repr((case.request, case.world))
        if sent not in seen:
            seen.add(sent)
            yield case

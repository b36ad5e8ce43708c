"""The rules about numbers, each taken to its limit and past it; the limits are those of the contract."""

from typing import Final

from kling_contracts.cases.generation.changes import Change, ChangePlan, plan_with
from kling_contracts.cases.generation.limits import Limits
from kling_contracts.cases.generation.plans import Plan
from kling_contracts.facts.world import Face

FARTHEST: Final = 3000
"""How many units past a limit the drawn ones go."""
_WIDTH_MS: Final = 1000
"""How much longer than it must be a face window is that lies to one side."""


def _clip_cut_at_its_end(plan: Plan, limits: Limits, by: int) -> Plan:
    return _seen(plan._replace(clip=limits.clip_ms - by), limits)


def _clip_cut_at_its_start(plan: Plan, limits: Limits, by: int) -> Plan:
    clip = limits.clip_ms - by
    return _seen(plan._replace(start=plan.end - clip, clip=clip), limits)


def _audio_too_short(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(audio=max(1, limits.shortest_ms - by))


def _audio_and_clip_short(plan: Plan, limits: Limits, by: int) -> Plan:
    """The clip still fits where the shortest clip does."""
    audio = max(1, limits.shortest_ms - by)
    room = audio - limits.start_ms
    return _seen(plan._replace(start=limits.start_ms, audio=audio, slack=0, clip=min(plan.clip, room)), limits)


def _audio_too_long(plan: Plan, limits: Limits, by: int) -> Plan:
    kept = plan.format if plan.source != "inline" else limits.made[0]
    return plan._replace(audio=limits.longest_ms + by, format=kept)


def _audio_ends_early(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(audio=max(1, plan.end + plan.slack - by))


def _clip_later(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(start=plan.audio - plan.slack - plan.clip + by)


def _clip_longer(plan: Plan, limits: Limits, by: int) -> Plan:
    longer = plan._replace(clip=plan.audio - plan.slack - plan.start + by)
    return longer._replace(video=max(plan.video, longer.inserted_end))


def _video_shorter(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(video=max(0, plan.inserted_end - by))


def _inserted_later(plan: Plan, limits: Limits, by: int) -> Plan:
    return _seen(plan._replace(insert=plan.video - plan.clip + by), limits)


def _window_left(plan: Plan, limits: Limits, by: int) -> Plan:
    end = max(0, plan.insert + limits.overlap_ms - by)
    return plan._replace(face=Face(max(0, end - limits.overlap_ms - _WIDTH_MS), end))


def _window_right(plan: Plan, limits: Limits, by: int) -> Plan:
    start = plan.inserted_end - limits.overlap_ms + by
    return plan._replace(face=Face(start, start + limits.overlap_ms + _WIDTH_MS))


def _window_inside(plan: Plan, limits: Limits, by: int) -> Plan:
    width = max(0, limits.overlap_ms - by)
    start = plan.insert + (plan.clip - width) // 2
    return plan._replace(face=Face(start, start + width))


def _inserted_after_the_face(plan: Plan, limits: Limits, by: int) -> Plan:
    insert = plan.face.end_ms - limits.overlap_ms + by
    return plan._replace(insert=insert, video=max(plan.video, insert + plan.clip))


def _inserted_before_the_face(plan: Plan, limits: Limits, by: int) -> Plan:
    """The window moves as well where the insertion would begin before the video."""
    insert = max(limits.insert_ms, plan.face.start_ms + limits.overlap_ms - plan.clip - by)
    start = insert + plan.clip - limits.overlap_ms + by
    face = Face(start, max(plan.face.end_ms, start + limits.overlap_ms))
    return plan._replace(insert=insert, face=face, video=max(plan.video, insert + plan.clip))


def _session_old(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(session_age=limits.session_age_ms + by)


def _audio_old(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(audio_age=limits.audio_age_ms + by)


def _file_large(plan: Plan, limits: Limits, by: int) -> Plan:
    return plan._replace(size=limits.file_bytes + by)


def _seen(plan: Plan, limits: Limits) -> Plan:
    """Put the face where it sees the whole clip and more, if it sees neither enough nor all of it."""
    if plan.overlap >= limits.overlap_ms or plan.relation == "around":
        return plan
    end = max(plan.insert, plan.inserted_end) + _WIDTH_MS
    return plan._replace(face=Face(max(0, plan.insert - _WIDTH_MS), end))


_BOUNDS: Final[tuple[tuple[str, str, ChangePlan], ...]] = (
    ("session-expired", "The session is {} ms older than it may be.", _session_old),
    ("audio-id-expired", "The audio is {} ms older than it may be.", _audio_old),
    ("audio-too-short", "The audio is {} ms shorter than it may be.", _audio_too_short),
    ("audio-too-short", "The audio around its clip is {} ms shorter than it may be.", _audio_and_clip_short),
    ("audio-too-long", "The audio is {} ms longer than it may be.", _audio_too_long),
    ("clip-too-short", "Cut at its end, the clip is {} ms shorter than it may be.", _clip_cut_at_its_end),
    ("clip-too-short", "Cut at its start, the clip is {} ms shorter than it may be.", _clip_cut_at_its_start),
    ("clip-past-audio-end", "The audio ends {} ms before its clip.", _audio_ends_early),
    ("clip-past-audio-end", "The clip starts so late that it ends {} ms after the audio.", _clip_later),
    ("clip-past-audio-end", "The clip lasts so long that it ends {} ms after the audio.", _clip_longer),
    ("insert-past-video-end", "The video ends {} ms before the insertion.", _video_shorter),
    ("insert-past-video-end", "The insertion starts so late that it ends {} ms after the video.", _inserted_later),
    ("face-overlap-too-short", "The face leaves {} ms too early.", _window_left),
    ("face-overlap-too-short", "The face comes {} ms too late.", _window_right),
    ("face-overlap-too-short", "The face comes and leaves within the clip, {} ms too fast.", _window_inside),
    ("face-overlap-too-short", "The insertion starts {} ms too late for the face.", _inserted_after_the_face),
    ("face-overlap-too-short", "The insertion ends {} ms too early for the face.", _inserted_before_the_face),
    ("sound-file-too-large", "The file is {} B larger than it may be.", _file_large),
)
_SOURCES: Final = {"audio-id-expired": "audio_id", "sound-file-too-large": "url"}
"""The rules that hang on one audio source."""

BOUNDS: Final = tuple(
    Change(rule, says, _SOURCES.get(rule, ""), plan=change, farthest=FARTHEST) for rule, says, change in _BOUNDS
)
"""Every way past a limit; made by 0, it ends exactly there."""

HUGE: Final = (
    Change("clip-past-audio-end", "The end of the clip takes more than 64 bits.", plan=plan_with(clip=2**64)),
    Change("clip-past-audio-end", "The start of the clip takes more than 64 bits.", plan=plan_with(start=2**64)),
    Change("insert-past-video-end", "The insertion takes more than 64 bits.", plan=plan_with(insert=2**64)),
)

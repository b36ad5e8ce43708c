"""Plans: one task that can be done, in numbers.

A plan starts from what is shared (clip, insertion, the stretch of it that the face sees) and puts audio, video and
face window around that, so nothing is drawn and thrown away.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from kling_contracts.cases.generation.limits import Limits
from kling_contracts.facts.world import Face

T = TypeVar("T")
Below = Callable[[int], int]
"""Draws a whole number from 0 up to, but not including, its argument; 0 is the simplest."""

NUMBERS: Final = 1000
"""How many different ids plans have."""

_USUAL_MS: Final = 1000
_MAX_TIME_MS: Final = 20_000
_BULKY_MS: Final = 1000
"""How much longer than it must a file inside a payload may be, for the payload to stay small."""
_WHOLE_MS: Final = 1000
"""Files inside payloads last so many ms or a multiple, so that few have to be made."""


class Plan(NamedTuple):
    """One task; times in ms."""

    source: str
    """Of the audio: `audio_id`, `url`, `inline`; or `both` an id and a URL, which breaks a rule."""
    format: str
    start: int
    clip: int
    """How long the clip lasts."""
    audio: int
    """How long the whole audio lasts."""
    slack: int
    """How much of it upstream's decoder does not see."""
    insert: int
    video: int
    face: Face
    session_age: int | None
    audio_age: int | None
    volumes: tuple[float, float]
    number: int
    """Tells plans' ids apart; below `NUMBERS`."""
    dressing: int
    """What the payload does besides; an index into `DRESSINGS`."""
    size: int = 16_000
    """Of the file, in bytes."""
    flagged: bool = False
    decodes: bool = True

    @property
    def end(self) -> int:
        """Where the clip ends, on the audio's clock."""
        return self.start + self.clip

    @property
    def inserted_end(self) -> int:
        """Where the clip ends, on the video's clock."""
        return self.insert + self.clip

    @property
    def overlap(self) -> int:
        """How long the face sees the clip; negative: how far they are apart."""
        start, end = self.face
        return min(end, self.insert + self.clip) - max(start, self.insert)

    @property
    def relation(self) -> str:
        """Where the face window lies, seen from the insertion."""
        if self.overlap <= 0:
            return "apart from"
        if self.face.start_ms <= self.insert:
            return "around" if self.face.end_ms >= self.inserted_end else "left of"
        return "right of" if self.face.end_ms >= self.inserted_end else "inside"


def draw_plan(below: Below, limits: Limits) -> Plan:
    """Draw a plan that keeps to every limit, to many of them exactly."""
    drawn: list[int] = []

    def draw(options: int) -> int:
        drawn.append(below(options))
        return drawn[-1]

    source, audio_format = pick(draw, limits.sources)
    (session_age, audio_age, slack), volumes, dressing = pick(draw, limits.variants)
    longest = _longest(limits, source)
    clip = near(draw, limits.shortest_clip_ms, longest - slack - limits.start_ms)
    start = near(draw, limits.start_ms, longest - slack - clip)
    audio = _draw_audio(draw, source, max(limits.shortest_ms, start + clip + slack), longest)
    insert = near(draw, limits.insert_ms, limits.insert_ms + _MAX_TIME_MS)
    video = near(draw, insert + clip, insert + clip + _MAX_TIME_MS)
    face = _draw_face(draw, limits.overlap_ms, insert, clip)
    return Plan(
        source=source,
        format=audio_format,
        start=start,
        clip=clip,
        audio=audio,
        slack=slack,
        insert=insert,
        video=video,
        face=face,
        session_age=session_age,
        audio_age=audio_age,
        volumes=volumes,
        # Whatever was drawn otherwise gives other ids, so that hardly a payload is sent twice.
        number=sum(place * number for place, number in enumerate(drawn, 1)) % NUMBERS,
        dressing=dressing,
    )


def pick(below: Below, options: Sequence[T]) -> T:
    """Draw one of the options; the first is the simplest."""
    return options[below(len(options))]


def near(below: Below, low: int, high: int) -> int:
    """Draw a number from `low` to `high`, one time in three one of the two; the simplest keeps clear of both."""
    span = high - low
    step = below(span + span // 2 + 3)
    if step <= span:
        return low + step if step else min(low + _USUAL_MS, high)
    return high if step & 1 else low


def _longest(limits: Limits, source: str) -> int:
    if source != "inline":
        return limits.longest_ms
    return min(limits.longest_ms, limits.start_ms + max(limits.shortest_ms, limits.shortest_clip_ms) + _BULKY_MS)


def _draw_audio(below: Below, source: str, shortest: int, longest: int) -> int:
    # As many draws for every source: what needs fewer looks simpler to a shrinker.
    audio = near(below, shortest, longest)
    return audio if source != "inline" else min(-(-audio // _WHOLE_MS) * _WHOLE_MS, longest)


def _draw_face(below: Below, overlap_ms: int, insert: int, clip: int) -> Face:
    """Put a window around the stretch that it shares with the insertion."""
    window = pick(below, _WINDOWS)
    return window(insert, insert + clip, near(below, overlap_ms, clip), near(below, 0, _MAX_TIME_MS))


def _around(start: int, end: int, shared: int, spare: int) -> Face:
    return Face(max(0, start - spare), end + spare)


def _left(start: int, end: int, shared: int, spare: int) -> Face:
    return Face(max(0, start - spare), start + shared)


def _right(start: int, end: int, shared: int, spare: int) -> Face:
    return Face(end - shared, end + spare)


def _inside(start: int, end: int, shared: int, spare: int) -> Face:
    begin = start + spare % (end - start - shared + 1)
    return Face(begin, begin + shared)


WINDOWS: Final = (_around, _left, _right, _inside)
# Among more to choose from, fewer draws come to the same, and so to the same ids.
_WINDOWS: Final = WINDOWS * 16


def margins(plan: Plan, limits: Limits) -> dict[str, int]:
    """Return by how much each rule about numbers holds, by id; negative: by how much it is broken."""
    end, inserted_end = plan.start + plan.clip, plan.insert + plan.clip
    found = {
        "session-expired": limits.session_age_ms - (plan.session_age or 0),
        "audio-too-short": plan.audio - limits.shortest_ms,
        "audio-too-long": limits.longest_ms - plan.audio,
        "clip-too-short": plan.clip - limits.clip_ms,
        "face-overlap-too-short": plan.overlap - limits.overlap_ms,
        "insert-past-video-end": plan.video - inserted_end,
        "clip-past-audio-end": plan.audio - plan.slack - end,
    }
    if plan.source == "audio_id":
        found["audio-id-expired"] = limits.audio_age_ms - (plan.audio_age or 0)
    if plan.source == "url":
        found["sound-file-too-large"] = limits.file_bytes - plan.size
    return found

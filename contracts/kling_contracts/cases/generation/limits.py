"""Limits: the numbers and names that generated cases keep to or go past, read from the rules of one contract."""

from itertools import product
from typing import Final, NamedTuple

from kling_contracts.contract import Contract
from kling_contracts.rules.rule import Rule

DRESSED: Final = 6
"""How many ways a payload has to say the same; `payloads.DRESSINGS` lists them."""

Standing = tuple[int | None, int | None, int]
"""Age of the session and of the audio, None being new, and the slack of the audio, in ms."""
Volumes = tuple[float, float]
"""Volume of the audio and of the video's own sound."""

_MADE: Final = ("m4a", "mp3", "wav")
_NO_LIMIT: Final = 10**10


class Limits(NamedTuple):
    """The numbers and names of one contract; sizes in bytes, times in ms. What no rule limits has room enough."""

    clip_ms: int
    overlap_ms: int
    shortest_ms: int
    longest_ms: int
    start_ms: int
    insert_ms: int
    session_age_ms: int
    audio_age_ms: int
    file_bytes: int
    formats: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]
    """Audio source (`audio_id`, `url`, `inline`) and format of the file."""
    volumes: tuple[Volumes, ...]
    standings: tuple[Standing, ...]
    variants: tuple[tuple[Standing, Volumes, int], ...]
    """Each standing with each pair of volumes and each dressing: one draw instead of three."""

    @classmethod
    def of(cls, contract: Contract) -> "Limits":
        """Read the limits of a contract."""
        rules = contract.rules
        session_age_ms = limit_of(rules.get("session-expired"), _NO_LIMIT)
        audio_age_ms = limit_of(rules.get("audio-id-expired"), _NO_LIMIT)
        formats = _formats(rules.get("sound-file-format"))
        standings, volumes = _standings(session_age_ms, audio_age_ms), _volumes(contract)
        return cls(
            clip_ms=limit_of(rules.get("clip-too-short"), 0),
            overlap_ms=limit_of(rules.get("face-overlap-too-short"), 0),
            shortest_ms=limit_of(rules.get("audio-too-short"), 1),
            longest_ms=limit_of(rules.get("audio-too-long"), 600_000),
            start_ms=max(0, limit_of(rules.get("sound_start_time.minimum"), 0)),
            insert_ms=max(0, limit_of(rules.get("sound_insert_time.minimum"), 0)),
            session_age_ms=session_age_ms,
            audio_age_ms=audio_age_ms,
            file_bytes=limit_of(rules.get("sound-file-too-large"), _NO_LIMIT),
            formats=formats,
            sources=_sources(formats),
            volumes=volumes,
            standings=standings,
            variants=tuple(product(standings, volumes, range(DRESSED))),
        )

    @property
    def shortest_clip_ms(self) -> int:
        """How long a clip must be at least for every rule to hold."""
        return max(self.clip_ms, self.overlap_ms)

    @property
    def made(self) -> tuple[str, ...]:
        """The formats of which there are silent files, the smallest files first."""
        return tuple(name for name in _MADE if name in self.formats)


def limit_of(rule: Rule | None, otherwise: int) -> int:
    """Return the number that a rule states, the largest of several; `otherwise` where there is no such rule."""
    if rule is None:
        return otherwise
    if rule.expression is None:
        return int(rule.statement.partition(": ")[2])
    return max((limit for condition in rule.expression.conditions for limit in condition.limits), default=otherwise)


def _formats(rule: Rule | None) -> tuple[str, ...]:
    conditions = rule.expression.conditions if rule and rule.expression else ()
    return tuple(choice for condition in conditions for choice in condition.choices) or _MADE


def _sources(formats: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    made = [name for name in _MADE if name in formats]
    # Most clients send ids; a file inside a payload costs more than all the rest of it.
    pairs = [*[("audio_id", formats), ("url", formats)] * 6, ("inline", made)]
    return tuple((source, name) for source, names in pairs for name in names)


def _volumes(contract: Contract) -> tuple[Volumes, ...]:
    own, original = (_volume(contract, field) for field in ("sound_volume", "original_audio_volume"))
    return tuple((one, other) for one in own for other in original)


def _volume(contract: Contract, field: str) -> tuple[float, ...]:
    rules = contract.rules
    low = limit_of(rules.get(f"{field}.minimum"), 0)
    high = limit_of(rules.get(f"{field}.maximum"), low + 1)
    integral = f"{field}.type" in rules and "integer" in rules[f"{field}.type"].statement
    return (low, high, *range(low + 1, high)) if integral else (low, high, (low + high) / 4)


def _standings(session_age_ms: int, audio_age_ms: int) -> tuple[Standing, ...]:
    # Integrators report slacks of 20 to 50 ms.
    return (
        (None, None, 0),
        (0, 0, 20),
        (session_age_ms, audio_age_ms, 0),
        (session_age_ms, 0, 0),
        (0, audio_age_ms, 50),
        (session_age_ms - 1, audio_age_ms - 1, 0),
        (session_age_ms // 2, audio_age_ms // 2, 1),
    )

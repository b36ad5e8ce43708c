"""The verdict of recordings on each rule: how often, and how near to its limit, it was confirmed or contradicted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kling_contracts import Rule
from kling_mock_server.recordings.distances import Distance
from kling_mock_server.recordings.exchange import RecordedExchange


class RecordedDifference(NamedTuple):
    """One thing that a recording shows otherwise than the contract predicts it."""

    kind: str
    """`accepted`, `refused`, `status`, `code`, `text`, `order`, `envelope`, `schema`, `course` or `callback`."""
    rule: str
    """The id of the rule that it is about; empty where it is about none."""
    message: str
    exchange: RecordedExchange
    details: tuple[str, ...] = ()
    observed: Any = None
    """The value that the contract would need: the text, the code."""


class Margin(NamedTuple):
    """One distance from a limit, and whether the call was accepted."""

    distance: Distance
    is_accepted: bool
    message: str
    """The message of a refusal."""


@dataclass
class RuleVerdict:
    """The verdict of the recordings on one rule."""

    rule: Rule
    confirmed: int = 0
    contradicted: int = 0
    margins: list[Margin] = field(default_factory=list)

    @property
    def nearest(self) -> int | float | None:
        """How near to its limit it was confirmed; None where it has no limit, or was never confirmed at one."""
        return min((abs(margin.distance.margin) for margin in self.margins), default=None)

    def add(self, distances: Iterable[Distance], *, is_accepted: bool, message: str = "") -> None:
        """Note the distances of one call."""
        self.margins += [Margin(distance, is_accepted, message) for distance in distances]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        return {
            "rule": self.rule.id,
            "confirmed": self.confirmed,
            "contradicted": self.contradicted,
            "nearest": self.nearest,
        }

    def __str__(self) -> str:
        near = f", at a distance of {self.nearest} from its limit" if self.nearest is not None else ""
        against = f"; contradicted {_times(self.contradicted)}" if self.contradicted else ""
        return f"{self.rule.id}: confirmed {_times(self.confirmed)}{near if self.confirmed else ''}{against}"


class NotJudged(NamedTuple):
    """One call of which nobody can say whether it is as predicted, and why."""

    rule: str
    because: str
    exchange: RecordedExchange


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"

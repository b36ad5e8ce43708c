"""The verdict on a client under one scenario, and its text."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from kling_contracts.judging.report import indented, printable
from kling_mock_server.failures.scenarios import Scenario
from kling_mock_server.state.journal import Entry
from kling_mock_server.testing.drill.judging import Reason

MAX_LINES: Final = 12
"""Lines of a client's output that are shown, counted from its end."""


class DrillFailure(AssertionError):  # noqa: N818 - a fixed name, which reads as a failed assertion
    """A client did badly under a scenario; the text says why."""


class DrillVerdict(NamedTuple):
    """The verdict on a client under one scenario."""

    scenario: Scenario
    outcome: str
    """`got the video`, `gave up`, `timed out`, or `got no video` though it claims success."""
    reasons: tuple[Reason, ...]
    """Why it did badly; empty where it did well."""
    output: str
    """The end of what it printed, or what it raised."""
    entries: tuple[Entry, ...]
    """The exchanges, oldest first, callbacks among them."""
    note: str = ""
    """The point at which it stopped safely, and how it could have gone on."""

    @property
    def is_good(self) -> bool:
        """Whether it did well."""
        return not self.reasons

    def beyond(self, first: "DrillVerdict") -> "DrillVerdict":
        """Return the verdict without what was wrong in another run already."""
        return self._replace(reasons=tuple(reason for reason in self.reasons if reason not in first.reasons))

    def check(self) -> None:
        """Raise `DrillFailure` where it did badly."""
        if self.reasons:
            raise DrillFailure(story(self))


def story(verdict: DrillVerdict) -> str:
    """Return the table's row of a verdict, what happened in the scenario, and what more there is to say."""
    row = "  ".join(cell for cell in row_cells(verdict) if cell)
    return "\n".join([row, f"  what happens: {verdict.scenario.about}", *further_lines(verdict)])


def row_cells(verdict: DrillVerdict) -> tuple[str, str, str, str]:
    """Return the table's row: scenario, outcome, good or BAD, the first reason or the note."""
    why = _said(verdict.reasons[0]) if verdict.reasons else verdict.note
    return verdict.scenario.name, verdict.outcome, "good" if verdict.is_good else "BAD", why


def further_lines(verdict: DrillVerdict) -> Iterator[str]:
    """Yield the lines below the row: the other reasons, and the end of the output."""
    yield from (f"  {_said(reason)}" for reason in verdict.reasons[1:])
    if verdict.output:
        yield "  it printed:"
        yield indented(indented(last_lines(verdict.output)))


def last_lines(output: str) -> str:
    """Return the end of a client's output."""
    return "\n".join(printable(output).splitlines()[-MAX_LINES:])


def _said(reason: Reason) -> str:
    return f"{reason.rule}: {reason.says}"

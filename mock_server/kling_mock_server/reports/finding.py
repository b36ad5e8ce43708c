"""The findings of a run: one record for every command and every format."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

Level = Literal["error", "unverified", "note"]
"""`error`: something is wrong; `unverified`: nobody can say; `note`: hardly meant, and never a reason to fail."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
LEVELS: Final[tuple[Level, ...]] = ("error", "unverified", "note")


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Place(NamedTuple):
    """The place of a finding in a file; `line` and `column` begin at 1, 0 means that only the file is known."""

    file: str
    line: int = 0
    column: int = 0
    pointer: str = ""
    """JSON Pointer of the value within the file's document; empty where there is none, or for the whole of it."""

    def __str__(self) -> str:
        position = f":{self.line}:{self.column or 1}" if self.line else ""
        return f"{self.file}{position}{f' {self.pointer}' if self.pointer else ''}"


class Finding(NamedTuple):
    """One thing that a run found."""

    rule: str
    """The id of the rule that it is about or, where it is about none, a word for the kind of finding."""
    message: str
    """One sentence."""
    level: Level = "error"
    place: Place | None = None
    details: tuple[str, ...] = ()
    """Further lines for people: found, wanted, the vendor's sentence."""
    data: Mapping[str, Any] = _NOTHING
    """Members that the JSON form has beside the common ones."""


class RuleText(NamedTuple):
    """The text on a rule that findings refer to: one line, and a text that helps."""

    title: str
    help: str = ""


class FindingReport(NamedTuple):
    """Everything that one run of one command found."""

    command: str
    """The command's name, as in `klingkit judge`."""
    subject: str
    """The subject: a file, a URL, several of them as one text."""
    findings: tuple[Finding, ...]
    summary: str
    """One line that says how it went."""
    held: tuple[str, ...] = ()
    """Ids of the rules that were tried and hold: tests that pass."""
    rules: Mapping[str, RuleText] = _NOTHING
    """The rules that findings name, by id."""
    sections: tuple[str, ...] = ()
    """Further blocks of text for people, printed between the findings and the summary: a table, a timeline."""
    data: Mapping[str, Any] = _NOTHING
    """Members that the JSON form has beside the common ones."""
    forms: Mapping[str, Callable[[], str]] = _NOTHING
    """By format what is written in it, where the command has a form of its own: a table for people."""

    def at(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level, in order."""
        return tuple(finding for finding in self.findings if finding.level == level)

    @property
    def status(self) -> int:
        """The exit status: 1 where anything is wrong, else 0."""
        return 1 if self.at("error") else 0

    def text_of(self, rule: str) -> RuleText:
        """Return what is known of a rule; its id where nothing is."""
        return self.rules.get(rule) or RuleText(rule)

"""Evidence: what a rule, a code, a message or a reading rests on."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

GRADES: Final = {
    "quoted": "a sentence or the schema of the vendor's document",
    "documented": "Kling's own documentation; the vendor's document does not say it",
    "observed": "seen on the wire by integrators",
    "ours": "klingkit; no documentation says it",
}
"""Every grade, and what it means."""

_OF_SOURCE: Final = {"prose": "quoted", "schema": "quoted", "upstream": "documented", "mock": "ours"}


class Evidence(NamedTuple):
    """A grade, and the public reports behind it."""

    grade: str
    """One of `GRADES`."""
    reports: int | None = None
    """Number of independent public reports; None: not counted."""
    latest: str = ""
    """Month of the latest report, `2026-09`; empty: not known."""
    seen: str = ""
    """The observation, where it is more than the document says, or something else."""

    @classmethod
    def from_json(cls, value: str | Mapping[str, Any]) -> "Evidence":
        """Read what a document says: a grade, or an object."""
        return cls(value) if isinstance(value, str) else cls(**value)

    @classmethod
    def of_source(cls, source: str) -> "Evidence":
        """Return what a rule rests on by its source alone."""
        return cls(_OF_SOURCE[source])

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as JSON; what is not known is left out."""
        return {name: value for name, value in self._asdict().items() if value}

    def __str__(self) -> str:
        counted = f"{self.reports} independent report{'s' if self.reports != 1 else ''}" if self.reports else ""
        details = ", ".join(filter(None, [counted, f"latest {self.latest}" if self.latest else ""]))
        # An observation need not agree with the document.
        grade = f"{self.grade}; seen" if self.seen and self.grade != "observed" else self.grade
        return "".join([grade, f" ({details})" if details else "", f": {self.seen}" if self.seen else ""])

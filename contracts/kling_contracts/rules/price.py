"""The price of a call of an operation, as the document says: `x-price`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kling_contracts.rules.evidence import Evidence


class Price(NamedTuple):
    """The price of one call, in the vendor's units."""

    units: str
    """A decimal number."""
    per_ms: int | None = None
    """The units are for every started so many ms of video; None: for the call."""
    evidence: Evidence = Evidence("documented")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Price":
        """Read an `x-price`."""
        evidence = Evidence.from_json(value.get("evidence", "documented"))
        return cls(value["units"], value.get("per_ms"), evidence)

    def of(self, video_ms: int = 0) -> str:
        """Return what a call costs, as the API writes it; `video_ms` is the duration of the video in ms."""
        # At first use: a contract that judges payloads needs no decimal numbers.
        from decimal import Decimal

        started = max(1, -(-video_ms // self.per_ms)) if self.per_ms else 1
        return f"{(Decimal(self.units) * started).normalize():f}"

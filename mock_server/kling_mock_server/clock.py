"""The clock of an account: real time or standing still, plus what it was advanced by."""

import time


class Clock:
    """`standing_ms`: the instant (Unix time in ms) at which it stands still; None: it follows real time."""

    def __init__(self, standing_ms: int | None = None) -> None:
        self.standing_ms = standing_ms
        self.advanced_ms = 0

    def now_ms(self) -> int:
        """Return the account's time, Unix time in ms."""
        base = time.time_ns() // 1_000_000 if self.standing_ms is None else self.standing_ms
        return base + self.advanced_ms

    def advance(self, by_ms: int) -> None:
        """Move forward; what is due becomes due."""
        self.advanced_ms += by_ms

"""The clock of an account: real time or standing still, plus what it was advanced by."""

from collections.abc import Callable
from typing import Final

from kling_mock_server.state import outbox
from kling_mock_server.state.account_state import AccountState
from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import ONE, STATE

MAX_TIME_MS: Final = 2**52
"""The latest instant (Unix time in ms) to which a clock is advanced: whatever is made after it still has a time that a
world can hold."""


class Clock:
    """Every time of an account is on its clock."""

    def __init__(self, state: AccountState, on_due: Callable[[], None]) -> None:
        self._state = state
        self._on_due = on_due
        """Called when callbacks may have become due."""

    @property
    def standing_ms(self) -> int | None:
        """The instant (Unix time in ms) at which it stands still; None: it follows real time."""
        return self._state.read().standing_ms

    @property
    def advanced_ms(self) -> int:
        """How far it was advanced, in ms."""
        return self._state.read().advanced_ms

    def now_ms(self) -> int:
        """Return the account's time, Unix time in ms."""
        return self._state.read().now_ms()

    def advance(self, by_ms: int) -> None:
        """Move forward, to `MAX_TIME_MS` at most; what is due becomes due, callbacks included."""

        def work(rows: Transaction) -> None:
            state = self._state.begun(rows)
            most_ms = MAX_TIME_MS - (state.now_ms() - state.advanced_ms)
            advanced_ms = max(state.advanced_ms, min(state.advanced_ms + by_ms, most_ms))
            rows.put(STATE, ONE, state._replace(advanced_ms=advanced_ms))
            outbox.reschedule_all(rows)

        self._state.transaction(work)
        self._on_due()

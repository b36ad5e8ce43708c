"""The clock of an account: real time or standing still, plus what it was advanced by."""

from typing import TYPE_CHECKING, Final

from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import ONE, STATE

if TYPE_CHECKING:
    from kling_mock_server.state.account import Account


MAX_TIME_MS: Final = 2**52
"""How far a clock is advanced at most: what is made from then on still has a time that a world can hold."""


class Clock:
    """Every time of an account is on its clock."""

    def __init__(self, account: "Account") -> None:
        self._account = account

    @property
    def standing_ms(self) -> int | None:
        """The instant (Unix time in ms) at which it stands still; None: it follows real time."""
        return self._account.state.standing_ms

    @property
    def advanced_ms(self) -> int:
        """How far it was advanced, in ms."""
        return self._account.state.advanced_ms

    def now_ms(self) -> int:
        """Return the account's time, Unix time in ms."""
        return self._account.state.now_ms()

    def advance(self, by_ms: int) -> None:
        """Move forward, to `MAX_TIME_MS` at most; what is due becomes due, callbacks included."""
        account = self._account
        began = account.state

        def work(rows: Transaction) -> None:
            state = rows.get(STATE, ONE) or began
            at_most_ms = MAX_TIME_MS - (state.now_ms() - state.advanced_ms)
            advanced_ms = max(state.advanced_ms, min(state.advanced_ms + by_ms, at_most_ms))
            rows.put(STATE, ONE, state._replace(advanced_ms=advanced_ms))
            account.tasks.reschedule(rows)

        account.store.transaction(account.key, work)
        account.alarm()

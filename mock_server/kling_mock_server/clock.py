"""The clock of an account: real time or standing still, plus what it was advanced by."""

from typing import TYPE_CHECKING

from kling_mock_server.store import Rows
from kling_mock_server.tables import ONE, STATE

if TYPE_CHECKING:
    from kling_mock_server.account import Account


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
        """Move forward; what is due becomes due, callbacks included."""
        account = self._account
        began = account.state

        def work(rows: Rows) -> None:
            state = rows.get(STATE, ONE) or began
            rows.put(STATE, ONE, state._replace(advanced_ms=state.advanced_ms + by_ms))

        account.store.change(account.key, work)
        account.tasks.reschedule()

"""The journal's entry of a good answer, written by the change that carries the request out: both are kept or none."""

from typing import Any

from kling_contracts import Report
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.protocol.answer_summary import task_details
from kling_mock_server.protocol.envelope import SUCCEED
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.stores.store import RowAt, Transaction


class AnswerRecord:
    """The entry of a request that was found right."""

    def __init__(self, exchange: Exchange, report: Report) -> None:
        self._exchange = exchange
        self._report = report
        self.data: Any = None
        """`data` of the answer, once it was written."""
        self.entry: Entry | None = None
        """The entry that was written; None: nothing was, as a scenario's step says what is answered."""

    @property
    def rows(self) -> list[RowAt]:
        """The row that is written."""
        return [self._exchange.account.journal.row_of(self._exchange.request_id)]

    def made(self, data: Any) -> Entry:
        """Return the entry of the answer with that `data`."""
        return self._exchange.entry(200, 0, SUCCEED, self._report, task_details(data))

    def write(self, rows: Transaction, data: Any) -> None:
        """Write the entry of the answer with that `data` within a change of the account."""
        self.data = data
        if not self._exchange.played:
            self.entry = self.made(data)
            self._exchange.account.journal.put(rows, self.entry)

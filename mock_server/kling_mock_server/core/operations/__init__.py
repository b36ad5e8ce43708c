"""What the mock does for each operation, once its request is found right. `OPERATIONS` is the one list of them."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from kling_contracts import Contract, Note, Operation, Report
from kling_contracts.errors import DocumentError
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.creating import Create
from kling_mock_server.core.operations.identifying import Identify
from kling_mock_server.core.operations.looking_up import List, Query
from kling_mock_server.core.operations.speaking import Speak
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.names import CREATE, IDENTIFY, LIST, QUERY, TTS


class Work(Protocol):
    """One request of one operation."""

    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from: the account's world of this instant."""

    def notes(self, payload: Any) -> tuple[Note, ...]:
        """Return what the payload says that is hardly meant, as only this mock can tell."""

    def carry_out(self, payload: Any, measured: Measurement) -> Any:
        """Do what a right payload asks for; return `data` of the answer, or a `RefusedTask`."""


class Begin(Protocol):
    """Begins the work on one request."""

    def __call__(self, exchange: Exchange, resources: Resources) -> Work:
        """Return the work."""


OPERATIONS: Final[Mapping[str, Begin]] = {
    CREATE: Create,
    QUERY: Query,
    LIST: List,
    IDENTIFY: Identify,
    TTS: Speak,
}
"""By the short name of the operation."""


def check_operations(contract: Contract) -> None:
    """Raise `DocumentError` where a contract has an operation that is not in `OPERATIONS`, or lacks a limiting rule."""
    unknown = [name for name in contract.by_name if name not in OPERATIONS]
    if unknown:
        raise DocumentError(
            f"the mock cannot carry out the operation {unknown[0]!r} (x-name); it knows {', '.join(OPERATIONS)}"
        )
    if contract.limiting_rule is None:
        raise DocumentError("x-account-rules has no rule, and by it the mock refuses a task where too many run")


def work_on(exchange: Exchange, resources: Resources) -> Work:
    """Begin the work on the request of an exchange."""
    return OPERATIONS[exchange.operation](exchange, resources)


def judge(work: Work, operation: Operation, payload: Any, measured: Measurement) -> Report:
    """Judge a payload by its measured facts, with the notes that the work has on it."""
    report = operation.tree.report(payload, measured)
    notes = work.notes(payload)
    return report._replace(notes=report.notes + notes) if notes else report

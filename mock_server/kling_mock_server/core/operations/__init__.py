"""The work of each operation, once its request is found right. `OPERATIONS` is the one list."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kling_contracts import Contract
from kling_contracts.errors import DocumentError
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.by_example import AnswerByExample
from kling_mock_server.core.operations.creating import Create, rows_looked_at
from kling_mock_server.core.operations.identifying import Identify
from kling_mock_server.core.operations.looking_up import List, Query
from kling_mock_server.core.operations.speaking import Speak
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.names import CREATE, IDENTIFY, LIST, QUERY, TTS
from kling_mock_server.state.stores.store import RowAt

OPERATIONS: Final[Mapping[str, Callable[[Exchange, Resources], Work]]] = {
    CREATE: Create,
    QUERY: Query,
    LIST: List,
    IDENTIFY: Identify,
    TTS: Speak,
}
"""By the short name of the operation; any other one is answered with the document's example."""


def rows_ahead(operation: str, payload: Any) -> list[RowAt]:
    """Return the rows of the account that are read along with its state, as the payload will be judged by them."""
    return rows_looked_at(payload) if operation == CREATE and isinstance(payload, dict) else []


def check_operations(contract: Contract) -> None:
    """Raise `DocumentError` where a contract lacks the rule that limits the tasks which the mock is to create."""
    if CREATE in contract.by_name and contract.limiting_rule is None:
        raise DocumentError("x-account-rules has no rule, and by it the mock refuses a task where too many run")


def work_on(exchange: Exchange, resources: Resources) -> Work:
    """Begin the work on the request of an exchange."""
    return OPERATIONS.get(exchange.operation, AnswerByExample)(exchange, resources)

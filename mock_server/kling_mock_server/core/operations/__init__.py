"""What the mock does for each operation, once its request is found right."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from kling_contracts.facts.payload_facts import Measures
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.creating import Create
from kling_mock_server.core.operations.identifying import Identify
from kling_mock_server.core.operations.looking_up import List, Query
from kling_mock_server.core.operations.speaking import Speak
from kling_mock_server.core.resources import Resources


class Work(Protocol):
    """One request of one operation."""

    def meter(self) -> Measures:
        """Return what measures the payload against the account's world of this instant."""

    def carry_out(self, payload: Any) -> Any:
        """Do what a right payload asks for; return `data` of the answer. Raises `Taken` where the account refuses."""


class Begin(Protocol):
    """Begins the work on one request."""

    def __call__(self, exchange: Exchange, resources: Resources) -> Work:
        """Return the work."""


WORKS: Final[Mapping[str, Begin]] = {
    "create": Create,
    "query": Query,
    "list": List,
    "identify": Identify,
    "tts": Speak,
}
"""By the short name of the operation."""

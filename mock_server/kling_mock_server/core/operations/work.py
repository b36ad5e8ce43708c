"""The work on one request of one operation: where its facts come from, and what is done once it is found right."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from kling_contracts import Note, Operation, Report
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources
from kling_contracts.judging.reading import ReadPayload
from kling_mock_server.core.answer_record import AnswerRecord
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.resources import Resources


class Work(ABC):
    """One request of one operation."""

    def __init__(self, exchange: Exchange, resources: Resources) -> None:
        self._exchange = exchange
        self._account = exchange.account
        self._resources = resources

    @abstractmethod
    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from: the account's world of this instant."""

    @abstractmethod
    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Do what a right payload asks for; return `data` of the answer, or a `RefusedTask`.

        Work that changes the account writes the `record` along; for other work, the responder does.
        """

    def headers(self, measured: Measurement) -> Mapping[str, str]:
        """Return headers of a good answer, by default none."""
        return {}

    def notes(self, payload: Any) -> tuple[Note, ...]:
        """Return what the payload says that is hardly meant, as only this mock can tell; by default nothing."""
        return ()


def judge(work: Work, operation: Operation, read: ReadPayload, measured: Measurement) -> Report:
    """Judge a payload by its measured facts, with the notes that the work has on it."""
    return read.noted(operation.judge.report(read.payload, measured), work.notes(read.payload))

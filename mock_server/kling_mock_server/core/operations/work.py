"""The work for one operation: where the facts of its payloads come from, and what is done for one that is right."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kling_contracts import Note, Operation, Report
from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources, Resolve, WorldExcerpt
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.envelope import SUCCEED
from kling_mock_server.protocol.task_json import task_details
from kling_mock_server.state.account import Account, Seen
from kling_mock_server.state.journal import Entry
from kling_mock_server.state.tables import Row
from kling_mock_server.state.tasks import RefusedTask


class Judged(NamedTuple):
    """A payload that was judged, and what it was judged by."""

    payload: Any
    """As the documents have it read: see `Operation.read`."""
    measured: Measurement
    report: Report


class Done(NamedTuple):
    """A call that was carried out: `data` of its answer, and headers beside it."""

    data: Any
    headers: Mapping[str, str] = {}
    entry: Entry | None = None
    """The journal's entry, where it was written by the change that carried the call out: both are kept or none."""


class Work(ABC):
    """The work for one operation of one mock. It is built once, and may be shared by threads."""

    def __init__(self, operation: Operation, resources: Resources) -> None:
        self._operation = operation
        self._resources = resources

    def seen(self, account: Account, payload: Any) -> Seen:
        """Return an account's state, and what its world has of the entries that a payload names."""
        return account.seen(self._operation.facts.named_in(payload))

    def judge(self, exchange: Exchange, payload: Any) -> Judged:
        """Judge a payload against the account's world, as the exchange has seen it."""
        operation = self._operation
        read = operation.reader.read(payload)
        measured = operation.facts.measure(read.payload, self._sources(exchange))
        report = operation.judge.report(read.payload, measured)
        notes = (*read.notes, *self._notes(read.payload, exchange.world))
        return Judged(read.payload, measured, report.noted(notes) if notes else report)

    @abstractmethod
    def carry_out(self, exchange: Exchange, judged: Judged) -> Done | RefusedTask:
        """Do what a right payload asks for; a task may be refused all the same."""

    def _find(self, exchange: Exchange) -> Mapping[str, Resolve]:
        """Return by table what resolves an id where the world leaves that table out: by default nothing."""
        return _NOTHING

    def _notes(self, payload: Any, world: WorldExcerpt) -> tuple[Note, ...]:
        """Return what the payload says that is hardly meant, as only this mock can tell: by default nothing."""
        return ()

    def _entry(self, exchange: Exchange, judged: Judged, data: Any) -> Entry | None:
        """Return the journal's entry of a good answer; None where a scenario's step says what is answered."""
        if exchange.played:
            return None
        return exchange.entry(200, 0, SUCCEED, judged.report, task_details(data))

    def _beside(self, exchange: Exchange, entry: Entry | None) -> list[Row]:
        """Return the row of that entry, to be kept with what the call changes or not at all."""
        if entry is None:
            return []
        # The entry keeps another text in place of a large body; and parameters are no body.
        is_body = bool(self._operation.media_types) and entry.body is exchange.request.body
        return [exchange.account.journal.row(entry, exchange.payload if is_body else None)]

    def _sources(self, exchange: Exchange) -> FactSources:
        fetch = self._resources.downloads.for_origin(exchange.request.origin)
        return FactSources(exchange.world, self._find(exchange), fetch, exchange.now_ms, exchange.state.advanced_ms)


_NOTHING: Final[Mapping[str, Resolve]] = {}

"""One request on its way to an answer: its account, its operation, and the step of a scenario that takes it."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple

from kling_contracts import Note, Report, Request, Violation
from kling_contracts.facts.sources import WorldExcerpt
from kling_mock_server.failures.playback import PlayedStep
from kling_mock_server.protocol.answer_summary import NO_DETAILS
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.state.account import Account, Seen
from kling_mock_server.state.journal import Entry, kept
from kling_mock_server.state.request_redaction import kept_headers, kept_query
from kling_mock_server.state.tables import State


class Caller(NamedTuple):
    """The sender of a request: the account that it is journalled in, and why it is not let in."""

    account: Account
    token: str = ""
    """Digest of the bearer token; empty where there was none."""
    refusal: Violation | None = None
    notes: tuple[Note, ...] = ()
    """Notes on the token."""


class Exchange(NamedTuple):
    """All that is known of a request before its payload is judged."""

    request: Request
    request_id: str
    account: Account
    state: State
    """The account's state, read once: every part of the answer sees the same instant."""
    world: WorldExcerpt
    """The account's world with the entries alone that the payload names, read with the state."""
    now_ms: int
    """That instant on the account's clock, Unix time in ms."""
    token: str
    """Digest of the bearer token; empty where there was none."""
    operation: str
    """Short name of the operation; empty where the request reached none."""
    played: PlayedStep | None
    """The step of a scenario that takes the request."""
    began_s: float
    """When it began, on the clock of `time.perf_counter`."""
    payload: Any
    """The decoded body, or the parameters; None where it was not understood."""
    notes: tuple[Note, ...]
    """Notes on the request beside those on its payload."""

    @classmethod
    def begin(
        cls,
        request: Request,
        caller: Caller,
        operation: str = "",
        seen: Seen | None = None,
        played: PlayedStep | None = None,
        payload: Any = None,
        began_s: float | None = None,
    ) -> "Exchange":
        """Return the exchange of a request; what it is judged by may have been `seen` before."""
        state, world = seen or caller.account.seen(())
        now_ms = state.now_ms()
        began_s = perf_counter() if began_s is None else began_s
        account, token, _, notes = caller
        return cls(
            request, new_request_id(), account, state, world, now_ms, token, operation, played, began_s, payload, notes
        )

    def seen_anew(self, seen: Seen) -> "Exchange":
        """Return the exchange as of a later instant."""
        state, world = seen
        return self._replace(state=state, world=world, now_ms=state.now_ms())

    def entry(
        self, status: int, code: int, message: str, report: Report, details: Mapping[str, Any] = NO_DETAILS
    ) -> Entry:
        """Return the journal's entry of the exchange and its answer."""
        request = self.request
        return Entry(
            at_ms=self.now_ms,
            method=request.method,
            path=request.path,
            token=self.token,
            body=kept(request.body, self.payload),
            status=status,
            code=code,
            answer=message,
            request_id=self.request_id,
            report=report._replace(notes=self.notes + report.notes) if self.notes else report,
            operation=self.operation,
            scenario=self.played.scenario if self.played else "",
            details=details,
            query=kept_query(request.query),
            headers=kept_headers(request.headers),
            elapsed_ms=round((perf_counter() - self.began_s) * 1000, 3),
        )

"""`GET /_mock/journal`: which entries its query asks for, and the answer."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from kling_contracts import Contract
from kling_mock_server.core.query import Asked, in_range
from kling_mock_server.protocol.names import CALLBACK, DOWNLOAD
from kling_mock_server.state.journal import MAX_ENTRIES, NOTE, Entry, Journal, entry_json


class JournalQuery(NamedTuple):
    """Which entries are asked for; several values of one filter mean any of them, none means every entry."""

    after: str = ""
    """The request id of the entry that the caller has read last; empty: from the beginning."""
    limit: int = MAX_ENTRIES
    """The most entries: the first ones that follow `after`, without it the newest."""
    operations: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    rules: frozenset[str] = frozenset()
    """Ids of rules that were broken, or could not be verified."""

    def matches(self, entry: Entry) -> bool:
        """Return whether an entry passes every filter."""
        if self.operations and entry.operation not in self.operations:
            return False
        if self.statuses and entry.status not in self.statuses:
            return False
        return not self.rules or not self.rules.isdisjoint(_rules_of(entry))


def journal_json(journal: Journal, query: JournalQuery) -> dict[str, Any]:
    """Return the entries asked for, oldest first, and how many the journal has dropped to make room.

    With `after` there is `gap`, too: whether entries may be missing between that one and the first of these, since it
    is not in the journal any more.
    """
    newer = journal.after(query.after) if query.after else None
    found = [entry for entry in (journal.entries if newer is None else newer) if query.matches(entry)]
    asked = found[-query.limit :] if newer is None else found[: query.limit]
    answer = {"dropped": journal.dropped(), "entries": [entry_json(entry) for entry in asked]}
    return {**answer, "gap": newer is None} if query.after else answer


def parse_query(query: str, contract: Contract) -> JournalQuery:
    """Read the query of a URL. Raises `ValueError` where it asks for something that there cannot be."""
    asked = Asked(query, ("after", "limit", "operation", "status", "rule"))
    return JournalQuery(
        after=asked.last("after", ""),
        limit=asked.number("limit", MAX_ENTRIES, MAX_ENTRIES),
        operations=frozenset(asked.known("operation", ("", CALLBACK, DOWNLOAD, NOTE, *contract.by_name))),
        statuses=frozenset(in_range("status", text, _MAX_STATUS, least=0) for text in asked.every("status")),
        rules=frozenset(asked.known("rule", contract.every_rule)),
    )


_MAX_STATUS: Final = 999


def _rules_of(entry: Entry) -> Iterator[str]:
    yield from (violation.rule.id for violation in entry.report.violations)
    yield from (unverified.rule.id for unverified in entry.report.unverified)

"""The requests of one test: which were refused, and whether the test had announced that."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from kling_contracts.rules.lookup import nearest
from kling_mock_server.protocol.explanation import explain
from kling_mock_server.state.journal import Entry

MAX_SHOWN: Final = 5
"""Refusals that a text shows; each broke other rules than the ones before it."""

Broken = tuple[str, ...]
"""The rules that one request broke, in document order."""


class ViolationRecorder:
    """Records what the exchanges of one test violated; `known` are the ids of all rules. Threads may share it."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._first: dict[Broken, Entry] = {}
        self._times: Counter[Broken] = Counter()
        self._lock = threading.Lock()

    def record(self, entry: Entry) -> None:
        """Record one exchange."""
        broken = entry.report.broken
        if broken:
            with self._lock:
                # One of each kind: a test may send thousands, each with megabytes of audio.
                self._first.setdefault(broken, entry)
                self._times[broken] += 1

    def forget(self) -> None:
        """Begin anew, with nothing seen."""
        with self._lock:
            self._first.clear()
            self._times.clear()

    def refusals(self) -> str:
        """Return the text of every refusal; empty where there was none."""
        return "\n\n".join(self._shown(self._first))

    def unexpected(self, announced: Collection[str]) -> str:
        """Return the text of the refusals that broke any other rule than those; empty where none did."""
        unexpected = [broken for broken in self._first if not set(broken) <= set(announced)]
        if not unexpected:
            return ""
        return "\n\n".join(
            [_count(unexpected, self._times), *self._shown(unexpected), self._remedy(announced, unexpected)]
        )

    def missing(self, announced: Collection[str]) -> str:
        """Return the text on announced rules that no request broke; empty where all were broken."""
        broken = set().union(*self._first)
        missed = [rule_id for rule_id in announced if rule_id not in broken]
        return "\n".join(f"announced, but no request broke it: {rule_id}{self._hint(rule_id)}" for rule_id in missed)

    def _shown(self, refusals: Iterable[Broken]) -> Iterator[str]:
        chosen = list(refusals)
        for broken in chosen[:MAX_SHOWN]:
            times = self._times[broken]
            yield explain(self._first[broken]) + (f"\n\n  and {times - 1} more like it" if times > 1 else "")
        if len(chosen) > MAX_SHOWN:
            yield f"… and {len(chosen) - MAX_SHOWN} more kinds of refusal"

    def _remedy(self, announced: Collection[str], refusals: Iterable[Broken]) -> str:
        misspelt = [rule_id for rule_id in announced if rule_id not in self._known]
        meant = [rule_id for rule_id in announced if rule_id in self._known]
        rules = dict.fromkeys([*meant, *(rule_id for broken in refusals for rule_id in broken)])
        names = ", ".join(f'"{rule_id}"' for rule_id in rules)
        lines = [f"The mark announces {rule_id}{self._hint(rule_id)}" for rule_id in misspelt]
        return "\n".join([*lines, f"Was it meant to? Then announce it: @pytest.mark.kling_violates({names})"])

    def _hint(self, rule_id: str) -> str:
        if rule_id in self._known:
            return ""
        near = nearest(rule_id, self._known)
        return f" (there is no such rule; {near})" if near else " (there is no such rule)"


def _count(refusals: list[Broken], times: Counter[Broken]) -> str:
    number = sum(times[broken] for broken in refusals)
    return f"the mock refused {number} request{'s' if number > 1 else ''}, and the test did not announce that:"

"""When queues of accounts are to be looked at, in memory."""

import threading

from kling_mock_server.state.stores.ordered import Ordered


class Schedule:
    """Queues by the time for which they are scheduled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[tuple[str, str], int] = {}
        self._ordered = Ordered()

    def set(self, account: str, queue: str, at_ms: int | None) -> None:
        """Schedule a queue of an account from `at_ms` (real time, Unix ms) on; None: no longer."""
        at = account, queue
        with self._lock:
            before_ms = self._times.pop(at, None)
            if before_ms is not None:
                self._ordered.remove((before_ms, *at))
            if at_ms is not None:
                self._times[at] = at_ms
                self._ordered.add((at_ms, *at))

    def due(self, now_ms: int) -> list[tuple[str, str]]:
        """Return accounts and their queues that are scheduled by now (real time, Unix ms), longest overdue first."""
        with self._lock:
            return [(account, queue) for _, account, queue in self._ordered.up_to(now_ms)]

    def next_ms(self) -> int | None:
        """Return the earliest time (real time, Unix ms) for which a queue is scheduled, None where none is."""
        with self._lock:
            found = self._ordered.first()
        return found[0] if found else None

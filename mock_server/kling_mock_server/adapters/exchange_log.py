"""The log of `klingkit serve`, a text per exchange: for people, or as one JSON object per line."""

import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from kling_contracts.judging.report import printable
from kling_mock_server.protocol.explanation import explain, summary
from kling_mock_server.reports.showable import showable
from kling_mock_server.state.journal import MAX_TEXT_LENGTH, Entry, entry_json, kept
from kling_mock_server.state.passwords import without_passwords

MAX_LINE: Final = 2048
"""Characters of a line that are printed of one exchange."""
MAX_PRINTED: Final = 32 * 1024
"""Characters that are printed of one exchange: what a client sends may be megabytes."""
COUNTED_S: Final = 1.0
"""Refusals that were explained before are counted, and the counts printed after so many s."""
MAX_KINDS: Final = 100
"""Kinds of refusal that are remembered as explained."""


class TextLog:
    """Explains what was refused or noted, the same thing once; with `verbose`, tells of every exchange."""

    def __init__(self, verbose: bool = False) -> None:
        self._verbose = verbose
        self._lock = threading.Lock()
        self._explained: dict[object, str] = {}
        self._repeated: dict[object, int] = {}

    def begin(self, welcome: str, **_: Any) -> None:
        """Print how to use the mock."""
        _print(welcome)

    def see(self, entry: Entry) -> None:
        """Print an exchange of the API. The journal has those that are not printed."""
        # A line for every accepted request would cost a tenth of it.
        if not (self._verbose or entry.report.violations or entry.report.notes):
            return
        if self._verbose:
            _print(_timed(_shown(f"{explain(entry)}\n  took {entry.elapsed_ms:g} ms")))
        elif not self._is_repeated(entry):
            _print(_timed(_shown(explain(entry))))

    def see_callback(self, entry: Entry) -> None:
        """Print a callback that did not arrive; with `verbose` every one."""
        if self._verbose or not 200 <= entry.status < 300:
            _print(_timed(_shown(f"callback to {entry.path} -> {entry.status or 'no answer'} {entry.answer}".rstrip())))

    def end(self) -> None:
        """Print what was counted, and that the mock has stopped."""
        self._tell_repeated()
        _print("stopped")

    def _is_repeated(self, entry: Entry) -> bool:
        """Return whether the same was explained before, and count it then: the text costs a sixth of a refusal."""
        kind = _kind(entry)
        with self._lock:
            if kind not in self._explained:
                if len(self._explained) >= MAX_KINDS:
                    del self._explained[next(iter(self._explained))]
                self._explained[kind] = summary(entry)
                return False
            if not self._repeated:
                timer = threading.Timer(COUNTED_S, self._tell_repeated)
                timer.daemon = True
                timer.start()
            self._repeated[kind] = self._repeated.get(kind, 0) + 1
            return True

    def _tell_repeated(self) -> None:
        with self._lock:
            repeated, self._repeated = self._repeated, {}
            told = [(number, self._explained.get(kind, "an exchange")) for kind, number in repeated.items()]
        for number, line in told:
            _print(_timed(_shown(f"and {number} more like it: {line}")))


class JsonLog:
    """Prints every exchange as one JSON object, as the journal has it, with `time` and `event`."""

    def begin(self, welcome: str, **facts: Any) -> None:
        """Print that the mock listens, and at which URL."""
        self._print("listening", facts)

    def see(self, entry: Entry) -> None:
        """Print an exchange of the API."""
        self._print("exchange", _row(entry))

    def see_callback(self, entry: Entry) -> None:
        """Print an attempt to send a callback."""
        self._print("callback", _row(entry))

    def end(self) -> None:
        """Print that the mock has stopped."""
        self._print("stopped", {})

    def _print(self, event: str, facts: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        # ASCII: the reader of the output may expect another encoding.
        _print(json.dumps({"time": now, "event": event, **facts}))


def _kind(entry: Entry) -> object:
    """Return what makes two refusals the same: the call, and each rule with its place and the value found there."""
    report = entry.report
    broken = tuple((one.rule.id, one.pointer, one.found) for one in report.violations)
    return (entry.method, entry.path, entry.status, entry.code, entry.scenario, broken, report.notes)


def _row(entry: Entry) -> dict[str, Any]:
    body = kept(entry.body, entry.payload) if entry.body else entry.body
    return entry_json(entry._replace(path=entry.path[:MAX_TEXT_LENGTH], query=entry.query[:MAX_TEXT_LENGTH], body=body))


def _timed(text: str) -> str:
    return f"{time.strftime('%H:%M:%S')} {text}"


def _shown(text: str) -> str:
    cut = [f"{line[:MAX_LINE]}…" if len(line) > MAX_LINE else line for line in text[:MAX_PRINTED].splitlines()]
    if len(text) > MAX_PRINTED:
        cut.append(f"… {len(text) - MAX_PRINTED} more characters; the journal has the exchange")
    return printable(without_passwords("\n".join(cut)))


def _print(text: str) -> None:
    # The reader of the output may be gone; the mock goes on. In one piece: other threads print, too.
    with suppress(OSError):
        print(f"{showable(text)}\n", end="", flush=True)

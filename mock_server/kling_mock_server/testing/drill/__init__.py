"""The resilience drill: a client is run under scenarios against a live mock, and judged by what it sent."""

import json
from collections.abc import Callable
from typing import Any, Final, Self, Unpack

from kling_mock_server.adapters.handle import Handle
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.adapters.options import MockOptions
from kling_mock_server.failures.scenarios import Scenario, library, named
from kling_mock_server.state.journal import MAX_BODY_BYTES, Entry
from kling_mock_server.testing.drill.answers import Codes
from kling_mock_server.testing.drill.clients import Ended, run_callable
from kling_mock_server.testing.drill.judging import Run, collect_reasons, way_out
from kling_mock_server.testing.drill.slots import Slots
from kling_mock_server.testing.drill.verdict import DrillFailure, DrillVerdict

__all__ = ["LIMIT_S", "NO_FAULT", "SCENARIOS", "Drill", "DrillFailure", "DrillVerdict"]

SCENARIOS: Final = tuple(library())
"""The names of the scenarios that come with the mock: for `pytest.mark.parametrize`."""
LIMIT_S: Final = 60.0
"""Seconds after which a client is stopped."""
NO_FAULT: Final = Scenario("(no fault)", (), "Every answer is a good one.", "succeeds")
"""The run that a client must pass before anything else is tried."""


class Drill:
    """A live mock on which clients are run, each time on an account of its own, until the end of the block.

    Options and errors are those of `create_app`. It may be shared by threads.
    """

    def __init__(self, **options: Unpack[MockOptions]) -> None:
        # The vendor's files lie on another host than its API.
        self._server = LiveServer(files_apart=True, **options)
        self._slots = Slots()
        self._payloads: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        self._server.__enter__()
        self._server.responder.watch = self._watch
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def __call__(
        self, client: Callable[[str, str], Any], scenario: str | Scenario = NO_FAULT, limit_s: float = LIMIT_S
    ) -> DrillVerdict:
        """Return the verdict on a client, sync or async, that is called with base URL and token and fails by raising.

        Raises `ValueError` for an unknown scenario.
        """
        return self.judge(lambda handle: run_callable(client, handle.url, handle.token, limit_s), scenario, limit_s)

    def judge(self, run: Callable[[Handle], Ended], scenario: str | Scenario, limit_s: float) -> DrillVerdict:
        """Return the verdict on the client that `run` runs on an account, for at most `limit_s` seconds."""
        played = named(scenario) if isinstance(scenario, str) else scenario
        handle = self._server.new_handle()
        if played.steps:
            handle.play(played)
            self._slots.hold(handle, played)
        ended = run(handle)
        done = Run(tuple(map(self._readable, handle.journal)), ended.status, limit_s)
        codes = Codes.of(handle.responder.contract)
        reasons = collect_reasons(done, played.expects, codes)
        note = "" if reasons else way_out(done, played.expects, codes)
        return DrillVerdict(played, done.outcome, reasons, ended.output, done.entries, note)

    def _watch(self, entry: Entry) -> None:
        self._slots.see(entry)
        if len(entry.body) > MAX_BODY_BYTES:
            # The journal has a digest of it, in which no external task id can be found.
            self._payloads[entry.request_id] = json.dumps(entry.payload).encode()

    def _readable(self, entry: Entry) -> Entry:
        return entry._replace(body=self._payloads.get(entry.request_id, entry.body))

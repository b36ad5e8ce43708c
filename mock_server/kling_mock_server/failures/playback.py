"""Where scenarios are played: which step takes a request, and what becomes of its answer."""

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kling_contracts import Contract, Response
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import ONE, STATE

if TYPE_CHECKING:
    from kling_mock_server.failures.scenarios import Refusals, Scenario, Step
    from kling_mock_server.state.account import Account


class Played(NamedTuple):
    """An answer that a step has changed, and what its body says as the journal notes it."""

    response: Response
    code: int
    message: str


class ScenarioPlayer:
    """Plays the scenarios of one mock's accounts. What it needs of them is imported once one is played."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._refusals: Refusals | None = None

    def begin(self, account: "Account", scenario: "Scenario | None") -> None:
        """Play a scenario from its first step on; None: play none."""
        account.change_state(scenario=None if scenario is None else scenario.to_json(), progress=[])

    def take_step(self, exchange: Exchange) -> None:
        """Let the account's scenario take the request, and note how far it has come."""
        from kling_mock_server.failures.scenarios import next_step

        account, played = exchange.account, exchange.state.scenario
        scenario = _scenario(json.dumps(played))
        running = account.tasks.running() if any(step.while_running for step in scenario.steps) else 0

        def work(rows: Transaction) -> "Step | None":
            state = rows.get(STATE, ONE)
            # Another one may have begun meanwhile: the progress is no longer that of this one.
            if state is None or state.scenario != played:
                return None
            progress, step = next_step(scenario, state.progress or (), exchange.operation, running)
            rows.put(STATE, ONE, state._replace(progress=progress))
            return step

        exchange.step = account.store.transaction(account.key, work)
        exchange.fault = scenario.name if exchange.step else ""

    def replaces(self, step: "Step") -> bool:
        """Return whether a step answers without the request being carried out."""
        from kling_mock_server.failures.scenarios import carried_out

        return not carried_out(step)

    def play(self, exchange: Exchange, good: Response | None) -> Played:
        """Return what a step makes of the good answer, or of none."""
        from kling_mock_server.failures.scenarios import answered, refusals

        if self._refusals is None:
            self._refusals = refusals(self._contract)
        assert exchange.step is not None, "only a step is played"
        response = answered(exchange.step, good, exchange.request_id, self._refusals)
        return Played(response, *_told(response.body))


@lru_cache(maxsize=100)
def _scenario(played: str) -> "Scenario":
    # To build one from its JSON takes longer than to answer.
    from kling_mock_server.failures.scenarios import scenario_from_json

    return scenario_from_json(json.loads(played))


def _told(body: bytes) -> tuple[int, str]:
    """Return code and message of an answer, 0 and nothing where it is no envelope."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return 0, ""
    code = value.get("code") if isinstance(value, dict) else None
    message = value.get("message") if isinstance(value, dict) else None
    return code if isinstance(code, int) else 0, message if isinstance(message, str) else ""

"""Plays scenarios: finds the step that takes a call, and changes its answer."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from kling_contracts import Contract, Response
from kling_mock_server.state.account_state import AccountState
from kling_mock_server.state.short_text_cache import cached_for_short
from kling_mock_server.state.stores.store import Transaction
from kling_mock_server.state.tables import ONE, STATE, State
from kling_mock_server.state.tasks import count_running

if TYPE_CHECKING:
    from kling_mock_server.failures.scenarios import Scenario, Step


class PlayedStep(NamedTuple):
    """A step of a scenario that takes a call."""

    scenario: str
    """The name of the scenario."""
    step: "Step"

    @property
    def carries_out(self) -> bool:
        """Whether the call is carried out all the same."""
        from kling_mock_server.failures.scenarios import carried_out

        return carried_out(self.step)


class PlayedAnswer(NamedTuple):
    """An answer that a step has changed; code and message are read from its body for the journal."""

    response: Response
    code: int
    message: str


class ScenarioPlayer:
    """Plays the scenarios of one mock's accounts. The scenarios are imported once one is played."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def take_step(self, account: AccountState, operation: str) -> PlayedStep | None:
        """Return the step that takes a call of an operation, and count the call; None where none does."""

        def work(rows: Transaction) -> PlayedStep | None:
            return _take_step(rows, operation)

        return account.transaction(work)

    def step_asked_for(self, name: str, operation: str) -> PlayedStep | str:
        """Return the step of a scenario that a call of an operation asks for, or why there is none.

        The account's scenario goes on after it.
        """
        from kling_mock_server.failures.scenarios import step_for

        try:
            return PlayedStep(name, step_for(name, operation))
        except ValueError as error:
            return str(error)

    def answer(self, step: "Step", good: Response | None, request_id: str, payload: Any) -> PlayedAnswer:
        """Return what a step makes of the good answer, or of none where the call is not carried out.

        `payload` is what the call asked for: a message may name it.
        """
        from kling_mock_server.failures.scenarios import answered

        response = answered(step, good, request_id, self._contract.codes, payload)
        return PlayedAnswer(response, *_code_and_message(response.body))


def begin_scenario(account: AccountState, scenario: "Scenario | None") -> None:
    """Play a scenario from its first step on; None: play none."""
    account.change(scenario=None if scenario is None else scenario.to_json(), progress=[])


def _take_step(rows: Transaction, operation: str) -> PlayedStep | None:
    from kling_mock_server.failures.scenarios import next_step

    state: State | None = rows.get(STATE, ONE)
    # The scenario may have been stopped since the caller read the state.
    if state is None or state.scenario is None:
        return None
    scenario = _scenario(json.dumps(state.scenario))
    heeds_tasks = any(step.while_running for step in scenario.steps)
    running = count_running(rows, state.now_ms()) if heeds_tasks else 0
    progress, step = next_step(scenario, state.progress or (), operation, running)
    rows.put(STATE, ONE, state._replace(progress=progress))
    return PlayedStep(scenario.name, step) if step else None


@cached_for_short(100)
def _scenario(played: str) -> "Scenario":
    # To build one from its JSON takes longer than to answer.
    from kling_mock_server.failures.scenarios import scenario_from_json

    return scenario_from_json(json.loads(played))


def _code_and_message(body: bytes) -> tuple[int, str]:
    """Return code and message of an answer, 0 and nothing where it is no envelope."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return 0, ""
    code = value.get("code") if isinstance(value, dict) else None
    message = value.get("message") if isinstance(value, dict) else None
    return code if isinstance(code, int) else 0, message if isinstance(message, str) else ""

"""A step is taken of the scenario that is played at that moment, whatever the request saw before."""

import pytest

from kling_mock_server.adapters.handle import InProcess
from kling_mock_server.failures.playback import ScenarioPlayer, begin_scenario
from kling_mock_server.failures.scenarios import Scenario, Step
from kling_mock_server.state.account_state import AccountState
from support.serving import Mock, documented, new_app, payload


def refusing(code):
    return Scenario(f"refuses-{code}", (Step("create", times="always", refuse=code),))


@pytest.fixture
def kling():
    return InProcess(new_app(), "http://kling.example", "key")


@pytest.fixture
def begin_after_reading(monkeypatch):
    """Let a scenario begin, or end, between the reading of an account's state and the taking of a step."""

    def arrange(scenario):
        read = AccountState.read_with

        def read_and_begin(self, rows):
            seen = read(self, rows)
            monkeypatch.setattr(AccountState, "read_with", read)
            begin_scenario(self, scenario)
            return seen

        monkeypatch.setattr(AccountState, "read_with", read_and_begin)

    return arrange


def create(kling):
    return Mock(kling.responder).post(payload())


def test_a_scenario_that_was_replaced_meanwhile_takes_no_step(kling, begin_after_reading):
    kling.play(refusing(5000))
    begin_after_reading(refusing(1302))
    assert create(kling).code == 1302


def test_a_scenario_that_was_stopped_meanwhile_takes_no_step(kling, begin_after_reading):
    kling.play(refusing(5000))
    begin_after_reading(None)
    assert create(kling).status == 200


def test_where_no_scenario_is_played_no_step_is_taken(kling):
    account = kling.responder.accounts.of_token(kling.token)
    assert ScenarioPlayer(documented()).take_step(account.state, "create") is None

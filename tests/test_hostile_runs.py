"""A short seeded run of what `make hostile` and `make soak` do for minutes."""

import pytest

from hostile import kills, requests, soak
from support.serving import PATIENCE_S


def test_nothing_hostile_is_answered_5xx_in_process():
    outcome = requests.in_process(seconds=20, seed=1, most=2100)
    assert outcome.failures == []
    assert outcome.is_good


def test_nothing_hostile_is_answered_5xx_over_sockets():
    outcome = requests.over_sockets(seconds=20, seed=2, most=600)
    assert outcome.failures == []
    assert outcome.is_good


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(
            lambda: soak.idle_connections(idle=60, half_sent=20, max_delay_ms=PATIENCE_S * 1000), id="idle connections"
        ),
        pytest.param(lambda: soak.active_clients(clients=50, requests=2), id="active clients"),
        pytest.param(lambda: soak.held_tasks(accounts=20, tasks=500, overflow=500), id="held tasks"),
    ],
)
def test_a_short_soak_is_good(run):
    line = run()
    assert line.is_good, line.found


def test_nothing_acknowledged_is_lost_to_a_kill(tmp_path):
    line = soak.killed(f"sqlite:///{tmp_path}/soak.db", rounds=1, seconds=0.3, clients=2)
    assert line.is_good, line.found


def test_callbacks_stay_in_order_where_processes_are_killed_and_stopped(tmp_path):
    plan = kills.KillPlan(seconds=1, processes=2, killed=0.5)
    outcome = kills.run(f"sqlite:///{tmp_path}/soak.db", plan, seed=3)
    assert outcome.kills + outcome.stops > 0
    assert outcome.is_good, outcome.line()

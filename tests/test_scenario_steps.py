"""Scenarios: which calls their steps take."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mock_server.failures.scenarios import next_step, scenario_from_json
from support import serving
from support.scenarios import CALLS, FRESH, scenario, taken

counts = st.integers(1, 4)
plain_steps = st.fixed_dictionaries(
    {"call": st.sampled_from(CALLS), "times": counts}, optional={"skip": st.integers(0, 4)}
)
scenarios = st.lists(plain_steps, min_size=1, max_size=6).map(lambda steps: scenario(*steps))
chancy_steps = st.fixed_dictionaries(
    {"call": st.sampled_from(CALLS[:2])},
    optional={
        "times": counts,
        "skip": st.integers(0, 3),
        "chance": st.floats(0, 1),
        "while_running": st.booleans(),
    },
)
chancy = st.builds(
    lambda steps, seed: scenario(*steps, seed=seed), st.lists(chancy_steps, min_size=1, max_size=5), st.integers()
)
streams = st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 2)), max_size=60)


@given(scenarios, st.randoms(use_true_random=False))
def test_every_step_is_used_exactly_its_times_and_skips_exactly_its_skip(one, chooser):
    enough = [step.call for step in one.steps for _ in range(step.skip + step.times)] + CALLS * 2
    chooser.shuffle(enough)

    used = taken(one, enough)

    assert [used.count(index) for index in range(len(one.steps))] == [step.times for step in one.steps]


@given(scenarios)
def test_the_steps_of_a_call_are_consumed_in_order(one):
    for call in CALLS:
        expected = []
        for index, step in enumerate(one.steps):
            if step.call == call:
                expected += [None] * step.skip + [index] * step.times
        assert taken(one, [call] * (len(expected) + 2)) == [*expected, None, None]


@given(chancy, streams)
def test_no_step_is_used_more_than_its_times(one, stream):
    progress, used = FRESH, []
    for call, running in stream:
        progress, step = next_step(one, progress, call, running)
        used.append(step)
    for step in set(map(id, one.steps)):
        (limit,) = {each.times for each in one.steps if id(each) == step}
        assert sum(each is not None and id(each) == step for each in used) <= limit


@given(chancy, streams)
def test_progress_survives_the_way_through_json(one, stream):
    progress = kept = FRESH
    for call, running in stream:
        progress, step = next_step(one, progress, call, running)
        kept, again = next_step(one, json.loads(json.dumps(kept)), call, running)
        assert again is step


@given(chancy, streams, st.sampled_from(CALLS))
def test_a_decision_changes_nothing_but_the_progress_it_returns(one, stream, call):
    progress = FRESH
    for other, running in stream:
        progress, _ = next_step(one, progress, other, running)
    before = json.dumps(progress)

    assert next_step(one, progress, call, 1) == next_step(one, progress, call, 1)
    assert json.dumps(progress) == before


@given(chancy, streams)
def test_calls_that_no_step_is_about_get_good_answers(one, stream):
    # Chancy scenarios speak of the first two calls only.
    others = [(call, running) for call, running in stream if call not in CALLS[:2]]
    assert [next_step(one, FRESH, call, running) for call, running in others] == [(FRESH, None)] * len(others)


def test_always_is_never_used_up():
    assert taken(scenario({"call": "query", "times": "always"}), ["query"] * 500) == [0] * 500


def test_a_step_on_running_tasks_takes_no_call_while_there_are_none():
    one = scenario({"call": "create", "while_running": True, "skip": 1}, {"call": "create"})
    progress, first = next_step(one, FRESH, "create", 0)
    progress, second = next_step(one, progress, "create", 1)
    _, third = next_step(one, progress, "create", 1)

    assert (first, second, third) == (one.steps[1], None, one.steps[0])


def test_a_call_that_a_chance_leaves_goes_on_to_the_next_step():
    one = scenario({"call": "query", "times": "always", "chance": 0}, {"call": "query", "times": "always"})

    assert taken(one, ["query"] * 50) == [1] * 50


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_a_chance_takes_its_share_of_the_calls(chance):
    one = scenario({"call": "query", "times": "always", "chance": chance}, seed=11)

    share = taken(one, ["query"] * 2000).count(0) / 2000

    assert share == pytest.approx(chance, abs=0.05)


CHANCY = {"name": "mine", "seed": 3, "steps": [{"call": "query", "times": "always", "chance": 0.5, "status": 500}]}
DECIDING = f"""
from kling_mock_server.failures.scenarios import next_step, scenario_from_json
progress, one = (), scenario_from_json({CHANCY!r})
for _ in range(200):
    progress, step = next_step(one, progress, "query", 0)
    print("." if step is None else "x", end="")
"""


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_a_chance_falls_the_same_in_every_process(hash_seed):
    here = "".join("." if index is None else "x" for index in taken(scenario_from_json(CHANCY), ["query"] * 200))

    environment = serving.environment(PYTHONHASHSEED=hash_seed)
    there = subprocess.run(
        [sys.executable, "-c", DECIDING], env=environment, capture_output=True, text=True, check=True
    )

    assert there.stdout == here
    # The same in every version, too: who has written a seed down relies on it.
    assert here.startswith("xxxx.xxx..x..xx.")


def test_another_seed_decides_otherwise():
    one = scenario_from_json(CHANCY)

    assert taken(one, ["query"] * 100) != taken(one._replace(seed=4), ["query"] * 100)

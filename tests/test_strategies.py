"""The Hypothesis strategies: labels, shrinking, what a failure shows, and what they tell about the engine."""

import json
import re
import sys
from collections import Counter
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from kling_contracts import World, strategies
from kling_contracts.cases.case import Case
from kling_contracts.cases.requests import SERVER_RULES
from kling_contracts.strategies import broken, cases, valid, worlds
from support import catalogues
from support.serving import documented

CONTRACT = documented()
PAYLOAD_RULES = [rule.id for rule in CONTRACT.operation.rules]
ROWS = catalogues.rows()

MANY = settings(
    max_examples=min(25 * settings.default.max_examples, 100_000), suppress_health_check=[HealthCheck.too_slow]
)
"""1,250 examples in a developer's run, 5,000 under `ci`, 100,000 under `nightly`."""
FEW = settings(max_examples=20)


def judged(case, contract=CONTRACT):
    return frozenset(contract.report(case.request, case.world).broken)


# Labels.


@MANY
@given(cases())
def test_label_and_engine_agree(case):
    report = CONTRACT.report(case.request, case.world)
    assert frozenset(report.broken) == case.breaks
    assert case.breaks or not report.unverified


@given(valid())
def test_a_valid_case_is_accepted_and_verified_to_the_last_rule(case):
    report = CONTRACT.report(case.request, case.world)
    assert (case.breaks, report.violations, report.unverified) == (frozenset(), (), ())


@pytest.mark.parametrize("rule", [rule for rule in CONTRACT.rules if rule not in SERVER_RULES])
def test_every_rule_can_be_broken(rule):
    @FEW
    @given(broken(rule))
    def breaks_it(case):
        assert rule in case.breaks
        assert judged(case) == case.breaks

    breaks_it()


def test_a_rule_of_another_contract_is_refused_by_name():
    with pytest.raises(ValueError, match="session-expired"):
        broken("session-expired", contract=catalogues.variant(upstream_state=False))


@pytest.mark.parametrize("variant", [{"profile": "upstream"}, {"upstream_state": False}], ids=str)
def test_another_contract_has_its_own_cases(variant):
    contract = catalogues.variant(**variant)

    @given(cases(contract=contract))
    def agrees(case):
        assert judged(case, contract) == case.breaks

    agrees()


@given(broken(http=False))
def test_without_http_every_body_is_a_payload(case):
    json.loads(case.request.body)
    assert case.breaks <= set(PAYLOAD_RULES)


@given(worlds())
def test_a_world_is_one_that_can_be_written_down(world):
    assert World.from_json(json.loads(json.dumps(world.to_json()))) == world


def test_valid_cases_differ():
    # Hypothesis draws one time in three anew what it drew before, and changes a little of it.
    drawn = set()

    @settings(max_examples=1000, database=None, phases=[Phase.generate], suppress_health_check=HealthCheck)
    @given(valid())
    def collect(case):
        drawn.add((case.request.body, repr(case.world)))

    collect()
    assert len(drawn) >= 900


def test_annotations_find_the_strategies():
    @FEW
    @given(st.from_type(Case), st.from_type(World))
    def are_ours(case, world):
        assert isinstance(case, Case)
        assert world.sessions

    are_ours()


# Failures.


@cache
def simplest_case():
    return find(valid(), lambda case: True, settings=settings(database=None))


def smallest(strategy, wanted):
    """The case that Hypothesis ends with, and how many calls it took after the first that was wanted."""
    calls = []

    def is_wanted(case):
        calls.append(wanted(case))
        return calls[-1]

    options = settings(
        max_examples=20_000,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=HealthCheck,
    )
    return find(strategy, is_wanted, settings=options), len(calls) - calls.index(True) - 1


@pytest.mark.parametrize("rule", PAYLOAD_RULES[::4])
def test_a_failure_shrinks_to_one_place_different_from_the_simplest_payload(rule):
    # What a server fails on that forgot this one rule and knows the others.
    least = min((row.breaks for row in ROWS if rule in row.breaks), key=len)
    case, calls = smallest(broken(http=False), lambda case: case.breaks == least)
    assert calls <= 300
    assert len(places(case)) == 1


def places(case):
    """Where a case differs from the simplest one. The two sources are one place, and so are a rule's other readers."""
    payload, simplest = (leaves(one.payload) for one in (case, simplest_case()))
    changed = {name for name in payload.keys() | simplest.keys() if payload.get(name) != simplest.get(name)}
    return outermost({re.sub("audio_id|sound_file", "source", name) for name in changed}) or {"the world"}


def outermost(names):
    return {name for name in names if not any(name != other and name.startswith(other) for other in names)}


def leaves(value, name=""):
    if isinstance(value, dict):
        found = [leaf for key, member in value.items() for leaf in leaves(member, f"{name}/{key}").items()]
    elif isinstance(value, list):
        found = [leaf for index, item in enumerate(value) for leaf in leaves(item, f"{name}/{index}").items()]
    else:
        return {name: repr(value)}
    return {name: len(value), **dict(found)}


def test_a_failure_that_hangs_on_two_numbers_shrinks_to_both_edges():
    def late(case):
        item = case.payload["face_choose"][0]
        return item["sound_start_time"] > 20_000 and item["sound_insert_time"] > 5000

    case, calls = smallest(valid(), late)
    assert calls <= 300
    item = case.payload["face_choose"][0]
    assert (item["sound_start_time"], item["sound_insert_time"]) == (20_001, 5001)


PLANTED = {
    "a late insertion": (lambda item: item["sound_insert_time"] > 30_000, {"sound_insert_time": 30_001}),
    "a long clip": (lambda item: clip(item) > 10_000, {"sound_start_time": 0, "sound_end_time": 10_001}),
    "a URL and a late start": (
        lambda item: "://" in item.get("sound_file", "") and item["sound_start_time"] > 5000,
        {"sound_start_time": 5001, "sound_end_time": 7001},
    ),
}
"""Defects that hang on one number, and where a failure must end."""


def clip(item):
    return item["sound_end_time"] - item["sound_start_time"]


@pytest.mark.parametrize("planted", PLANTED)
def test_a_failure_in_one_number_shrinks_to_the_limit_itself_and_all_else_to_the_least(planted):
    fails, limits = PLANTED[planted]
    case, _ = smallest(valid(), lambda case: fails(case.payload["face_choose"][0]))
    item = case.payload["face_choose"][0]
    least = {"sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0, "sound_volume": 0}
    assert {name: item[name] for name in least} == {**least, **limits}


def test_a_failure_draws_the_timeline():
    @settings(database=None, phases=[Phase.generate, Phase.shrink])
    @given(valid())
    def fails(case):
        raise AssertionError("on purpose")

    with pytest.raises(AssertionError, match="on purpose") as failure:
        fails()
    drawn = "\n".join(failure.value.__notes__)
    assert re.search(r"inserted +├─+┤ +0 to 2000, 2000 ms", drawn)


def test_a_failure_on_a_body_that_is_no_payload_says_why():
    @settings(database=None, phases=[Phase.generate, Phase.shrink])
    @given(broken("body-json"))
    def fails(case):
        raise AssertionError("on purpose")

    with pytest.raises(AssertionError, match="on purpose") as failure:
        fails()
    assert "The body is cut off." in "\n".join(failure.value.__notes__)


def test_statistics_count_rules(monkeypatch):
    counted = Counter()
    monkeypatch.setattr(strategies, "event", lambda name: counted.update([name]))

    @settings(max_examples=10, database=None)
    @given(broken("face-overlap-too-short"))
    def draw(case):
        pass

    draw()
    assert counted["breaks face-overlap-too-short"] >= 10


# Cost.


def test_a_case_costs_a_few_times_what_hypothesis_needs_for_one_number():
    calls_made_by(cases())  # The first one solves the rules.
    # Measured at 3.15, on every machine; `make bench` compares the times with those of version 0.1.
    assert calls_made_by(cases()) < 4 * calls_made_by(st.integers(0, 2**20))


def calls_made_by(strategy):
    """Return how many functions written in Python are called while 100 examples are drawn."""
    calls = 0

    @settings(max_examples=100, database=None, phases=[Phase.generate], suppress_health_check=HealthCheck)
    @given(strategy)
    def draw(value):
        pass

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        draw()
    finally:
        sys.setprofile(before)
    return calls


# What must hold of the engine, whatever the rules are.

TIMED = st.one_of(valid(), *map(broken, ["face-overlap-too-short", "insert-past-video-end", "clip-too-short"]))


def judged_with(case, payload, world=None):
    return frozenset(CONTRACT.report(payload, World.from_json(world) if world else case.world).broken)


@given(cases(http=False), st.integers(0, 10**9))
def test_a_longer_video_never_turns_good_into_bad(case, longer):
    world = case.world.to_json()
    for session in world["sessions"].values():
        session["video_ms"] += longer
    assert judged_with(case, case.payload, world) <= case.breaks


@given(TIMED, st.integers(0, 10**6))
def test_shifting_insertion_window_and_video_together_changes_nothing(case, later):
    payload, world = case.payload, case.world.to_json()
    payload["face_choose"][0]["sound_insert_time"] += later
    for session in world["sessions"].values():
        session["video_ms"] += later
        session["faces"] = {name: [start + later, end + later] for name, (start, end) in session["faces"].items()}
    assert judged_with(case, payload, world) == case.breaks


@given(cases(http=False))
def test_the_order_of_members_changes_nothing(case):
    assert judged_with(case, backwards(case.payload)) == case.breaks


def backwards(value):
    if isinstance(value, dict):
        return {name: backwards(member) for name, member in reversed(value.items())}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@given(
    cases(http=False),
    st.dictionaries(st.from_regex(r"x_[a-z]{1,9}", fullmatch=True), st.none() | st.integers() | st.text()),
)
def test_unknown_fields_change_nothing(case, fields):
    assert judged_with(case, with_fields(case.payload, fields)) == case.breaks


def with_fields(payload, fields):
    if isinstance(payload, dict) and payload:
        items = payload.get("face_choose")
        more = {"face_choose": [with_fields(item, fields) for item in items]} if isinstance(items, list) else {}
        return {**payload, **more, **fields}
    return payload


@given(cases(http=False))
def test_an_empty_string_is_as_good_as_an_absent_one(case):
    assert judged_with(case, without_empty(case.payload)) == case.breaks


def without_empty(value):
    optional = {"audio_id", "sound_file", "external_task_id", "callback_url"}
    if isinstance(value, dict):
        return {name: without_empty(member) for name, member in value.items() if member != "" or name not in optional}
    return [without_empty(item) for item in value] if isinstance(value, list) else value

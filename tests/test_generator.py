"""Seeded generation: the same cases for the same seed, labelled rightly."""

import json
import re
from itertools import islice

import pytest

import kling_contracts
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.generator import generate
from kling_contracts.cases.requests import SERVER_RULES
from support import catalogues
from support.serving import documented

CONTRACT = documented()


def wrongly_labelled(made, contract=CONTRACT):
    for case in made:
        report = contract.report(case.request, case.world)
        if case.breaks != frozenset(report.broken) or (report.unverified and not case.breaks):
            yield f"{case.why}: {sorted(case.breaks)} by construction, {report.broken} by judgement"


def test_label_and_engine_agree_on_5000_cases():
    assert list(wrongly_labelled(generate(1, 5000))) == []


@pytest.mark.parametrize("variant", [{"profile": "upstream"}, {"upstream_state": False}], ids=str)
def test_label_and_engine_agree_under_every_profile(variant):
    contract = catalogues.variant(**variant)
    assert list(wrongly_labelled(generate(1, 1000, contract), contract)) == []


def test_one_seed_makes_the_same_cases_again():
    assert list(generate(7, 200)) == list(generate(7, 200))


def test_another_seed_makes_other_cases():
    assert list(generate(7, 200)) != list(generate(8, 200))


def test_fewer_cases_are_the_first_of_more():
    assert list(generate(7, 50)) == list(generate(7, 200))[:50]


@pytest.mark.parametrize("n", [0, 1, 13])
def test_there_are_as_many_cases_as_asked_for(n):
    assert len(list(generate(0, n))) == n


def test_the_number_of_cases_may_be_without_end():
    assert len(list(islice(generate(0, 10**15), 10))) == 10


def test_a_valid_case_is_followed_by_broken_ones():
    assert [not case.breaks for case in generate(0, 24)] == ([True] + [False] * 7) * 3


def test_valid_cases_alone():
    assert all(not case.breaks for case in generate(0, 200, valid=True))


def test_broken_cases_alone():
    assert all(case.breaks for case in generate(0, 200, valid=False))


@pytest.mark.parametrize("rule", sorted(CONTRACT.rules.keys() - set(SERVER_RULES)))
def test_cases_that_break_one_rule(rule):
    assert all(rule in case.breaks for case in generate(0, 20, rule=rule))


def test_every_rule_is_broken_sooner_or_later():
    broken = frozenset().union(*(case.breaks for case in generate(0, 3000)))
    assert broken == CONTRACT.rules.keys() - set(SERVER_RULES)


def test_without_http_every_body_is_a_payload():
    payload_rules = {rule.id for rule in CONTRACT.operation.rules}
    for case in generate(0, 1000, http=False):
        assert case.breaks <= payload_rules
        json.loads(case.request.body)


def test_an_unknown_rule_is_refused_before_anything_is_made():
    with pytest.raises(ValueError, match="no-such-rule"):
        generate(0, 1, rule="no-such-rule")


def test_a_valid_case_cannot_break_a_rule():
    with pytest.raises(ValueError, match="clip-too-short"):
        generate(0, 1, valid=True, rule="clip-too-short")


def test_valid_payloads_differ():
    payloads = {case.request.body for case in generate(0, 1000, valid=True)}
    assert len(payloads) >= 950


@pytest.mark.parametrize("operation", ["create", "identify", "tts"])
def test_a_part_of_the_valid_cases_looks_wrong(operation):
    odd = {goal.says for goal in factory_of(documented(), operation).looks_wrong(http=True)}
    cases = list(generate(1, 2400, documented(), operation=operation, valid=True))

    looks = {says: sum(case.why.startswith(says.removesuffix(".")) for case in cases) for says in odd}
    assert min(looks.values()) >= 1
    assert 480 <= sum(looks.values()) <= 720


def test_without_http_no_valid_request_looks_wrong():
    odd = {goal.says for goal in factory_of(documented()).harmless_requests}
    assert not odd & {case.why for case in generate(1, 2000, documented(), valid=True, http=False)}


def test_every_way_to_say_the_same_is_drawn():
    cases = list(generate(0, 400, valid=True))
    assert any(next(iter(case.payload)) == "callback_url" for case in cases)
    assert any("x_unknown" in case.payload for case in cases)
    assert any(b".0" in case.request.body for case in cases)


def test_one_numeric_fault_in_three_and_more_goes_just_past_its_limit():
    distances = [int(found[1]) for case in generate(0, 4000) if (found := re.search(r" by (\d+)", case.why))]
    assert sum(distance == 1 for distance in distances) >= len(distances) / 3
    assert any(distance >= 10_000 for distance in distances)
    assert any(10 < distance < 10_000 for distance in distances)


def test_many_cases_lie_exactly_at_a_limit():
    at_the_end = [
        case
        for case in generate(0, 1000, valid=True)
        if (clip_end(case) + case.world.audio_slack_ms)
        in {audio.duration_ms for audio in case.world.audios.values()}
        | {file.duration_ms for file in case.world.files.values()}
    ]
    assert len(at_the_end) > 100


def clip_end(case):
    return case.payload["face_choose"][0]["sound_end_time"]


def test_it_is_exported():
    assert kling_contracts.generate is generate

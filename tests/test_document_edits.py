"""Every edit of the documents moves the cases: labels against the judge, under one edit after another.

Here a seeded tenth of the edits is tried; `make nightly` tries all, with more cases each.
"""

import json
import os
from random import Random

import pytest

from kling_contracts import Contract, DocumentError, RuleError
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.generator import generate
from support.document_edits import (
    EDITS,
    Edit,
    added,
    edited,
    field,
    keyword,
    new_field,
    payload,
    replaced,
    together,
    top,
)

NIGHTLY = "KLINGKIT_NIGHTLY" in os.environ
ALWAYS = ("over a text that may not be", "over a literal URL", "session-unknown dropped")
"""Those in which a value that comes near the right one is a text that a rule names, or leaves rules unknown."""
SOME = {*Random(7).sample([edit.name for edit in EDITS], len(EDITS) // 10), *ALWAYS}
TRIED = EDITS if NIGHTLY else [edit for edit in EDITS if edit.name in SOME]
CASES = 2000 if NIGHTLY else 400
MEMBERS = ("note", "deep", "number")
"""Members that look-alikes of requests add."""


def wrong(contract, operation, n):
    for case in generate(1, n, contract, operation=operation):
        report = contract.report(case.request, case.world)
        if case.breaks != frozenset(report.broken) or (report.unverified and not case.breaks):
            yield f"{case.why}: {sorted(case.breaks)} by construction, {report.broken} by judgement"


def test_there_are_at_least_60_edits_each_with_a_name_of_its_own():
    assert len({edit.name for edit in EDITS}) == len(EDITS) >= 60


@pytest.mark.parametrize("edit", TRIED, ids=lambda edit: edit.name)
def test_labels_and_judge_agree_under_an_edit(edit):
    contract = Contract.compile(edited(edit))
    assert list(wrong(contract, edit.operation, CASES)) == []


@pytest.mark.parametrize(
    "change",
    [
        keyword(payload, additionalProperties=False),
        together(*(new_field(name, {"type": "string", "maxLength": 1}, False, payload) for name in MEMBERS)),
    ],
    ids=["no other members", "members of these names"],
)
def test_a_request_gets_another_member_only_where_the_documents_do_not_know_it(change):
    contract = Contract.compile(edited(Edit("", change)))
    cases = generate(1, 1000, contract, valid=True)
    assert [case.why for case in cases if contract.report(case.request, case.world).broken] == []


@pytest.mark.parametrize("edit", [edit for edit in TRIED if edit.rule], ids=lambda edit: edit.name)
def test_a_new_rule_is_broken_at_the_least_distance(edit):
    contract = Contract.compile(edited(edit))
    factory = factory_of(contract, edit.operation)
    firsts = [
        ready.plan.first
        for goal in factory.reachable(edit.rule)
        for mix in factory.mixes(goal).every
        for ready in mix.plans
    ]
    assert firsts
    assert all(edit.rule in case.breaks for case in generate(1, 50, contract, operation=edit.operation, rule=edit.rule))


def test_each_item_of_an_array_makes_choices_and_draws_numbers_of_its_own():
    contract = Contract.compile(edited(Edit("", keyword(top("face_choose"), minItems=2, maxItems=2))))
    pairs = [json.loads(case.request.body)["face_choose"] for case in generate(1, 100, contract, valid=True)]

    assert all(first["sound_end_time"] != second["sound_end_time"] for first, second in pairs[:5])
    assert any(first.keys() != second.keys() for first, second in pairs)


def test_one_item_of_several_is_broken_while_the_others_hold():
    contract = Contract.compile(edited(Edit("", keyword(top("face_choose"), minItems=2, maxItems=2))))
    reports = [
        contract.report(case.request, case.world) for case in generate(1, 40, contract, rule="insert-past-video-end")
    ]
    places = [
        [one.pointer for one in report.violations if one.rule.id == "insert-past-video-end"] for report in reports
    ]

    assert all(len(some) == 1 for some in places)


def test_rules_that_contradict_each_other_are_refused_by_name():
    contract = Contract.compile(edited(Edit("", added("self.sound_volume >= 3"), "own")))
    with pytest.raises(DocumentError, match=r"no payload of create can be valid: own, sound_volume\.maximum$"):
        next(generate(0, 1, contract))


def test_a_pattern_is_refused_by_name():
    contract = Contract.compile(edited(Edit("", keyword(field("face_id"), pattern="^[0-9]+$"))))
    with pytest.raises(RuleError, match=r"face_id\.pattern"):
        next(generate(0, 1, contract))


def test_an_equality_in_which_every_number_has_a_factor_is_refused_by_name():
    twice, thrice = ("self.sound_start_time", "self.sound_end_time")
    text = f"{twice} + {twice} == {thrice} + {thrice} + {thrice}"
    contract = Contract.compile(edited(Edit("", added(text), "own")))
    with pytest.raises(RuleError, match="own"):
        next(generate(0, 1, contract))


def test_a_message_that_is_no_text_is_refused():
    def change(document):
        payload(document)["properties"]["session_id"]["x-validations"][0]["message"] = False

    with pytest.raises(DocumentError):
        Contract.compile(edited(Edit("", change)))


def test_a_rule_that_nothing_can_break_has_no_case():
    contract = Contract.compile(edited(Edit("", replaced("clip-too-short", "self.sound_start_time >= 0 - 1"))))
    with pytest.raises(ValueError, match="no case can break 'clip-too-short'"):
        generate(0, 1, contract, rule="clip-too-short")

"""Schemathesis in process: the mock keeps its contract, and a mock with a planted defect is found out."""

import random

import pytest

pytest.importorskip("schemathesis")

import schemathesis
from defects import (
    answer_a_missing_key_as_an_unknown_path,
    answer_moderation_with_another_code,
    ask_for_more_overlap,
    forget_a_required_field,
    forget_the_faces,
    lengthen_the_audio,
    mutated,
    name_another_rule,
    shorten_the_clip,
)
from hypothesis import HealthCheck, settings
from schemathesis.core.errors import HookExecutionError
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import IgnoredAuth, RejectedPositiveData

from kling_contracts import Contract, DocumentError
from kling_contracts.documents.loading import effective, vendor
from kling_mock_server import create_app
from kling_mock_server.testing import schemathesis_hooks
from kling_mock_server.testing.schemathesis_hooks.carrying import carry
from support.mutants import rows, servers
from support.nightly import share

PATH = "/kling/v1/videos/advanced-lip-sync"

# Schemathesis' own strategy for a whole operation prints long where Hypothesis reports under CI.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
TOKENS = (schemathesis_hooks.TOKEN,)
GATED = schemathesis.Config.from_dict({"checks": {"contract_rules": {"fail_under": 100}}})

schema = schemathesis.openapi.from_wsgi("/_mock/openapi.json", create_app(tokens=TOKENS), config=GATED)


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_of_the_mock_is_the_verdict_of_the_contract(case):
    case.call_and_validate()


def operation_of(app, path=PATH, method="POST"):
    """An operation of the documented contract, by default create, served by any application."""
    schema = schemathesis.openapi.from_dict(effective(), config=schemathesis.Config())
    schema.app = app
    return schema[path][method]


def failures(app, rule=None):
    """The failures of the catalogue's rows that break a rule, by default of those that break none."""
    operation = operation_of(app)
    for row in rows("create"):
        if (rule in row.breaks) if rule else not row.breaks:
            try:
                carry(operation, TestPhase.EXAMPLES, row).call_and_validate()
            except FailureGroup as group:
                yield from group.exceptions


def mock_of(document):
    return create_app(contract=Contract.compile(document), tokens=TOKENS)


@pytest.mark.parametrize(
    ("defect", "rule", "told"),
    [
        (shorten_the_clip, "clip-too-short", "names face-overlap-too-short, but it breaks clip-too-short"),
        (lengthen_the_audio, "audio-too-long", "accepted, but it breaks audio-too-long"),
        (forget_the_faces, "face-unknown", "accepted, but it breaks face-unknown"),
        (forget_a_required_field, "sound_volume.required", "accepted, but it breaks sound_volume.required"),
        (answer_moderation_with_another_code, "audio-content", "but audio-content is refused with 400 / 1301"),
        (answer_a_missing_key_as_an_unknown_path, "authorization-missing", "is refused with 401 / 1001"),
        (name_another_rule, "insert-past-video-end", "names insert-after-video-end, but it breaks insert-past"),
        (ask_for_more_overlap, None, "refused with 400 / 1201, but it breaks no rule"),
    ],
)
def test_a_planted_defect_is_found_and_its_rule_is_told(defect, rule, told):
    found = [str(failure) for failure in failures(mock_of(mutated(defect)), rule)]

    assert any(told in text for text in found)


@pytest.mark.parametrize("rule", ["clip-too-short", "method", "session-unknown"])
def test_a_refusal_that_schemathesis_cannot_know_is_no_failure_where_the_contract_agrees(rule):
    assert list(failures(create_app(tokens=TOKENS), rule)) == []


def test_a_refusal_is_a_failure_of_schemathesis_too_where_the_contract_does_not_agree():
    found = list(failures(mock_of(mutated(ask_for_more_overlap))))

    assert any(isinstance(failure, RejectedPositiveData) for failure in found)


def test_a_failure_tells_world_and_sentence():
    text = str(next(failures(mock_of(mutated(lengthen_the_audio)), "audio-too-long")))

    assert "PUT /_mock/world" in text
    assert "且不超过60秒的音频" in text


def test_a_server_that_welcomes_any_key_is_told_apart():
    found = list(failures(create_app()))

    assert any(isinstance(failure, IgnoredAuth) for failure in found)


def test_a_server_that_does_not_welcome_the_key_is_explained():
    case = carry(operation_of(create_app(tokens=("another",))), TestPhase.EXAMPLES, rows("create")[0])

    with pytest.raises(HookExecutionError) as raised:
        case.call()

    assert "klingkit serve --token klingkit" in str(raised.value.__cause__)


def test_a_document_without_rules_is_refused():
    with pytest.raises(HookExecutionError) as raised:
        schemathesis.openapi.from_dict(vendor())

    assert isinstance(raised.value.__cause__, DocumentError)


def is_found(mutant, server):
    """Whether a run of the catalogue fails, which begins with what breaks the spoilt rule."""
    one = Contract.load().by_name[mutant.operation]
    operation = operation_of(create_app(contract=server, tokens=TOKENS), one.paths[0], one.method)
    for row in sorted(rows(mutant.operation), key=lambda row: mutant.rule not in row.breaks):
        if row.request.path != one.paths[0] and "{" not in one.paths[0]:
            continue
        try:
            carry(operation, TestPhase.EXAMPLES, row).call_and_validate()
        except FailureGroup:
            return True
    return False


def test_nine_in_ten_planted_defects_of_the_operations_around_create_are_found():
    planted = [one for name in ("list", "query", "identify", "tts") for one in servers(name)]
    planted = share(planted, random.Random(0).sample(planted, 12))
    found = [is_found(mutant, server) for mutant, server in planted]

    assert sum(found) >= 0.9 * len(planted)


@pytest.mark.parametrize("name", ["list", "query", "identify", "tts"])
def test_the_mock_keeps_the_contract_of_an_operation_around_create(name):
    one = Contract.load().by_name[name]
    operation = operation_of(create_app(tokens=TOKENS), one.paths[0], one.method)
    for row in rows(name)[:60]:
        carry(operation, TestPhase.EXAMPLES, row).call_and_validate()


def test_the_gate_counts_the_rules_of_the_operations_that_are_called():
    operation = operation_of(create_app(tokens=TOKENS), f"{PATH}/{{task_id}}", "GET")
    check = schemathesis_hooks.contract_rules(fail_under=100)

    for row in rows("query"):
        case = carry(operation, TestPhase.EXAMPLES, row)
        check.after_response(None, case.call(), case)

    assert passes_gate(check)


@pytest.mark.parametrize(("fail_under", "passes"), [(1.7, True), (1.8, False)])
def test_the_gate_counts_the_rules_that_were_broken(fail_under, passes):
    operation = operation_of(create_app(tokens=TOKENS))
    (row, *_) = (row for row in rows("create") if row.breaks == {"audio-too-long"})
    case = carry(operation, TestPhase.EXAMPLES, row)
    check = schemathesis_hooks.contract_rules(fail_under=fail_under)

    check.after_response(None, case.call(), case)

    # One of the 56 rules that can be broken is 1.79 %.
    assert passes_gate(check) == passes


def passes_gate(check):
    try:
        check.after_run(None)
    except AssertionError:
        return False
    return True

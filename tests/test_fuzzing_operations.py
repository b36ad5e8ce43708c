"""Fuzzing calls every operation: what is wrong with the four around create is found, too."""

import pytest
from click.testing import CliRunner

from kling_contracts.audits import Kind
from kling_mock_server.cli.fuzz import fuzz
from kling_mock_server.testing.fuzzing import Options, fuzz_server
from support.serving import documented
from support.spoilt_servers import serving_with, spoilt_contract

CREATE = "/kling/v1/videos/advanced-lip-sync"


def attacked(*operations, n=0, **server):
    with serving_with(**server) as url:
        return fuzz_server(url, Options(n=n, operations=operations), contract=documented())


def called(*operations, **options):
    """The operations that are called where these are chosen."""
    asked = set()

    def watch(request, answer):
        if not request.path.startswith("/_mock"):
            asked.add((request.method, request.path.removesuffix("/").rpartition("/")[2]))
        return answer(request)

    with serving_with(change=watch) as url:
        fuzz_server(url, Options(n=20, operations=operations, **options), contract=documented())
    return asked


def test_only_the_operation_that_is_chosen_is_called():
    asked = called("tts")

    assert ("POST", "tts") in asked
    assert not {("POST", "advanced-lip-sync"), ("GET", "advanced-lip-sync"), ("POST", "identify-face")} & asked


def test_of_a_rule_only_the_operations_that_have_it_are_called():
    asked = called(rules=["voice-unknown"])

    assert {("POST", "tts")} == asked


def test_what_was_not_chosen_is_not_told_as_unjudged():
    result = attacked("list")

    assert not result.findings
    assert not result.unjudged
    assert "session-unknown" not in {row.rule for row in result.rows}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--operation", "speak"], "the contract has no operation speak; it has: create, list, query, identify, tts"),
        (["--operation", "list", "--rule", "voice-unknown"], "there is no rule 'voice-unknown'"),
    ],
)
def test_what_the_contract_has_not_is_misuse(options, told):
    result = CliRunner().invoke(fuzz, ["http://127.0.0.1:9", *options])

    assert result.exit_code == 2
    assert told in result.output


def test_a_callable_takes_payloads_of_create_alone():
    result = CliRunner().invoke(fuzz, ["json:dumps", "--operation", "tts"])

    assert result.exit_code == 2
    assert "--operation is for a server; json:dumps takes payloads of create" in result.output


@pytest.mark.parametrize(
    ("operation", "old", "new", "rule"),
    [
        ("identify", "facts.video.duration_ms >= 2000", "facts.video.duration_ms >= 2001", "video-too-short"),
        ("identify", "facts.video.faces >= 1", "facts.video.faces >= 2", "no-human"),
        ("tts", '"maxLength": 1000', '"maxLength": 999', "text.maxLength"),
        ("list", '"maximum": 500', '"maximum": 501', "pageSize.maximum"),
    ],
)
def test_a_limit_that_is_off_by_one_is_found(operation, old, new, rule):
    result = attacked(operation, contract=spoilt_contract(old, new))

    assert {finding.rule for finding in result.findings} == {rule}


def test_a_server_that_reports_any_unknown_task_as_submitted_is_found():
    contract = spoilt_contract("has(facts.task)", "has(facts.task) || self == self", operation="query")

    result = attacked("query", contract=contract)

    assert ("task-unknown", Kind.ACCEPTED) in {(finding.rule, finding.kind) for finding in result.findings}

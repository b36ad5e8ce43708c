"""Every row of `cases/`, judged by the contract and answered by the mock; `cases/example.yaml` says how to read one."""

from uuid import UUID

import jsonschema_rs
import pytest

from kling_contracts.documents import loading
from support.case_rows import ROWS, contract_of, listed

MEMBERS = {
    *("says", "quote", "payload", "item", "items", "sound_file", "without", "body", "world"),
    *("profile", "upstream_state", "breaks", "unverified"),
}


def _descriptions(node):
    if isinstance(node, dict):
        yield node.get("description", "")
        for child in node.values():
            yield from _descriptions(child)


RULE_IDS = [rule.id for rule in contract_of().operation.rules]


def rows(chosen=lambda row: True):
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS if chosen(row)])


@rows()
def test_the_contract_finds_exactly_the_broken_rules_in_document_order(row):
    assert list(row.report.broken) == row.breaks


@rows(lambda row: row.unverified is not None)
def test_the_contract_says_what_it_could_not_verify(row):
    assert {one.rule.id for one in row.report.unverified} == row.unverified


@rows(lambda row: row.breaks)
def test_the_mock_refuses_by_the_first_broken_rule_and_names_all(row):
    first = row.contract.rules[row.breaks[0]]
    assert (row.answer.status_code, row.answer.json["code"]) == (first.status, first.code)
    assert row.answer.json["message"] == row.report.violations[0].message
    assert listed(row.answer.headers["X-Contract-Violations"]) == row.breaks


@rows(lambda row: not row.breaks)
def test_the_mock_accepts_what_breaks_no_rule(row):
    assert (row.answer.status_code, row.answer.json["code"], row.answer.json["message"]) == (200, 0, "SUCCEED")
    assert "X-Contract-Violations" not in row.answer.headers
    assert set(listed(row.answer.headers.get("X-Contract-Unverified"))) == row.unverified


@rows()
def test_the_mock_answers_in_the_documented_envelope(row):
    data = {"data"} if row.answer.status_code == 200 else set()
    assert row.answer.content_type == "application/json"
    assert row.answer.json.keys() == {"code", "message", "request_id"} | data
    assert str(UUID(row.answer.json["request_id"])) == row.answer.json["request_id"]
    jsonschema_rs.validate(_answer_schema(row.contract.document, row.answer.status_code), row.answer.json)


def _answer_schema(effective, status):
    response = effective["paths"][contract_of().operation.paths[0]]["post"]["responses"][str(status)]
    if "$ref" in response:
        response = effective["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return {**response["content"]["application/json"]["schema"], "components": effective["components"]}


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_some_row_breaks_the_rule(rule_id):
    assert any(rule_id in row.breaks for row in ROWS)


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_some_row_holds_the_rule(rule_id):
    assert any(not row.breaks and rule_id in row.contract.rules and rule_id not in row.unverified for row in ROWS)


def test_rows_name_only_rules_that_exist():
    named = {row.id: {*row.breaks, *(row.unverified or ())} - row.contract.rules.keys() for row in ROWS}
    assert {row_id: ids for row_id, ids in named.items() if ids} == {}


def test_rows_quote_the_vendor_to_the_letter():
    said = list(_descriptions(loading.vendor()))
    quotes = {row.content["quote"] for row in ROWS if "quote" in row.content}
    assert [quote for quote in quotes if not any(quote in description for description in said)] == []


def test_rows_have_only_the_members_that_are_explained():
    assert [row.id for row in ROWS if not {"says", "breaks"} <= row.content.keys() <= MEMBERS] == []


def test_no_two_rows_say_the_same():
    assert len({row.content["says"] for row in ROWS}) == len(ROWS)

"""Every rule, code, message and reading has a grade: what it rests on, as the documents say."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kling_contracts import Contract, DocumentError
from kling_contracts.judging.report import describe
from kling_contracts.reading_table import reading_markdown, readings
from kling_contracts.rule_table import rule_rows, rule_text
from kling_contracts.rules.evidence import GRADES, Evidence
from kling_mock_server.cli.main import cli
from support.contract_folder import OVERLAY, changed, copy_of_documents
from support.serving import documented

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    return copy_of_documents(tmp_path)


@pytest.mark.parametrize(
    ("rule_id", "grade"),
    [
        ("clip-too-short", "quoted"),
        ("sound_volume.maximum", "quoted"),
        ("session_id.type", "quoted"),
        ("session-expired", "documented"),
        ("pageSize.maximum", "documented"),
        ("external-task-id-duplicate", "observed"),
        ("body-too-large", "ours"),
    ],
)
def test_the_grade_of_a_rule_follows_its_source_unless_the_document_says_more(rule_id, grade):
    assert documented().every_rule[rule_id].evidence.grade == grade


def test_every_row_of_the_rule_table_has_the_grades_of_rule_and_message():
    for row in rule_rows(documented()):
        assert row["evidence"]["grade"] in GRADES
        assert row["evidence"]["message"]["grade"] in GRADES


def test_what_was_observed_is_told_with_the_number_of_reports_and_the_month_of_the_latest():
    (row,) = [row for row in rule_rows(documented()) if row["id"] == "external-task-id-duplicate"]

    assert row["evidence"]["reports"] == 1
    assert row["evidence"]["latest"] == "2026-09"
    assert (
        "  grade:  observed (1 independent report, latest 2026-09): no second task and no second charge"
        in rule_text(documented())
    )


def test_a_violation_shows_the_grade_where_no_sentence_of_the_vendor_is_quoted():
    broken = documented().report({**documented().operation.example, "session_id": 5})

    assert "  grade:  quoted" in describe(broken.violations[0])
    assert broken.to_json()["violations"][0]["evidence"] == {"grade": "quoted"}


def test_the_command_prints_the_grades():
    printed = CliRunner().invoke(cli, ["rules", "--format", "json"])

    assert all("evidence" in row for row in json.loads(printed.output))


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("observed", Evidence("observed")),
        ("{grade: observed, reports: 2, latest: 2026-10}", Evidence("observed", 2, "2026-10")),
        ("ours", Evidence("ours")),
    ],
)
def test_a_document_may_say_what_a_rule_rests_on(folder, declared, expected):
    changed(folder, OVERLAY, "- id: clip-too-short\n", f"- id: clip-too-short\n          evidence: {declared}\n")

    assert Contract.load(folder=folder).rules["clip-too-short"].evidence == expected


@pytest.mark.parametrize(
    ("declared", "maximum", "minimum"),
    [
        ("observed", "observed", "observed"),
        ("{maximum: {grade: observed, reports: 3}}", "observed", "quoted"),
    ],
)
def test_evidence_beside_keywords_is_of_all_of_them_or_of_one_by_its_name(folder, declared, maximum, minimum):
    place = "      minimum: 0\n      maximum: 2\n"
    changed(folder, OVERLAY, place, f"{place}      x-evidence: {declared}\n")
    rules = Contract.load(folder=folder).rules

    assert rules["sound_volume.maximum"].evidence.grade == maximum
    assert rules["sound_volume.minimum"].evidence.grade == minimum


def test_evidence_beside_a_code_is_of_the_code(folder):
    changed(folder, OVERLAY, "- const: 1300\n", "- const: 1300\n                        x-evidence: observed\n")

    codes = Contract.load(folder=folder).codes
    assert (codes[1300].evidence.grade, codes[1301].evidence.grade) == ("observed", "documented")


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("obsreved", "did you mean observed?"),
        ("{grade: observed, report: 2}", "report is not known here; did you mean reports?"),
        ("{grade: observed, reports: 0}", "reports must be at least 1"),
        ("{grade: observed, latest: 2026-13}", "latest must be a month, YYYY-MM"),
        ("{reports: 2}", "grade is required"),
    ],
)
def test_evidence_that_is_malformed_is_an_error(folder, declared, says):
    line = changed(folder, OVERLAY, "- id: clip-too-short\n", f"- id: clip-too-short\n          evidence: {declared}\n")

    with pytest.raises(DocumentError) as caught:
        Contract.load(folder=folder)
    assert says in str(caught.value)
    assert f"{OVERLAY}, line {line + 1}," in str(caught.value)


def test_every_reading_has_a_grade_and_one_that_says_nothing_is_ours():
    by_point = {one.point: one for one in readings(documented())}

    assert {one.evidence.grade for one in by_point.values()} <= set(GRADES)
    assert by_point["a string of spaces"].evidence == Evidence("ours")


def test_the_page_of_readings_is_what_the_documents_say():
    page = (ROOT / "docs" / "readings.md").read_text(encoding="utf-8")

    assert page == reading_markdown(documented()) + "\n", "run `make readings`"


def test_a_reading_that_a_folder_adds_stands_on_its_page(folder):
    changed(folder, OVERLAY, "x-readings:\n", "x-readings:\n        - {point: a new one, reading: so}\n")

    assert "| a new one | so |  | ours |" in reading_markdown(Contract.load(folder=folder))


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (Evidence("documented"), "documented"),
        (Evidence("observed", 1), "observed (1 independent report)"),
        (Evidence("observed", 2, "2026-09", "so"), "observed (2 independent reports, latest 2026-09): so"),
        (Evidence("observed", seen="so"), "observed: so"),
        (Evidence("documented", 2, seen="otherwise"), "documented; seen (2 independent reports): otherwise"),
        (Evidence("ours", seen="otherwise"), "ours; seen: otherwise"),
    ],
)
def test_what_was_seen_is_told_apart_from_what_is_documented(evidence, text):
    assert str(evidence) == text

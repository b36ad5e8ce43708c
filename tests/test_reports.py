"""One finding, six formats: what each of them needs is there, whatever stands in the texts."""

import json
import os

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from kling_mock_server.cli.report_options import deliver, report_options
from kling_mock_server.reports.finding import Finding, FindingReport, Place, RuleText
from kling_mock_server.reports.formats import ENDINGS, FORMATS, refuse_unwritable, rendered, write_file

BROKEN = Finding(
    "clip-too-short",
    "The cropped audio must last at least 2000 ms",
    place=Place("payloads/a b.json", 7, 25, "/face_choose/0/sound_end_time"),
    details=("found:  1999", "wanted: at least 2000"),
    data={"code": 1201},
)
UNKNOWN = Finding("face-unknown", "no world was given", "unverified", Place("payloads/a b.json"))
NOTE = Finding("field", '"sound_volum" is not a documented field', "note")
REPORT = FindingReport(
    "check",
    "payloads/a b.json",
    (BROKEN, UNKNOWN, NOTE),
    "1 of 1 file breaks the contract",
    held=("session_id.required",),
    rules={"clip-too-short": RuleText("The cropped audio must last at least 2000 ms", "裁剪后音频不得短于2秒")},
)


def as_json(form, report=REPORT):
    return json.loads(rendered(report, form))


def sarif_run(report=REPORT):
    return as_json("sarif", report)["runs"][0]


def suite_of(report):
    (suite,) = JUnitXml.fromstring(rendered(report, "junit").encode())
    return suite


def test_the_text_says_where_what_and_why_and_ends_with_the_summary():
    assert rendered(REPORT, "text") == (
        "clip-too-short: The cropped audio must last at least 2000 ms\n"
        "  at payloads/a b.json:7:25 /face_choose/0/sound_end_time\n"
        "  found:  1999\n"
        "  wanted: at least 2000\n"
        "\n"
        "not verified: face-unknown: no world was given\n"
        "  at payloads/a b.json\n"
        "\n"
        'note: field: "sound_volum" is not a documented field\n'
        "\n"
        "1 of 1 file breaks the contract\n"
    )


def test_json_holds_every_member_of_a_finding():
    value = as_json("json")
    assert value["counts"] == {"error": 1, "unverified": 1, "note": 1}
    assert value["findings"][0] == {
        "rule": "clip-too-short",
        "level": "error",
        "message": "The cropped audio must last at least 2000 ms",
        "file": "payloads/a b.json",
        "line": 7,
        "column": 25,
        "pointer": "/face_choose/0/sound_end_time",
        "details": ["found:  1999", "wanted: at least 2000"],
        "code": 1201,
    }


def test_junit_is_read_back_with_one_test_for_each_rule():
    suite = suite_of(REPORT)
    results = {case.name: [type(result).__name__ for result in case.result] for case in suite}
    assert results == {
        "session_id.required": [],
        "clip-too-short": ["Failure"],
        "face-unknown": ["Skipped"],
        "field": [],
    }
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (4, 1, 1, 0)


def test_a_test_that_fails_is_not_skipped_at_the_same_time():
    suite = suite_of(FindingReport("check", "a", (BROKEN, Finding("clip-too-short", "unknown", "unverified")), "bad"))
    assert [[type(result).__name__ for result in case.result] for case in suite] == [["Failure"]]


def test_github_lines_name_file_line_and_column_and_escape_what_ends_a_command():
    lines = rendered(REPORT, "github").splitlines()
    assert lines[0] == (
        "::error file=payloads/a b.json,line=7,col=25,title=clip-too-short::"
        "The cropped audio must last at least 2000 ms%0Afound:  1999%0Awanted: at least 2000"
    )
    assert [line.partition(" ")[0] for line in lines[1:3]] == ["::warning", "::notice"]


def test_a_github_property_holds_neither_comma_nor_colon():
    odd = FindingReport("check", "a", (Finding("x", "100%", place=Place("a,b:c.json")),), "bad")
    assert rendered(odd, "github").startswith("::error file=a%2Cb%3Ac.json,title=x::100%25\n")


def test_sarif_has_the_members_that_github_requires():
    assert as_json("sarif")["version"] == "2.1.0"
    assert as_json("sarif")["$schema"].endswith("sarif-2.1.0.json")
    driver = sarif_run()["tool"]["driver"]
    assert driver["name"] == "klingkit"
    for rule in driver["rules"]:
        assert rule["id"]
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
    for result in sarif_run()["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["partialFingerprints"]
        physical = result["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"]["uri"]
        assert {"startLine", "startColumn", "endLine", "endColumn"} <= physical["region"].keys()


def test_sarif_results_are_what_is_wrong_and_notifications_what_nobody_could_verify():
    run = sarif_run()
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("clip-too-short", "error"),
        ("field", "note"),
    ]
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert [one["descriptor"]["id"] for one in told] == ["face-unknown"]


def test_a_path_is_a_relative_uri_in_sarif():
    location = sarif_run()["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "payloads/a%20b.json"


def test_the_fingerprint_stays_when_the_line_moves():
    moved = FindingReport("check", "a", (BROKEN._replace(place=BROKEN.place._replace(line=9)),), "bad")
    prints = [sarif_run(report)["results"][0]["partialFingerprints"] for report in (REPORT, moved)]
    assert prints[0] == prints[1]


def test_markdown_has_a_section_for_each_level():
    text = rendered(REPORT, "markdown")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# klingkit check: payloads/a b.json",
        "## Findings",
        "## Not verified",
        "## Notes",
    ]


def test_only_an_error_changes_the_exit_status():
    assert REPORT.status == 1
    assert FindingReport("check", "a", (UNKNOWN, NOTE), "fine").status == 0


ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(rule=ODD, message=ODD, file=ODD, details=st.lists(ODD, max_size=2), level=st.sampled_from(["error", "note"]))
def test_every_format_survives_every_text(rule, message, file, details, level):
    finding = Finding(rule, message, level, Place(file, 1, 1), tuple(details))
    report = FindingReport("check", file, (finding,), message)
    for form in FORMATS:
        assert rendered(report, form).endswith("\n")
    json.loads(rendered(report, "json"))
    json.loads(rendered(report, "sarif"))
    assert len(list(suite_of(report))) == 1


@given(message=ODD)
def test_a_text_cannot_begin_a_github_command_of_its_own(message):
    report = FindingReport("check", "a", (Finding("x", f"a\n::error::{message}"),), "bad")
    lines = rendered(report, "github").splitlines()
    assert sum(line.startswith("::") for line in lines) == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_ending_of_a_file_chooses_its_format(ending, tmp_path):
    file = tmp_path / f"report{ending}"
    write_file(REPORT, str(file))
    assert file.read_text(encoding="utf-8") == rendered(REPORT, ENDINGS[ending])


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the ending chooses the format; there are \.txt"):
        refuse_unwritable(str(tmp_path / "report.html"))


def test_what_cannot_be_written_is_refused_before_the_run(tmp_path):
    with pytest.raises(ValueError, match="No such file or directory"):
        refuse_unwritable(str(tmp_path / "missing" / "report.json"))


def test_asking_whether_a_file_can_be_written_leaves_none_behind(tmp_path):
    refuse_unwritable(str(tmp_path / "report.json"))
    assert os.listdir(tmp_path) == []


def test_asking_whether_a_file_can_be_written_keeps_the_one_that_is_there(tmp_path):
    file = tmp_path / "report.json"
    file.write_text("earlier")
    refuse_unwritable(str(file))
    assert file.read_text() == "earlier"


@click.command()
@report_options()
def example(form, reports):
    deliver(REPORT, form, reports)


def test_a_command_prints_one_format_and_writes_the_others(tmp_path):
    names = [str(tmp_path / "a.xml"), str(tmp_path / "b.md")]
    result = CliRunner().invoke(example, ["--format", "json", "--report", names[0], "--report", names[1]])
    assert result.exit_code == 0
    assert json.loads(result.output)["command"] == "check"
    assert sorted(os.listdir(tmp_path)) == ["a.xml", "b.md"]


def test_a_report_that_cannot_be_written_is_misuse():
    result = CliRunner().invoke(example, ["--report", "/nowhere/report.json"])
    assert result.exit_code == 2
    assert "cannot write /nowhere/report.json" in result.output

"""The report on a drill: each scenario is a rule, and each reason why a verdict is bad a finding."""

import json

import pytest
from junitparser import JUnitXml

from kling_mock_server.failures.scenarios import named
from kling_mock_server.reports.finding import Place
from kling_mock_server.reports.formats import FORMATS, rendered
from kling_mock_server.testing.drill.judging import Reason
from kling_mock_server.testing.drill.report import drill_report
from kling_mock_server.testing.drill.verdict import MAX_LINES, DrillVerdict

PAYS = Reason("pays-twice", "created the task again after HTTP 504")
VAIN = Reason("retry-in-vain", "sent create again after HTTP 429")
PRINTED = "".join(f"line {number}\n" for number in range(1, MAX_LINES + 2))


def verdict(scenario, *reasons, output=""):
    return DrillVerdict(named(scenario), "gave up" if reasons else "got the video", reasons, output, ())


GOOD = verdict("rate-limited", output="not shown")
BAD = verdict("timeout-after-create", PAYS, VAIN, output=PRINTED)
VERDICTS = [GOOD, BAD]
SOURCE = Place("client.py")


def report(verdicts=VERDICTS, place=SOURCE):
    return drill_report("python client.py", verdicts, place)


def test_each_reason_is_a_finding_at_the_source_of_the_client():
    assert [(one.rule, one.message, str(one.place)) for one in report().findings] == [
        ("timeout-after-create", f"pays-twice: {PAYS.says}", "client.py"),
        ("timeout-after-create", f"retry-in-vain: {VAIN.says}", "client.py"),
    ]


def test_the_end_of_what_a_client_printed_is_told_with_its_first_reason_alone():
    first, second = ("\n".join(one.details) for one in report().findings)
    assert f"line {MAX_LINES + 1}" in first
    assert "line 1\n" not in first
    assert "line" not in second
    assert all(named("timeout-after-create").about in text for text in (first, second))


def test_junit_has_a_test_for_each_scenario():
    (suite,) = JUnitXml.fromstring(rendered(report(), "junit").encode())
    assert {case.name: len(case.result) for case in suite} == {"rate-limited": 0, "timeout-after-create": 2}
    assert (suite.tests, suite.failures) == (2, 1)


def test_sarif_explains_the_scenarios_that_went_wrong():
    (run,) = json.loads(rendered(report(), "sarif"))["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["help"]["text"]) == ("timeout-after-create", named("timeout-after-create").about)
    uris = {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]}
    assert uris == {"client.py"}


def test_json_counts_the_verdicts_and_has_them_all():
    value = json.loads(rendered(report(), "json"))
    assert (value["good"], value["bad"], value["summary"]) == (1, 1, "2 runs, 1 BAD")
    assert [one["good"] for one in value["verdicts"]] == [True, False]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_ends_with_a_line_where_nothing_is_known_of_the_source(form):
    assert rendered(report(place=None), form).endswith("\n")


def test_good_verdicts_make_a_good_report():
    assert (report([GOOD]).status, report([GOOD]).held, report().status) == (0, ("rate-limited",), 1)

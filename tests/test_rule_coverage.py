"""A rule is held by a request that was judged by it and kept it, and by no other."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from junitparser import JUnitXml

from kling_mock_server.reports.formats import rendered
from kling_mock_server.testing.coverage_report import coverage_report
from kling_mock_server.testing.coverage_settings import read_settings
from kling_mock_server.testing.rule_coverage import RuleCoverage
from support.serving import PATH, Mock, documented, payload

SOURCES = {"audio_id": "", "sound_file": "http://elsewhere.example/a.wav"}


class Covered(Mock):
    """A mock whose exchanges are counted."""

    def __init__(self):
        super().__init__()
        self.coverage = RuleCoverage()
        self.responder.watch = lambda entry: self.coverage.see(entry, self.responder.contract)

    @property
    def held(self):
        return {row.rule for row in self.coverage.rows() if row.held}

    @property
    def broken(self):
        return {row.rule for row in self.coverage.rows() if row.broken}


@pytest.fixture
def mock():
    return Covered()


def test_every_rule_is_listed_in_document_order(mock):
    mock.post(payload())
    assert [row.rule for row in mock.coverage.rows()] == list(documented().rules)


def test_an_operation_counts_from_its_first_call_on(mock):
    mock.ask("GET", f"{PATH}?pageSize=500")
    listed = {row.rule for row in mock.coverage.rows()}
    assert {"pageNum.minimum", "pageSize.maximum", "path"} <= listed
    assert not listed & {"session-unknown", "voice-unknown", "task-unknown"}
    assert "pageSize.maximum" in mock.held
    assert "pageNum.minimum" not in mock.held
    mock.ask("GET", f"{PATH}/nobodys")
    assert mock.broken == {"task-unknown"}


def test_a_request_for_nothing_that_there_is_counts_the_rules_on_requests_alone(mock):
    mock.ask("GET", "/nothing")
    assert [row.rule for row in mock.coverage.rows()] == list(documented().request_rules.rules)


def test_an_accepted_request_breaks_no_rule(mock):
    mock.post(payload())
    assert mock.broken == set()
    assert {"path", "body-json", "session_id.required", "clip-too-short", "sound_volume.maximum"} <= mock.held


def test_a_refused_request_holds_the_rules_that_it_did_not_break(mock):
    mock.post(payload(sound_end_time=1000))
    assert mock.broken == {"clip-too-short", "face-overlap-too-short"}
    assert "clip-past-audio-end" in mock.held
    assert not mock.broken & mock.held


def test_what_is_refused_before_it_has_a_payload_holds_nothing(mock):
    mock.post(b"{")
    mock.ask("PUT", PATH)
    mock.ask("POST", "/")
    mock.post(payload(), token="")
    assert mock.broken == {"body-json", "method", "path", "authorization-missing"}
    assert mock.held == set()


def test_a_rule_that_could_not_be_verified_is_not_held(mock):
    mock.post(payload(**SOURCES))
    assert {"sound-file-unreadable", "clip-too-short"} <= mock.held
    assert not mock.held & {"sound-file-too-large", "audio-too-short"}


@pytest.mark.parametrize("text", ["", None])
@pytest.mark.parametrize(
    ("field", "rule_ids"),
    [
        ("sound_file", {"sound_file.type", "sound-file-unreadable", "sound-file-format"}),
        ("audio_id", {"audio_id.type", "audio-id-unknown", "audio-id-expired"}),
    ],
)
def test_a_rule_on_a_field_that_was_not_given_is_not_held(mock, field, rule_ids, text):
    other = {} if field == "sound_file" else SOURCES
    mock.post(payload(**{**other, field: text}))
    assert not mock.held & rule_ids


def test_a_rule_on_a_field_that_was_given_is_held(mock):
    mock.post({**payload(), "external_task_id": "mine"})
    assert {"external_task_id.type", "external-task-id-duplicate"} <= mock.held


@pytest.mark.parametrize("odd", [1, [], {"face_choose": 1}, {"face_choose": [1, {"face_id": 1}]}], ids=repr)
def test_a_payload_of_any_shape_is_counted(mock, odd):
    mock.post(odd)
    assert mock.broken


def exported(tests, rules="ab"):
    """Return what a worker of pytest-xdist hands over."""
    return {"rules": {rule: [f"title of {rule}", ""] for rule in rules}, "tests": tests}


def added(*tests, exclude=()):
    coverage = RuleCoverage(exclude)
    for one in tests:
        coverage.add(exported(one))
    return coverage


def test_counts_add_up_and_name_the_tests():
    coverage = added({"one": {"a": [1, 0], "b": [0, 2]}}, {"one": {"b": [3, 0]}, "two": {"b": [0, 4]}})
    assert coverage.rows() == [("a", 1, 0, ("one",), ()), ("b", 3, 6, ("one",), ("one", "two"))]


def test_what_a_session_hands_over_is_plain_json_and_adds_up_to_the_same(mock):
    mock.post(payload())
    mock.post(payload(sound_end_time=1000))
    other = RuleCoverage()
    other.add(json.loads(json.dumps(mock.coverage.exported())))
    assert (other.rows(), other.texts) == (mock.coverage.rows(), mock.coverage.texts)


def test_both_sides_of_every_rule_make_a_hundred_percent():
    assert added({"one": {"a": [1, 0]}}).percent == 25
    assert added({"one": {"a": [1, 0]}}, {"two": {"a": [9, 9], "b": [1, 1]}}).percent == 100


@pytest.mark.parametrize(("exclude", "percent", "excluded"), [(["b"], 50, ("b",)), (["[ab]"], 0, ("a", "b"))])
def test_an_excluded_rule_does_not_count(exclude, percent, excluded):
    coverage = added({"one": {"a": [1, 0]}}, exclude=exclude)
    assert (coverage.percent, coverage.excluded, coverage.idle) == (percent, excluded, ())


def test_an_exclusion_that_fits_no_rule_is_told_once_the_rules_are_known():
    assert RuleCoverage(["c*"]).idle == ()
    assert added({}, exclude=["c*", "a"]).idle == ("c*",)


def report_of(coverage, fail_under=None, form="json"):
    return json.loads(rendered(coverage_report(coverage, "suite", fail_under), form))


def test_a_side_that_no_request_saw_is_a_finding_that_fails_nothing():
    report = report_of(added({"one": {"a": [1, 1]}}))
    assert report["held"] == ["a"]
    assert report["findings"] == [{"rule": "b", "level": "unverified", "message": "no request held or broke it"}]
    assert report["rules"][0] == {"rule": "a", "held": 1, "broken": 1, "held_by": ["one"], "broken_by": ["one"]}


@pytest.mark.parametrize(("fail_under", "errors"), [(None, 0), (50, 0), (50.1, 1)])
def test_too_little_is_an_error(fail_under, errors):
    assert report_of(added({"one": {"a": [1, 1]}}), fail_under)["counts"]["error"] == errors


def test_junit_passes_what_both_sides_were_seen_of_and_skips_the_rest():
    text = rendered(coverage_report(added({"one": {"a": [1, 1], "b": [1, 0]}}), "suite"), "junit")
    (suite,) = JUnitXml.fromstring(text.encode())
    assert {case.name: [one.message for one in case.result] for case in suite} == {
        "a": [],
        "b": ["no request broke it"],
    }


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[tool.klingkit]\nfail_under = 1", "[tool.klingkit] has no fail_under; there are coverage"),
        ("[tool.klingkit]\ncoverage = 1", "[tool.klingkit.coverage] is no table"),
        ("[tool.klingkit.coverage]\nfail-under = 1", "has no fail-under; did you mean fail_under?"),
        ("[tool.klingkit.coverage]\nfail_under = 101", "from 0 to 100; this is 101"),
        ("[tool.klingkit.coverage]\nfail_under = true", "from 0 to 100; this is True"),
        ('[tool.klingkit.coverage]\nexclude = "path"', "exclude is a list of rule ids; this is 'path'"),
        ("[tool", "pyproject.toml: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(tmp_path, table, says):
    file = tmp_path / "pyproject.toml"
    file.write_text(table)
    with pytest.raises(ValueError, match=re.escape(says)):
        read_settings(file)


def test_settings_are_read_where_there_are_any(tmp_path):
    file = tmp_path / "pyproject.toml"
    assert read_settings(file) == ((), None)
    file.write_text('[tool.klingkit.coverage]\nexclude = ["path"]\nfail_under = 99.5')
    assert read_settings(file) == (("path",), 99.5)


def test_nothing_seen_is_nothing_covered():
    assert RuleCoverage().percent == 0


def test_no_count_is_lost_between_threads(mock):
    with ThreadPoolExecutor(8) as threads:
        for _ in range(200):
            threads.submit(mock.post, payload())
    (row,) = [row for row in mock.coverage.rows() if row.rule == "path"]
    assert (row.held, row.broken) == (200, 0)

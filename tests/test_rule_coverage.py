"""A rule is held by a request that was judged by it and kept it, and by no other."""

from concurrent.futures import ThreadPoolExecutor

import pytest

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
        return {rule_id for rule_id, (held, _) in self.coverage.counts.items() if held}

    @property
    def broken(self):
        return {rule_id for rule_id, (_, broken) in self.coverage.counts.items() if broken}


@pytest.fixture
def mock():
    return Covered()


def test_every_rule_is_listed_in_document_order(mock):
    mock.post(payload())
    assert list(mock.coverage.counts) == list(documented().rules)


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


def test_counts_add_up():
    coverage = RuleCoverage()
    coverage.add({"a": [1, 0], "b": [0, 2]})
    coverage.add({"b": [3, 4], "c": [0, 0]})
    assert coverage.counts == {"a": [1, 0], "b": [3, 6], "c": [0, 0]}


def test_both_sides_of_every_rule_make_a_hundred_percent():
    coverage = RuleCoverage()
    coverage.add({"a": [1, 0], "b": [0, 0]})
    assert coverage.percent == 25
    coverage.add({"a": [9, 9], "b": [1, 1]})
    assert coverage.percent == 100


def test_nothing_seen_is_nothing_covered():
    assert RuleCoverage().percent == 0


def test_no_count_is_lost_between_threads(mock):
    with ThreadPoolExecutor(8) as threads:
        for _ in range(200):
            threads.submit(mock.post, payload())
    assert mock.coverage.counts["path"] == [200, 0]

"""Fuzzing finds what is wrong with a server and names the rule; it finds nothing wrong with the mock."""

import json
import socket
import subprocess
from dataclasses import replace
from functools import cache

import pytest
from click.testing import CliRunner
from junitparser import JUnitXml

from kling_contracts import Response, World
from kling_contracts.audits import Kind
from kling_contracts.cases.case import Case
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.cli.fuzz import fuzz
from kling_mock_server.testing import fuzzing
from kling_mock_server.testing.fuzzing import MAX_LOST, MAX_PAID, Options, fuzz_server
from kling_mock_server.testing.fuzzing import target as fuzz_target
from kling_mock_server.testing.fuzzing.target import TargetError
from support import catalogues, serving
from support.catalogues import one_contract  # noqa: F401  (a fixture)
from support.serving import documented
from support.spoilt_servers import serving_with as server
from support.spoilt_servers import spoilt_contract as changed

QUICK = Options(n=0)
HTML = Response(404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>")
WORLD = World.from_json(serving.world())
pytestmark = pytest.mark.usefixtures("quick", "one_contract")


@cache
def few(contract=None, operation="create"):
    """The rows that break something, and some of those that do not."""
    rows = catalogues.rows(operation)
    return tuple(row for index, row in enumerate(rows) if row.breaks or index % 6 == 0)


@pytest.fixture
def quick(request, monkeypatch):
    """Leave out most valid rows, and those of megabytes: one planted defect needs few."""
    if "whole" in request.fixturenames:
        return
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.catalogue", few)
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.server_catalogue", lambda contract, operation: ())


@pytest.fixture
def few_of_each(quick, monkeypatch):
    """Leave out more: to carry a row over to a world takes ms, and ten are enough of those that break the same."""

    def rows(contract, operation):
        by_breaks = {}
        for row in few(contract, operation):
            by_breaks.setdefault(row.breaks, []).append(row)
        return tuple(row for alike in by_breaks.values() for row in alike[: None if not alike[0].breaks else 10])

    monkeypatch.setattr(fuzzing, "catalogue", rows)


@pytest.fixture
def whole():
    """Leave nothing out."""


def attacked(change=None, *rules, contract=None, **options):
    with server(change, contract) if change else server(contract=contract) as url:
        return fuzz_server(url, QUICK._replace(rules=rules, **options), contract=documented())


def found(result):
    return {(finding.rule, finding.kind) for finding in result.findings}


def elsewhere(request, answer):
    """A server without a control surface, and without our headers; its files are there."""
    if request.path.startswith("/_mock/files/"):
        return answer(request)
    if request.path.startswith("/_mock"):
        return HTML
    given = answer(request)
    return Response(given.status, {"Content-Type": "application/json"}, given.body)


def generous(request, answer):
    """A server elsewhere that accepts anything."""
    if request.path.startswith("/_mock"):
        return HTML
    envelope = {"code": 0, "message": "SUCCEED", "request_id": "1", "data": {"task_id": "1"}}
    return Response(200, {"Content-Type": "application/json"}, json.dumps(envelope).encode())


def test_the_mock_has_no_finding(whole):
    # With generated cases too, the commands that README.md and docs/fuzzing.md show.
    with server() as url:
        result = fuzz_server(url, QUICK, contract=documented())

    assert str(result) == f"{url}: {result.judged} cases, no finding"
    assert result.judged > 1100
    assert not result.unjudged


def test_a_clip_that_may_be_too_short_by_one_is_found():
    result = attacked(None, "clip-too-short", contract=changed("sound_start_time >= 2000", "sound_start_time >= 1999"))

    assert "clip-too-short" in {finding.rule for finding in result.findings}


def test_a_clip_that_must_be_too_long_by_one_is_found():
    result = attacked(None, "clip-too-short", contract=changed("sound_start_time >= 2000", "sound_start_time >= 2001"))

    assert ("clip-too-short", Kind.REFUSED) in found(result)


def test_a_server_that_ignores_a_volume_is_found():
    result = attacked(None, "sound_volume.maximum", contract=changed('"maximum": 2', '"maximum": 9'))

    (finding,) = (one for one in result.findings if one.kind == Kind.ACCEPTED)
    assert finding.rule == "sound_volume.maximum"
    assert finding.case.payload["face_choose"][0]["sound_volume"] == 3


def test_a_status_that_is_not_the_documented_one_is_found():
    def teapot(request, answer):
        given = answer(request)
        return replace(given, status=418) if given.status == 400 else given

    result = attacked(teapot, "sound_insert_time.minimum")

    assert found(result) == {("sound_insert_time.minimum", Kind.ANSWER)}
    assert "answered 418 / 1201" in result.findings[0].detail


def test_a_server_that_crashes_on_null_is_found():
    def fragile(request, answer):
        return Response(500, {}, b"Internal Server Error") if b'"session_id": null' in request.body else answer(request)

    assert found(attacked(fragile, "session_id.type")) == {("session_id.type", Kind.CRASHED)}


def test_an_error_page_in_html_is_a_crash():
    def page(request, answer):
        given = answer(request)
        return HTML if given.status == 404 and "_mock" not in request.path else given

    result = attacked(page, "path")

    assert found(result) == {("path", Kind.CRASHED)}
    assert "text/html, which is not JSON" in result.findings[0].detail
    # No world matters to a request that is refused for its path.
    assert "/_mock/world" not in str(result)
    assert "'sessions': {}, 'audios': {}" in str(result)


UNREADABLE = {
    "nested": b"[" * 100_000,
    "half a surrogate pair": rb'{"code": 1000, "message": "\ud800", "request_id": "1"}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_json_that_others_cannot_read_is_a_crash(body):
    def unreadable(request, answer):
        given = answer(request)
        return replace(given, body=body) if given.status == 404 and "_mock" not in request.path else given

    assert found(attacked(unreadable, "path")) == {("path", Kind.CRASHED)}


def test_a_refusal_that_names_another_rule_is_found():
    def misname(request, answer):
        given = answer(request)
        headers = {name: value.replace("clip-too-short", "path") for name, value in given.headers.items()}
        return replace(given, headers=headers)

    assert found(attacked(misname, "clip-too-short")) == {("path", Kind.NAMING), ("clip-too-short", Kind.NAMING)}


def test_a_server_that_hangs_up_is_left_alone_after_a_while():
    with serving.loopback(lambda connection, _: None) as port:
        result = fuzz_server(f"http://127.0.0.1:{port}", QUICK, contract=documented())

    assert result.judged == MAX_LOST
    assert {finding.kind for finding in result.findings} == {Kind.CRASHED}
    assert "not answered" in result.stopped


def test_a_server_that_never_answers_does_not_take_forever():
    with serving.loopback(lambda connection, _: connection.recv(1 << 20) and connection.recv(1)) as port:
        options = QUICK._replace(timeout_s=0.05, rules=["path"])
        result = fuzz_server(f"http://127.0.0.1:{port}", options, contract=documented())

    assert "no answer within 0.05 s" in str(result)


def test_time_can_be_what_ends_it():
    with server() as url:
        result = fuzz_server(url, Options(n=None, time_s=0.2), contract=documented())

    assert result.stopped == "the time is over"


def test_a_server_that_holds_a_given_world_is_attacked_with_its_ids(few_of_each):
    with server(elsewhere) as url:
        result = fuzz_server(url, QUICK._replace(world=documented().operation.example_world), contract=documented())

    judged = {row.rule: row.judged for row in result.rows}
    assert result.findings == ()
    assert judged[""] >= 20
    assert min(judged[rule] for rule in ("clip-past-audio-end", "face-overlap-too-short", "insert-past-video-end")) >= 5
    assert "audio-id-expired" in result.unjudged


def test_a_server_elsewhere_that_accepts_anything_is_found_by_every_rule_that_can_be_judged(few_of_each):
    with server(generous) as url:
        result = fuzz_server(url, QUICK._replace(world=WORLD), contract=documented())

    rules = {row.rule for row in result.rows if row.rule in documented().every_rule}
    assert {(rule, Kind.ACCEPTED) for rule in rules} == {one for one in found(result) if one[1] == Kind.ACCEPTED}


def test_without_a_world_a_refusal_proves_nothing():
    with server(elsewhere) as url:
        result = fuzz_server(url, QUICK, contract=documented())

    assert result.findings == ()
    assert {"clip-too-short", "sound_volume.maximum", "session-unknown"} <= result.unjudged.keys()
    assert "path" in {row.rule for row in result.rows}


def test_without_a_world_an_acceptance_is_found_all_the_same():
    with server(generous) as url:
        assert ("clip-too-short", Kind.ACCEPTED) in found(fuzz_server(url, QUICK, contract=documented()))


def test_being_turned_away_is_not_taken_for_a_refusal():
    def closed(request, answer):
        given = elsewhere(request, answer)
        body = b'{"code": 1002, "message": "Authorization is invalid", "request_id": "1"}'
        return given if request.path.startswith("/_mock") else replace(given, status=401, body=body)

    with server(closed) as url:
        result = fuzz_server(url, QUICK._replace(world=WORLD, rules=["clip-too-short"]), contract=documented())

    assert "is the token welcome" in result.unjudged["clip-too-short"]
    assert "clip-too-short" not in {row.rule for row in result.rows}


@pytest.fixture
def offline(monkeypatch):
    """Every host but this machine is a wall; yields what was tried to reach."""
    tried = []

    def connect(self, address):
        tried.append(address)
        raise OSError("a test must not leave this machine")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: tried.append(args) or [])
    return tried


@pytest.mark.parametrize("host", ["kling.example", "192.0.2.1", "[2001:db8::1]", "localhost.example"])
def test_a_server_elsewhere_is_sent_nothing_until_someone_says_what_may_be(offline, host):
    with pytest.raises(TargetError, match="may cost money"):
        fuzz_server(f"https://{host}/api", contract=documented())

    assert offline == []


@pytest.fixture
def paid(monkeypatch):
    """This machine counts as another one."""
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.is_loopback", lambda host: False)


def test_only_invalid_sends_nothing_that_should_be_accepted(paid, monkeypatch):
    # To carry a row over to a world takes ms: every fourth has all there is.
    monkeypatch.setattr(fuzzing, "catalogue", lambda contract, operation: few(contract, operation)[::4])
    accepted = []

    def watch(request, answer):
        given = elsewhere(request, answer)
        accepted.extend([request] if given.status == 200 else [])
        return given

    with server(watch) as url:
        result = fuzz_server(url, QUICK._replace(world=WORLD, only_invalid=True), contract=documented())

    assert accepted == []
    assert "clip-too-short" in {row.rule for row in result.rows}


def test_a_paid_server_that_accepts_what_it_should_not_is_left_alone_soon(paid):
    with server(generous) as url:
        result = fuzz_server(url, QUICK._replace(only_invalid=True), contract=documented())

    assert result.judged == MAX_PAID
    assert "may have cost money" in result.stopped


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_this_machine_is_known_without_asking_anybody(offline, host, expected):
    assert fuzz_target.is_loopback(host) is expected
    assert offline == []


def test_no_account_but_its_own_is_touched():
    with LiveServer(contract=documented()) as running:
        mock = serving.Mock(running.responder)
        mine = mock.put_world()
        fuzz_server(running.url, QUICK._replace(rules=["path"]), contract=documented())

        assert mock.control("GET", "/world") == mine


def test_the_accounts_it_used_are_fresh_afterwards(whole):
    with LiveServer(contract=documented()) as running:
        options = QUICK._replace(rules=["authorization-expired"], token="")
        fuzz_server(running.url, options, contract=documented())

        worlds = [account.world_json() for account in running.responder.accounts._by_key.values()]
    assert len(worlds) == 3  # Its own, that of a JWT, and another one beside its own.
    assert {tuple(world["sessions"]) for world in worlds} == {(serving.SESSION,)}


def test_the_url_of_the_operation_will_do():
    with server() as url:
        result = fuzz_server(f"{url}{serving.PATH}", QUICK._replace(rules=["path"]), contract=documented())

    assert (result.target, result.findings) == (url, ())


def run(*arguments):
    return CliRunner().invoke(fuzz, [str(one) for one in arguments])


@pytest.fixture
def findings(tmp_path):
    """The reports on a server that has lost a rule."""
    reports = [tmp_path / f"fuzz{ending}" for ending in (".xml", ".json", ".md", ".txt")]
    options = [part for report in reports for part in ("--report", report)]
    with server(contract=changed('"maximum": 2', '"maximum": 9')) as url:
        result = run(url, "-n", 0, "--rule", "sound_volume.maximum", *options)
    assert result.exit_code == 1, result.output
    return {report.suffix: report.read_text(encoding="utf-8") for report in reports}


def test_the_reports_say_the_same_in_every_form(findings):
    (suite,) = JUnitXml.fromstring(findings[".xml"].encode())
    (test,) = [one for one in suite if one.name == "sound_volume.maximum"]
    value = json.loads(findings[".json"])

    messages = [failure.message for failure in test.result]
    assert any("broken payload" in message and message.endswith("let through") for message in messages)
    assert suite.failures == len(value["findings"]) == value["counts"]["error"]
    assert suite.tests == len(list(suite))
    assert "sound_volume.maximum" in findings[".md"]
    assert "sound_volume.maximum" in findings[".txt"]


def test_a_finding_is_seen_again_from_its_row(findings):
    (finding,) = [one for one in json.loads(findings[".json"])["findings"] if one["kind"] == "accepted"]
    case = Case.from_json(finding["case"])

    assert documented().report(case.request, case.world).broken == ("sound_volume.maximum",)
    assert eval(finding["again"][-1], {"Case": Case}) == case


@pytest.mark.parametrize("body", [b"{'\"}", b"\xef\xbb\xbf{}", b"\x00\xff%s\\", '"声"'.encode(), b"a\nb"])
def test_a_curl_command_sends_the_very_bytes(body):
    from kling_contracts import Request
    from kling_mock_server.testing.fuzzing.report import curl

    command = curl("http://127.0.0.1:1", Request("POST", "/", {"authorization": "Bearer klingkit"}, body))
    shown = command.replace("curl ", "shown ", 1)
    script = f'shown() {{ for last; do :; done; case "$last" in @-) cat;; *) printf %s "$last";; esac; }}; {shown}'

    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == body


def test_a_report_holds_no_token():
    with server(contract=changed('"maximum": 2', '"maximum": 9')) as url:
        result = run(url, "-n", 0, "--rule", "sound_volume.maximum", "--token", "our-secret")

    assert "$TOKEN" in result.output
    assert "our-secret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["localhost:8080"], "did you mean http://localhost:8080?"),
        (["payload"], "neither a URL nor module:callable"),
        (["json:nothing"], "cannot load json:nothing"),
        (["http://127.0.0.1:1"], "nothing answers at http://127.0.0.1:1"),
        (["http://127.0.0.1:1", "--report", "fuzz.pdf"], "the ending chooses the format"),
        (["http://127.0.0.1:1", "--world", "missing.json"], "cannot read missing.json"),
        (["https://kling.example"], "--only-invalid"),
        (["json:dumps", "--ignore", "nothing"], "there is no rule 'nothing'"),
        (["json:dumps", "--as", "builder"], "not understood: obj"),
    ],
)
def test_a_mistake_is_said_in_one_line(arguments, says):
    result = run(*arguments)

    assert (result.exit_code, result.output.count("Traceback")) == (2, 0)
    assert says in result.output


def test_a_callable_is_audited(tmp_path, monkeypatch):
    (tmp_path / "klingkit_fuzzed.py").write_text("def validate(payload): return True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])

    result = run("klingkit_fuzzed:validate", "-n", 0)

    assert result.exit_code == 1
    assert result.output.startswith("klingkit_fuzzed:validate: ")
    assert "clip-too-short" in result.output

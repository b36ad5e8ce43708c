"""`klingkit fuzz --receiver`: good receivers pass, the examples among them, and planted defects are found."""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import jsonschema_rs
import pytest
from click.testing import CliRunner
from junitparser import JUnitXml
from werkzeug.serving import make_server

from kling_contracts import Contract
from kling_mock_server.cli.main import cli
from kling_mock_server.testing.receivers import MAX_KEPT, ReceiverError, ReceiverOptions, fuzz_receiver
from kling_mock_server.testing.receivers.callbacks import CallbackMaker
from kling_mock_server.testing.receivers.catalogue import catalogue
from kling_mock_server.testing.receivers.checks import CHECKS
from kling_mock_server.testing.receivers.report import receiver_report
from support.serving import documented, in_thread
from support.signed_receiver import SECRET, GoodReceiver, served

EXAMPLES = Path(__file__).parents[1] / "examples"
CONTRACT = documented()
OPTIONS = ReceiverOptions(secrets=(SECRET,), n=0)
SIGNED_CHECKS = [check.id for check in CHECKS.values() if check.is_signed]


def fuzzed(receiver, options=OPTIONS):
    with served(receiver) as url:
        return fuzz_receiver(url, options, contract=CONTRACT)


def test_nothing_is_found_in_a_receiver_that_does_everything_right():
    audit = fuzzed(GoodReceiver(), OPTIONS._replace(n=150))
    assert audit.wrong == {}
    assert audit.sent.keys() == CHECKS.keys()
    assert receiver_report(audit).summary.endswith(" callbacks, no finding")


def test_nothing_is_found_in_a_receiver_without_a_secret_and_signatures_are_not_judged():
    audit = fuzzed(GoodReceiver(""), OPTIONS._replace(secrets=(), n=50))
    assert audit.wrong == {}
    assert list(audit.left_out) == SIGNED_CHECKS
    assert [finding.level for finding in receiver_report(audit).findings] == ["unverified"]


# Planted defects: one class each, and the checks that it fails.


class BelievesAnybody(GoodReceiver):
    def is_signed(self, headers, body):
        return True


class BelievesTheUnsigned(GoodReceiver):
    def is_signed(self, headers, body):
        return "webhook-signature" not in headers or super().is_signed(headers, body)


class IgnoresTheTime(GoodReceiver):
    def is_signed(self, headers, body):
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        digest = base64.b64encode(hmac.digest(base64.b64decode(SECRET[6:]), signed, hashlib.sha256)).decode()
        return f"v1,{digest}" in headers.get("webhook-signature", "").split()


class IgnoresTheFuture(IgnoresTheTime):
    def is_signed(self, headers, body):
        try:
            age_s = self.now_s() - int(headers.get("webhook-timestamp", ""))
        except ValueError:
            return False
        return age_s <= 300 and super().is_signed(headers, body)

    def now_s(self):
        from time import time

        return time()


class HasNoTolerance(IgnoresTheFuture):
    def is_signed(self, headers, body):
        return super().is_signed(headers, body) and abs(self.now_s() - int(headers["webhook-timestamp"])) < 60


class ChecksTheFirstSignatureAlone(GoodReceiver):
    def is_signed(self, headers, body):
        first = headers.get("webhook-signature", "").partition(" ")[0]
        return super().is_signed({**headers, "webhook-signature": first}, body)


class ComparesAPrefix(IgnoresTheFuture):
    def is_signed(self, headers, body):
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        digest = base64.b64encode(hmac.digest(base64.b64decode(SECRET[6:]), signed, hashlib.sha256)).decode()
        given = headers.get("webhook-signature", "").removeprefix("v1,")
        return bool(given) and digest.startswith(given[:10]) and abs(self._age_s(headers)) <= 300

    def _age_s(self, headers):
        try:
            return self.now_s() - float(headers.get("webhook-timestamp", ""))
        except ValueError:
            return 10**9


class WritesTheBodyAnew(GoodReceiver):
    def is_signed(self, headers, body):
        try:
            body = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return False
        return super().is_signed(headers, body)


class CrashesOnABrokenTimestamp(GoodReceiver):
    def is_signed(self, headers, body):
        int(headers.get("webhook-timestamp") or 0)
        return super().is_signed(headers, body)


class CrashesOnAnUnknownStatus(GoodReceiver):
    def take(self, headers, task):
        known = ("submitted", "processing", "succeed", "failed", "None")
        return dict.fromkeys(known, 200)[str(task.get("task_status"))]


class RefusesUnknownFields(GoodReceiver):
    def take(self, headers, task):
        return 422 if task.keys() - CONTRACT.by_name["query"].answer_example["data"].keys() else 200


class WantsEveryField(GoodReceiver):
    def take(self, headers, task):
        info = task.get("task_info")
        return 400 if isinstance(info, dict) and "external_task_id" not in info else 200


class RefusesWhatItHas(GoodReceiver):
    def take(self, headers, task):
        if headers["webhook-id"] in self.seen:
            return 409
        self.seen.add(headers["webhook-id"])
        return 200


class WantsTheOrder(GoodReceiver):
    def take(self, headers, task):
        ended = self.statuses.get(str(task.get("task_id"))) in ("succeed", "failed")
        if ended and task.get("task_status") in ("submitted", "processing"):
            return 409
        return super().take(headers, task)


class CrashesWithoutAResult(GoodReceiver):
    def take(self, headers, task):
        return 200 if task.get("task_status") != "succeed" else 200 + 0 * len(task["task_result"]["videos"][0]["url"])


class CrashesOnWrongJson(GoodReceiver):
    def answer(self, headers, body):
        return self.take(headers, json.loads(body)) if self.is_signed(headers, body) else 401


class TakesWrongJson(GoodReceiver):
    def answer(self, headers, body):
        status = super().answer(headers, body)
        return 200 if status == 400 else status


class TakesAnArray(GoodReceiver):
    def no_object(self, value):
        return 200


class RefusesOldNews(GoodReceiver):
    def take(self, headers, task):
        updated = task.get("updated_at")
        return 400 if isinstance(updated, int) and updated < self.newest() - 86_000_000 else 200

    def newest(self):
        return CONTRACT.by_name["query"].answer_example["data"]["updated_at"]


class WantsOneContentType(GoodReceiver):
    def read(self, headers, body):
        if headers.get("content-type") != "application/json":
            raise ValueError
        return super().read(headers, body)


class Redirects(GoodReceiver):
    def take(self, headers, task):
        return 307


class SaysNoContent(GoodReceiver):
    def take(self, headers, task):
        return 204


class ForgetsToAnswerAtTheEnd(GoodReceiver):
    def take(self, headers, task):
        return None if task.get("task_status") == "failed" else 200


EVERY_GOOD_ONE = {check.id for check in CHECKS.values() if check.right == "2xx"}
DEFECTS = [
    (BelievesAnybody, {"signature-missing", "signature-wrong", "signature-stale", "timestamp-broken"}),
    (BelievesTheUnsigned, {"signature-missing"}),
    (IgnoresTheTime, {"signature-stale", "timestamp-broken"}),
    (IgnoresTheFuture, {"signature-stale", "timestamp-broken"}),
    (HasNoTolerance, {"signature-in-time"}),
    (ChecksTheFirstSignatureAlone, {"signature-several"}),
    (ComparesAPrefix, {"signature-wrong", "signature-several"}),
    (WritesTheBodyAnew, {"spelling", "signature-wrong"}),
    (CrashesOnABrokenTimestamp, {"timestamp-broken"}),
    (CrashesOnAnUnknownStatus, {"unknown-status", "odd-values"}),
    (RefusesUnknownFields, {"unknown-fields"}),
    (WantsEveryField, {"optional-fields"}),
    (RefusesWhatItHas, {"repeated"}),
    (WantsTheOrder, {"order"}),
    (CrashesWithoutAResult, {"odd-values"}),
    (CrashesOnWrongJson, {"wrong-json", "odd-values"}),
    (TakesWrongJson, {"wrong-json"}),
    (TakesAnArray, {"wrong-json"}),
    (RefusesOldNews, {"late"}),
    (WantsOneContentType, {"spelling"}),
    (Redirects, EVERY_GOOD_ONE | {"odd-values"}),
    (ForgetsToAnswerAtTheEnd, {"good", "order", "spelling", "odd-values"}),
]


@pytest.mark.parametrize(("defect", "checks"), DEFECTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_defect_is_found_by_its_checks_alone(defect, checks):
    # The odd values are a third of what is sent.
    ignore = ["odd-values"] if "odd-values" not in checks else []
    assert fuzzed(defect(), OPTIONS._replace(ignore=ignore)).wrong.keys() == checks


def test_an_answer_without_content_is_as_good():
    assert fuzzed(SaysNoContent()).wrong == {}


@pytest.mark.parametrize(
    ("defect", "check"),
    [(BelievesAnybody, "signature-wrong"), (WantsTheOrder, "order"), (RefusesWhatItHas, "repeated")],
)
def test_generated_callbacks_find_defects_too(defect, check):
    once = fuzzed(defect(), OPTIONS._replace(rules=[check])).failed[check]
    assert fuzzed(defect(), OPTIONS._replace(rules=[check], n=150)).failed[check] > once


def test_of_many_wrong_answers_the_first_are_kept():
    audit = fuzzed(TakesWrongJson(), OPTIONS._replace(rules=["wrong-json"], n=600))
    assert audit.failed["wrong-json"] > len(audit.wrong["wrong-json"]) == MAX_KEPT
    assert f"; {audit.failed['wrong-json']} of " in receiver_report(audit).findings[0].message


def test_an_interrupted_run_reports_what_it_has_found():
    def interrupt(number, total):
        if number == 30:
            raise KeyboardInterrupt

    with served(WantsTheOrder()) as url:
        audit = fuzz_receiver(url, OPTIONS, contract=CONTRACT, progress=interrupt)
    assert audit.stopped == "interrupted"
    assert list(audit.wrong) == ["order"]
    assert receiver_report(audit).summary.endswith("31 callbacks, 1 finding; stopped early: interrupted")


class Hangs(GoodReceiver):
    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    def answer(self, headers, body):
        self.released.wait(5)


def test_a_receiver_that_does_not_answer_in_time_is_left_alone():
    receiver = Hangs()
    try:
        audit = fuzzed(receiver, OPTIONS._replace(timeout_s=0.05))
    finally:
        receiver.released.set()
    assert audit.stopped == "5 callbacks in a row were not answered"
    assert audit.wrong["good"][0].says == "no answer within 0.05 s"


# The examples.


@contextmanager
def hookdub(monkeypatch, secret):
    monkeypatch.syspath_prepend(str(EXAMPLES / "callbacks_requests"))
    from hookdub.board import Board
    from hookdub.receiver import PATH, create_receiver

    with in_thread(make_server("127.0.0.1", 0, create_receiver(Board(), secret), threaded=True)) as server:
        yield f"http://127.0.0.1:{server.server_port}{PATH}"


@contextmanager
def receiver_node(secret):
    environment = {**os.environ, "PORT": "0", "KLING_WEBHOOK_SECRET": secret}
    command = ["node", "receiver.mjs"]
    with subprocess.Popen(
        command, cwd=EXAMPLES / "receiver_node", env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        threading.Thread(target=process.wait, daemon=True).start()
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


@pytest.mark.parametrize("secret", ["", SECRET], ids=["unsigned", "signed"])
def test_the_receiver_of_hookdub_passes(secret, monkeypatch, capsys):
    with hookdub(monkeypatch, secret) as url:
        audit = fuzz_receiver(url, OPTIONS._replace(secrets=(secret,) if secret else (), n=50), contract=CONTRACT)
    assert audit.wrong == {}
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("secret", ["", SECRET], ids=["unsigned", "signed"])
def test_the_receiver_for_node_passes(secret):
    with receiver_node(secret) as url:
        audit = fuzz_receiver(url, OPTIONS._replace(secrets=(secret,) if secret else (), n=50), contract=CONTRACT)
    assert audit.wrong == {}


@pytest.mark.parametrize("status", [{}, {"task_status": None}, {"task_status": ["succeed"]}], ids=str)
def test_hookdub_waits_on_after_a_callback_without_a_status(status, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES / "callbacks_requests"))
    from hookdub.board import Board

    board = Board()
    board.note({"task_id": "1", **status})
    assert board.wait("1", 0) is None


# What is sent.


def test_good_callbacks_are_as_the_document_says():
    components = CONTRACT.document["components"]
    schema = {**components["schemas"]["TaskState"], "components": components}
    sent = [one for one in catalogue(CallbackMaker(CONTRACT), is_signed=True) if one.check in ("good", "late")]
    for one in sent:
        jsonschema_rs.validate(schema, json.loads(one.body))
    assert {json.loads(one.body)["task_status"] for one in sent} == {"submitted", "processing", "succeed", "failed"}


def test_the_same_seed_sends_the_same_kinds():
    def kinds(seed):
        audit = fuzzed(GoodReceiver(), OPTIONS._replace(rules=["wrong-json"], n=40, seed=seed))
        return audit.sent

    assert kinds(1) == kinds(1)


# The command.


def run(url, *options, **environment):
    command = ["fuzz", "--receiver", url, "-n", "0", *options]
    return CliRunner().invoke(cli, command, env={"KLINGKIT_WEBHOOK_SECRET": "", **environment})


def test_the_command_says_what_was_found_why_it_matters_and_how_to_see_it_again():
    with served(RefusesWhatItHas()) as url:
        result = run(url, "--webhook-secret", SECRET)
    assert result.exit_code == 1
    assert re.match(
        "repeated: answered 409 where 2xx is right: processing comes a second time, with the same id; . of 6 such "
        "callbacks\n  It is sent again where an answer was lost; anything but 2xx has it sent again and again.\n",
        result.stdout,
    )
    assert f"  curl -sSi -X POST {url} -H 'content-type: application/json' -H 'webhook-id: msg_" in result.stdout
    assert result.stdout.endswith("callbacks, 1 finding\n")
    assert SECRET not in result.stdout


def test_the_command_takes_the_secret_from_the_environment_and_a_file(tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    with served(GoodReceiver()) as url:
        assert run(url, KLINGKIT_WEBHOOK_SECRET=SECRET).exit_code == 0
        assert run(url, "--webhook-secret", f"@{tmp_path / 'secret'}").exit_code == 0


def test_the_command_writes_reports(tmp_path):
    with served(TakesWrongJson()) as url:
        result = run(url, "--webhook-secret", SECRET, "--format", "json", "--report", str(tmp_path / "found.xml"))
    value = json.loads(result.stdout)
    assert value["counts"] == {"error": 1, "unverified": 0, "note": 0}
    assert value["findings"][0]["wrong"][0] == {"says": "the body is empty", "answer": "answered 200"}
    (suite,) = JUnitXml.fromfile(str(tmp_path / "found.xml"))
    assert (suite.tests, suite.failures) == (len(CHECKS), 1)


def test_a_wrong_secret_is_hinted_at():
    with served(GoodReceiver()) as url:
        assert "is this the secret that the receiver knows?" in run(url, "--webhook-secret", "d3Jvbmc=").stdout
        assert "a receiver that wants signatures needs --webhook-secret" in run(url).stdout


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("http://127.0.0.1:1/hook", (), "nothing answers at http://127.0.0.1:1/hook: nothing listens there"),
        ("http://hooks.example/kling", (), "hooks.example is not this machine"),
        ("ftp://127.0.0.1/", (), "ftp://127.0.0.1/ is not an http(s) URL"),
        ("http://me:pw@127.0.0.1/", (), "the URL holds credentials"),
        ("http://127.0.0.1:99999/", (), "cannot be read"),
        ("http://127.0.0.1:1/", ("--ignore", "gud"), "there is no check 'gud' of receivers; there are: good, order"),
        ("http://127.0.0.1:1/", ("--webhook-secret", "?"), "the webhook secret is not Base64"),
        ("http://127.0.0.1:1/", ("--as", "builder"), "--as says nothing about a receiver"),
        ("http://127.0.0.1:1/", ("http://127.0.0.1:2",), "give one thing to attack"),
    ],
)
def test_misuse_is_told_and_ends_with_status_2(url, options, says):
    result = run(url, *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_only_what_must_be_refused_is_sent_elsewhere_unless_all_is_allowed():
    with pytest.raises(ReceiverError, match="nothing was sent"):
        fuzz_receiver("http://hooks.example/kling", OPTIONS, contract=CONTRACT)
    audit = fuzzed(GoodReceiver(), OPTIONS._replace(only_invalid=True))
    assert {CHECKS[check].right for check in audit.sent} == {"4xx"}


def test_documents_without_a_task_are_refused_by_name():
    document = json.loads(json.dumps(CONTRACT.document, default=dict))
    for item in document["paths"].values():
        if item.get("get", {}).get("x-name") == "query":
            del item["get"]["responses"]["200"]["content"]["application/json"]["example"]
    with pytest.raises(ValueError, match="the documents have no example of a task"):
        CallbackMaker(Contract.compile(document))

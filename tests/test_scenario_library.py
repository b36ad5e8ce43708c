"""The scenarios that come with the mock keep what they promise."""

import json
import re
import subprocess
import sys

import pytest

from kling_mock_server.failures.scenarios import Fate, delivered, library, next_step, parse_file
from kling_mock_server.failures.scenarios.listing import scenario_markdown, scenario_rows, scenario_text
from kling_mock_server.failures.wire import Wire
from support import serving
from support.scenarios import (
    CALLBACK,
    CALLS,
    FRESH,
    GOOD,
    GUIDE,
    STATUSES,
    TASK,
    answer_of,
    each_scenario,
    taken,
    unreadable,
)


def envelope(got):
    return json.loads(got.body)


def data(got):
    return envelope(got)["data"]


def refused(call, code):
    return call, lambda got, _: (got.status, envelope(got)["code"]) == (STATUSES[code], code)


def wired(call, **members):
    return call, lambda got, _: (got.wire, got.body) == (Wire(**members), GOOD.body)


def raw(call, status, part, kind):
    return (
        call,
        lambda got, _: got.status == status and part in got.body.decode() and got.headers["Content-Type"] == kind,
    )


def changed(call, name, value):
    return call, lambda got, _: (got.status, data(got).get(name)) == (200, value)


def sent(*due):
    return (
        "create",
        lambda got, step: (
            (got, [(delivery.status, delivery.due, delivery.times) for delivery in step.callbacks]) == (GOOD, list(due))
        ),
    )


JSON_TYPE = "application/json"
# The first fault of every scenario: of which call, and whether the answer is what the scenario promises.
PROMISES = {
    "authentication-failed": refused("create", 1000),
    "authorization-empty": refused("create", 1001),
    "authorization-invalid": refused("create", 1002),
    "token-not-yet-valid": refused("create", 1003),
    "token-expired-while-polling": changed("query", "task_status", "processing"),
    "account-exception": refused("create", 1100),
    "account-in-arrears": refused("create", 1101),
    "resource-pack-used-up": refused("create", 1102),
    "permission-denied": refused("create", 1103),
    "invalid-parameters": refused("create", 1200),
    "audio-format-refused": refused("create", 1201),
    "method-invalid": refused("create", 1202),
    "task-not-found": refused("query", 1201),
    "task-not-found-404": refused("query", 1203),
    "fresh-task-not-found": refused("query", 1201),
    "platform-policy": refused("create", 1300),
    "content-policy": refused("create", 1301),
    "text-refused": refused("tts", 1301),
    "no-human-in-video": refused("identify", 1201),
    "rate-limited": refused("create", 1302),
    "rate-limited-retry-after": refused("create", 1302),
    "too-many-tasks": refused("create", 1303),
    "too-many-tasks-retry-after": refused("create", 1303),
    "one-task-at-a-time": refused("create", 1303),
    "address-not-allowed": refused("create", 1304),
    "internal-error": refused("create", 5000),
    "internal-error-while-polling": changed("query", "task_status", "processing"),
    "maintenance": refused("create", 5001),
    "backlog": refused("create", 5002),
    "timeout-after-create": refused("create", 5002),
    "create-answer-lost": wired("create", head=False, end="reset"),
    "bad-gateway-html": raw("query", 502, "<html>", "text/html"),
    "gateway-token-refused": raw("create", 401, "new_api_error", JSON_TYPE),
    "gateway-error-without-code": raw("create", 400, '{"error":{', JSON_TYPE),
    "code-as-string": raw("create", 429, '"code":"1302"', JSON_TYPE),
    "error-with-http-200": raw("create", 200, '"code":1302', JSON_TYPE),
    "slow-answers": wired("create", delay_ms=1500),
    "slow-drip": wired("query", drip_bytes=32, drip_ms=50),
    "no-answer": wired("query", head=False, end="hang"),
    "reset-before-answer": wired("query", head=False, end="reset"),
    "reset-in-answer": wired("query", percent=50, end="reset"),
    "reset-after-answer": wired("query", end="reset"),
    "truncated-body": wired("query", percent=50),
    "empty-body": ("query", lambda got, _: (got.status, got.body) == (200, b"")),
    "length-too-long": wired("query", extra_length=64),
    "length-too-short": wired("query", extra_length=-20),
    "not-gzip": ("query", lambda got, _: (got.body, got.headers["Content-Encoding"]) == (GOOD.body, "gzip")),
    "unknown-status": ("query", lambda got, _: data(got)["task_status"] not in SCHEMA_STATUSES),
    "missing-task-result": changed("query", "task_result", None),
    "empty-videos": changed("query", "task_result", {"videos": []}),
    "numeric-ids": changed("create", "task_id", int(TASK["task_id"])),
    "added-fields": (
        "identify",
        lambda got, _: data(got).items() > TASK.items() and envelope(got).keys() > envelope(GOOD).keys(),
    ),
    "status-goes-backwards": changed("query", "task_status", "processing"),
    "stuck-task": ("create", lambda got, step: (got, step.task) == (GOOD, Fate("never"))),
    "failed-task": (
        "create",
        lambda got, step: (got, step.task) == (GOOD, Fate("failed", "Failure to pass the risk control system")),
    ),
    "callbacks-never": sent(),
    "callbacks-duplicated": sent(*[(name, name, 1) for name in ("submitted", "processing", "end") for _ in range(2)]),
    "callbacks-redelivered": sent(*[(name, name, 3) for name in ("submitted", "processing", "end")]),
    "callbacks-out-of-order": sent(("end", "end", 1), ("processing", "end", 1), ("submitted", "end", 1)),
    "callback-before-reply": sent(("submitted", "before-reply", 1), ("processing", "processing", 1), ("end", "end", 1)),
    "callbacks-malformed": (
        "create",
        lambda _, step: [unreadable(delivered(each, CALLBACK)) for each in step.callbacks] == [True, True],
    ),
    "callback-forged": (
        "create",
        lambda _, step: (
            [
                (each.signature, json.loads(delivered(each, CALLBACK))["task_status"])
                for each in step.callbacks
                if each.signature != "good"
            ]
            == [("bad", "failed")]
        ),
    ),
    "download-cut": wired("download", percent=50),
    "download-missing-at-first": ("download", lambda got, _: (got.status, got.body) == (404, b"")),
    "download-expired": raw("download", 403, "expired", "application/xml"),
    "flaky": refused("identify", 5001),
}
SCHEMA_STATUSES = serving.documented().document["components"]["schemas"]["TaskState"]["properties"]["task_status"][
    "enum"
]


def test_every_scenario_has_a_promise_to_keep():
    assert set(PROMISES) == set(library())


@each_scenario
def test_the_first_fault_of_a_scenario_is_what_it_promises(scenario):
    call, kept = PROMISES[scenario.name]

    _, step = next_step(scenario, FRESH, call, running=1)

    assert step is not None
    assert kept(answer_of(step), step)


def test_every_code_of_the_vendors_table_is_covered():
    assert {step.refuse for one in library().values() for step in one.steps} - {None} == set(STATUSES) - {0}


def test_the_token_expires_on_the_third_query():
    progress, codes, one = FRESH, [], library()["token-expired-while-polling"]
    for _ in range(4):
        progress, step = next_step(one, progress, "query", 1)
        codes.append(step and envelope(answer_of(step))["code"])

    assert codes == [0, 0, 1004, None]


@pytest.mark.parametrize("name", ["rate-limited", "too-many-tasks"])
def test_a_limit_comes_with_and_without_retry_after(name):
    said = [answer_of(library()[each].steps[0]).headers.get("Retry-After") for each in (name, f"{name}-retry-after")]

    assert said == [None, "1"]


def test_one_task_at_a_time_accepts_another_once_none_is_running():
    one = library()["one-task-at-a-time"]

    assert [next_step(one, FRESH, "create", running)[1] is None for running in (0, 1, 2)] == [True, False, False]


@each_scenario
def test_what_a_client_must_give_up_on_never_ends(scenario):
    # Else a client that retries when it should not would be rewarded.
    if scenario.expects == "gives-up":
        assert {step.times for step in scenario.steps} == {"always"}


def test_a_bad_day_leaves_room_for_a_client_that_tries_four_times():
    one = library()["flaky"]
    for call in CALLS:
        progress, fates = FRESH, ""
        for _ in range(100):
            progress, step = next_step(one, progress, call, 1)
            fates += "x" if step and step.replaces else "."
        assert "xxxx" not in fates, call


def test_the_first_calls_of_a_bad_day_already_meet_faults():
    one = library()["flaky"]

    assert None not in taken(one, ["identify", "create", "query"])


@each_scenario
def test_a_scenario_says_in_one_sentence_what_it_is(scenario):
    assert re.fullmatch(r"[A-Z][^|]{20,250}[^.]\.", scenario.about)


def test_the_guide_lists_the_library():
    assert GUIDE.endswith(f"\n\n{scenario_markdown()}\n")


def test_the_text_and_the_rows_name_every_scenario():
    assert [line.split()[0] for line in scenario_text().splitlines() if line[:1].strip()] == list(library())
    assert [row["name"] for row in scenario_rows()] == list(library())


def test_what_the_guide_shows_is_a_scenario():
    shown = re.findall(r"^cat > [a-z-]+.yaml <<'END'\n(.*?)^END$", GUIDE, re.DOTALL | re.MULTILINE)

    assert [len(parse_file(block)) for block in shown] == [1]


def test_importing_the_scenarios_reads_no_file():
    code = "import sys, kling_mock_server.failures.scenarios; print('yaml' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], env=serving.environment(), capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"

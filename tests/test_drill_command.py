"""`klingkit drill` runs a program through the scenarios, and says what it did wrong."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kling_mock_server.cli.main import cli

EXAMPLES = Path(__file__).parents[1] / "examples"
CARELESS = f"{sys.executable} {Path(__file__).parent / 'examples' / 'careless_client.py'}"
TEXT = "Welcome back to the show, and thank you for watching it with us."


# Live: clients that are programs


def klingkit(*arguments):
    """Run `klingkit drill`; a traceback fails the test."""
    result = CliRunner().invoke(cli, ["drill", *arguments], prog_name="klingkit")
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result


def drilled(command, *scenarios, **options):
    """Run the command with JSON; returns its exit status and the verdicts by scenario."""
    chosen = [word for name in scenarios for word in ("--scenario", name)]
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    result = klingkit(command, "--format", "json", *chosen, *given)
    return result.exit_code, {one["scenario"]: one for one in json.loads(result.stdout)["verdicts"]}


def python(code):
    return shlex.join([sys.executable, "-c", code])


def test_a_careless_program_is_caught_for_the_right_reasons():
    status, verdicts = drilled(
        CARELESS, "account-in-arrears", "timeout-after-create", "rate-limited", "rate-limited-retry-after", "empty-body"
    )

    assert status == 1
    assert {name: [reason["rule"] for reason in one["reasons"]] for name, one in verdicts.items()} == {
        # What is wrong without any fault is not told again.
        "(no fault)": ["key-leaks"],
        "account-in-arrears": ["retry-in-vain"],
        "timeout-after-create": ["pays-twice"],
        "rate-limited": [],
        "rate-limited-retry-after": ["retry-after"],
        "empty-body": ["outcome"],
    }


@pytest.mark.parametrize(
    "scenario",
    [
        "account-in-arrears",
        "create-answer-lost",
        "download-cut",
        "failed-task",
        "not-gzip",
        "one-task-at-a-time",
        "rate-limited-retry-after",
    ],
)
def test_a_careful_program_passes(scenario, monkeypatch):
    monkeypatch.chdir(EXAMPLES / "polling_httpx")
    for name, seconds in {"POLL": "0.1", "RETRY": "0.1", "TIMEOUT": "5", "DEADLINE": "40"}.items():
        monkeypatch.setenv(f"KLING_{name}_S", seconds)
    client = [sys.executable, "-m", "lipdub", "https://cdn.example.com/talk.mp4", TEXT, "-o", "{dir}/out.mp4"]

    status, verdicts = drilled(shlex.join(client), scenario)

    assert (status, verdicts[scenario]["reasons"]) == (0, [])
    assert any(request["fault"] for request in verdicts[scenario]["requests"])


def test_a_program_finds_url_and_key_where_it_was_told_to(monkeypatch):
    monkeypatch.delenv("KLING_BASE_URL", raising=False)
    code = "import os; os.environ.update(KLING_BASE_URL=os.environ['U'], KLING_API_KEY=os.environ['K']); "
    code += f"exec(open({CARELESS.split()[1]!r}).read())"

    _, verdicts = drilled(python(code), "empty-body", **{"url-env": "U", "key-env": "K"})

    assert verdicts["(no fault)"]["outcome"] == "got the video"


def test_every_run_of_a_program_has_a_directory_and_an_account_of_its_own(tmp_path):
    seen = tmp_path / "seen"
    code = f"import os, sys; print(sys.argv[1], os.environ['KLING_API_KEY'], file=open({str(seen)!r}, 'a')); "
    code += f"open(sys.argv[1] + '/out.mp4', 'x'); exec(open({CARELESS.split()[1]!r}).read())"

    drilled(f"{python(code)} {{dir}}", "empty-body", "rate-limited")

    runs = [line.split() for line in seen.read_text().splitlines()]
    assert [len(set(column)) for column in zip(*runs, strict=True)] == [3, 3]
    assert not any(Path(directory).exists() for directory, _ in runs)


def test_a_program_that_fails_without_a_fault_is_not_drilled():
    result = klingkit(python("print('no such option'); raise SystemExit(64)"))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Without any fault the client failed, so it was not drilled" in result.stderr
    assert "Nothing came to the URL, with the key, of its environment" in result.stderr
    assert "  no such option" in result.stderr


def test_what_the_mock_refused_of_a_program_that_fails_is_shown():
    body = json.dumps({"video_url": 1})
    code = "import os, urllib.request as r; r.urlopen(r.Request(os.environ['KLING_BASE_URL'] + "
    code += f"'/v1/videos/identify-face', b'{body}', {{'Content-Type': 'application/json', "
    code += "'Authorization': 'Bearer ' + os.environ['KLING_API_KEY']}))"
    result = klingkit(python(code))

    assert result.exit_code == 2
    assert "identify-face -> 400 / 1201" in result.stderr
    assert "video_url.type" in result.stderr


def test_what_a_program_that_fails_retried_in_vain_is_shown():
    code = "import os, urllib.request as r, urllib.error as e\nfor _ in range(2):\n  try: r.urlopen(r.Request("
    code += "os.environ['KLING_BASE_URL'] + '/v1/videos/identify-face', b'{}', {'Content-Type': 'application/json', "
    code += "'Authorization': 'Bearer ' + os.environ['KLING_API_KEY']}))\n  except e.HTTPError as error: last = error"
    result = klingkit(python(code + "\nraise last"))

    assert result.exit_code == 2
    assert "It also did badly: retry-in-vain: sent identify again after HTTP 400" in result.stderr


def test_one_cause_under_many_scenarios_is_one_row():
    names = ["maintenance", "rate-limited", "bad-gateway-html", "empty-body"]
    code = f"import sys; sys.argv[1:] = []; source = open({CARELESS.split()[1]!r}).read(); "
    code += "exec(source.replace('range(3)', 'range(1)'))"

    result = klingkit(python(code), *(word for name in names for word in ("--scenario", name)))

    row = next(line for line in result.stdout.splitlines() if "never retries" in line)
    assert row.split()[:2] == ["4", "scenarios"]
    assert result.stdout.count("it printed:") == 1
    assert "4 scenarios: maintenance, rate-limited, bad-gateway-html, empty-body" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-program --fast"], "cannot run no-such-program: No such file or directory"),
        (["python 'client.py"], "cannot read the command: No closing quotation"),
        ([" "], "the command is empty"),
        (["python", "--scenario", "flak"], "did you mean flaky"),
    ],
)
def test_misuse_is_told_in_one_line(arguments, says):
    result = klingkit(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr.splitlines()[-1]


def test_the_table_has_a_row_for_each_run_and_prints_nothing_twice():
    result = klingkit(CARELESS, "--scenario", "timeout-after-create", "--scenario", "rate-limited")

    head, *rows = result.stdout.splitlines()[:4]
    assert head.split() == ["scenario", "outcome", "verdict", "why"]
    assert [row.split()[0] for row in rows] == ["(no", "timeout-after-create", "rate-limited"]
    assert result.stdout.splitlines()[-1] == "3 runs, 2 BAD"
    assert result.stdout.count("pays-twice") == 1
    # The output of a run that went well is nobody's business.
    assert result.stdout.count("trying again") == 1

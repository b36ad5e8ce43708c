import json
import re
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from kling_contracts import __version__
from kling_contracts.documents import loading
from kling_contracts.media import silent_audio
from kling_mock_server.cli.main import cli
from support.serving import AUDIO, COMMAND, PATIENCE_S, documented, environment, file_server, loopback, payload, world

VALID = payload()
SHORT = payload(sound_end_time=1999)
LOUD = payload(sound_volume=3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def klingkit(*arguments, stdin=None):
    """Run the command as its user would; a traceback fails the test."""
    given = json.dumps(stdin).encode() if isinstance(stdin, dict | list) else stdin
    result = CliRunner().invoke(cli, list(arguments), input=given, prog_name="klingkit")
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result


def written(folder, name, value):
    """Write a file; returns its name."""
    (folder / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return name


def checked(*arguments, stdin):
    """Run `klingkit check -`; returns the exit status and the one result."""
    result = klingkit("check", "-", "--format", "json", *arguments, stdin=stdin)
    (report,) = json.loads(result.stdout)
    return result.exit_code, report


@pytest.fixture
def around(folder):
    """The options that give the world of the vendor's own example."""
    return ["--world", written(folder, "world.json", world())]


def test_the_vendors_own_example_is_valid_in_its_world(around):
    result = klingkit("check", "-", *around, stdin=VALID)
    assert (result.exit_code, result.output) == (0, "-: valid\n")


def test_a_refusal_is_told_with_rule_place_value_remedy_and_sentence(around):
    result = klingkit("check", "-", *around, stdin=SHORT)
    assert result.exit_code == 1
    assert result.output.startswith("-: 2 violations; the vendor would refuse it\n")
    for said in (
        "clip-too-short at /face_choose/0/sound_end_time: The cropped audio must last at least 2000 ms",
        "found:  1999",
        "wanted: at least 2000",
        "vendor: 裁剪后音频不得短于2秒",
    ):
        assert said in result.output


def test_one_violation_is_told_in_the_singular(around):
    assert "-: 1 violation;" in klingkit("check", "-", *around, stdin=LOUD).output


def test_a_rule_that_quotes_nobody_is_told_with_its_source(around):
    result = klingkit("check", "-", *around, stdin={**VALID, "session_id": 1})
    assert "source: the schema of the vendor's document" in result.output


def test_json_says_all_that_text_says(around):
    status, report = checked(*around, stdin=LOUD)
    assert status == 1
    assert report == {
        "file": "-",
        "valid": False,
        "violations": [
            {
                "rule": "sound_volume.maximum",
                "pointer": "/face_choose/0/sound_volume",
                "message": "face_choose[0].sound_volume must be at most 2",
                "found": "3",
                "because": "",
                "wanted": report["violations"][0]["wanted"],
                "status": 400,
                "code": 1201,
                "source": "prose",
                "evidence": {"grade": "quoted"},
                "quotes": report["violations"][0]["quotes"],
            }
        ],
        "unverified": [],
        "notes": [],
        "timelines": report["timelines"],
    }
    assert report["violations"][0]["quotes"][0]["text"] == "取值范围:[0, 2]"
    assert report["timelines"][0][0] == {"label": "video", "start_ms": 0, "end_ms": 10_000}


def test_several_files_are_told_apart_in_their_order(folder, around):
    names = [written(folder, f"{name}.json", body) for name, body in (("b", SHORT), ("a", VALID), ("c", LOUD))]
    text = klingkit("check", *names, *around)
    assert text.exit_code == 1
    assert [line.partition(":")[0] for line in text.output.splitlines() if ".json: " in line] == names
    reports = json.loads(klingkit("check", *names, *around, "--format", "json").stdout)
    assert [(report["file"], report["valid"]) for report in reports] == [
        ("b.json", False),
        ("a.json", True),
        ("c.json", False),
    ]


def test_a_file_and_standard_input_may_be_mixed(folder, around):
    result = klingkit("check", written(folder, "a.json", VALID), "-", *around, stdin=LOUD)
    assert result.exit_code == 1
    assert "a.json: valid" in result.output
    assert "-: 1 violation" in result.output


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 10_000, b'{"a": NaN}', b'{"a": 1, "a": 1}', b"9" * 5000],
    ids=lambda b: str(b[:12]),
)
def test_what_is_not_json_breaks_a_rule_like_anything_else(content):
    status, report = checked(stdin=content)
    assert status == 1
    assert [violation["rule"] for violation in report["violations"]] == ["body-json"]


SHAPES = {
    "an array": [],
    "a number": 1,
    "a text": "a",
    "null": None,
    "a number for the faces": {"face_choose": 1},
    "a number for a face": {"face_choose": [1]},
    "a text before a face": {"face_choose": ["-1", *SHORT["face_choose"]]},
    "an array before a face": {"face_choose": [[], *SHORT["face_choose"]]},
    "an array for a time": payload(sound_end_time=[]),
    "a time of 4,300 digits": payload(sound_start_time=10**4300 - 1),
    "a negative time of 4,300 digits": payload(sound_end_time=1 - 10**4300),
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("form", ["text", "json"])
def test_json_of_any_shape_is_judged(around, form, body):
    given = json.dumps(body).encode()
    assert klingkit("check", "-", *around, "--format", form, stdin=given).exit_code == 1


def test_without_a_world_what_needs_one_is_not_verified():
    result = klingkit("check", "-", stdin=VALID)
    assert result.exit_code == 0
    assert result.output.startswith("-: no violation, but not everything could be verified\n")
    assert "not verified, because no world was given:" in result.output
    assert "session-unknown" in result.output


def test_without_a_world_what_needs_none_is_judged():
    status, report = checked(stdin=SHORT)
    assert status == 1
    assert [violation["rule"] for violation in report["violations"]] == ["clip-too-short", "face-overlap-too-short"]


def test_strict_fails_on_what_could_not_be_verified():
    assert klingkit("check", "-", "--strict", stdin=VALID).exit_code == 1


def test_strict_has_nothing_against_what_was_verified(around):
    assert klingkit("check", "-", "--strict", *around, stdin=VALID).exit_code == 0


def test_an_unknown_field_is_noted_with_the_name_that_was_meant(around):
    status, report = checked(*around, stdin=payload(sound_starttime=0))
    assert status == 0
    assert report["notes"] == [
        {
            "pointer": "/face_choose/0/sound_starttime",
            "message": '"sound_starttime" is not a documented field; did you mean sound_start_time?',
        }
    ]


@pytest.mark.parametrize("changes", [{"sound_end_time": 1999}, {"sound_end_time": 8001}, {"sound_insert_time": 5001}])
def test_a_timeline_is_drawn_where_times_are_at_fault(around, changes):
    output = klingkit("check", "-", *around, stdin=payload(**changes)).output
    assert "├" in output
    for bar in ("video", "face", "inserted", "overlap", "audio", "clip"):
        assert any(line.split()[:1] == [bar] for line in output.splitlines())


@pytest.mark.parametrize("changes", [{}, {"sound_volume": 3}, {"face_id": "7"}, {"audio_id": "1"}])
def test_no_timeline_is_drawn_where_no_times_are_at_fault(around, changes):
    assert "├" not in klingkit("check", "-", *around, stdin=payload(**changes)).output


def test_a_timeline_is_no_part_of_json(around):
    assert "├" not in klingkit("check", "-", "--format", "json", *around, stdin=SHORT).output


def test_a_profile_decides(around):
    body = payload(sound_volume=0.5)
    assert klingkit("check", "-", *around, stdin=body).exit_code == 1
    assert klingkit("check", "-", *around, "--profile", "upstream", stdin=body).exit_code == 0


def test_the_state_that_only_upstream_documents_can_be_dropped(folder):
    taken = ["--world", written(folder, "world.json", world(external_task_ids=["mine"]))]
    body = {**VALID, "external_task_id": "mine"}
    assert klingkit("check", "-", *taken, stdin=body).exit_code == 1
    assert klingkit("check", "-", *taken, "--no-upstream-state", stdin=body).exit_code == 0


def file_payload(port):
    return payload(audio_id="", sound_file=f"http://127.0.0.1:{port}/a.mp3")


def test_nothing_is_fetched_unless_told_to(around):
    asked = []
    with loopback(lambda _, line: asked.append(line)) as port:
        status, report = checked(*around, stdin=file_payload(port))
    assert (status, asked) == (0, [])
    assert "sound-file-unreachable" in [one["rule"] for one in report["unverified"]]


@pytest.mark.parametrize("policy", ["loopback", "any"])
def test_a_file_is_fetched_and_measured_when_told_to(around, policy):
    with file_server(silent_audio.mp3(4999)) as port:
        _, report = checked(*around, "--fetch", policy, stdin=file_payload(port))
    assert [violation["rule"] for violation in report["violations"]] == ["clip-past-audio-end"]
    assert report["unverified"] == []


def rule_ids():
    """The ids of the table: those on any request, then each operation's own, what an account refuses last."""
    contract = documented()
    yield from contract.request_rules.rules
    for operation in contract.operations:
        yield from (rule.id for rule in operation.rules)
        yield from contract.account_rules if operation is contract.operation else ()


def test_the_rules_as_text_show_each_with_sentence_or_source():
    blocks = klingkit("rules").output.strip().split("\n\n")
    rules = [block for block in blocks if "\n" in block]
    assert [block.split()[0] for block in rules] == list(rule_ids())
    assert all("  vendor: " in block or "  source: " in block for block in rules)


def test_the_rules_as_text_stand_below_their_operation():
    blocks = klingkit("rules").output.strip().split("\n\n")
    operations = [f"{one.name}: {one.method} {one.paths[0]}" for one in documented().operations]
    assert [block for block in blocks if "\n" not in block] == ["any request", *operations]


def test_the_rules_as_json_are_rows():
    rows = json.loads(klingkit("rules", "--format", "json").stdout)
    assert [row["id"] for row in rows] == list(rule_ids())
    members = {"id", "operation", "kind", "node", "statement", "message", "status", "code", "source"}
    assert members | {"evidence", "quotes"} == rows[0].keys()


def test_the_rules_as_markdown_are_a_table_for_each_operation():
    lines = klingkit("rules", "--format", "markdown").output.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert [line.split("`")[1] for line in table if line.startswith("| `")] == list(rule_ids())
    assert len([line for line in lines if line.startswith("## ")]) == 1 + len(documented().operations)
    # A bar that belongs to a rule is escaped.
    assert {line.replace("\\|", "").count("|") for line in table} == {6}


def test_the_rules_are_those_of_the_profile():
    def rules(*options):
        return {row["id"] for row in json.loads(klingkit("rules", "--format", "json", *options).stdout)}

    assert rules() - rules("--profile", "upstream") == {"sound_volume.required", "original_audio_volume.required"}
    assert rules() - rules("--no-upstream-state") == {"session-expired", "external-task-id-duplicate"}


@pytest.mark.parametrize("profile", ["documented", "upstream"])
@pytest.mark.parametrize(("form", "parse"), [("yaml", yaml.safe_load), ("json", json.loads)])
def test_the_document_that_is_printed_is_the_effective_one(profile, form, parse):
    printed = klingkit("spec", "--profile", profile, "--format", form).stdout
    assert parse(printed) == loading.effective(profile)


def test_a_document_is_printed_as_yaml_unless_told_otherwise():
    assert klingkit("spec").stdout == klingkit("spec", "--format", "yaml").stdout


def test_every_sentence_of_the_vendor_is_covered():
    result = klingkit("spec", "--coverage")
    assert result.exit_code == 0
    covered, total = (int(word) for word in result.output.splitlines()[-1].split() if word.isdecimal())
    assert covered == total > 0
    assert "100.0 %" in result.output


def test_a_pipe_that_has_no_chinese_gets_the_meaning_of_every_sentence():
    done = run(*COMMAND, "spec", "--coverage", PYTHONUTF8="0", PYTHONIOENCODING="cp1252")

    assert b"  (the cropped audio must not be shorter than 2 seconds)  ->  clip-too-short" in done.stdout
    assert b"\\u" not in done.stdout


MISUSE = [
    pytest.param(["nothing"], "No such command 'nothing'", id="an unknown command"),
    pytest.param(["check"], "Missing argument", id="no file"),
    pytest.param(["check", "missing.json"], "missing.json: not read: No such file", id="a missing file"),
    pytest.param(["check", "."], ".: not read: no .json file is in it", id="an empty folder"),
    pytest.param(["check", "*.json"], "*.json: not read: no file matches it", id="a glob of nothing"),
    pytest.param(["check", "-", "--format", "xml"], "'xml' is not one of", id="an unknown format"),
    pytest.param(["check", "-", "--profile", "strict"], "unknown profile 'strict'", id="an unknown profile"),
    pytest.param(["check", "-", "--fetch", "all"], "'all' is not one of", id="an unknown policy"),
    pytest.param(["check", "-", "--quiet"], "No such option", id="an unknown option"),
    pytest.param(["check", "-", "--world"], "requires an argument", id="an option without its value"),
    pytest.param(["check", "-", "--world", "missing.json"], "cannot read missing.json", id="a missing world"),
    pytest.param(["rules", "--format", "csv"], "'csv' is not one of", id="an unknown format of rules"),
    pytest.param(["spec", "clip-too-short"], "unexpected extra argument", id="an argument too many"),
    pytest.param(["spec", "--format", "toml"], "'toml' is not one of", id="an unknown format of the document"),
    pytest.param(["serve", "--port", "70000"], "70000 is not in the range", id="a port that is none"),
    pytest.param(["serve", "--port", "http"], "'http' is not a valid integer", id="a port in words"),
    pytest.param(["serve", "--audio-slack-ms", "-1"], "-1 is not in the range", id="a negative slack"),
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("arguments", "said"), MISUSE)
def test_misuse_is_told_in_a_sentence(arguments, said):
    result = klingkit(*arguments, stdin=VALID)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "world.json is not JSON: line 1, column 1", id="nothing"),
        pytest.param(b"now_ms: 1", "world.json is not JSON: line 1, column 1", id="YAML"),
        pytest.param([], "\n/: ", id="an array"),
        pytest.param({"now": 1}, "\n/now: ", id="an unknown member"),
        pytest.param({"audios": {AUDIO: {}}}, f"\n/audios/{AUDIO}/duration_ms: ", id="an audio without a duration"),
        pytest.param({"sessions": {"a": {"video_ms": "1", "faces": {}}}}, "\n/sessions/a/video_ms: ", id="a text"),
    ],
)
def test_a_file_that_is_no_world_is_misuse_that_says_where(folder, content, said):
    result = klingkit("check", "-", "--world", written(folder, "world.json", content), stdin=VALID)
    assert result.exit_code == 2
    assert said in result.output


def test_a_file_that_cannot_be_read_is_misuse_and_the_others_are_judged(folder):
    result = klingkit("check", "missing.json", written(folder, "a.json", LOUD))
    assert result.exit_code == 2
    assert "a.json: 1 violation" in result.output
    assert result.output.endswith("2 files: 1 refused, 1 not read\n")


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_every_command_has_help_with_an_example(name):
    result = klingkit(name, "--help")
    assert result.exit_code == 0
    assert f"Example: klingkit {name} " in result.output


def test_rules_shows_the_rules_that_are_named_alone():
    shown = klingkit("rules", "clip-too-short", "task-unknown").output
    assert shown.count("  holds:  ") == shown.count("clip-too-short  (") + shown.count("task-unknown  (")
    assert "裁剪后音频不得短于2秒" in shown
    assert "any request" not in shown


def test_rules_shows_a_rule_of_several_operations_under_each():
    rows = json.loads(klingkit("rules", "body.type", "--format", "json").output)
    assert {"create", "identify", "tts"} <= {row["operation"] for row in rows}
    assert {row["id"] for row in rows} == {"body.type"}


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        ("clip-to-short", "did you mean clip-too-short"),
        ("?", "`klingkit rules` lists them"),
        ("", "`klingkit rules` lists them"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [["rules"], ["proxy", "--to", "http://127.0.0.1:9", "--block", "--allow"], ["fuzz", "json:dumps", "--ignore"]],
    ids=lambda words: words[0],
)
def test_a_rule_that_there_is_not_is_misuse_that_names_the_nearest(command, named, hint):
    result = klingkit(*command, named)
    assert result.exit_code == 2
    assert f"there is no rule {named!r}; {hint}" in result.output


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_names_every_command(flag):
    output = klingkit(flag).output
    assert all(f"klingkit {name}" in output for name in cli.list_commands(None))


def test_the_version_is_told_even_where_nothing_is_installed():
    result = klingkit("--version")
    assert (result.exit_code, result.output) == (0, f"klingkit {__version__}\n")


def run(*command, stdin=None, **variables):
    given = json.dumps(stdin).encode() if stdin else b""
    environ = environment(**variables)
    return subprocess.run(command, input=given, capture_output=True, env=environ, timeout=PATIENCE_S, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["check", "-"]], ids=["the help", "a check"])
def test_what_needs_no_server_imports_none(arguments):
    program = (
        "import sys\n"
        "from kling_mock_server.cli.main import cli\n"
        f"try: cli({arguments!r})\n"
        "finally: sys.stderr.write(' '.join(sys.modules))\n"
    )
    done = run(sys.executable, "-c", program, stdin=VALID)
    assert done.returncode == 0
    imported = done.stderr.decode().split()
    assert "click" in imported
    assert not {"flask", "werkzeug", "waitress", "http.server"} & set(imported)


def test_the_list_of_commands_says_what_each_commands_own_help_says_first():
    listed = re.sub(r"\s+", " ", klingkit("--help").output.partition("Commands:")[2])
    for name in cli.list_commands(None):
        said = re.sub(r"\s+", " ", cli.get_command(None, name).get_short_help_str(60))
        assert f" {name} {said.removesuffix('...').rpartition(' ')[0]}" in listed


def test_the_list_of_commands_imports_no_command():
    program = (
        "import sys\n"
        "from kling_mock_server.cli.main import cli\n"
        "try: cli(['--help'])\n"
        "finally: sys.stderr.write(' '.join(sys.modules))\n"
    )
    imported = run(sys.executable, "-c", program).stderr.decode().split()
    assert {f"kling_mock_server.cli.{name}" for name in ("check", "serve", "fuzz")}.isdisjoint(imported)


def test_a_command_collects_garbage_rarely_until_its_server_is_ready():
    program = (
        "import gc\n"
        "usual = gc.get_threshold()\n"
        "from kling_mock_server.cli import garbage\n"
        "garbage.collect_rarely()\n"
        "assert gc.get_threshold()[0] > 100 * usual[0]\n"
        "garbage.collect_as_usual()\n"
        "print(gc.get_threshold() == usual, gc.get_freeze_count() > 0)\n"
    )
    assert run(sys.executable, "-c", program).stdout == b"True True\n"


def test_an_output_that_cannot_show_the_vendors_words_shows_their_meaning():
    done = run(*COMMAND, "check", "-", stdin=SHORT, PYTHONUTF8="0", PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"    vendor: (the cropped audio must not be shorter than 2 seconds)\n" in done.stdout
    assert b"\\u" not in done.stdout


def test_an_output_that_cannot_show_a_name_shows_its_escapes(tmp_path):
    (tmp_path / "短.json").write_text(json.dumps(SHORT))
    done = run(*COMMAND, "check", tmp_path, PYTHONUTF8="0", PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (1, b"")
    assert rb"\u77ed.json: 2 violations" in done.stdout


def test_cases_are_printed_one_a_line():
    done = CliRunner().invoke(cli, ["cases", "-n", "3", "--invalid"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.exit_code == 0
    assert len(rows) == 3
    assert all(row["breaks"] for row in rows)


def test_cases_of_a_rule_that_there_is_not_are_misuse():
    done = CliRunner().invoke(cli, ["cases", "-n", "1", "--rule", "clip-to-short"])

    assert done.exit_code == 2
    assert "clip-to-short" in done.output

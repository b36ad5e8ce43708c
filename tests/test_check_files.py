"""`klingkit check` on many files: what stands for them, what they share, and where in a file a finding is."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from kling_contracts.jsonio import strict_json
from kling_contracts.jsonio.json_pointer import tokens
from kling_contracts.jsonio.positions import Position, nearest, positions_of
from kling_mock_server.cli import terminal
from kling_mock_server.cli.main import cli
from support.serving import payload, world

VALID = payload()
SHORT = payload(sound_end_time=1999)
LOUD = payload(sound_volume=3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {"world": world(), "in/a": SHORT, "in/below/b": VALID, "in/below/c": LOUD}.items():
        file = tmp_path / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value, indent=2))
    return tmp_path


def check(*arguments, **variables):
    result = CliRunner().invoke(cli, ["check", *arguments], env=variables)
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return result


def judged(*arguments):
    return [one["file"] for one in json.loads(check(*arguments, "--format", "json").stdout)]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("given", "files"),
    [
        (["in"], ["in/a.json", "in/below/b.json", "in/below/c.json"]),
        (["in/*.json"], ["in/a.json"]),
        (["in/**/*.json"], ["in/a.json", "in/below/b.json", "in/below/c.json"]),
        (["in/below/c.json", "in"], ["in/below/c.json", "in/a.json", "in/below/b.json"]),
    ],
)
def test_folders_and_globs_stand_for_their_files_each_once(given, files):
    assert judged(*given) == files


@pytest.mark.usefixtures("folder")
def test_the_world_is_no_payload():
    assert "world.json" not in judged(".", "--world", "world.json")
    assert judged("world.json", "--world", "world.json") == ["world.json"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(folder):
    (folder / "a[1].json").write_text(json.dumps(VALID))
    assert judged("a[1].json") == ["a[1].json"]


@pytest.mark.usefixtures("folder")
def test_what_all_files_have_in_common_is_told_once_and_the_counts_come_last():
    output = check("in").output
    assert output.count("session-unknown") == 1
    assert output.index("every file:") > output.index("in/below/c.json: ")
    assert output.splitlines()[-1] == "3 files: 2 refused, 1 not fully verified"


@pytest.mark.usefixtures("folder")
def test_what_one_file_alone_has_stands_below_it():
    output = check("in", "--world", "world.json").output
    assert "every file" not in output
    assert output.index("in/a.json: ") < output.index("clip-too-short") < output.index("in/below/b.json: valid")
    assert output.splitlines()[-1] == "3 files: 1 valid, 2 refused"


@pytest.mark.usefixtures("folder")
def test_a_finding_leads_to_line_and_column():
    line, *_ = check("in/below/c.json", "--world", "world.json", "--format", "github").output.splitlines()
    text = Path("in/below/c.json").read_text().splitlines()
    number = next(number for number, one in enumerate(text, 1) if '"sound_volume"' in one)
    column = text[number - 1].index("3") + 1
    assert line.startswith(f"::error file=in/below/c.json,line={number},col={column},title=sound_volume.maximum::")


def test_what_is_not_json_leads_to_the_place_where_it_ceases_to_be(folder):
    (folder / "bad.json").write_text('{"session_id": "1",\n "face_choose": }')
    (line, _) = check("bad.json", "--format", "github").output.splitlines()
    assert line.startswith("::error file=bad.json,line=2,col=17,title=body-json::")


@pytest.mark.usefixtures("folder")
def test_reports_are_written_beside_what_is_printed():
    done = check("in", "--world", "world.json", "--report", "a.xml", "--report", "a.sarif", "--report", "a.md")
    assert done.exit_code == 1
    (suite,) = JUnitXml.fromstring(Path("a.xml").read_bytes())
    failed = {case.name for case in suite if case.result}
    (run,) = json.loads(Path("a.sarif").read_text())["runs"]
    assert (
        failed
        == {one["ruleId"] for one in run["results"]}
        == {
            "clip-too-short",
            "face-overlap-too-short",
            "sound_volume.maximum",
        }
    )
    assert "## Findings" in Path("a.md").read_text()


@pytest.mark.usefixtures("folder")
def test_unverified_rules_are_notifications_of_the_tool_and_no_results():
    (run,) = json.loads(check("in/below/b.json", "--format", "sarif").output)["runs"]
    assert run["results"] == []
    told = {one["descriptor"]["id"] for one in run["invocations"][0]["toolExecutionNotifications"]}
    assert "session-unknown" in told


@pytest.mark.usefixtures("folder")
def test_no_rule_is_said_to_hold_where_every_payload_breaks_some():
    (suite,) = JUnitXml.fromstring(check("in/a.json", "--format", "junit").output.encode())
    assert all(case.result for case in suite)


@pytest.mark.usefixtures("folder")
def test_nothing_is_judged_where_a_report_could_not_be_written():
    done = check("in", "--report", "missing/a.xml")
    assert done.exit_code == 2
    assert "violation" not in done.output


@pytest.mark.usefixtures("folder")
def test_a_drawing_fits_a_terminal_of_60_columns():
    lines = check("in/a.json", "--world", "world.json", COLUMNS="60").output.splitlines()
    drawn = [line for line in lines if "├" in line]
    assert drawn
    assert max(map(len, drawn)) <= 60


class Stream:
    def __init__(self, encoding, terminal):
        self.encoding, self.terminal, self.text = encoding, terminal, ""

    def isatty(self):
        return self.terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def shown(monkeypatch, text, encoding="utf-8", terminal_there=True, **variables):
    stream = Stream(encoding, terminal_there)
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal.show(text)
    return stream.text


def test_verdicts_are_coloured_on_a_terminal(monkeypatch):
    assert shown(monkeypatch, "a.json: valid\n") == "a.json: \033[32m\033[1mvalid\033[0m\n"


def test_no_color_is_honoured(monkeypatch):
    assert shown(monkeypatch, "a.json: valid\n", NO_COLOR="1") == "a.json: valid\n"


def test_what_is_no_terminal_gets_no_colour(monkeypatch):
    assert shown(monkeypatch, "a.json: valid\n", terminal_there=False) == "a.json: valid\n"


def test_a_pipe_of_cp1252_gets_a_drawing_of_ascii(monkeypatch):
    assert shown(monkeypatch, "├──┤ │\n", "cp1252", terminal_there=False) == "|--| |\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "  vendor: (the clip)\n  vendor: vier Sekunden  (four (4) seconds)\n"),
        ("gbk", "  vendor: 裁剪后音频  (the clip)\n  vendor: vier Sekunden  (four (4) seconds)\n"),
    ],
)
def test_of_a_sentence_that_cannot_be_shown_its_meaning_is(monkeypatch, encoding, text):
    said = "  vendor: 裁剪后音频  (the clip)\n  vendor: vier Sekunden  (four (4) seconds)\n"
    assert shown(monkeypatch, said, encoding, terminal_there=False) == text


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "in/a.json", "--format", "junit"],
        ["check", "in/a.json", "--format", "github"],
        ["rules", "clip-too-short", "--format", "json"],
        ["spec", "--format", "json"],
    ],
    ids=" ".join,
)
def test_what_a_program_reads_is_utf_8_in_a_pipe_of_any_encoding(arguments):
    result = CliRunner(charset="cp1252").invoke(cli, arguments)
    assert "裁剪后音频不得短于2秒" in result.stdout_bytes.decode("utf-8")


def test_half_a_surrogate_stays_json(folder):
    (folder / "half.json").write_text(json.dumps({**VALID, "session_id": ["\ud800"]}))
    (finding,) = json.loads(check("half.json", "--format", "json", "--world", "world.json").stdout)
    assert not finding["valid"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a/~\\"é\n,:{}[]', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def value_at(value, pointer):
    for token in tokens(pointer):
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


@given(value=JSON, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans(), mark=st.booleans())
def test_every_value_stands_where_its_position_says(value, indent, ascii_only, mark):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    lines = text.split("\n")
    content = (b"\xef\xbb\xbf" if mark else b"") + text.encode()
    assert strict_json.decode(content) == value
    for pointer, position in positions_of(content).items():
        rest = "\n".join([lines[position.line - 1][position.column - 1 :], *lines[position.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value_at(value, pointer)


@pytest.mark.parametrize(
    ("pointer", "position"),
    [
        ("/a/0/b", Position(2, 15)),
        ("/a/0/missing", Position(2, 9)),
        ("/a/1/b", Position(2, 8)),
        ("/missing/0", Position(1, 1)),
        ("", Position(1, 1)),
        ("/a/0/~1", Position(3, 7)),
    ],
)
def test_what_is_missing_stands_where_it_would_be_looked_for(pointer, position):
    assert nearest(positions_of(b'{"z": 0,\n "a" : [{"b": 1,\n "/": 2}]}'), pointer) == position


def test_a_field_that_is_missing_leads_to_the_object_that_lacks_it(folder):
    body = json.dumps({key: value for key, value in VALID.items() if key != "session_id"}, indent=2)
    (folder / "lacking.json").write_text(f"\n  {body}")
    line, *_ = check("lacking.json", "--world", "world.json", "--format", "github").output.splitlines()
    assert line.startswith("::error file=lacking.json,line=2,col=3,title=session_id.required::")


def test_a_long_text_is_one_value():
    assert positions_of(b'[\r\n"' + b"A" * 2_000_000 + b'", 1]')["/1"] == Position(2, 2_000_005)

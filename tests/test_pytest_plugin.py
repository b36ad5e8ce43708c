"""The pytest plugin, as a suite that uses it meets it."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from support.serving import environment

pytest_plugins = ["pytester"]

PLUGIN = "kling_mock_server.pytest_plugin"
each_fixture = pytest.mark.parametrize("kling", ["kling_mock", "kling_server", "kling_respx"])

# What a run inside this process is the first to import is forgotten after it; not all of it can be imported twice.
for name in (
    "yaml",
    "kling_mock_server.testing.coverage_plugin",
    "kling_mock_server.adapters.servers",
    "kling_mock_server.testing.expected_violations",
):
    importlib.import_module(name)

# The head of every suite below.
HEAD = """
import httpx
import pytest
import threading
import unittest

from support.serving import PATH, PATIENCE_S, documented, payload

@pytest.fixture(scope="session")
def kling_options():
    return {"contract": documented()}

def post(kling, token=None, **changes):
    headers = {"Authorization": f"Bearer {token or kling.token}"}
    with kling.client() if hasattr(kling, "client") else httpx.Client(verify=False, timeout=PATIENCE_S) as http:
        return http.post(kling.url + PATH, json=payload(**changes), headers=headers).status_code

def post_too_short(kling):
    return post(kling, sound_end_time=1000)

too_short = pytest.mark.kling_violates("clip-too-short", "face-overlap-too-short")
"""


@pytest.fixture
def rooted(pytester):
    """A suite whose folder is its root: what else lies among the temporary files of this machine is not."""
    pytester.makeini("[pytest]")
    return pytester


@pytest.fixture
def run(rooted):
    """Run a suite in this process."""

    def run(suite, *options):
        rooted.makepyfile(HEAD + suite)
        return rooted.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", "--strict-markers", *options)

    return run


@pytest.fixture
def run_apart(rooted, monkeypatch):
    """Run a suite in a process of its own, for what depends on how pytest starts."""
    paths = [environment()["PYTHONPATH"], str(Path(__file__).parent), str(rooted.path)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def run_apart(suite, *options):
        rooted.makepyfile(HEAD + suite)
        return rooted.runpytest_subprocess("-p", "no:cacheprovider", *options)

    return run_apart


@each_fixture
def test_a_fixture_accepts_the_vendors_own_example(run, kling):
    run(f"def test({kling}): assert post({kling}) == 200").assert_outcomes(passed=1)


@each_fixture
def test_a_refusal_that_was_not_announced_fails_the_test(run, kling):
    run(f"def test({kling}): post_too_short({kling})").assert_outcomes(failed=1)


def test_the_failure_shows_rule_pointer_sentence_and_timeline(run):
    result = run("def test(kling_mock): post_too_short(kling_mock)")
    result.stdout.fnmatch_lines(
        [
            "the mock refused 1 request, and the test did not announce that:",
            "POST /kling/v1/videos/advanced-lip-sync -> 400 / 1201 The cropped audio must last at least 2000 ms",
            "  clip-too-short at /face_choose/0/sound_end_time: *",
            "    found:  1000",
            "    wanted: at least 2000",
            "    vendor: 裁剪后音频不得短于2秒  (the cropped audio must not be shorter than 2 seconds)",
            "  inserted  * 1000 to 2000, 1000 ms",
            '*Then announce it: @pytest.mark.kling_violates("clip-too-short", "face-overlap-too-short")',
        ]
    )


def test_a_test_that_fails_by_itself_shows_what_was_refused(run):
    result = run("def test(kling_mock): assert post_too_short(kling_mock) == 200")
    result.stdout.fnmatch_lines(["*assert 400 == 200*", "*- Captured kling call -*", "  clip-too-short at *"])
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("tb", ["auto", "native", "short"])
def test_what_was_refused_is_in_pytests_junit_file(run, pytester, tb):
    run("def test(kling_mock): assert post_too_short(kling_mock) == 200", "--junitxml=junit.xml", f"--tb={tb}")
    ((case,),) = JUnitXml.fromfile(str(pytester.path / "junit.xml"))
    (failure,) = case.result
    assert "Captured kling call" in failure.text
    assert "clip-too-short at /face_choose/0/sound_end_time" in failure.text


def test_a_timeline_is_drawn_of_a_payload_too_large_for_the_journal(run):
    result = run("""
from base64 import b64encode
from kling_contracts.media import silent_audio

def test(kling_mock):
    audio = b64encode(silent_audio.make("wav", 3000, 50_000)).decode()
    post(kling_mock, audio_id="", sound_file=audio, sound_end_time=4000)
    assert kling_mock.journal[0].payload.keys() == {"redacted", "length"}
""")
    result.stdout.fnmatch_lines(["  clip-past-audio-end at *", "     audio  * 0 to 3000, 3000 ms"])


def test_a_request_without_a_token_counts_too(run):
    result = run("def test(kling_server): httpx.post(kling_server.url + PATH, json=payload())")
    result.stdout.fnmatch_lines(["  authorization-missing at the request: *"])


def test_a_thousand_refusals_of_one_kind_are_shown_once(run):
    result = run("def test(kling_mock): [post_too_short(kling_mock) for _ in range(1000)]")
    result.stdout.fnmatch_lines(["the mock refused 1000 requests,*", "  and 999 more like it"])
    # Under CI pytest's summary repeats the whole text.
    shown, _, _ = result.stdout.str().partition("short test summary")
    assert shown.count("clip-too-short at") == 1


def test_a_refusal_of_another_fixtures_request_fails_the_test(run):
    result = run("""
@pytest.fixture
def prepared(kling_mock): post_too_short(kling_mock)

def test(prepared): pass
""")
    result.assert_outcomes(failed=1)


def test_a_refusal_after_the_test_is_an_error(run):
    result = run("""
@pytest.fixture
def tidy(kling_mock):
    yield
    post_too_short(kling_mock)

def test(tidy): pass
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["  clip-too-short at *"])


def test_a_refusal_that_was_announced_is_no_failure(run):
    run("""
@too_short
def test(kling_mock): assert post_too_short(kling_mock) == 400
""").assert_outcomes(passed=1)


def test_marks_on_class_and_function_add_up(run):
    run("""
@pytest.mark.kling_violates("clip-too-short")
class TestIt:
    @pytest.mark.kling_violates("face-overlap-too-short")
    def test(self, kling_mock): post_too_short(kling_mock)
""").assert_outcomes(passed=1)


def test_accepted_requests_may_stand_beside_the_announced_refusal(run):
    run("""
@too_short
def test(kling_mock): assert [post(kling_mock), post_too_short(kling_mock), post(kling_mock)] == [200, 400, 200]
""").assert_outcomes(passed=1)


def test_every_rule_of_a_refusal_must_be_announced(run):
    result = run("""
@pytest.mark.kling_violates("clip-too-short")
def test(kling_mock): post_too_short(kling_mock)
""")
    result.stdout.fnmatch_lines(
        ['*announce it: @pytest.mark.kling_violates("clip-too-short", "face-overlap-too-short")']
    )
    result.assert_outcomes(failed=1)


@each_fixture
def test_an_announced_refusal_that_never_came_is_a_failure(run, kling):
    result = run(f"""
@too_short
def test({kling}): post({kling})
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["announced, but no request broke it: clip-too-short"])


def test_a_misspelt_rule_is_told_so(run):
    result = run("""
@pytest.mark.kling_violates("clip-to-short")
def test(kling_mock): pass
""")
    result.stdout.fnmatch_lines(["*: clip-to-short (there is no such rule; did you mean clip-too-short*)"])


@pytest.mark.parametrize("arguments", ["", '"clip-too-short"'])
def test_an_announcement_needs_a_mock_to_be_tested(run, arguments):
    result = run(f"""
@pytest.mark.kling_violates({arguments})
def test(): pass
""")
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("arguments", ["", '["clip-too-short"]', "1"])
def test_an_announcement_must_name_a_rule(run, arguments):
    result = run(f"""
@pytest.mark.kling_violates({arguments})
def test(kling_mock): pass
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["kling_violates: name the rules *"])


def test_an_unannounced_refusal_can_be_an_expected_failure(run):
    run("""
@pytest.mark.xfail(strict=True)
def test(kling_mock): post_too_short(kling_mock)
""").assert_outcomes(xfailed=1)


def test_the_tests_of_unittest_are_held_to_it_too(run):
    run("""
class Test(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _kling(self, kling_mock): self.kling = kling_mock

    def test_good(self): post(self.kling)
    def test_bad(self): post_too_short(self.kling)
""").assert_outcomes(passed=1, failed=1)


def test_a_test_may_use_all_fixtures_at_once(run):
    run("""
@too_short
def test(kling_mock, kling_server, kling_respx):
    kling_server.world.put({})
    assert [post(kling_mock), post_too_short(kling_respx)] == [200, 400]
""").assert_outcomes(passed=1)


@each_fixture
def test_no_test_sees_what_another_left(run, kling):
    run(f"""
def use(kling):
    assert (post(kling), len(kling.journal)) == (200, 1)
    kling.world.put({{}})
    kling.clock.advance(1)

def test_one({kling}): use({kling})
def test_two({kling}): use({kling})
""").assert_outcomes(passed=2)


def test_tests_share_a_server_but_not_its_accounts(run):
    run("""
used = []
def test_one(kling_server): used.append((kling_server.url, kling_server.token))
def test_two(kling_server):
    assert used[0][0] == kling_server.url
    assert used[0][1] != kling_server.token
""").assert_outcomes(passed=2)


def test_what_a_test_left_running_does_not_fail_the_next(run):
    run("""
left = []
def test_one(kling_server): left.append(kling_server)
def test_two(kling_server): assert post_too_short(left[0]) == 400
""").assert_outcomes(passed=2)


def test_every_key_of_a_test_counts(run):
    run("""
def test(kling_server):
    assert post(kling_server, token="another") == 200
    assert post(kling_server, token="another", sound_end_time=1000) == 400
""").assert_outcomes(failed=1)


@each_fixture
def test_a_suite_chooses_the_options_for_each_part_of_it(run, kling):
    run(f"""
class TestUpstream:
    @pytest.fixture
    def kling_options(self): return {{"profile": "upstream"}}

    def test(self, {kling}): assert post({kling}, sound_volume=0.5) == 200

@pytest.mark.kling_violates("sound_volume.type")
def test({kling}): assert post({kling}, sound_volume=0.5) == 400
""").assert_outcomes(passed=2)


@pytest.mark.parametrize("kling", ["kling_mock", "kling_respx"])
def test_a_suite_chooses_the_base_url(run, kling):
    run(f"""
@pytest.fixture(scope="session")
def kling_base_url(): return "https://gateway.example/ai"

def test({kling}):
    assert {kling}.url == "https://gateway.example/ai"
    assert post({kling}) == 200
""").assert_outcomes(passed=1)


@pytest.mark.parametrize("kling", ["kling_mock", "kling_respx"])
def test_the_base_url_is_the_vendors_by_default(run, kling):
    run(f"""
def test({kling}): assert [{kling}.url] == [one["url"] for one in documented().document["servers"]]
""").assert_outcomes(passed=1)


def test_no_other_url_gets_past_respx(run):
    run("""
def test(kling_respx):
    with pytest.raises(AssertionError, match="not mocked"):
        httpx.get("http://127.0.0.1:9/")
""").assert_outcomes(passed=1)


COVERED = """
@too_short
def test_one(kling_mock): post_too_short(kling_mock), post(kling_mock)
def test_two(kling_server): post(kling_server)
"""
TABLE = [
    "=* kling rule coverage =*",
    "rule * held  broken",
    "path * 3 * -",
    "clip-too-short * 2 * 1",
    "sound-file-format * - * -",
    "* rules held, 2 broken: * % of both sides",
]


def test_coverage_tells_how_often_each_rule_was_held_and_broken(run):
    run(COVERED, "--kling-coverage").stdout.fnmatch_lines(TABLE)


def test_coverage_is_shown_only_where_it_is_asked_for(run):
    assert "rule coverage" not in run(COVERED).stdout.str()


def test_coverage_says_so_where_no_mock_was_used(run):
    result = run("def test(): pass", "--kling-coverage")
    result.stdout.fnmatch_lines(["no test used a mock"])
    assert result.ret == 0


@pytest.mark.parametrize(("percent", "status"), [("0", 0), ("20", 0), ("99.5", 1), ("100", 1)])
def test_coverage_can_be_required(run, percent, status):
    result = run(COVERED, f"--kling-coverage-fail-under={percent}")
    assert result.ret == status
    result.stdout.fnmatch_lines(TABLE)
    assert (f"% of both sides, and {percent} % are asked for" in result.stdout.str()) == bool(status)


def test_a_project_sets_what_is_excluded_and_required(run, pytester):
    pytester.makepyprojecttoml('[tool.klingkit.coverage]\nexclude = ["sound-file-*", "nothing"]\nfail_under = 99')
    result = run(COVERED, "--kling-coverage")
    result.stdout.fnmatch_lines(
        [
            "* rules held, 2 broken: * % of both sides; 4 excluded",
            "*exclude: no rule fits 'nothing'*",
            "too low: * % of both sides, and 99 % are asked for",
        ]
    )
    assert "sound-file-format" not in result.stdout.str()
    assert result.ret == 1
    assert run(COVERED).ret == 0


def test_the_command_line_has_the_last_word_on_what_is_required(run, pytester):
    pytester.makepyprojecttoml("[tool.klingkit.coverage]\nfail_under = 99")
    assert run(COVERED, "--kling-coverage-fail-under=1").ret == 0


@pytest.mark.parametrize(
    ("option", "table", "says"),
    [
        ("--kling-coverage", "[tool.klingkit.coverage]\nfail_unde = 1", "did you mean fail_under?"),
        ("--kling-coverage-report=a.pdf", "", "a.pdf: the ending chooses the format"),
        ("--kling-coverage-report=missing/a.json", "", "cannot write missing/a.json: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_told_before_the_run(run, pytester, option, table, says):
    pytester.makepyprojecttoml(table)
    result = run(COVERED, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{says}*"])


def test_collecting_tests_requires_no_coverage(run):
    assert run(COVERED, "--kling-coverage-fail-under=100", "--collect-only").ret == 0


def test_the_workers_of_xdist_add_up(run_apart, pytester):
    options = ["-n2", "--kling-coverage-fail-under=100", "--kling-coverage-report=coverage.json"]
    result = run_apart(COVERED, "-p", PLUGIN, *options)
    result.stdout.fnmatch_lines(TABLE)
    assert result.ret == 1
    report = json.loads((pytester.path / "coverage.json").read_text())
    (row,) = [row for row in report["rules"] if row["rule"] == "clip-too-short"]
    file = "test_the_workers_of_xdist_add_up.py"
    assert row["broken_by"] == [f"{file}::test_one"]
    assert sorted(row["held_by"]) == [f"{file}::test_one", f"{file}::test_two"]


def test_named_as_entry_point_in_a_conftest_and_by_hand_it_is_loaded_once(run_apart, pytester):
    folder = pytester.mkdir("klingkit_by_hand-0.dist-info")
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: klingkit-by-hand\nVersion: 0\n")
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    pytester.makeconftest(f"pytest_plugins = [{PLUGIN!r}]")
    result = run_apart(COVERED, "-p", PLUGIN, "-W", "error")
    result.assert_outcomes(passed=2)


def test_as_an_entry_point_alone_it_is_loaded(run_apart, pytester):
    folder = pytester.mkdir("klingkit_by_hand-0.dist-info")
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: klingkit-by-hand\nVersion: 0\n")
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{PLUGIN} = {PLUGIN}\n")
    run_apart(COVERED).assert_outcomes(passed=2)


def test_it_imports_nothing_that_pytest_has_not_imported():
    code = f"import pytest, sys; had = set(sys.modules); import {PLUGIN}; print(*sorted(set(sys.modules) - had))"
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["kling_mock_server", PLUGIN]


DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = [*Path(__file__).parent.glob("examples/*.py"), Path(__file__).with_name("test_live.py")]
HTTPX_SUITE = Path(__file__).with_name("examples") / "test_client_httpx.py"


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def flush(code):
    return "\n".join(line.strip() for line in code.strip().splitlines())


FAILING = next(block for block in blocks("pytest.md", "python excerpt") if "too_early" in block)


@pytest.mark.parametrize("page", ["pytest.md", "respx.md", "drill.md"])
def test_what_a_page_shows_is_part_of_a_suite_that_is_run(page):
    suites = [flush(path.read_text(encoding="utf-8")) for path in EXAMPLES]
    for block in blocks(page, "python excerpt"):
        assert block == FAILING or any(flush(block) in suite for suite in suites), block


@pytest.mark.parametrize(
    ("index", "addition", "options"), [(0, FAILING, []), (1, "", ["--kling-coverage"])], ids=["a failure", "coverage"]
)
def test_the_output_that_the_page_shows_is_what_happens(pytester, index, addition, options):
    pytester.makepyfile(HTTPX_SUITE.read_text(encoding="utf-8") + "\n\n" + addition)
    shown = [line for line in blocks("pytest.md", "text")[index].splitlines() if line not in ("", "…")]
    printed = pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", *options).outlines
    for line in shown[1:]:
        assert line in printed

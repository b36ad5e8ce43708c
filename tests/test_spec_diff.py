"""`klingkit spec --diff`: exit status, reports and the patch as a person and a CI job see them."""

import http.server
import json

import pytest
from click.testing import CliRunner

from kling_contracts import Contract
from kling_contracts.documents import loading
from kling_mock_server.cli.main import cli
from support.drift_edits import FOLDERS
from support.published import SEED, page


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, stdin=None):
        return CliRunner().invoke(cli, ["spec", *arguments], input=stdin)

    return call


def written(text, name="newer.yaml"):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


STRICTER = SEED.replace("不得短于2秒", "不得短于3秒")


def test_the_published_page_is_no_drift(run):
    result = run("--diff", written(page(), "page.md"))
    assert (result.exit_code, result.output) == (0, "no drift: 46 clauses unchanged, 0 reworded\n")


def test_a_changed_limit_is_drift_and_says_where_it_stands(run):
    result = run("--diff", written(STRICTER))
    assert result.exit_code == 1
    assert "limit-changed: 裁剪后音频不得短于2秒: 2秒 -> 3秒 (clip-too-short: 2000 -> 3000 ms)" in result.output
    assert "  at newer.yaml:59:25 /paths/" in result.output
    assert "  ours:  裁剪后音频不得短于2秒\n  newer: 裁剪后音频不得短于3秒\n  rules: clip-too-short" in result.output


def test_a_cosmetic_change_is_a_note_and_no_drift(run):
    result = run("--diff", written(SEED.replace("5MB", "5120KB")))
    assert result.exit_code == 0
    assert "note: reworded: 文件大小不超过5MB" in result.output


def test_standard_input_is_read(run):
    assert run("--diff", "-", stdin=STRICTER.encode()).exit_code == 1


def test_json_holds_the_numbers(run):
    value = json.loads(run("--diff", written(STRICTER), "--format", "json").output)
    (finding,) = value["findings"]
    assert finding["limits"] == [{"rule": "clip-too-short", "old": 2000, "new": 3000, "unit": "ms"}]
    assert finding["severity"] == "breaking"
    assert value["loads"] is True


def test_the_patch_loads_beside_the_newer_document(run, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    for source in FOLDERS[0].glob("*.yaml"):
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / loading.VENDOR_DOCUMENT).write_text(STRICTER, encoding="utf-8")
    result = run("--diff", written(STRICTER), "--patch", str(folder / "newer.patch.yaml"))
    assert result.exit_code == 1
    assert "the patch is in" in result.stderr
    assert ">= 3000" in Contract.load(folder=folder).rules["clip-too-short"].statement


def test_without_drift_there_is_nothing_to_patch(run, tmp_path):
    result = run("--diff", written(SEED), "--patch", "p.yaml")
    assert result.exit_code == 0
    assert result.stderr == "nothing to patch; p.yaml is not written\n"
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--diff", "nowhere.yaml"], "cannot read nowhere.yaml: No such file"),
        (["--diff", "https://example.com/page.md"], "is not downloaded unless you say --fetch any"),
        (["--patch", "p.yaml"], "--patch and --report are for --diff"),
        (["--report", "r.xml"], "--patch and --report are for --diff"),
        (["--diff", "a", "--coverage"], "exclude each other"),
        (["--diff", "new.yaml", "--format", "yaml"], "--format yaml is for the document"),
        (["--format", "sarif"], "--format sarif is for --diff"),
    ],
)
def test_misuse_is_told_in_one_sentence(run, arguments, says):
    written(STRICTER, "new.yaml")
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_what_is_no_document_is_misuse(run):
    result = run("--diff", written("only words"))
    assert result.exit_code == 2
    assert "wanted: OpenAPI as YAML or JSON, or a Markdown page with a block of it" in result.output


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = page(STRICTER).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_page_is_downloaded_where_that_is_allowed(run):
    import threading

    with http.server.HTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/page.md"
        result = run("--diff", url, "--fetch", "any")
    assert result.exit_code == 1
    assert "clip-too-short: 2000 -> 3000 ms" in result.output

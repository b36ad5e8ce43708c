"""What the documents show is what happens: every console block is run and its output compared."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import serving

ROOT = Path(__file__).parents[1]
LINKING = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
# Schemathesis has an environment and tests of its own; what it prints is abridged.
ELSEWHERE = {"docs/schemathesis.md"}
DOCUMENTS = [
    name for name in LINKING if name not in ELSEWHERE and "```console\n" in (ROOT / name).read_text(encoding="utf-8")
]
SHOWN_URL = "http://127.0.0.1:8080"

# What differs from run to run; everything else must be equal to the letter.
VOLATILE = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", "<request id>"),
    (r'"task_id":"\d{18}"', '"task_id":"<id>"'),
    (r'"(created_at|updated_at|now_ms)":\d{13}', r'"\1":<ms>'),
    (r"Date: .*", "Date: <date>"),
    (r"Server: klingkit/.*", "Server: <server>"),
]


def consoles():
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for index, block in enumerate(re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)):
            yield pytest.param(block, id=f"{name}-{index}")


def commands(block):
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.rstrip("\n")


def steady(text):
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text.replace("\r", ""))
    return text.rstrip("\n")


def run(command, url):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    completed = subprocess.run(
        ["sh", "-c", command.replace(SHOWN_URL, url)],
        cwd=ROOT / "tests" / "examples",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return completed.stdout.replace(url, SHOWN_URL)


@pytest.fixture(scope="module")
def url():
    with serving.running() as server:
        yield server.url


@pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl")
@pytest.mark.parametrize("block", list(consoles()))
def test_a_console_block_shows_what_happens(block, url):
    for command, output in commands(block):
        assert steady(run(command, url)) == steady(output), command


@pytest.mark.parametrize("name", LINKING)
def test_every_relative_link_leads_somewhere(name):
    document = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_the_architecture_fits_on_one_page():
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 72


def test_both_readmes_show_the_same_commands():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    assert re.findall(r"^\$ (.*)$", english, re.MULTILINE) == re.findall(r"^\$ (.*)$", chinese, re.MULTILINE)
    assert english.count("\n## ") == chinese.count("\n## ")

"""What the documents show is what happens: every console block is run and its output compared."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import serving

ROOT = Path(__file__).parents[1]
LINKING = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
# Schemathesis has an environment and tests of its own; what it prints is abridged.
ELSEWHERE = {"docs/schemathesis.md"}
DOCUMENTS = [
    name for name in LINKING if name not in ELSEWHERE and "```console\n" in (ROOT / name).read_text(encoding="utf-8")
]
ID = re.compile(r"(?<!\d)\d{18}(?!\d)")
SHOWN_URL = "http://127.0.0.1:8080"

# What differs from run to run; everything else must be equal to the letter.
VOLATILE = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", "<request id>"),
    (r"(?<!\d)\d{18}(?!\d)", "<id>"),
    (r'"(created_at|updated_at|now_ms)":\d{13}', r'"\1":<ms>'),
    (r"Date: .*", "Date: <date>"),
    (r"Server: klingkit/.*", "Server: <server>"),
]


def consoles(name):
    """Yield commands and outputs of a document, in its order."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from commands(block)


def commands(block):
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.rstrip("\n")


def steady(text):
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text.replace("\r", ""))
    return text.rstrip("\n")


# What upstream would make of a task takes time, and so does what the documents show of it.
PATIENCE_S = 20


class Reader:
    """Types the commands of one document, with the ids that it was given in place of those that are shown."""

    def __init__(self, url, folder):
        self.url = url
        self.folder = folder
        self.given = {}

    def follow(self, command, output):
        """Return what a command printed; what only asks is asked again until it is told what is shown."""
        until = time.monotonic() + PATIENCE_S
        printed = self.type(command)
        while steady(printed) != steady(output) and asks(command) and time.monotonic() < until:
            printed = self.type(command)
        self.given |= dict(zip(ID.findall(output), ID.findall(printed), strict=False))
        return printed

    def type(self, command):
        return run(ID.sub(lambda match: self.given.get(match[0], match[0]), command), self.url, self.folder)


def asks(command):
    return command.startswith("curl") and " -d " not in command


def run(command, url, folder=ROOT / "tests" / "examples"):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    completed = subprocess.run(
        ["sh", "-c", command.replace(SHOWN_URL, url)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return completed.stdout.replace(url, SHOWN_URL)


@pytest.fixture
def url():
    with serving.running() as server:
        yield server.url


@pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_console_blocks_of_a_document_show_what_happens(name, url, tmp_path):
    folder = shutil.copytree(ROOT / "tests" / "examples", tmp_path / "examples")
    reader = Reader(url, folder)
    for command, output in consoles(name):
        assert steady(reader.follow(command, output)) == steady(output), command


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

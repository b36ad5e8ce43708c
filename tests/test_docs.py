"""Documents followed as a reader follows them, in an empty folder with the wheel installed; see `support.documents`."""

import re
import shutil

import pytest

from support import documents
from support.wheel import installed_wheel  # noqa: F401  (a fixture)

ROOT = documents.ROOT
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
LINKING = sorted(path.relative_to(ROOT).as_posix() for path in PAGES)
# Schemathesis has an environment and tests of its own; the Chinese README shows what the English one shows.
FOLLOWED = [name for name in documents.names() if name not in ("docs/schemathesis.md", documents.CHINESE)]
LANGUAGES = {"console", "sh", "python", "text", "json", "yaml", "toml"}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


@needs_curl
@pytest.mark.parametrize("name", FOLLOWED)
def test_a_document_that_is_followed_does_what_it_says(name, installed_wheel, tmp_path):  # noqa: F811
    if name == "examples/node_fetch/README.md" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    with documents.reader_of(name, tmp_path, installed_wheel) as reader:
        for block, commands in documents.followed(text_of(name), reader):
            documents.hold(block, commands)


@pytest.mark.parametrize("name", LINKING)
def test_every_block_says_what_it_is(name):
    assert {block.language for block in documents.blocks_of(text_of(name))} <= LANGUAGES


@pytest.mark.parametrize("name", LINKING)
def test_every_relative_link_leads_somewhere(name):
    document = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text_of(name)):
        assert (document.parent / target).exists(), target


def test_the_architecture_fits_on_one_page():
    assert len(text_of("ARCHITECTURE.md").splitlines()) <= 72


def test_both_readmes_show_the_same():
    english, chinese = map(text_of, (documents.ENGLISH, documents.CHINESE))
    assert english.count("\n## ") == chinese.count("\n## ")
    assert shown(english) == shown(chinese)


def shown(document):
    return [documents.without_comments(block.text) for block in documents.blocks_of(document)]

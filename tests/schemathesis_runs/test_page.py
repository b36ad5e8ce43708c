"""docs/schemathesis.md, followed as a reader follows it."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis")

from support import documents


def test_the_page_does_what_it_says(tmp_path):
    text = (documents.ROOT / "docs" / "schemathesis.md").read_text(encoding="utf-8")
    with documents.Reader(tmp_path, Path(sys.executable).parent) as reader:
        for block, commands in documents.followed(text, reader):
            documents.hold(block, commands)

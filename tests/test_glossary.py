"""The glossary speaks of things that there are."""

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.split(" | ")] for line in PAGE.splitlines() if re.match(r"\| [a-z]", line)]
TERMS = [row[0].removeprefix("| ") for row in ROWS if row[0] != "| term"]
NAMES = re.findall(r"`(kling_[a-z_.]+(?:\.[A-Za-z_]+)?)`", PAGE)


def found(name):
    """Return what a dotted name leads to: a module, or something in one."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)


def test_every_term_stands_there_once():
    assert len(TERMS) > 40
    assert sorted(set(TERMS)) == sorted(TERMS)


@pytest.mark.parametrize("name", NAMES)
def test_every_type_exists(name):
    assert found(name) is not None

"""Every dependency has a version in constraints.txt, and one that the bounds of pyproject.toml allow."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    return sorted({entry for part in (*lists, *project["dependency-groups"].values()) for entry in part})


def constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("declaration", declared())
def test_a_dependency_has_a_version_that_its_bounds_allow(declaration):
    wanted = Requirement(declaration)
    pinned = [one for one in constraints() if canonicalize_name(one.name) == canonicalize_name(wanted.name)]

    assert pinned, "run make constraints"
    assert [str(one) for one in pinned if str(one.specifier).removeprefix("==") not in wanted.specifier] == []

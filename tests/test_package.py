"""What users install: the wheel and the sdist, built here and looked into."""

import email
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import kling_contracts
import kling_mock_server
import kling_openapi

ROOT = Path(__file__).parents[1]
PACKAGES = (kling_openapi, kling_contracts, kling_mock_server)
DATA = (
    "kling_openapi/advanced-lip-sync.openapi.yaml",
    "kling_openapi/advanced-lip-sync.overlay.yaml",
    "kling_openapi/upstream.overlay.yaml",
    "kling_openapi/stateless.overlay.yaml",
    "kling_openapi/companions.openapi.yaml",
    "kling_contracts/documents/overlay-vocabulary.schema.json",
    "kling_contracts/facts/world.schema.json",
    "kling_contracts/cases/case.schema.json",
    "kling_contracts/cases/cases.ndjson",
    "kling_mock_server/failures/scenarios/library.yaml",
    "kling_mock_server/failures/scenarios/scenario.schema.json",
    "kling_mock_server/testing/schemathesis_files/schemathesis.toml",
    "kling_mock_server/testing/schemathesis_files/klingkit_hooks.py",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build both without an environment of their own: that would need the network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--sdist", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def test_the_long_description_links_to_nothing_that_an_index_does_not_have(metadata):
    text = metadata.get_payload()
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert [target for target in targets if not target.startswith(("https://", "http://", "#"))] == []
    assert "src=" not in text


def test_the_long_description_is_the_readme(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = metadata.get_payload()
    assert text.startswith((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[0])
    # A relative link has become its words.
    assert "docs/offline.md walks through" in text


def test_the_package_says_what_it_plugs_into_and_what_it_ran_on(metadata):
    classifiers = metadata.get_all("Classifier")
    assert {"Framework :: Pytest", "Framework :: Hypothesis", "Framework :: Flask", "Typing :: Typed"} <= set(
        classifiers
    )
    assert metadata["Requires-Python"] == ">=3.11"
    # No address of the project is invented.
    assert metadata.get_all("Project-URL") is None


@pytest.mark.parametrize("name", DATA)
def test_the_wheel_holds_every_document(wheel, name):
    folders = (ROOT / "openapi", ROOT / "contracts", ROOT / "mock_server")
    source = next(folder / name for folder in folders if (folder / name).exists())
    assert wheel.read(name) == source.read_bytes()


def test_the_wheel_holds_every_module_and_says_that_it_is_typed(wheel):
    for package, root in zip(PACKAGES, ("openapi", "contracts", "mock_server"), strict=True):
        sources = {str(path.relative_to(ROOT / root)) for path in (ROOT / root).rglob("*.py")}
        assert sources <= set(wheel.namelist())
        assert f"{package.__name__}/py.typed" in wheel.namelist()


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {package.__name__ for package in PACKAGES} | {f"klingkit-{kling_contracts.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name or "effective." in name]


def test_the_wheel_carries_the_licence(wheel):
    (licence,) = [name for name in wheel.namelist() if name.endswith("LICENSE")]
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_sdist_holds_the_tests_and_the_documents(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "tests/test_package.py",
        "conftest.py",
        "Makefile",
        "README.zh-CN.md",
        "docs/zh/ci.md",
        "action.yml",
    } <= names


def test_the_command_is_installed():
    (command,) = entry_points(group="console_scripts", name="klingkit")
    assert command.value == "kling_mock_server.cli.main:main"


def test_pytest_loads_the_plugin_by_an_entry_point_named_like_its_module():
    (plugin,) = {one for one in entry_points(group="pytest11") if one.name.startswith("kling")}
    assert plugin.name == plugin.value == plugin.load().__name__


def test_what_is_installed_is_light():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {line.split(">")[0] for line in project["dependencies"]}
    assert names == {"click", "flask", "jsonschema-rs", "python-jsonpath", "pyyaml", "waitress", "werkzeug"}


def test_the_version_is_written_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version", "readme"]


@pytest.mark.skipif("KLINGKIT_INSTALLED" not in os.environ, reason="only where the wheel is what is tested")
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_it_is_the_installed_wheel_that_is_tested(package):
    assert ROOT not in Path(package.__file__).parents or "site-packages" in package.__file__

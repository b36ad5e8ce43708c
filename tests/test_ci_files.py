"""What a project of users runs in CI: the GitHub action, the hook of pre-commit, and the page that describes them."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml

from support import documents
from support.wheel import installed_wheel  # noqa: F401  (a fixture)

ROOT = documents.ROOT
PROJECT = ROOT / "examples" / "integrator"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
INSTALL, CHECK = ACTION["runs"]["steps"]
BROKEN = (PROJECT / "payloads" / "trailer.json").read_text(encoding="utf-8").replace("5500", "2499")


def shell(step, folder, runner, **inputs):
    """Run a step of the action as GitHub's runner does, in a folder and without an index of packages."""
    values = {name: given.get("default", "") for name, given in ACTION["inputs"].items()} | inputs
    own = {
        name: values[re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", text)[1]] for name, text in step.get("env", {}).items()
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "RUNNER_TEMP": str(runner),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(runner / "summary.md"),
            # What would be downloaded is there already.
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_ROOT_USER_ACTION": "ignore",
            **own,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A runner on which the action's first step has installed klingkit."""
    folder = tmp_path_factory.mktemp("runner")
    done = shell(INSTALL, folder, folder)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def project(tmp_path):
    """A copy of the example project."""
    return shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))


def test_the_action_passes_the_example_project(runner, project):
    done = shell(CHECK, project, runner, files="payloads", world="worlds/studio.json", strict="true")

    assert (done.returncode, done.stdout) == (0, "1 file: 1 valid\n")
    (run,) = json.loads((project / "klingkit.sarif").read_text())["runs"]
    assert run["results"] == []


def test_the_action_shows_findings_beside_their_lines_and_in_the_summary(runner, project):
    (project / "payloads" / "a $(touch made) b.json").write_text(BROKEN)
    files = "payloads/trailer.json\n\npayloads/a $(touch made) b.json\n"
    done = shell(CHECK, project, runner, files=files, world="worlds/studio.json", sarif="own.sarif")

    assert done.returncode == 1
    assert done.stdout.startswith("::error file=payloads/a $(touch made) b.json,line=8,col=25,title=clip-too-short::")
    assert done.stdout.endswith("\n2 files: 1 valid, 1 refused\n")
    assert "- **clip-too-short**: " in (runner / "summary.md").read_text()
    assert json.loads((project / "own.sarif").read_text())["runs"][0]["results"]
    assert not (project / "made").exists()


def test_the_action_fails_on_misuse_with_a_sentence(runner, project):
    done = shell(CHECK, project, runner, files="payloads", world="worlds/other.json")

    assert done.returncode == 2
    assert "cannot read worlds/other.json: No such file or directory" in done.stdout


def test_every_input_of_the_action_is_used_and_has_a_default_or_is_required():
    used = re.findall(r"inputs\.(\w+)", " ".join(CHECK["env"].values()))
    assert sorted(used) == sorted(ACTION["inputs"])
    assert all(("default" in one) != one.get("required", False) for one in ACTION["inputs"].values())


@pytest.mark.parametrize(("content", "status"), [(None, 0), (BROKEN, 1)])
def test_the_hook_judges_the_files_that_are_committed(project, installed_wheel, content, status):  # noqa: F811
    if content:
        (project / "payloads" / "new.json").write_text(content)
    files = sorted(str(path.relative_to(project)) for path in project.glob("payloads/*.json"))
    command = [*HOOK["entry"].split(), *files, "--world", "worlds/studio.json"]
    command[0] = str(installed_wheel / command[0])
    assert subprocess.run(command, cwd=project, stdout=subprocess.DEVNULL, check=False).returncode == status


def test_the_hook_runs_a_command_of_the_package():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert HOOK["entry"].split()[0] in scripts


# The page


PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = documents.blocks_of(PAGE)
YAML = [yaml.safe_load(block.text) for block in BLOCKS if block.language == "yaml"]
RUN = [
    command.text.partition(" | tail")[0]
    for block in BLOCKS
    if block.language in documents.SHELL
    for command in documents.commands_of(block)
]


def values_of(value, name):
    """Yield the values of a member, wherever it stands."""
    if isinstance(value, dict):
        yield from [value[name]] if name in value else []
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from values_of(one, name)


def test_what_the_pages_yaml_runs_the_page_runs_on_the_example_project():
    commands = [*values_of(YAML, "run"), *(line for script in values_of(YAML, "script") for line in script)]
    ours = [command for command in commands if "pip install" not in command]
    assert ours
    assert set(ours) <= set(RUN)


def test_the_page_uses_inputs_and_hooks_that_exist():
    (step,) = [step for steps in values_of(YAML, "steps") for step in steps if "klingkit" in step.get("uses", "")]
    assert step["with"].keys() <= ACTION["inputs"].keys()
    assert [hook["id"] for hooks in values_of(YAML, "hooks") for hook in hooks] == [HOOK["id"]]


def test_the_page_names_every_input_of_the_action():
    assert all(f"| `{name}` |" in PAGE for name in ACTION["inputs"])

"""The example of an integrator's project does what its workflow says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support import documents

PROJECT = Path(__file__).parents[1] / "examples" / "integrator"
STEPS = yaml.safe_load((PROJECT / ".github" / "workflows" / "contract.yml").read_text())["jobs"]["contract"]["steps"]
COMMANDS = [step["run"] for step in STEPS if "run" in step and not step["run"].startswith("pip")]
README = documents.blocks_of((PROJECT / "README.md").read_text(encoding="utf-8"))
FOLLOWED = {
    command.text.partition(" | ")[0].replace(" --quiet", "")
    for block in README
    if block.language in documents.SHELL
    for command in documents.commands_of(block)
}
"""The steps that its README shows: `test_docs.py` follows them."""


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in FOLLOWED])
def test_every_step_of_its_workflow_passes(command, tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = {"PYTEST_ADDOPTS": "-p no:cacheprovider -p no:xdist"}
    completed = subprocess.run(
        ["sh", "-c", command],
        cwd=PROJECT,
        env={**os.environ, "PATH": path, **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert completed.returncode == 0, completed.stdout


def test_its_workflow_tests_checks_and_covers():
    assert len(COMMANDS) == 3
    assert len(FOLLOWED.intersection(COMMANDS)) == 2

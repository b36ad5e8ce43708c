"""`schemathesis run` as users run it, with the shipped files: a mock with a planted defect, and too small a run.

A run that finds nothing is on docs/schemathesis.md; see test_page.py.
"""

import json
import subprocess
import sys

import pytest

pytest.importorskip("schemathesis.openapi")

from click.testing import CliRunner
from defects import lengthen_the_audio, mutated

from kling_contracts import Contract
from kling_contracts.documents.loading import effective
from kling_mock_server.adapters.live_server import live
from kling_mock_server.cli.schemathesis import schemathesis

TOKEN = "klingkit"
PATIENCE_S = 120


@pytest.fixture
def folder(tmp_path):
    """A folder with the shipped files."""
    assert CliRunner().invoke(schemathesis, ["init", str(tmp_path)]).exit_code == 0
    return tmp_path


def run(folder, *arguments):
    command = [sys.executable, "-m", "schemathesis.cli", "run", *arguments, "--seed", "1"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=PATIENCE_S, check=False)


def test_a_run_against_a_defect_fails_and_can_be_reproduced(folder):
    (folder / "openapi.json").write_text(json.dumps(effective()), encoding="utf-8")
    with live(contract=Contract.compile(mutated(lengthen_the_audio)), tokens=(TOKEN,)) as mock:
        done = run(folder, "openapi.json", "--url", mock.url, "--phases", "examples")

    assert done.returncode == 1
    assert "accepted, but it breaks audio-too-long" in done.stdout
    # Neither the id nor the world is hidden.
    assert '"session_id": "8254657781992' in done.stdout
    assert "PUT /_mock/world" in done.stdout


def test_a_run_that_breaks_too_few_rules_fails(folder):
    with live(tokens=(TOKEN,)) as mock:
        done = run(folder, f"{mock.url}/_mock/openapi.json", "--phases", "fuzzing", "--max-examples", "5")

    assert "fail_under is 100" in done.stdout
    assert done.returncode == 1

"""Version 0.1 beside the present one: the rates at which both make cases, in the same run."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMIT = "a438406"
ROUNDS = 5

_PLAIN = """
import time
from collections import deque
from kling_contracts import generate
deque(generate(0, 2000), maxlen=0)
start = time.process_time()
deque(generate(1, 20000), maxlen=0)
print(20000 / (time.process_time() - start))
"""
_SHRINKABLE = """
import time
from hypothesis import HealthCheck, Phase, given, settings
from kling_contracts import strategies
@settings(max_examples=600, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(strategies.cases())
def draw(case):
    assert case
draw()
start = time.process_time()
draw()
print(600 / (time.process_time() - start))
"""


def rates():
    """Return how fast cases are made against version 0.1: plain ones and shrinkable ones; None without its history."""
    with tempfile.TemporaryDirectory() as folder:
        if not _unpacked(folder):
            return None
        return _ratio(_PLAIN, folder), _ratio(_SHRINKABLE, folder)


def _unpacked(folder):
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", COMMIT, "contracts", "openapi"], capture_output=True, check=False
    )
    if archive.returncode:
        return False
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return True


def _ratio(script, folder):
    """The two in turn: other people's load slows both alike."""
    return statistics.median(_rate(script, ROOT) / _rate(script, folder) for _ in range(ROUNDS))


def _rate(script, root):
    paths = os.pathsep.join(str(Path(root) / part) for part in ("contracts", "openapi"))
    # Without site packages of ours: an editable install would stand before the paths.
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)

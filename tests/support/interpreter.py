"""What a fresh interpreter holds after a statement."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = [ROOT / "openapi", ROOT / "contracts", ROOT / "mock_server"]


def loaded_by(statement):
    """The top-level packages that a fresh interpreter holds after a statement."""
    return {name.partition(".")[0] for name in modules_loaded_by(statement)}


def modules_loaded_by(statement):
    """The modules, by their full names, that a fresh interpreter holds after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    # Isolated from the environment of the test run, and leaving no byte code behind.
    paths = [str(root) for root in SOURCE_ROOTS]
    setup = f"import sys; sys.path[:0] = {paths!r}\n"
    run = subprocess.run([sys.executable, "-I", "-B", "-c", setup + code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())

"""`make matrix`: a slice of the suite on every Python here, with the lowest and the highest version of each dependency.

The bounds in pyproject.toml are what this ran with. `--lowest` runs the lowest versions alone, `--highest` the highest,
on this Python.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
OLDEST, NEWEST = 11, 14
"""Minor versions of Python 3 that are looked for."""
PYTHONS = Path.home() / ".pyenv" / "versions"

SLICE = [
    *("tests/test_overlay.py", "tests/test_keywords.py", "tests/test_app.py", "tests/test_cli.py"),
    *("tests/test_router.py", "tests/test_pytest_plugin.py", "tests/test_rendering.py", "tests/examples"),
]
SHORT_SLICE = ["tests/test_keywords.py", "tests/test_app.py", "tests/test_router.py"]
"""For `--highest` alone: most of the suite has just run on versions that are nearly as new."""
LEFT_OUT = [
    # Werkzeug's own test client reads the host, and below 3.1.8 raises for these; the server does not.
    "--deselect=tests/test_app.py::test_the_host_does_not_matter",
    # What is damaged is the same everywhere, and takes longest.
    "--deselect=tests/test_rendering.py::test_hostile_sound_renders_or_is_refused",
    "--deselect=tests/test_rendering.py::test_damaged_sound_renders_or_is_refused",
]
# Beside the product's own: what the slice needs.
TOOLS = ["junitparser>=4.0", "pyjwt>=2.8", "pytest-xdist>=3.6"]
SHOWN = (
    "pytest",
    "flask",
    "werkzeug",
    "jsonschema-rs",
    "python-jsonpath",
    "hypothesis",
    "httpx",
    "respx",
    "av",
    "redis",
)


class Run(NamedTuple):
    """One environment: a Python and which versions of the dependencies."""

    python: str
    version: str
    resolution: str


def pythons():
    """Return the interpreters of this machine by version, `3.11` first."""
    found = {}
    for minor in range(OLDEST, NEWEST + 1):
        name = f"3.{minor}"
        candidates = [*sorted(PYTHONS.glob(f"{name}.*/bin/python")), shutil.which(f"python{name}")]
        works = [path for path in candidates if path and version_of(path) == name]
        if works:
            found[name] = str(works[-1] if PYTHONS not in Path(works[0]).parents else works[0])
    return found


def version_of(python):
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def call(*command, **variables):
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def must(*command):
    status, output = call(*command)
    if status:
        sys.exit(f"{' '.join(map(str, command))}\n{output}")
    return output


def uv(*arguments):
    return must(Path(sys.executable).parent / "uv", *arguments)


def environment(run, folder, wheel):
    """Make the environment of a run; returns its interpreter."""
    uv("venv", "--quiet", folder, "--python", run.python)
    python = folder / "bin" / "python"
    extras = [f"--extra={name}" for name in ("testing", "redis", "render")]
    uv(
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        f"--resolution={run.resolution}",
        "-r",
        "pyproject.toml",
        *extras,
    )
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    uv("pip", "install", "--quiet", "--python", python, *TOOLS)
    return python


def versions_in(python):
    lines = uv("pip", "list", "--python", python).splitlines()
    installed = dict(line.split()[:2] for line in lines if len(line.split()) >= 2)
    return ", ".join(f"{name} {installed[name]}" for name in SHOWN if name in installed)


def slice_on(run, folder, wheel, tests):
    """Run the slice; returns whether it passed."""
    began = time.monotonic()
    python = environment(run, folder, wheel)
    print(f"Python {run.version}, {run.resolution}: {versions_in(python)}", flush=True)
    # Old versions warn of what is deprecated since.
    options = ["-q", "-p", "no:cacheprovider", "-o", "pythonpath=tests", "-o", "filterwarnings=default", "--tb=short"]
    command = [python, "-m", "pytest", "-n", "auto", *options, *LEFT_OUT, *tests]
    status, output = call(*command, KLINGKIT_INSTALLED="1")
    print(output if status else re.sub(r".*\n(?=.)", "", output.rstrip()))
    print(f"  {'FAILED' if status else 'passed'} after {time.monotonic() - began:.0f} s", flush=True)
    return status == 0


def main(lowest, highest):
    """Run every environment, or one of them on this Python; exits with 1 where one fails."""
    here = f"3.{sys.version_info.minor}"
    is_whole = not (lowest or highest)
    found = pythons() if is_whole else {here: sys.executable}
    first = next(iter(found))
    runs = [] if highest else [Run(found[first], first, "lowest-direct")]
    if not lowest:
        runs += [Run(python, version, "highest") for version, python in found.items()]
    with tempfile.TemporaryDirectory(prefix="klingkit-matrix-") as temporary:
        folder = Path(temporary)
        must(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ".")
        (wheel,) = folder.glob("*.whl")
        passed = [
            slice_on(run, folder / f"{run.version}-{run.resolution}", wheel, SHORT_SLICE if highest else SLICE)
            for run in runs
        ]
    missing = [f"3.{minor}" for minor in range(OLDEST, NEWEST + 1) if f"3.{minor}" not in found]
    if missing and is_whole:
        print(f"Not run, for want of an interpreter: Python {', '.join(missing)}.")
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main("--lowest" in sys.argv[1:], "--highest" in sys.argv[1:])

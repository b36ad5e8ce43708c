"""axe-core, the accessibility checker, from npm: fetched at first use, kept under build/, never committed."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

VERSION = "4.13.0"
_FOLDER = Path(__file__).parents[2] / "build" / "axe-core"


def script():
    """Return the text of axe-core; skips the test where it can neither be found nor fetched."""
    archive = _FOLDER / f"axe-core-{VERSION}.tgz"
    if not archive.exists():
        _fetch()
    with tarfile.open(archive) as files:
        return files.extractfile("package/axe.min.js").read().decode()


def _fetch():
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm to fetch axe-core")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", str(_FOLDER)]
    try:
        done = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer: axe-core could not be fetched")
    if done.returncode:
        pytest.skip(f"axe-core could not be fetched: {done.stderr.strip()[-200:]}")

"""Packages of npm for the tests that need them, installed once below build/."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NPM = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=0")
PATIENCE_S = 60


def installed(project):
    """Return a copy of a project of examples/ with its packages; skip the test where they cannot be had."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = ROOT / "build" / project
    folder.mkdir(parents=True, exist_ok=True)
    for file in (ROOT / "examples" / project).iterdir():
        shutil.copy(file, folder)
    if not _has_all(folder):
        _install(folder)
    return folder


def _has_all(folder):
    wanted = json.loads((folder / "package.json").read_bytes())["dependencies"]
    packages = {name: folder / "node_modules" / name / "package.json" for name in wanted}
    return all(
        package.exists() and json.loads(package.read_bytes())["version"] == wanted[name]
        for name, package in packages.items()
    )


def _install(folder):
    try:
        done = subprocess.run(NPM, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry of npm does not answer")
    if done.returncode:
        pytest.skip(f"the registry of npm cannot be reached: {done.stderr.strip()[:200]}")

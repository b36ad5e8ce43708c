"""The wheel, built and installed once for all tests of a run, also where pytest-xdist runs several processes."""

import fcntl
from contextlib import contextmanager

import pytest

from support import documents


@pytest.fixture(scope="session")
def installed_wheel(tmp_path_factory, request):
    """Return the folder with the commands of an environment in which the wheel is installed."""
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent
    folder = shared / "installed-wheel"
    with _locked(shared / "installed-wheel.lock"):
        if not folder.exists():
            folder.mkdir()
            documents.install_wheel(folder)
    (bin_folder,) = folder.glob("venv/bin")
    return bin_folder


@contextmanager
def _locked(path):
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

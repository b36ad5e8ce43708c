"""Debian's Chromium, or any Chrome there is, driven by Playwright; it never downloads a browser of its own."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program():
    """Return the path of a browser; empty where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), "")


@contextmanager
def browser():
    """Run a browser until the end of the block; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not program():
        pytest.skip("needs chromium or chrome on the PATH")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=program(), args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()

"""Debian's Chromium, or any Chrome there is, driven by Playwright; it never downloads a browser of its own."""

import shutil
from contextlib import contextmanager

import pytest

from support.serving import PATIENCE_S

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def program():
    """Return the path of a browser; empty where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), "")


@contextmanager
def browser():
    """Run a browser until the end of the block; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not program():
        pytest.skip("needs chromium or chrome on the PATH")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=program(), args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


class Visitor:
    """A person with a browser of their own: one key, nothing remembered from another visit."""

    def __init__(self, browser, url, key="", **options):
        self.url = url
        self.key = key
        self.context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.asked = []
        self.complaints = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message):
        # A refusal is what the page is there to show; Chromium logs every 4xx.
        if message.type == "error" and "the server responded with a status of" not in message.text:
            self.complaints.append(message.text)

    def visit(self, view=""):
        """Open the page, with the visitor's key typed where there is one."""
        self.page.goto(f"{self.url}/#{view}" if view else f"{self.url}/")
        if self.key:
            self.page.get_by_label("Key").fill(self.key)
            self.page.keyboard.press("Enter")
        return self

    def see(self, view):
        """Choose a view in the navigation."""
        self.page.click(f'nav a[href="#{view}"]')

    def leave(self):
        self.context.close()

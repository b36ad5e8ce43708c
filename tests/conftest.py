"""Fixtures that several modules share: a browser, and a mock behind its page."""

import itertools

import pytest

from support import serving
from support.browser import Visitor, browser

_numbers = itertools.count()


# Not for the whole run: while a browser is open, an event loop runs in its thread, and no other test could run one.
@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def page_mock():
    with serving.running() as server:
        yield server


@pytest.fixture
def visitor(chromium, page_mock):
    visitor = Visitor(chromium, page_mock.url, f"visitor-{next(_numbers)}")
    yield visitor
    visitor.leave()
    assert visitor.complaints == []


@pytest.fixture
def page(visitor):
    return visitor.page

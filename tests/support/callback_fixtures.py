"""Fixtures of the tests of callbacks: an account whose clock stands still, and a receiver."""

import pytest

from support.callbacks import mocked
from support.receivers import receiving


@pytest.fixture
def kling():
    with mocked() as kling:
        yield kling


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver

"""The fixture of the tests of tasks."""

import pytest

from support.workflow import Caller


@pytest.fixture
def mock():
    """A mock whose clocks stand still until they are advanced."""
    return Caller(pace="manual")

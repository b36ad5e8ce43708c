"""A terminal shows how far a command is; a file or a pipe gets nothing of it."""

import io
import sys

import pytest

from kling_mock_server.cli.progress_line import progress_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, "\r1 of 2\r2 of 2\r\033[K"), (io.StringIO, "")])
def test_each_text_takes_the_place_of_the_one_before(monkeypatch, stream, shown):
    monkeypatch.setattr(sys, "stderr", stream())
    with progress_line() as show:
        show("1 of 2")
        show("2 of 2")
    assert sys.stderr.getvalue() == shown

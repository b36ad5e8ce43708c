"""A terminal shows how far a command is; a file or a pipe gets nothing of it."""

import io
import sys

import pytest

from kling_mock_server.cli.progress_line import progress_bar, progress_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_terminal(monkeypatch):
    """Put a terminal in the place of standard error; in the test itself, since pytest changes it after fixtures."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    return sys.stderr


@pytest.fixture
def clock(monkeypatch):
    """Returns a function that moves the time."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def last(terminal):
    """Return what stands on the terminal's last line that was written to."""
    return terminal.getvalue().split("\r")[-1]


def test_a_bar_shows_total_and_rate(monkeypatch, clock):
    terminal = on_terminal(monkeypatch)
    with progress_bar("fuzz") as show:
        show(0, 200)
        clock(2)
        show(50, 200)
        assert "50/200" in last(terminal)
        assert "25 cases/s" in last(terminal)
        show(200, 200)
        assert "200/200" in last(terminal)
    # The report that follows begins on a line of its own.
    assert terminal.getvalue().endswith("\n\r\033[K")


@pytest.mark.parametrize(("done", "rate"), [(19, "9.5 runs/s"), (20, "10 runs/s")])
def test_a_low_rate_has_a_decimal(monkeypatch, clock, done, rate):
    terminal = on_terminal(monkeypatch)
    with progress_bar("drill", "runs") as show:
        show(0, 40)
        clock(2)
        show(done, 40)
        assert rate in last(terminal)


def test_without_a_total_there_is_a_number_and_a_rate(monkeypatch, clock):
    terminal = on_terminal(monkeypatch)
    with progress_bar("fuzz") as show:
        clock(4)
        show(100, None)
    assert terminal.getvalue() == "\rfuzz: 100 cases, 25 cases/s\r\033[K"


@pytest.mark.parametrize("total", [None, 100])
def test_no_bar_is_shown_where_there_is_no_terminal(monkeypatch, total):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("fuzz") as show:
        show(100, total)
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, "\r1 of 2\r2 of 2\r\033[K"), (io.StringIO, "")])
def test_each_text_takes_the_place_of_the_one_before(monkeypatch, stream, shown):
    monkeypatch.setattr(sys, "stderr", stream())
    with progress_line() as show:
        show("1 of 2")
        show("2 of 2")
    assert sys.stderr.getvalue() == shown

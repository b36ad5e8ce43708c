"""Programs that a drill runs: their environment, their output, and their end."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from kling_mock_server.testing.drill import clients
from kling_mock_server.testing.drill.clients import MAX_OUTPUT, Commands
from support.serving import PATIENCE_S

# Running programs


@pytest.fixture
def commands():
    with Commands() as running:
        yield running


@pytest.mark.parametrize(("given", "kept"), [({}, ""), ({"NO_PROXY": "intra.example"}, "intra.example,")])
def test_no_proxy_stands_between_a_client_and_the_mock(commands, monkeypatch, given, kept):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    program = "import os, urllib.request as u; print(os.environ['NO_PROXY'], u.proxy_bypass('127.0.0.1'))"
    ended = commands.run([sys.executable, "-c", program], {}, PATIENCE_S)
    assert ended.output.strip() == f"{kept}127.0.0.1,localhost,::1 True"


def sleeping(pid_file):
    """A program that starts another one; both sleep."""
    child = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep({PATIENCE_S * 10})"
    return [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]


def until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_written(path):
    return path.exists() and path.read_text() != ""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody has waited for yet is over too.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_program_that_takes_too_long_is_stopped_with_all_it_has_started(commands, monkeypatch, tmp_path):
    pid_file = tmp_path / "pid"
    monkeypatch.setattr(clients, "stop_after_s", lambda limit_s: until(lambda: is_written(pid_file)) or limit_s)
    ended = commands.run(sleeping(pid_file), {}, 0)

    assert ended.status is None
    until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_leaving_the_block_stops_what_runs(commands, tmp_path):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(commands.run(sleeping(tmp_path / "pid"), {}, PATIENCE_S * 5)))
    thread.start()
    until(lambda: is_written(tmp_path / "pid"))
    commands.stop()
    thread.join(PATIENCE_S)

    assert ended
    with pytest.raises(OSError, match="stopped"):
        commands.run([sys.executable, "-c", ""], {}, 1)


def test_the_end_of_what_a_program_printed_is_kept_out_and_err_alike(commands):
    code = f"import sys; print('x' * {2 * MAX_OUTPUT}); sys.stdout.flush(); print('last', file=sys.stderr); sys.exit(7)"

    status, output = commands.run([sys.executable, "-c", code], {}, PATIENCE_S)

    assert status == 7
    assert output.endswith("x\nlast")
    assert len(output) <= MAX_OUTPUT


def test_a_program_has_no_input_to_wait_for(commands):
    code = "import sys; print(repr(sys.stdin.read()))"

    assert commands.run([sys.executable, "-c", code], {}, PATIENCE_S) == (0, "''")


def test_output_that_no_thread_had_the_time_to_read_is_kept(commands, monkeypatch):
    over, run, others = threading.Event(), threading.Thread.run, threading.active_count()
    monkeypatch.setattr(threading.Thread, "run", lambda thread: over.wait(PATIENCE_S) and run(thread))
    monkeypatch.setattr(clients, "MAX_LAST_WORDS_S", 0)

    assert commands.run(["echo", "last"], {}, PATIENCE_S) == (0, "last")
    over.set()
    until(lambda: threading.active_count() <= others)


def test_a_process_that_has_left_the_group_holds_nothing_up(commands, monkeypatch):
    monkeypatch.setattr(clients, "MAX_LAST_WORDS_S", 0.01)

    ended = commands.run(["sh", "-c", f"setsid sleep {PATIENCE_S} & echo $!"], {}, PATIENCE_S)

    assert is_alive(int(ended.output))
    os.kill(int(ended.output), signal.SIGKILL)

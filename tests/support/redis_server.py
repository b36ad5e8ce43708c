"""A Redis or Valkey server of our own, as tests start and end it."""

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.serving import PATIENCE_S

PROGRAMS = tuple(program for program in ("redis-server", "valkey-server") if shutil.which(program)) or ("redis-server",)
"""The programs of servers that this machine has; one that it has not where there is none, so that tests skip."""


def binary(program):
    """Return the path of a server's program; skips the test where there is none."""
    pytest.importorskip("redis")
    found = shutil.which(program)
    if not found:
        pytest.skip("needs redis-server or valkey-server on the PATH")
    return found


class Server:
    """A server on a socket in a directory, which keeps nothing when it ends."""

    def __init__(self, program, directory, *options):
        self.socket = Path(directory, "s")
        self.url = f"unix://{self.socket}"
        self._command = [
            *(binary(program), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(directory)),
            *("--save", "", "--appendonly", "no", "--loglevel", "warning", *options),
        ]
        self._process = None

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, f"{self._command} ended with {self._process.returncode}"
            assert time.monotonic() < deadline, f"{self._command} does not answer"
            time.sleep(0.01)

    def stop(self):
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *command):
        """Return the reply to one command."""
        from redis import Redis

        with Redis(unix_socket_path=str(self.socket), decode_responses=True) as client:
            return client.execute_command(*command)

    def asked(self, command):
        """Return how often the server was asked to carry out a command, by clients and scripts."""
        return self.ask("INFO", "commandstats").get(f"cmdstat_{command}", {}).get("calls", 0)

    def _answers(self):
        from redis import AuthenticationError
        from redis import ConnectionError as Refused

        try:
            return bool(self.ask("PING"))
        except AuthenticationError:
            return True
        except Refused:
            return False


@contextmanager
def redis_server(*options, program=PROGRAMS[0]):
    """Run a server until the end of the block. The path of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="kk", ignore_cleanup_errors=True) as directory:
        server = Server(program, directory, *options)
        try:
            server.start()
            yield server
        finally:
            server.stop()

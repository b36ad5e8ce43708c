"""Memory of large bodies goes back to the system."""

import subprocess
import sys

import pytest

from support.serving import environment

# Each thread has an arena of its own, to which glibc moves blocks of a size that was freed once.
SCRIPT = """
import threading
from pathlib import Path
from kling_mock_server.adapters.free_memory import return_large_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def use(turn):
    for _ in range(3):
        turn.wait()
        body = bytes(7_000_000)
        small = [b"x" * 600 for _ in range(100)]
        turn.wait()
        del body

return_large_blocks()
before, turn = resident(), threading.Barrier(8)
threads = [threading.Thread(target=use, args=(turn,)) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_bodies_of_eight_threads_leave_no_memory_behind():
    grown = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment(), check=True, capture_output=True, text=True, timeout=60
    )
    assert int(grown.stdout) < 7_000_000

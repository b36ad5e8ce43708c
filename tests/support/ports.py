"""Ports of this machine for a server that is started later, and for nobody."""

import random
import socket
from contextlib import contextmanager

# Below what Linux, macOS and Windows give to whoever asks for any port: neither another server nor a connection
# takes one of these by chance before its server is started, or while that is down.
_RANGE = range(20_000, 32_000)


def free_port():
    """Return a port that is free, and that the system gives to nobody by itself."""
    # Not from the seed of the tests, which is the same in all of the processes that run them.
    for port in random.SystemRandom().sample(_RANGE, 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"no port of {_RANGE} is free")


@contextmanager
def refusing_port():
    """Yield a port that refuses every connection until the end of the block: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]

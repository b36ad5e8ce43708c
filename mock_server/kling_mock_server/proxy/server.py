"""The proxy behind waitress, until Ctrl-C."""

import logging
import signal
import sys
from contextlib import suppress
from typing import Any, Final, NoReturn

from kling_mock_server.adapters.connections import server_of
from kling_mock_server.failures.wire.background_sender import BackgroundSender
from kling_mock_server.proxy.application import CALLBACKS, ProxyApp
from kling_mock_server.proxy.recorder import Recorder
from kling_mock_server.proxy.upstream import Upstream

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""A larger request is refused by the server with 413, and nothing of it is forwarded."""
THREADS: Final = 16
"""Calls at once: each waits in a thread for the upstream."""


def listen(app: ProxyApp, host: str, port: int) -> Any:
    """Return a server that is bound but not serving. Raises `OSError` or `ValueError` where it cannot be."""
    return server_of(
        app,
        BackgroundSender(),
        host=host,
        port=port,
        threads=THREADS,
        max_request_body_size=MAX_BODY_BYTES,
        ident="klingkit-proxy",
    )


def run(server: Any, url: str, upstream: Upstream, recorder: Recorder | None) -> None:
    """Serve until SIGINT or SIGTERM; what is in flight then is finished."""
    signal.signal(signal.SIGTERM, _stop)
    # It would tell of every call that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    where = f"; records to {recorder.file}" if recorder else ""
    tell(f"klingkit proxy at {url} forwards to {upstream.origin}{where}")
    tell(f"callbacks are received at {url}{CALLBACKS}NAME. Stop it with Ctrl-C.")
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    finally:
        upstream.close()
        if recorder:
            recorder.close()
            tell(f"stopped; {recorder.count} exchanges are in {recorder.file}")
        else:
            tell("stopped")


def tell(text: str) -> None:
    """Print for people, who may be gone."""
    with suppress(OSError):
        print(f"{text}\n", end="", flush=True)


def _stop(*_: object) -> NoReturn:
    sys.exit(0)

"""`klingkit serve`: the mock behind waitress."""

import gc
import json
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

from waitress.server import create_server

from kling_contracts import __version__
from kling_contracts.violations import printable
from kling_mock_server.app import MockApp
from kling_mock_server.explaining import explain
from kling_mock_server.journal import Entry
from kling_mock_server.responder import Responder

BODY_BACKSTOP = 64 * 1024 * 1024
"""Bytes beyond which the server hangs up; below it the application answers 413 in the envelope."""
THREADS = 8


def listen(app: MockApp, host: str, port: int) -> Any:
    """Return a server that is bound but not serving. Raises `OSError` or `ValueError` where it cannot be."""
    ident = f"klingkit/{__version__}"
    return create_server(app, host=host, port=port, threads=THREADS, max_request_body_size=BODY_BACKSTOP, ident=ident)


def run(server: Any, app: MockApp, host: str, profile: str) -> None:
    """Serve until SIGINT or SIGTERM; what is in flight then is finished."""
    app.responder.watch = _log
    signal.signal(signal.SIGTERM, _stop)
    # What was made up to here is never garbage; looking through it again and again would cost every request.
    gc.freeze()
    _print(_welcome(app.responder, f"http://{_host(host)}:{_port(server)}", profile))
    server.run()
    _print("stopped")


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


def _port(server: Any) -> int:
    # A name that resolves to several addresses makes a server with several sockets.
    listening = getattr(server, "effective_listen", None) or [(None, server.effective_port)]
    return int(listening[0][1])


def _host(host: str) -> str:
    reachable = "127.0.0.1" if host in ("", "0.0.0.0") else host
    return f"[{reachable}]" if ":" in reachable else reachable


def _welcome(responder: Responder, url: str, profile: str) -> str:
    operation = responder.contract.operation
    example = json.dumps(operation.example, ensure_ascii=False).replace("'", "'\\''")
    return f"""klingkit {__version__} mocks Kling's advanced lip-sync at {url} (profile: {profile})

The vendor's own example; any bearer token is an account of its own:
  curl -i {url}{operation.paths[0]} -H 'Authorization: Bearer test' -H 'Content-Type: application/json' -d '{example}'

The rules it enforces:  {url}/_mock/rules  (or: klingkit rules)
What it was asked:      {url}/_mock/journal  (with the same Authorization)
What it refuses, and why, is printed below. Stop it with Ctrl-C.
"""


def _log(entry: Entry) -> None:
    # Only what deserves a look; a line for every accepted request would cost a tenth of it. The journal has all.
    if entry.report.violations or entry.report.notes:
        _print(printable(explain(entry)))


def _print(text: str) -> None:
    # Whoever read the output may be gone; the mock goes on.
    with suppress(OSError):
        print(text, flush=True)

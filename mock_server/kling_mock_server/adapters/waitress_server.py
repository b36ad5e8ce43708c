"""`klingkit serve`: the mock behind waitress."""

import json
import logging
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple, NoReturn

from waitress import wasyncore
from waitress.task import ErrorTask

from kling_contracts import Contract, Request, __version__
from kling_mock_server.adapters.connections import server_of
from kling_mock_server.adapters.exchange_log import JsonLog, TextLog
from kling_mock_server.adapters.flask_app import MockApp
from kling_mock_server.adapters.free_memory import return_large_blocks
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.wire.background_sender import BackgroundSender
from kling_mock_server.protocol.names import CREATE

BODY_BACKSTOP = 1024 * 1024 * 1024
"""Bytes beyond which the server hangs up with its answer; below it, a client has sent all before it is refused."""
THREADS = 8
_SETTLED_S: Final = 1.0
"""After so many seconds the server has started."""


class CurlKey(NamedTuple):
    """The key in the example of the welcome."""

    header: str
    """The header as a shell takes it, quoted."""
    meaning: str


ANY_KEY = CurlKey("'Authorization: Bearer test'", "any bearer token is an account of its own")
LISTED_KEY = CurlKey('"Authorization: Bearer $TOKEN"', "with a TOKEN that it was told to let in")
SIGNED_KEY = CurlKey('"Authorization: Bearer $TOKEN"', "with a TOKEN that the secret signs (HS256), a JWT with an iss")


def key_shown(token: str) -> CurlKey:
    """Return the key of a mock that lets this token in, which may be printed."""
    return CurlKey(shlex.quote(f"Authorization: Bearer {token}"), "with the first token that it lets in")


class _EnvelopeTask(ErrorTask):  # type: ignore[misc]
    """Answers in the envelope what never reaches the application: no HTTP, or far too much of it."""

    def __init__(self, responder: Responder, *args: Any) -> None:
        self._responder = responder
        super().__init__(*args)

    def execute(self) -> None:
        asked, error, responder = self.request, self.request.error, self._responder
        if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            headers = {name.replace("_", "-").lower(): value for name, value in asked.headers.items()}
            answer = responder.refuse(Request(asked.command, asked.path, headers), "body-too-large")
        else:
            answer = responder.refuse_malformed(error.code, f"{error.reason}: {error.body}")
        self.status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        self.response_headers.extend(answer.headers.items())
        self.set_close_on_finish()
        self.content_length = len(answer.body)
        self.write(answer.body)


def listen(app: MockApp, host: str, port: int, sender: BackgroundSender | None = None) -> Any:
    """Return a server that is bound but not serving. Raises `OSError` or `ValueError` where it cannot be.

    `sender` sends its wired and late answers, for the caller to close; it is the server's `sender`.
    """
    sender = sender or BackgroundSender()
    server = server_of(
        app,
        sender,
        partial(_EnvelopeTask, app.responder),
        host=host,
        port=port,
        threads=THREADS,
        max_request_body_size=BODY_BACKSTOP,
        ident=f"klingkit/{__version__}",
    )
    server.sender = sender
    return server


def stop(server: Any, thread: threading.Thread, hang_up: Callable[[Any], None]) -> None:
    """Finish running answers, end the server that `thread` runs, and wait for it; `hang_up` ends a connection of it."""

    def close() -> None:
        for channel in list(server.active_channels.values()):
            hang_up(channel)
        wasyncore.dispatcher.close(server)
        server.trigger.del_channel()

    server.task_dispatcher.shutdown()
    # The sockets are the loop's: its own thread closes them. Not so the trigger: an earlier pull may wake the loop
    # before this one is written, and the number of its file may be another file's by then.
    server.trigger.pull_trigger(close)
    thread.join()
    if not server.task_dispatcher.threads:
        # A thread that is still at work pulls it at its end.
        server.trigger.close()


def end(responder: Responder, sender: BackgroundSender) -> None:
    """End a mock whose servers have ended: late answers are sent with what there is, others hung up on."""
    responder.stop_rendering()
    sender.close()
    responder.close()


def run(server: Any, app: MockApp, host: str, profile: str, curl_key: CurlKey, log: TextLog | JsonLog) -> None:
    """Serve until SIGINT or SIGTERM; what is in flight then is finished. `curl_key` goes into the welcome."""
    app.responder.watch = log.see
    app.responder.resources.callback_worker.watch = log.see_callback
    # Errors of klingkit and of waitress, on standard error.
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING)
    # A line for every request that waits for a thread, a thousand times a second, helps nobody.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, _stop)
    url = f"http://{_host(host)}:{_port(server)}"
    # A moment later: nobody waits for it.
    later = threading.Timer(_SETTLED_S, return_large_blocks)
    later.daemon = True
    later.start()
    log.begin(_welcome(app.responder, url, profile, curl_key), url=url, version=__version__, profile=profile)
    try:
        server.run()
    finally:
        end(app.responder, server.sender)
    log.end()


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


def _port(server: Any) -> int:
    # A name that resolves to several addresses makes a server with several sockets.
    listening = getattr(server, "effective_listen", None) or [(None, server.effective_port)]
    return int(listening[0][1])


def _host(host: str) -> str:
    reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{reachable}]" if ":" in reachable else reachable


def _mocked(contract: Contract) -> str:
    return "Kling's advanced lip-sync" if CREATE in contract.by_name else str(contract.document["info"]["title"])


_OTHERS = """
It answers identify-face, tts, queries, lists, callbacks and downloads, too; `klingkit docs offline` walks through them.
"""


def _welcome(responder: Responder, url: str, profile: str, key: CurlKey) -> str:
    operation = responder.contract.operation
    example = json.dumps(operation.example, ensure_ascii=False)
    return f"""klingkit {__version__} mocks {_mocked(responder.contract)} at {url} (profile: {profile})

The vendor's own example; {key.meaning}:
  curl -i {url}{operation.paths[0]} -H {key.header} -H 'Content-Type: application/json' -d {shlex.quote(example)}
{_OTHERS if CREATE in responder.contract.by_name else ""}
In a browser:           {url}/  (what was asked, why it was refused, and a playground)
The rules it enforces:  {url}/_mock/rules  (or: klingkit rules)
What it was asked:      {url}/_mock/journal  (with the same Authorization)
Failures to play:       {url}/_mock/scenarios  (or: klingkit scenarios)
What it refuses, and why, is printed below. Stop it with Ctrl-C.
"""

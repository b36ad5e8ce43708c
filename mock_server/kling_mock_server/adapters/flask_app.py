"""The Flask adapter: one WSGI application over the responder."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Unpack

import flask
import werkzeug
from flask.sessions import NullSession, SessionInterface
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from kling_contracts import Request, Response
from kling_mock_server.adapters.options import MockOptions, new_responder
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.wire import DETACH, WiredResponse
from kling_mock_server.failures.wire.late_response import LateResponse
from kling_mock_server.protocol.names import NOT_PLAYED_HEADER
from kling_mock_server.state.stores.store import MemoryStore

Environ = dict[str, Any]
Detach = Callable[[WiredResponse | LateResponse, str], None]

_LOG: Final = logging.getLogger("klingkit")
_MANY_PROCESSES: Final = (
    "several processes serve this mock, and each keeps tasks in a memory of its own: a task of one is unknown to the "
    "others; give all of them one store, as in create_app(store='sqlite:///mock.db')"
)

NOT_PLAYED: Final = "not played; only `klingkit serve`, the pytest fixtures and httpx mounts can"


def create_app(**options: Unpack[MockOptions]) -> "MockApp":
    """Return the mock as a Flask application.

    `profile`, `upstream_state`, `null_is_absent` and `documents`, a folder (see `Contract.load`), choose the contract,
    unless one is given; `tokens` closes the list of welcome bearer tokens; `secret` makes the signature of JWTs count;
    `jwt_clock` is whose time their `exp` and `nbf` are judged by (`real`, or `account`: its clock can be moved);
    `fetch` is whose URLs are fetched (`loopback`, `any`, `none`); `audio_slack_ms` is how much earlier than measured an
    audio ends.

    `pace` is how fast tasks end (`fast`, `real`, `manual`); `concurrency` is how many of them an account may run at
    once; `scenario`, a record or the name of one that comes with the mock, is played for every account from its start;
    `webhook_secrets` sign callbacks, which go to this machine and to `callback_hosts`. The control surface is called by
    a name of this machine or of `allow_hosts` (`*.example.com`, `*` too); any other `Host`, and a page of any other
    `Origin`, is refused there. Pages of this machine and of the origins in `cors` may read answers and files;
    `public_url` is where others reach the mock: the URLs of its files begin with it. `store` is the URL of a store
    (`sqlite:///path`, `redis://host`), by default memory.

    Raises `ValueError` for an unknown profile, policy, pace or scenario, for what is no origin or URL, for a secret
    that is not Base64 and for a store that cannot be opened, `DocumentError` where the documents are wrong.
    """
    return MockApp(new_responder(**options))


class MockApp(flask.Flask):
    """A Flask application whose routes are the document's: the responder answers every path and method.

    Flask's own router would redirect and refuse in HTML, and cost an eighth of the request. `file_origin` begins the
    URLs of the mock's files; by default it is the origin at which a caller reaches the mock.
    """

    def __init__(self, responder: Responder, file_origin: str = "") -> None:
        super().__init__(__name__, static_folder=None)
        self._file_origin = file_origin
        self._is_warned = False
        self.session_interface = self._no_sessions = _NoSessions()
        self.responder = responder
        self.config["MAX_CONTENT_LENGTH"] = responder.largest_body

    def wsgi_app(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request: at once where nothing is registered with Flask, else through Flask, which costs as much."""
        if self._is_watched() or "werkzeug.debug.preserve_context" in environ:
            return super().wsgi_app(environ, start_response)
        answer = self._answer(environ, environ.get(DETACH))
        if environ["REQUEST_METHOD"] == "HEAD" or not answer.body or "Content-Length" in answer.headers:
            return _for_flask(answer)(environ, start_response)
        length = ("Content-Length", str(len(answer.body)))
        start_response(_STATUS_LINES[answer.status], [*answer.headers.items(), length])
        return (answer.body,)

    def create_url_adapter(self, request: flask.Request | None) -> None:
        """Match no URL."""

    def dispatch_request(self) -> flask.Response:
        """Answer the request that Flask is handling."""
        environ = flask.request.environ
        # The hooks that are registered see the answer, so that a late one is waited for here.
        return _for_flask(self._answer(environ, environ.get(DETACH), is_seen=True))

    def handle_exception(self, e: Exception) -> flask.Response:
        """Answer in the envelope for what nobody foresaw: Flask's own page is HTML."""
        return _for_flask(self._failed(e))

    handle_user_exception = handle_exception

    def _is_watched(self) -> bool:
        """Tell whether a hook, an extension or the receiver of a signal expects Flask to handle every request."""
        return bool(
            self.extensions
            or self.before_request_funcs
            or self.after_request_funcs
            or self.teardown_request_funcs
            or self.teardown_appcontext_funcs
            or self.url_value_preprocessors
            or self.session_interface is not self._no_sessions
            or any(signal.receivers for signal in _SIGNALS)
        )

    def _warn_of_processes(self) -> None:
        self._is_warned = True
        if isinstance(self.responder.accounts.store, MemoryStore):
            _LOG.warning(_MANY_PROCESSES)

    def _answer(self, environ: Environ, detach: Detach | None, *, is_seen: bool = False) -> Response:
        if not self._is_warned and environ.get("wsgi.multiprocess"):
            self._warn_of_processes()
        try:
            answer = self._respond(environ, detaches=detach is not None and not is_seen)
        except Exception as error:
            return self._failed(error)
        if isinstance(answer, LateResponse | WiredResponse):
            return _detached(answer, environ["REQUEST_METHOD"], detach)
        return answer

    def _failed(self, error: Exception) -> Response:
        return self.responder.fail("before there was a request", error)

    def _respond(self, environ: Environ, *, detaches: bool) -> Response | LateResponse:
        try:
            # Read before anything is judged, so that a refused request leaves the connection usable.
            request = self._request(environ, self._body(environ))
            return self.responder.respond_over_socket(request, detaches=detaches)
        except RequestEntityTooLarge:
            return self.responder.refuse(self._request(environ, b""), "body-too-large")
        except HTTPException:
            return self.responder.refuse(self._request(environ, b""), "body-json")

    def _request(self, environ: Environ, body: bytes) -> Request:
        request = _request(environ, body)
        return request._replace(origin=self._file_origin) if self._file_origin else request

    def _body(self, environ: Environ) -> bytes:
        length, largest = environ.get("CONTENT_LENGTH", ""), self.config["MAX_CONTENT_LENGTH"]
        if length.isdecimal() and len(length) < 12 and int(length) <= largest:
            # The usual body; the wrapper that handles the unusual ones costs a tenth of the request.
            body: bytes = environ["wsgi.input"].read(int(length))
            return body
        unusual = werkzeug.Request(environ)
        unusual.max_content_length = largest
        return unusual.get_data(cache=False)


_SIGNALS: Final = (
    flask.appcontext_pushed,
    flask.request_started,
    flask.request_finished,
    flask.got_request_exception,
    flask.request_tearing_down,
    flask.appcontext_tearing_down,
    flask.appcontext_popped,
)


class _StatusLines(dict[int, str]):
    """Status lines by status, as Flask has them: `404 NOT FOUND`."""

    def __missing__(self, status: int) -> str:
        line = self[status] = flask.Response(status=status).status
        return line


_STATUS_LINES: Final = _StatusLines()


def _for_flask(answer: Response) -> flask.Response:
    return _Answer(answer.body, answer.status, Headers(list(answer.headers.items())))


class _Answer(flask.Response):
    """Says of its content what the responder says, and no more."""

    default_mimetype = None


class _NoSessions(SessionInterface):
    """Nobody logs in here; Flask would look for a cookie and a secret key with every request."""

    _none = NullSession()

    def open_session(self, app: flask.Flask, request: flask.Request) -> NullSession:
        return self._none

    def is_null_session(self, obj: object) -> bool:
        return True


def _detached(answer: WiredResponse | LateResponse, method: str, detach: Detach | None) -> Response:
    """Hand the answer to the server; what is left to return is empty, or whole where the server takes no answers.

    Any other server than klingkit's own, Flask's test client too, sends a wired answer at once, in full and with a
    header that says so: waiting would hold up a thread, or a test, and the rest is not in an application's hands.
    """
    if detach:
        detach(answer, method)
        return Response(answer.status if isinstance(answer, WiredResponse) else 200, {}, b"")
    assert isinstance(answer, WiredResponse), "where nothing detaches, no answer is late"
    return Response(answer.status, {**answer.headers, NOT_PLAYED_HEADER: NOT_PLAYED}, answer.body)


def _request(environ: Environ, body: bytes) -> Request:
    headers = {name: environ[key] for key in environ if (name := _NAMES[key])}
    # WSGI hands the path over as Latin-1; what the client sent is UTF-8.
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    origin = f"{environ['wsgi.url_scheme']}://{host}{environ.get('SCRIPT_NAME', '')}"
    return Request(environ["REQUEST_METHOD"], path, headers, body, environ.get("QUERY_STRING", ""), origin)


class _HeaderNames(dict[str, str]):
    """Header names by their WSGI keys; empty for a key that is no header. Looked up for every header of a request."""

    def __missing__(self, key: str) -> str:
        name = key[5:].replace("_", "-").lower() if key.startswith("HTTP_") else ""
        if len(self) < MAX_NAMES and len(key) <= MAX_NAME_LENGTH:
            self[key] = name
        return name


MAX_NAMES: Final = 1000
"""Names that are remembered: a client can make up any number."""
MAX_NAME_LENGTH: Final = 100
"""Characters of a name that is."""
_NAMES: Final = _HeaderNames({"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"})

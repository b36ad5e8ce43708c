"""The Flask adapter: one WSGI application over the responder."""

from typing import Any

import flask
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from kling_contracts import Contract, Request, Response
from kling_mock_server.responder import Responder
from kling_mock_server.switches import new_responder

Environ = dict[str, Any]


def create_app(
    *,
    profile: str = "documented",
    upstream_state: bool = True,
    tokens: tuple[str, ...] = (),
    secret: str = "",
    fetch: str = "loopback",
    audio_slack_ms: int = 0,
    contract: Contract | None = None,
) -> "MockApp":
    """Return the mock as a Flask application.

    `profile` and `upstream_state` choose the contract, unless one is given; `tokens` closes the list of welcome
    bearer tokens; `secret` makes the signature of JWTs count; `fetch` is whose URLs are fetched (`loopback`,
    `any`, `none`); `audio_slack_ms` is how much earlier than measured an audio ends. Raises `ValueError` for an
    unknown profile or policy, `DocumentError` where the documents are wrong.
    """
    responder = new_responder(
        profile=profile,
        upstream_state=upstream_state,
        tokens=tokens,
        secret=secret,
        fetch=fetch,
        audio_slack_ms=audio_slack_ms,
        contract=contract,
    )
    return MockApp(responder)


class MockApp(flask.Flask):
    """A Flask application whose routes are the document's: the responder answers every path and method.

    Flask's own router would redirect and refuse in HTML, and cost an eighth of the request.
    """

    def __init__(self, responder: Responder) -> None:
        super().__init__(__name__, static_folder=None)
        self.responder = responder
        self.config["MAX_CONTENT_LENGTH"] = responder.largest_body

    def create_url_adapter(self, request: flask.Request | None) -> None:
        """Match no URL."""

    def dispatch_request(self) -> flask.Response:
        """Answer the request."""
        answer = self._respond(flask.request.environ)
        return flask.Response(answer.body, answer.status, Headers(list(answer.headers.items())))

    def _respond(self, environ: Environ) -> Response:
        try:
            # Read before anything is judged, so that a refused request leaves the connection usable.
            return self.responder.respond(_request(environ, self._body(environ)))
        except RequestEntityTooLarge:
            return self.responder.refuse(_request(environ, b""), "body-too-large")
        except HTTPException:
            return self.responder.refuse(_request(environ, b""), "body-json")

    def _body(self, environ: Environ) -> bytes:
        length = environ.get("CONTENT_LENGTH", "")
        if length.isdecimal() and len(length) < 12 and int(length) <= self.config["MAX_CONTENT_LENGTH"]:
            # The usual body; the wrapper that handles the unusual ones costs a tenth of the request.
            body: bytes = environ["wsgi.input"].read(int(length))
            return body
        return flask.request.get_data(cache=False)


def _request(environ: Environ, body: bytes) -> Request:
    headers = {name: environ[key] for name, key in _HEADERS if key in environ}
    # WSGI hands the path over as Latin-1; what the client sent is UTF-8.
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    return Request(environ["REQUEST_METHOD"], path, headers, body)


_HEADERS = (("authorization", "HTTP_AUTHORIZATION"), ("content-type", "CONTENT_TYPE"))
"""The headers that a rule reads, by their WSGI names."""

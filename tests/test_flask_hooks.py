"""The mock is a Flask application: what is registered with Flask is called, and changes no answer."""

import io

import flask
import pytest

from kling_contracts import Contract
from kling_mock_server import create_app

OPERATION = Contract.load().operation
HEADERS = {"Authorization": "Bearer key"}
SIGNALS = (
    "appcontext_pushed",
    "request_started",
    "request_finished",
    "request_tearing_down",
    "appcontext_tearing_down",
    "appcontext_popped",
)


def create(app):
    return app.test_client().post(OPERATION.paths[0], json=OPERATION.example, headers=HEADERS)


@pytest.fixture
def app():
    app = create_app(fetch="none")
    yield app
    app.responder.close()


@pytest.mark.parametrize(
    "hook", ["before_request", "after_request", "teardown_request", "teardown_appcontext", "url_value_preprocessor"]
)
def test_a_hook_is_called_with_every_request(app, hook):
    called = []
    getattr(app, hook)(lambda *given: called.append(hook) or (given[0] if hook == "after_request" else None))

    assert create(app).status_code == 200
    assert called[:1] == [hook]


def test_a_hook_may_answer_in_the_mock_s_stead(app):
    app.before_request(lambda: flask.Response("closed", 503))

    assert create(app).text == "closed"


def test_a_hook_may_add_a_header(app):
    @app.after_request
    def add(response):
        response.headers["X-Seen"] = flask.request.path
        return response

    assert create(app).headers["X-Seen"] == OPERATION.paths[0]


@pytest.mark.parametrize("name", SIGNALS)
def test_a_receiver_of_a_signal_is_called_until_it_goes(app, name):
    called = []

    def receive(sender, **given):
        called.append(sender)

    with getattr(flask, name).connected_to(receive, app):
        create(app)
    seen = len(called)
    create(app)

    assert seen
    assert len(called) == seen


def test_with_an_extension_flask_handles_every_request(app):
    made = []

    class Seen(flask.Request):
        def __init__(self, *given):
            super().__init__(*given)
            made.append(self.path)

    app.request_class = Seen
    app.extensions["seen"] = object()
    create(app)

    assert made == [OPERATION.paths[0]]


def test_another_session_interface_is_asked(app):
    opened = []

    class Sessions(type(app.session_interface)):
        def open_session(self, app, request):
            opened.append(request.path)
            return super().open_session(app, request)

    app.session_interface = Sessions()
    create(app)

    assert opened == [OPERATION.paths[0]]


def test_the_request_can_be_looked_at_after_a_test_s_call(app):
    with app.test_client() as client:
        client.get("/elsewhere")
        assert flask.request.path == "/elsewhere"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", OPERATION.paths[0]),
        ("HEAD", OPERATION.paths[0]),
        ("OPTIONS", OPERATION.paths[0]),
        ("GET", "/"),
        ("GET", "/_mock/journal"),
        ("HEAD", "/_mock/journal"),
        ("GET", "/_mock/files/none"),
        ("GET", "/é/𝄞"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_an_answer_is_the_same_with_a_hook_and_without(app, method, path, accept):
    headers = {**HEADERS, "Accept": accept}
    plain = app.test_client().open(path, method=method, headers=headers)
    app.before_request(lambda: None)
    hooked = app.test_client().open(path, method=method, headers=headers)

    assert plain.status == hooked.status
    assert _without_ids(plain) == _without_ids(hooked)


def _without_ids(answer):
    headers = [(name, value) for name, value in answer.headers if name != "Content-Length"]
    return headers, len(answer.data) > 0, (answer.json or {}).get("code") if answer.is_json and answer.data else None


def test_a_body_of_unknown_length_is_read_without_flask(app):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": OPERATION.paths[0],
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b'{"session_id": 4'),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": "Bearer key",
        "CONTENT_TYPE": "application/json",
    }
    statuses = []
    body = b"".join(app(environ, lambda status, headers: statuses.append(status)))

    assert statuses == ["400 BAD REQUEST"]
    assert b"not valid JSON" in body or b"line 1" in body

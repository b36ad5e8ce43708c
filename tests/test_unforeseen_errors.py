"""An error of klingkit itself is answered in the envelope, with an id under which the log has the reason."""

import logging

import httpx
import pytest

from support.serving import PATH, Mock, new_app, payload


class BrokenError(Exception):
    pass


def broken(*_, **__):
    raise BrokenError("the reason")


@pytest.fixture
def app():
    return new_app()


def posted(app):
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://mock") as client:
        return client.post(PATH, json=payload(), headers={"Authorization": "Bearer key"})


def is_told(answer, caplog):
    """Check the envelope and that one record of the log explains it."""
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    told = answer.json()
    assert told["code"] == 5000
    assert told["request_id"] in told["message"]
    (record,) = [one for one in caplog.records if told["request_id"] in one.getMessage()]
    assert record.levelno == logging.ERROR
    assert isinstance(record.exc_info[1], BrokenError)
    return True


def test_an_error_below_http_is_answered_in_the_envelope(app, caplog, monkeypatch):
    monkeypatch.setattr(app.responder, "_answer", broken)
    assert is_told(posted(app), caplog)


def test_an_error_in_the_control_surface_is_answered_in_the_envelope(caplog, monkeypatch):
    mock = Mock()
    monkeypatch.setattr(mock.responder, "_control", None)
    answer = mock.ask("GET", "/_mock/world")
    assert (answer.status, answer.code) == (500, 5000)
    assert answer.json["request_id"] in caplog.text


@pytest.mark.parametrize("method", ["_body", "_respond"])
def test_an_error_where_flask_has_no_part_is_answered_in_the_envelope(app, caplog, monkeypatch, method):
    monkeypatch.setattr(app, method, broken)
    assert is_told(posted(app), caplog)


@pytest.mark.parametrize("method", ["_body", "_respond", "dispatch_request", "preprocess_request"])
def test_an_error_in_the_adapter_is_answered_in_the_envelope(app, caplog, monkeypatch, method):
    # With a hook Flask handles the request, and calls all of these.
    app.teardown_request(lambda error: None)
    monkeypatch.setattr(app, method, broken)
    assert is_told(posted(app), caplog)


@pytest.mark.parametrize("testing", [True, False])
def test_so_it_is_under_test(app, caplog, monkeypatch, testing):
    app.testing = testing
    monkeypatch.setattr(app, "_respond", broken)
    assert is_told(posted(app), caplog)


def test_a_path_cannot_steer_the_terminal_that_shows_the_log(caplog, monkeypatch):
    mock = Mock()
    monkeypatch.setattr(mock.responder, "_answer", broken)
    mock.ask("GET", "/\x1b[2J")
    assert "\x1b" not in caplog.records[-1].getMessage()

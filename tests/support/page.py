"""The visitor of the inspector page as the tests of it need one, and another client of the same account."""

import time

import requests

from support.serving import PATH, PATIENCE_S, payload

TTS = "/kling/v1/audio/tts"


def client(visitor):
    """Return a client of the visitor's account, as another program would be."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {visitor.key}"
    return session


def create(visitor, body=None, **fields):
    body = payload(**fields) if body is None else body
    return client(visitor).post(visitor.url + PATH, json=body, timeout=PATIENCE_S)


def control(visitor, method, path, body=None):
    answer = client(visitor).request(method, f"{visitor.url}/_mock{path}", json=body, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.json().get("data")


def entries(visitor):
    return control(visitor, "GET", "/journal")["entries"]


def type_payload(page, text):
    page.get_by_label("Payload, judged as you type").fill(text)


def until(page, expression):
    """Wait until an expression holds; Playwright's own way to wait would need `unsafe-eval` of the page."""
    ends_at = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < ends_at, expression
        page.wait_for_timeout(30)

"""Mocks with something wrong, over a socket: in their contract, or in their answers."""

import json
from contextlib import contextmanager

from kling_contracts import Contract
from kling_contracts.cases.requests import TOKEN
from kling_mock_server.adapters.live_server import LiveServer
from support.serving import Mock, documented


@contextmanager
def serving_with(change=lambda request, answer: answer(request), contract=None, world=None):
    """Serve a mock whose every answer goes through `change`; yields its URL. `world` is what the usual token's has."""
    with LiveServer(contract=contract or documented(), fetch="none") as running:
        if world:
            Mock(running.responder).put_world(TOKEN, **world)
        # Without detaching the connection: an answer that has to wait is waited for here.
        answer = running.responder.respond_over_socket
        running.responder.respond_over_socket = lambda request, **_: change(request, answer)
        yield running.url


def spoilt_contract(old, new, operation=""):
    """Return the contract with one text changed everywhere in its document, or in that of one operation alone."""
    document = json.loads(json.dumps(documented().document))
    if not operation:
        return Contract.compile(_replaced(document, old, new))
    one = documented().by_name[operation]
    path, method = one.paths[0], one.method.lower()
    document["paths"][path][method] = _replaced(document["paths"][path][method], old, new)
    return Contract.compile(document)


def _replaced(value, old, new):
    text = json.dumps(value)
    assert old in text, old
    return json.loads(text.replace(old, new))


def forgets(path, *where):
    """A change by which a server does not know an id again that it has answered at a path, in its data."""
    answered = set()

    def change(request, answer):
        if not request.path.startswith("/_mock"):
            body = request.body
            for name in answered:
                body = body.replace(f'"{name}"'.encode(), b'"forgotten"')
            given = answer(request._replace(body=body))
            if request.path == path and given.status == 200:
                value = json.loads(given.body)["data"]
                for step in where:
                    value = value[step]
                answered.add(value)
            return given
        return answer(request)

    return change

"""A live server whose clients say in their request how the answer is to leave."""

import json
import socket
from contextlib import contextmanager

from kling_contracts import Response
from kling_mock_server.adapters.flask_app import MockApp
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.failures.wire import Wire, WiredResponse
from support.serving import connect, documented

HEADERS = {"Content-Type": "text/plain"}


class Obedient:
    """A responder: no body asks for "plain", {"size": bytes, "wire": {...}} for so many, in such a way."""

    largest_body = 1_000_000

    def respond(self, request):
        asked = json.loads(request.body) if request.body else {"size": 5}
        content = content_of(asked["size"])
        if "wire" not in asked:
            return Response(200, HEADERS, content)
        return WiredResponse(200, HEADERS, content, Wire(**asked["wire"]))

    def respond_over_socket(self, request, *, detaches):
        return self.respond(request)

    def close(self):
        """Nothing is open."""

    stop_rendering = close


def content_of(size):
    return (b"0123456789" * (size // 10 + 1))[:size]


def obedient_app():
    return MockApp(Obedient())


@contextmanager
def serving():
    """Serve on a free port until the end of the block; yields the port."""
    server = LiveServer(contract=documented())
    server.responder = Obedient()
    with server:
        yield int(server.url.rpartition(":")[2])


def request_for(size=10, method="POST", wired=True, **wire):
    body = json.dumps({"size": size, "wire": wire} if wired else {"size": size}).encode()
    return b"%s / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (method.encode(), len(body), body)


def ask(port, size=10, **wire):
    """Open a connection and ask for an answer that leaves so."""
    connection = connect(port)
    connection.sendall(request_for(size, **wire))
    return connection


def read(connection):
    """Return all that comes, and how it ends: "close" or "reset"."""
    data = bytearray()
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionResetError:
        return bytes(data), "reset"
    return bytes(data), "close"


def read_until(connection, end):
    """Return what comes up to `end`, which must be the last of it so far."""
    data = b""
    while not data.endswith(end):
        chunk = connection.recv(65536)
        assert chunk, f"the connection ended after {data!r}"
        data += chunk
    return data


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]


def deaf(port):
    """Return a connection that will take only a few bytes before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    return connection

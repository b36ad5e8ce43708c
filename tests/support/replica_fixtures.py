"""Stores, mocks on them and their clients, for one test each."""

import uuid
from contextlib import ExitStack, closing

import pytest

from kling_mock_server.assets import renderer
from support.replicas import SECRET, ReplicaClient, database_of, redis_on_tcp, serve
from support.workflow import Caller


@pytest.fixture(scope="session")
def redis_url():
    with redis_on_tcp() as (_, url):
        yield url


@pytest.fixture
def unrendered(monkeypatch):
    """Rendering every video would cost most of the time."""
    monkeypatch.setattr(renderer, "_can_render", lambda: False)


@pytest.fixture
def client_at():
    """Return a function that makes clients; all are closed at the end."""
    with ExitStack() as stack:

        def make(url, key):
            client = ReplicaClient(url, key)
            stack.callback(client.http.close)
            return client

        yield make


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store_url(request, tmp_path):
    """The URL of a store."""
    return url_of(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "redis"])
def lasting_url(request, tmp_path):
    """The URL of a store that outlives a mock."""
    return url_of(request.param, request, tmp_path)


@pytest.fixture
def mock_on():
    """Return a function that makes a mock on a store; all are closed at the end."""
    with ExitStack() as stack:

        def make(url, **options):
            mock = Caller(store=url, **{"pace": "manual", **options})
            stack.enter_context(closing(mock.responder))
            return mock

        yield make


@pytest.fixture
def mock(store_url, mock_on):
    return mock_on(store_url)


@pytest.fixture
def key():
    """A bearer token that nobody else uses."""
    return uuid.uuid4().hex


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def replicas(request, tmp_path_factory):
    """The URLs of two mocks on one store."""
    if request.param == "redis":
        store = f"{request.getfixturevalue('redis_url')}/0"
    else:
        store = f"sqlite:///{tmp_path_factory.mktemp('replicas')}/mock.db"
    options = (store, "--webhook-secret", SECRET)
    with serve(*options) as one, serve(*options) as other:
        yield one.url, other.url
        assert "Traceback" not in one.output + other.output


@pytest.fixture
def pair(replicas, key, client_at):
    """One account on both."""
    return [client_at(url, key) for url in replicas]


def url_of(kind, request, directory):
    if kind == "redis":
        return database_of(request.getfixturevalue("redis_url"))
    return f"sqlite:///{directory}/mock.db" if kind == "sqlite" else ""

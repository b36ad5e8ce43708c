"""Stores of every kind, opened for a test and closed after it."""

from contextlib import ExitStack
from functools import cache

import pytest

from kling_mock_server.state.stores import sqlite as store_sqlite
from kling_mock_server.state.stores import sqlite_file
from support.redis_server import PROGRAMS, redis_server
from support.stores import Place


@pytest.fixture(scope="session")
def servers():
    """Return a function that starts a server of a program, once."""
    with ExitStack() as stack:
        yield cache(lambda program: stack.enter_context(redis_server(program=program)))


@pytest.fixture
def redis(servers):
    return servers(PROGRAMS[0])


def place_of(kind, request):
    if kind == "memory":
        return Place("memory:")
    if kind == "sqlite":
        path = request.getfixturevalue("tmp_path") / "kept.db"
        return Place(f"sqlite:///{path}")
    server = request.getfixturevalue("servers")(kind)
    server.ask("FLUSHALL")
    return Place(server.url, server)


@pytest.fixture(params=["memory", "sqlite", *PROGRAMS])
def store(request):
    place = place_of(request.param, request)
    yield place.open()
    place.close()


@pytest.fixture(params=["sqlite", *PROGRAMS])
def lasting(request):
    """A place whose rows outlive the store that wrote them."""
    place = place_of(request.param, request)
    yield place
    place.close()


@pytest.fixture
def impatient(monkeypatch, lasting):
    """The same, but nobody waits for long."""
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.05)
    monkeypatch.setattr(store_sqlite, "BUSY_S", 0.05)
    if lasting.server:
        from kling_mock_server.state.stores import redis as store_redis

        monkeypatch.setattr(store_redis, "BUSY_S", 0.05)
    return lasting


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept.db"


@pytest.fixture
def two_stores(redis):
    redis.ask("FLUSHALL")
    place = Place(redis.url, redis)
    yield place.open(), place.open()
    place.close()

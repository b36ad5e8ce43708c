"""Opening a store: what is refused, and with which words."""

import sqlite3
import sys
from contextlib import closing

import pytest

from kling_mock_server.state.stores import open_store
from kling_mock_server.state.stores import text as store_text
from kling_mock_server.state.stores.store import SECRET_BYTES, MemoryStore
from support.redis_server import redis_server
from support.stores import MANY, Place, keys, put

pytest_plugins = ["support.store_fixtures"]


def refusal(url):
    """Return why a store cannot be opened: one line."""
    with pytest.raises(ValueError, match="store") as caught:
        open_store(url).close()
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("url", ["", "memory:"])
def test_without_a_url_a_store_is_in_memory(url):
    assert isinstance(open_store(url), MemoryStore)


@pytest.mark.parametrize("url", ["kept.db", "memory", "postgres://u:hunter2@host/db", "redis:", "hunter2"])
def test_another_kind_of_store_is_refused_with_those_there_are(url):
    said = refusal(url)

    assert "sqlite:///" in said
    assert "redis://" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:kept.db", "sqlite://kept.db", "sqlite:///:memory:"]
)
def test_a_sqlite_url_that_names_no_file_is_refused_with_how_it_is_written(url):
    assert "sqlite:////absolute/path.db" in refusal(url)


def test_a_file_in_no_directory_is_refused(tmp_path):
    said = refusal(f"sqlite:///{tmp_path}/none/kept.db")

    assert f"{tmp_path}/none/kept.db" in said
    assert "directory that exists" in said


def test_a_directory_is_refused(tmp_path):
    assert "directory that exists" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("Dear diary, " * 100, encoding="utf-8")

    assert "not a database" in refusal(f"sqlite:///{path}")
    assert path.read_text(encoding="utf-8") == "Dear diary, " * 100


def test_the_database_of_another_program_is_refused_and_left_alone(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    content = path.read_bytes()

    assert "another program" in refusal(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_the_secret_outlives_the_store_and_is_shared(lasting):
    first = lasting.open()
    secret = first.secret()
    assert len(secret) == SECRET_BYTES
    assert lasting.open().secret() == secret
    first.close()
    assert lasting.open().secret() == secret


def test_every_memory_has_a_secret_of_its_own():
    assert MemoryStore().secret() != MemoryStore().secret()


def test_a_server_that_lost_everything_is_told_the_secret_again(redis, monkeypatch):
    place = Place(redis.url, redis)
    store = place.open()
    secret = store.secret()
    redis.ask("FLUSHALL")
    monkeypatch.setattr("kling_mock_server.state.stores.redis._SECRET_KEPT_S", 0)
    store._ask_at = 0
    assert store.secret() == secret
    assert place.open().secret() == secret
    place.close()


@pytest.mark.parametrize("written", [1, 99], ids=["older", "newer"])
def test_a_file_of_another_format_is_refused_and_left_as_it_is(path, written):
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {written}")
    content = path.read_bytes()

    said = refusal(f"sqlite:///{path}")

    assert (
        f"written by another version of klingkit, in format {written} and not {store_text.FORMAT}; name another file"
        in said
    )
    assert "\n" not in said
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(path):
    path.touch()

    with closing(open_store(f"sqlite:///{path}")) as store:
        put(store, MANY, "a")
        assert keys(store, MANY) == ["a"]


def test_without_redis_py_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    for module in ("state.stores.redis_link", "state.stores.redis_rows", "state.stores.redis"):
        monkeypatch.delitem(sys.modules, f"kling_mock_server.{module}", raising=False)

    assert "pip install redis" in refusal("redis://localhost")


NO_SERVER = [
    "redis://:hunter2@127.0.0.1:1/0",
    "redis://somebody:hunter2@127.0.0.1:1/0",
    "redis://127.0.0.1:1/0?password=hunter2",
    "rediss://:hunter2@127.0.0.1:1",
    "valkey://:hunter2@127.0.0.1:1",
    "unix://:hunter2@/no/such/socket",
    "unix:///no/such/socket?password=hunter2",
    # Not as a URL would have it.
    "redis://:hunter2/x@127.0.0.1:1/0",
    "redis://:hunter2?x@127.0.0.1:1/0",
    "redis://:hunter2#x@127.0.0.1:1/0",
    "redis://:x/hunter2@127.0.0.1:1/0",
    "redis://:12/hunter2@127.0.0.1:1/0",
    "redis://:hunter2",
    "redis://[hunter2",
    "redis://127.0.0.1:1/0?hunter2=1",
    "redis://127.0.0.1:1/0?socket_timeout=hunter2",
]


@pytest.mark.parametrize("url", NO_SERVER)
def test_a_server_that_cannot_be_reached_is_refused_and_no_password_told(url):
    pytest.importorskip("redis")

    said = refusal(url)

    assert "running server" in said
    assert url.partition("://")[0] in said
    assert "hunter2" not in said


def test_a_server_that_cannot_be_reached_is_named():
    pytest.importorskip("redis")

    assert "redis://127.0.0.1:1/3" in refusal("redis://:secret@127.0.0.1:1/3")


def test_a_wrong_password_is_refused():
    with redis_server("--requirepass", "right") as server:
        said = refusal(server.url.replace("unix://", "unix://:hunter2@"))

    assert "WRONGPASS" in said or "password" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("options", [("--cluster-enabled", "yes"), ("--replicaof", "127.0.0.1 1")])
def test_a_cluster_and_a_replica_are_refused(options):
    with redis_server(*options) as server:
        assert "neither replica nor cluster" in refusal(server.url)


def warnings_of(url, caplog):
    with caplog.at_level("WARNING"), closing(open_store(url)):
        return [record.getMessage() for record in caplog.records]


def test_a_server_that_runs_no_scripts_is_refused():
    with redis_server("--rename-command", "EVALSHA", "") as server:
        said = refusal(server.url)

    assert "unknown command" in said
    assert "EVALSHA" in said


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_keys_is_warned_of(policy, caplog):
    with redis_server("--maxmemory-policy", policy) as server:
        [said] = warnings_of(server.url, caplog)
    assert f"may lose accounts: the server's maxmemory-policy is {policy}" in said
    assert "redis-cli CONFIG SET maxmemory-policy noeviction" in said


def test_a_server_that_keeps_its_keys_is_not_warned_of(redis, caplog):
    redis.ask("FLUSHALL")
    assert warnings_of(redis.url, caplog) == []


def test_a_server_that_does_not_tell_whether_it_evicts_keys_is_warned_of(caplog):
    with redis_server("--rename-command", "INFO", "") as server:
        [said] = warnings_of(server.url, caplog)
    assert "maxmemory-policy is not told" in said


def test_a_server_in_use_by_another_version_is_refused(redis):
    redis.ask("FLUSHALL")
    redis.ask("SET", "klingkit:format", "1")

    said = f"another version of klingkit, in format 1 and not {store_text.FORMAT}; name another database"
    assert said in refusal(redis.url)

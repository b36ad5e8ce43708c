"""Stores by URL, as `--store` names them."""

from typing import Final

from kling_mock_server.state.stores.store import MemoryStore, Store

FORMS: Final = "memory:, sqlite:///FILE, redis://HOST:PORT/DATABASE"
"""The forms of a URL, for help and messages."""

_REDIS: Final = ("redis", "rediss", "unix", "valkey", "valkeys")


def open_store(url: str) -> Store:
    """Return the store that a URL names.

    `memory:` (or nothing) lasts as long as the process; `sqlite:///relative.db` and `sqlite:////absolute/path.db` are
    files; `redis://`, `rediss://` (TLS), `unix://` (a socket), `valkey://` and `valkeys://` are servers. Raises
    `ValueError` with one line that says what to do where it cannot be used; it never holds a password.
    """
    scheme, _, rest = url.partition(":")
    if url in ("", "memory:"):
        return MemoryStore()
    if scheme == "sqlite":
        return _sqlite(rest)
    if scheme in _REDIS and rest.startswith("//"):
        return _redis(url)
    # An unknown URL is not repeated: there may be a password in it.
    raise ValueError(f"the store's URL has none of the forms that there are: {FORMS}")


def _sqlite(rest: str) -> Store:
    path = rest.removeprefix("///")
    if path in (rest, "", ":memory:") or "?" in path:
        raise ValueError(
            "a sqlite: store is written sqlite:///relative.db or sqlite:////absolute/path.db, without options; "
            "for one that is not in a file, memory:"
        )
    from kling_mock_server.state.stores.sqlite import SqliteStore

    return SqliteStore(path)


def _redis(url: str) -> Store:
    try:
        from kling_mock_server.state.stores.redis import RedisStore
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ValueError("a store in Redis needs one more package: pip install redis") from error
    return RedisStore(url)

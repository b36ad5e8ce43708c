"""Connections to one Redis or Valkey server: the only module that knows redis-py.

It uses the pool, the connections and the parser of URLs of redis-py. Its pipeline and its lock were measured
against the exchanges here, with three reads and three writes in a change: a pipeline that watches a key sends each
command by itself until MULTI and takes 1.3 times the time, with the lock 2.9 times. Besides, it reports a connection
that broke during EXEC as a conflict (`WatchError`): a change that was written would be done again. Its retry would
help reads alone, which try twice in three lines here.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from redis import ConnectionError as RedisConnectionError
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from kling_mock_server.state.stores.redis_keys import FORMAT_KEY, SCHEDULE_KEY
from kling_mock_server.state.stores.store import StoreDownError
from kling_mock_server.state.stores.text import FORMAT

Command = tuple[Any, ...]
Talk = Callable[..., list[Any]]
"""Sends commands together and returns their replies."""

TIMEOUT_S: Final = 5.0
"""How long the server may take to answer."""

_LOG: Final = logging.getLogger("klingkit")
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}


class ConnectionLostError(StoreDownError):
    """The connection broke: another one may serve. A server that does not answer in time is not asked again."""


class Link:
    """Connections to a server, each lent to one thread at a time. Raises `ValueError` for one that is of no use."""

    def __init__(self, url: str) -> None:
        self._closed = False
        self._pool = _pool(url)
        try:
            with self.lent() as talk:
                found = _format_of(talk)
            _warn_of_eviction(self.ask, _shown(url))
        except StoreDownError as error:
            self.close()
            raise ValueError(f"the store {_shown(url)} cannot be used: {error}; {_REMEDY}") from error
        if found != str(FORMAT).encode():
            self.close()
            raise ValueError(
                f"the store {_shown(url)} is in use by another version of klingkit, in format "
                f"{found.decode('ascii', 'replace')} and not {FORMAT}; name another database of the server, as in "
                "redis://localhost:6379/1"
            )

    @contextmanager
    def lent(self) -> Iterator[Talk]:
        """Lend a connection.

        Raises `StoreDownError` for whatever goes wrong with it, `ConnectionLostError` where it broke.
        """
        if self._closed:
            raise StoreDownError("the store was closed")
        try:
            # Finds out whether the server hung up meanwhile, and connects anew.
            connection = self._pool.get_connection()
        except RedisError as error:
            _fail(error)
        try:
            yield partial(_exchange, connection)
        finally:
            self._pool.release(connection)

    def ask(self, *commands: Command) -> list[Any]:
        """Return the replies to commands that only read."""
        try:
            with self.lent() as talk:
                return talk(*commands)
        except ConnectionLostError:
            with self.lent() as talk:
                return talk(*commands)

    def close(self) -> None:
        """Close every connection."""
        self._closed = True
        self._pool.disconnect()


def _pool(url: str) -> ConnectionPool:
    scheme, _, rest = url.partition("://")
    try:
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),
            "client_name": "klingkit",
            "socket_timeout": TIMEOUT_S,
            **({} if scheme == "unix" else {"socket_connect_timeout": TIMEOUT_S}),
            **parse_url(f"{_SCHEMES.get(scheme, scheme)}://{rest}"),  # type: ignore[no-untyped-call]
            # Not for the URL to choose: replies are read as they come in the older protocol.
            "protocol": 2,
            "decode_responses": False,
        }
        pool = ConnectionPool(**options)
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, RedisError):
        # A message of redis-py may quote a part of the password.
        raise ValueError(f"the store {_shown(url)} cannot be used: its URL is malformed; {_REMEDY}") from None
    return pool


def _format_of(talk: Talk) -> Any:
    # One transaction over keys that a cluster would spread: better refused here than at the first change.
    *_, (_, found, _) = talk(
        ("MULTI",), ("SET", FORMAT_KEY, FORMAT, "NX"), ("GET", FORMAT_KEY), ("ZCARD", SCHEDULE_KEY), ("EXEC",)
    )
    return found


def _warn_of_eviction(ask: Talk, server: str) -> None:
    """Log a warning where the server may drop keys when its memory is full, or does not tell."""
    try:
        (told,) = ask(("INFO", "memory"))
        settings = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
    except StoreDownError:
        # A user may be forbidden to ask.
        settings = {}
    policy = settings.get("maxmemory_policy", "not told")
    if policy != "noeviction":
        _LOG.warning(
            "the store %s may lose accounts: the server's maxmemory-policy is %s. Set it to noeviction, as with: "
            "redis-cli CONFIG SET maxmemory-policy noeviction",
            server,
            policy,
        )


def _exchange(connection: Any, *commands: Command) -> list[Any]:
    try:
        connection.send_packed_command(connection.pack_commands(commands))
        return [connection.read_response() for _ in commands]
    except BaseException as error:
        # Replies may be outstanding, and a watch: it is not to be used like that.
        connection.disconnect()
        if isinstance(error, RedisError):
            _fail(error)
        raise


def _fail(error: RedisError) -> NoReturn:
    lost = isinstance(error, RedisConnectionError)
    said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    raise (ConnectionLostError if lost else StoreDownError)(f"Redis: {said}") from error


_REMEDY: Final = "name a running server, neither replica nor cluster, as in redis://:PASSWORD@localhost:6379/0"


def _shown(url: str) -> str:
    """Return a URL without user and password; of one that does not hold together, only its scheme."""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:
        place = "@"
    # Then a password was not written as a URL demands, and could be anywhere.
    return f"{url.partition('://')[0]}://{'…' if '@' in place or '@' in parts.query else place}"

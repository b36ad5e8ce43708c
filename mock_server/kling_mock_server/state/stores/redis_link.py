"""Connections to one Redis or Valkey server: the only module that knows redis-py.

It uses the pool, the connections and the parser of URLs of redis-py. Its pipeline, its lock and its `Script` are not
used: each takes a client, which retries a command whose connection broke, and a change that was written would be done
again. Reads alone try twice, in a few lines here.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from redis import ConnectionError as RedisConnectionError
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import NoScriptError
from redis.retry import Retry

from kling_mock_server.state.stores.redis_keys import FORMAT_KEY, SCHEDULE_KEY
from kling_mock_server.state.stores.redis_scripts import ASK, Script
from kling_mock_server.state.stores.store import StoreDownError
from kling_mock_server.state.stores.text import FORMAT

T = TypeVar("T")

Command = tuple[Any, ...]

TIMEOUT_S: Final = 5.0
"""How long the server may take to answer."""

_PROVEN_S: Final = 1.0
"""How long ago a connection may have served that is taken for whole."""

_LOG: Final = logging.getLogger("klingkit")
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}


class ConnectionLostError(StoreDownError):
    """The connection broke: another one may serve. A server that does not answer in time is not asked again."""


class Talk:
    """One connection, lent. Raises `StoreDownError` for whatever goes wrong, `ConnectionLostError` where it broke."""

    __slots__ = ("_connection", "is_proven")

    def __init__(self, connection: Any, *, is_proven: bool) -> None:
        self._connection = connection
        self.is_proven = is_proven
        """Whether it served a moment ago, so that it is hardly broken."""

    def __call__(self, *commands: Command) -> list[Any]:
        """Send commands together and return their replies."""
        try:
            return _replies(self._connection, commands)
        except BaseException as error:
            self._give_up(error)

    def run(self, script: Script, key: str, *arguments: Any) -> Any:
        """Return the reply of a script to a key and further arguments."""
        try:
            try:
                (reply,) = _replies(self._connection, [("EVALSHA", script.digest, 1, key, *arguments)])
            except NoScriptError:
                # The server has not seen it yet, or was restarted: it has done nothing.
                (reply,) = _replies(self._connection, [("EVAL", script.text, 1, key, *arguments)])
            return reply
        except BaseException as error:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> NoReturn:
        # Replies may be outstanding: the connection is not to be used like that.
        self._connection.disconnect()
        if isinstance(error, RedisError):
            _fail(error)
        raise error


class Link:
    """Connections to a server, each lent to one thread at a time. Raises `ValueError` for one that is of no use."""

    def __init__(self, url: str) -> None:
        self._closed = False
        self._pool = _pool(url)
        self._idle: list[tuple[Any, float]] = []
        """Connections that were taken out of the pool and are lent to nobody, and since when (`time.monotonic`)."""
        self._process = os.getpid()
        try:
            with self.lent() as talk:
                found = _format_of(talk)
                # A user may be forbidden to run scripts: better refused here than at the first change.
                talk.run(ASK, "klingkit:", "", 0, "[]")
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
        connection, used_s = self._taken()
        try:
            yield Talk(connection, is_proven=time.monotonic() - used_s < _PROVEN_S)
        except ConnectionLostError:
            # The server may have been restarted: the others are then to connect anew, too.
            others, self._idle = self._idle, []
            for other, _ in others:
                other.disconnect()
            self._idle += others
            raise
        finally:
            self._idle.append((connection, time.monotonic()))

    def ask(self, *commands: Command) -> list[Any]:
        """Return the replies to commands that only read."""
        return self._insist(lambda talk: talk(*commands))

    def run(self, script: Script, key: str, *arguments: Any) -> Any:
        """Return the reply of a script that only reads."""
        return self._insist(lambda talk: talk.run(script, key, *arguments))

    def _insist(self, ask: Callable[[Talk], T]) -> T:
        try:
            with self.lent() as talk:
                return ask(talk)
        except ConnectionLostError:
            with self.lent() as talk:
                return ask(talk)

    def _taken(self) -> tuple[Any, float]:
        # The pool would look at each connection before it lends it, which costs half as much as an exchange. One that
        # broke meanwhile is noticed when something is asked, before anything is written.
        if self._process != os.getpid():
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return self._pool.get_connection(), time.monotonic()
        except RedisError as error:
            _fail(error)

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


def _warn_of_eviction(ask: Callable[[Command], list[Any]], server: str) -> None:
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


def _replies(connection: Any, commands: Sequence[Command]) -> list[Any]:
    connection.send_packed_command(connection.pack_commands(commands))
    return [connection.read_response() for _ in commands]


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

"""The live servers of a test session."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from kling_mock_server.adapters.handle import Handle
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.adapters.options import MockOptions
from kling_mock_server.state.journal import Entry, digest_of


class Servers:
    """One server for each choice of options, started when first needed, stopped at the end of the block."""

    def __init__(self) -> None:
        self._running: list[tuple[MockOptions, LiveServer]] = []
        self._finished: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def account(self, options: MockOptions) -> Iterator[Handle]:
        """Yield a handle on an account for one test."""
        handle = self._server(options).new_handle()
        self._finished.discard(digest_of(handle.token))
        try:
            yield handle
        finally:
            self._finished.add(digest_of(handle.token))

    def is_late(self, entry: Entry) -> bool:
        """Return whether an exchange belongs to a test that is over: a client may have left a thread behind."""
        return entry.token in self._finished

    def _server(self, options: MockOptions) -> LiveServer:
        for chosen, server in self._running:
            if chosen == options:
                return server
        server = self._stack.enter_context(LiveServer(**options))
        self._running.append((options, server))
        return server

"""One account of a mock, as the code that drives it in the same process holds it."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kling_contracts import Contract, World
from kling_contracts.facts.record_json import record_from_json
from kling_contracts.facts.world import Audio, Session
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.playback import begin_scenario
from kling_mock_server.state.account import Account
from kling_mock_server.state.clock import Clock
from kling_mock_server.state.journal import Entry

if TYPE_CHECKING:
    import httpx

    from kling_mock_server.adapters.flask_app import MockApp
    from kling_mock_server.failures.scenarios import Scenario

__all__ = ["Handle", "InProcess", "WorldHandle"]


class Handle:
    """One account of a mock: what `/_mock/` offers over HTTP, as plain calls.

    `url` is what a client takes for the vendor's base URL, `token` the key that it sends.
    """

    def __init__(self, responder: Responder, url: str, token: str) -> None:
        self.responder = responder
        self.url = url
        self.token = token

    @property
    def contract(self) -> Contract:
        """The contract that the mock enforces."""
        return self.responder.contract

    @property
    def world(self) -> "WorldHandle":
        """The sessions, audios, files and external ids that exist."""
        return WorldHandle(self._account)

    @property
    def journal(self) -> tuple[Entry, ...]:
        """The exchanges, oldest first."""
        return self._account.journal.entries

    @property
    def clock(self) -> Clock:
        """The account's clock; `clock.advance(ms)` lets tasks end, callbacks be sent, sessions and audios expire."""
        return self._account.clock

    def play(self, scenario: "str | Scenario | None") -> None:
        """Play a scenario, by its name or as a record, from its first step on; None: play none.

        Raises `ValueError` for an unknown name.
        """
        from kling_mock_server.failures.scenarios import named

        chosen = named(scenario) if isinstance(scenario, str) else scenario
        begin_scenario(self._account.state, chosen)

    def limit(self, concurrency: int | None) -> None:
        """Let so many of the account's tasks run at once; None: any number."""
        self._account.tasks.limit(concurrency)

    def wait_for_callbacks(self, timeout_s: float = 10.0) -> bool:
        """Wait until every callback that is due was sent; return False where that took longer."""
        return self.responder.resources.callback_worker.wait_until_idle(self._account.key, timeout_s)

    def reset(self) -> None:
        """Go back to the state of a fresh account; the journal is emptied too."""
        self._account.reset()

    @property
    def _account(self) -> Account:
        # Looked up anew: the mock forgets the accounts that were longest unused.
        return self.responder.accounts.of_token(self.token)


class InProcess(Handle):
    """An account of a mock that listens nowhere: `app` is a WSGI application for any client that can call one."""

    def __init__(self, app: "MockApp", url: str, token: str) -> None:
        super().__init__(app.responder, url, token)
        self.app = app

    def client(self, library: ModuleType | None = None) -> "httpx.Client":
        """Return an httpx client that calls the mock without a socket; it sends no token of its own accord.

        `library` is httpx, which is the default, or httpx2. Raises `ModuleNotFoundError` where httpx is not installed.
        """
        from kling_mock_server.adapters.httpx_transport import HttpxTransport

        # Not WSGITransport: it loses streamed bodies and fails on paths beyond Latin-1.
        used: Any = library or import_module("httpx")
        transport = used.MockTransport(HttpxTransport(self.responder, self.url).answer)
        client: httpx.Client = used.Client(transport=transport, base_url=self.url)
        return client


class WorldHandle:
    """The world of one account, in its JSON form."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def get(self) -> dict[str, Any]:
        """Return a copy of the world; `put` takes it back."""
        return self._account.world_json()

    def put(self, world: World | Mapping[str, Any]) -> None:
        """Replace the world; tasks and external ids are forgotten. Raises `ValueError`, one line per mistake."""
        if isinstance(world, World):
            self._account.state.put_world(world)
        else:
            self._account.put_world_json(world)

    def put_session(self, session_id: str, session: Mapping[str, Any]) -> None:
        """Add or replace one entry of `sessions`. Raises `ValueError`, one line per mistake."""
        self._account.put_session(session_id, record_from_json(Session, session))

    def put_audio(self, audio_id: str, audio: Mapping[str, Any]) -> None:
        """Add or replace one entry of `audios`. Raises `ValueError`, one line per mistake."""
        self._account.put_audio(audio_id, record_from_json(Audio, audio))

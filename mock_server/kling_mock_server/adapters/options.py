"""The options of a mock, and the responder that they make."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypedDict
from urllib.parse import urlsplit

from kling_contracts import Contract
from kling_mock_server.core.assembly import resources_of
from kling_mock_server.core.control_access import ControlAccess
from kling_mock_server.core.cors import PageOrigins
from kling_mock_server.core.responder import Responder
from kling_mock_server.outgoing.fetch import downloader, fetcher
from kling_mock_server.outgoing.webhooks import Targets, key_of
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.pace import pace_of
from kling_mock_server.state.stores.store import MemoryStore, Store
from kling_mock_server.state.tokens import token_signed

if TYPE_CHECKING:
    from kling_mock_server.failures.scenarios import Scenario


class MockOptions(TypedDict, total=False):
    """The options of a mock; see `create_app`."""

    profile: str
    upstream_state: bool
    null_is_absent: bool
    documents: Path | str | None
    tokens: tuple[str, ...]
    secret: str
    jwt_clock: str
    fetch: str
    audio_slack_ms: int
    pace: str
    concurrency: int | None
    scenario: "str | Scenario"
    webhook_secrets: tuple[str, ...]
    callback_hosts: tuple[str, ...]
    allow_hosts: tuple[str, ...]
    cors: tuple[str, ...]
    public_url: str
    store: str
    contract: Contract | None


def new_responder(
    *,
    profile: str = "documented",
    upstream_state: bool = True,
    null_is_absent: bool = False,
    documents: Path | str | None = None,
    tokens: tuple[str, ...] = (),
    secret: str = "",
    jwt_clock: str = "real",
    fetch: str = "loopback",
    audio_slack_ms: int = 0,
    pace: str = "fast",
    concurrency: int | None = None,
    scenario: "str | Scenario" = "",
    webhook_secrets: tuple[str, ...] = (),
    callback_hosts: tuple[str, ...] = (),
    allow_hosts: tuple[str, ...] = (),
    cors: tuple[str, ...] = (),
    public_url: str = "",
    store: str = "",
    contract: Contract | None = None,
) -> Responder:
    """Return a mock below any HTTP library; options and errors are those of `create_app`."""
    contract = contract or _contract(profile, upstream_state, null_is_absent, documents)
    for webhook_secret in webhook_secrets:
        key_of(webhook_secret)
    fresh = replace(contract.operation.example_world, audio_slack_ms=audio_slack_ms)
    beginning = InitialState(fresh, pace_of(pace), concurrency, _scenario(scenario))
    public = PublicUrl.of(public_url)
    fetching, download = fetcher(fetch, contract.largest_file), downloader(fetch)
    accounts = Accounts(contract, beginning, tokens=tokens, secret=secret, jwt_clock=jwt_clock, store=_store(store))
    resources = resources_of(
        contract,
        accounts,
        fetch=fetching,
        download=download,
        targets=Targets(callback_hosts),
        secrets=webhook_secrets,
        control_access=ControlAccess((*allow_hosts, *public.hosts)),
        page_origins=PageOrigins.of(cors),
        public_url=public.url,
    )
    return Responder(contract, accounts, resources=resources)


class PublicUrl(NamedTuple):
    """The URL at which others reach the mock, behind a proxy or by a second name."""

    url: str = ""
    """Without a slash at its end; empty where there is none."""
    hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, url: str) -> Self:
        """Return the URL that a text is. Raises `ValueError` where it is not http(s), or has a query."""
        if not url:
            return cls()
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"the public URL {url!r} is none: {error}") from None
        if parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment:
            raise ValueError(f"the public URL {url!r} is none: give one like https://mock.example.com, without a query")
        return cls(url.rstrip("/"), (host,))


def token_for(options: MockOptions, otherwise: str = "key") -> str:
    """Return a key that such a mock lets in: the first of its `tokens`, `otherwise` where any is welcome.

    With a `secret`, it is a JWT whose `iss` is that key.
    """
    key, secret = next(iter(options.get("tokens", ())), otherwise), options.get("secret", "")
    return token_signed(key, secret) if secret else key


def _scenario(chosen: "str | Scenario") -> object:
    if not chosen:
        return None
    # At first use: most mocks play none.
    from kling_mock_server.failures.scenarios import named

    return (named(chosen) if isinstance(chosen, str) else chosen).to_json()


def _store(url: str) -> Store:
    if not url:
        return MemoryStore()
    from kling_mock_server.state.stores import open_store

    return open_store(url)


def _contract(profile: str, upstream_state: bool, null_is_absent: bool, documents: Path | str | None) -> Contract:
    if documents is None:
        return _installed(profile, upstream_state, null_is_absent)
    return Contract.load(profile, upstream_state=upstream_state, null_is_absent=null_is_absent, folder=documents)


@cache
def _installed(profile: str, upstream_state: bool, null_is_absent: bool) -> Contract:
    # A suite makes a mock for every test, and compiling the documents is nearly all of what one costs.
    return Contract.load(profile, upstream_state=upstream_state, null_is_absent=null_is_absent)

"""The switches of a mock, and the responder that they make."""

from dataclasses import replace
from functools import cache
from typing import TypedDict

from kling_contracts import Contract
from kling_mock_server.accounts import Accounts
from kling_mock_server.fetch import fetcher
from kling_mock_server.responder import Responder


class Switches(TypedDict, total=False):
    """What may be chosen about a mock; see `create_app`."""

    profile: str
    upstream_state: bool
    tokens: tuple[str, ...]
    secret: str
    fetch: str
    audio_slack_ms: int
    contract: Contract | None


def new_responder(
    *,
    profile: str = "documented",
    upstream_state: bool = True,
    tokens: tuple[str, ...] = (),
    secret: str = "",
    fetch: str = "loopback",
    audio_slack_ms: int = 0,
    contract: Contract | None = None,
) -> Responder:
    """Return a mock below any HTTP library; switches and errors are those of `create_app`."""
    contract = contract or _loaded(profile, upstream_state)
    fresh = replace(contract.operation.example_world, audio_slack_ms=audio_slack_ms)
    accounts = Accounts(fresh, tokens=tokens, secret=secret)
    return Responder(contract, accounts, fetcher(fetch, contract.largest_file))


def token_for(switches: Switches, otherwise: str = "key") -> str:
    """Return a key that such a mock lets in: the first of its `tokens`, `otherwise` where any is welcome."""
    tokens = switches.get("tokens", ())
    return tokens[0] if tokens else otherwise


@cache
def _loaded(profile: str, upstream_state: bool) -> Contract:
    # A suite makes a mock for every test, and compiling the documents is nearly all of what one costs.
    return Contract.load(profile, upstream_state=upstream_state)

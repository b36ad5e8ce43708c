"""Trials: cases made fit for one server, with the label that holds there."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from kling_contracts import Contract, World
from kling_contracts.cases.case import Case
from kling_contracts.cases.requests import TOKEN
from kling_mock_server.testing.fuzzing.given_world import GivenWorld


class AdaptedCase(NamedTuple):
    """A case as it is sent to one server."""

    case: Case
    certain: bool = True
    """Whether a refusal can only be due to what the case breaks: the server knows the case's world."""


WorldMapper = Callable[[Case], AdaptedCase | None]
"""Makes a case fit for a server; None where it cannot be judged there."""


def with_token(case: Case, token: str) -> Case:
    """Return the case with another bearer token, and what is wrong about its header left as it is."""
    header = case.request.headers.get("authorization", "")
    if not token or is_jwt(case):
        return case
    headers = {**case.request.headers, "authorization": header.replace(TOKEN, token)}
    request = case.request._replace(headers=headers if header else case.request.headers)
    return replace(case, request=request)


def is_jwt(case: Case) -> bool:
    """Return whether a case carries a token that names its issuer."""
    return case.request.headers.get("authorization", "").count(".") == 2


def as_it_is(case: Case) -> AdaptedCase:
    """Adapt a case for a server that its world is loaded into."""
    return AdaptedCase(case)


def without_world(contract: Contract) -> WorldMapper:
    """Adapt cases for a server whose ids nobody knows: only what is wrong in any world can be judged."""
    at_the_request = contract.request_rules.rules.keys()

    def fit(case: Case) -> AdaptedCase | None:
        known = case.breaks & set(contract.report(case.request).broken)
        return AdaptedCase(replace(case, breaks=known), certain=bool(known & at_the_request)) if known else None

    return fit


def within(world: World, contract: Contract) -> WorldMapper:
    """Adapt cases for a server that holds a given world: its entries in place of theirs, numbers carried over."""
    given = GivenWorld(world, contract)

    def fit(case: Case) -> AdaptedCase | None:
        fitted = given.fitted(case)
        return AdaptedCase(fitted) if fitted else None

    return fit


def only_broken(fit: WorldMapper) -> WorldMapper:
    """Leave out what a server that keeps the contract would accept."""

    def fitted(case: Case) -> AdaptedCase | None:
        trial = fit(case) if case.breaks else None
        return trial if trial and trial.case.breaks else None

    return fitted

"""The test bench of one document: its contract, a world, and cases labelled by how they were made."""

import copy
import os
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from kling_contracts import Contract, Report, Request, Violation, World, strategies
from kling_contracts.cases.case import Case
from kling_contracts.cases.catalogue import catalogue
from kling_contracts.cases.factory import factory_of
from kling_contracts.facts.made_worlds import NOW_MS

TOKEN: Final = os.environ.get("KLINGKIT_TOKEN", "klingkit")
"""The one bearer token that the server welcomes."""
KEY: Final = f"Bearer {TOKEN}"


class Bench(NamedTuple):
    """The test bench of one document: its contract, and cases of each of its operations."""

    contract: Contract
    world: World
    """The world for Schemathesis' own requests."""

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Bench":
        """Prepare for an effective document. Raises `DocumentError` for any other."""
        contract = Contract.compile(copy.deepcopy(document))
        known = {"now_ms": NOW_MS, "files": {}}
        for operation in reversed(contract.operations):
            known |= operation.example_world_json
        return cls(contract, World.from_json(known))

    def rows(self, operation: str) -> tuple[Case, ...]:
        """Return the boundary catalogue of an operation."""
        return catalogue(self.contract, operation=operation)

    def rules(self, operation: str) -> tuple[str, ...]:
        """Return the ids of the rules that a request to an operation can break, as far as a contract judges them."""
        return factory_of(self.contract, operation).breakable

    def drawn(self, operation: str) -> st.SearchStrategy[Case]:
        """Return the strategy for the cases of an operation."""
        return strategies.cases(contract=self.contract, operation=operation)

    @property
    def ids(self) -> dict[str, list[str]]:
        """The ids that the world knows, by the field that names one."""
        faces = [face for session in self.world.sessions.values() for face in session.faces]
        return {"session_id": [*self.world.sessions], "face_id": faces, "audio_id": [*self.world.audios]}

    def report(self, request: Request, world: World) -> Report:
        """Judge a request for a server that welcomes one token."""
        return self.contract.report(self._without_strangers(request), world)

    def _without_strangers(self, request: Request) -> Request:
        """A contract takes any token, the server does not: put what the contract refuses in place of others."""
        token = self.contract.request_rules.token(request)
        return (
            request
            if token == TOKEN or isinstance(token, Violation)
            else request._replace(headers={**request.headers, "authorization": "Bearer"})
        )

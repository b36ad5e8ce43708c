"""Cases: a request, its world and the set of rules it breaks, known from how the case was made.

No label comes from judging: a rule that is judged wrongly would only confirm itself.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote

from kling_contracts.errors import misshapen
from kling_contracts.facts.world import World
from kling_contracts.http import Request

PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~-._"
"""Characters that stand in the path of a URL as they are (RFC 3986, section 3.3)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request in one world."""

    request: Request
    world: World
    breaks: frozenset[str]
    """Ids of every rule that the request breaks; empty: it is valid."""
    why: str
    """One sentence."""
    quote: str = ""
    """The vendor's words that decide; empty where there are none."""
    operation: str = ""
    """Short name of the operation that it is for; empty where it is not known."""
    others: Mapping[str, World] = field(default_factory=dict)
    """The worlds of other accounts by bearer token; the request comes from none of them."""

    @property
    def payload(self) -> Any:
        """The decoded body. Raises `ValueError` where it is not JSON."""
        return json.loads(self.request.body)

    def to_json(self) -> dict[str, Any]:
        """Return the case as a row; `case.schema.json` describes one."""
        return {
            "why": self.why,
            "quote": self.quote,
            "breaks": sorted(self.breaks),
            **({"operation": self.operation} if self.operation else {}),
            "request": _request_json(self.request),
            "world": self.world.to_json(),
            **({"others": {token: world.to_json() for token, world in self.others.items()}} if self.others else {}),
        }

    @classmethod
    def from_json(cls, row: Any) -> "Case":
        """Build a case from its row. Raises `ValueError` where it is none."""
        try:
            return cls(
                request=_request(row["request"]),
                world=World.from_json(row["world"]),
                breaks=frozenset(row["breaks"]),
                why=row["why"],
                quote=row["quote"],
                operation=row.get("operation", ""),
                others={token: World.from_json(world) for token, world in row.get("others", {}).items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a row of a case: {misshapen(error)}") from error


def _request_json(request: Request) -> dict[str, Any]:
    path = quote(request.path, safe=PATH_CHARACTERS)
    head = {"method": request.method, "path": path, "query": request.query, "headers": dict(request.headers)}
    try:
        return {**head, "body": request.body.decode()}
    except UnicodeDecodeError:
        return {**head, "body_base64": base64.b64encode(request.body).decode()}


def _request(value: Mapping[str, Any]) -> Request:
    sent = base64.b64decode(value["body_base64"]) if "body_base64" in value else value["body"].encode()
    return Request(value["method"], unquote(value["path"]), value["headers"], sent, value["query"])

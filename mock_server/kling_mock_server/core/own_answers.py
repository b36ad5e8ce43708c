"""Refusals of the mock's own: of its files, its control surface, what goes wrong in itself."""

from collections.abc import Mapping
from typing import Final

from kling_contracts import Contract, Response
from kling_contracts.errors import DocumentError
from kling_contracts.rules.rule import Rule
from kling_mock_server.protocol.envelope import answer, new_request_id

FILE_MISSING: Final = "file-missing"
FILE_METHOD: Final = "file-method"
PAGE_PATH: Final = "page-path"
CONTROL_CALL: Final = "control-call"
CONTROL_PATH: Final = "control-path"
CONTROL_METHOD: Final = "control-method"
CONTROL_HOST: Final = "control-host"
CONTROL_ORIGIN: Final = "control-origin"
STORE_DOWN: Final = "store-down"
INTERNAL_ERROR: Final = "internal-error"

_NEEDED: Final = (
    FILE_MISSING,
    FILE_METHOD,
    PAGE_PATH,
    CONTROL_CALL,
    CONTROL_PATH,
    CONTROL_METHOD,
    CONTROL_HOST,
    CONTROL_ORIGIN,
    STORE_DOWN,
    INTERNAL_ERROR,
)


def check_mock_rules(contract: Contract) -> None:
    """Raise `DocumentError` where the documents lack a rule by which the mock refuses something of its own."""
    missing = [rule_id for rule_id in _NEEDED if rule_id not in contract.mock_rules]
    if missing:
        raise DocumentError(f"x-mock-rules lacks {', '.join(missing)}")


def refusal(rule: Rule, message: str = "", request_id: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return the refusal by one of `Contract.mock_rules`, by default with its message and a new request id."""
    return answer(
        rule.status, rule.code, message or rule.message, request_id or new_request_id(), headers=dict(headers or {})
    )

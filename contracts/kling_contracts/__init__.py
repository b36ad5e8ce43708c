"""The contract of Kling's advanced lip-sync endpoint, compiled from the vendor's document."""

from kling_contracts.contract import Contract
from kling_contracts.errors import DocumentError, OverlayError, RuleError
from kling_contracts.facts import Facts
from kling_contracts.http import Request, Response
from kling_contracts.operation import Operation
from kling_contracts.rules import Quote, Rule
from kling_contracts.violations import ContractViolation, Note, Report, Unverified, Violation
from kling_contracts.world import World

__version__ = "0.1.0"

__all__ = [
    "Contract",
    "ContractViolation",
    "DocumentError",
    "Facts",
    "Note",
    "Operation",
    "OverlayError",
    "Quote",
    "Report",
    "Request",
    "Response",
    "Rule",
    "RuleError",
    "Unverified",
    "Violation",
    "World",
]

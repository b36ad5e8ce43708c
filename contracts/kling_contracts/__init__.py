"""The contract of Kling's advanced lip-sync endpoint, compiled from the vendor's document."""

from typing import TYPE_CHECKING

from kling_contracts.contract import Contract
from kling_contracts.errors import DocumentError, OverlayError, RuleError
from kling_contracts.facts.world import World
from kling_contracts.http import Request, Response
from kling_contracts.judging.operation import Operation
from kling_contracts.judging.report import ContractViolation, Note, Report, Unverified, Violation
from kling_contracts.rules.rule import Quote, Rule

if TYPE_CHECKING:
    from kling_contracts.audits import Audit, audit, audit_builder
    from kling_contracts.cases.case import Case
    from kling_contracts.cases.catalogue import catalogue
    from kling_contracts.cases.generator import generate

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Case",
    "Contract",
    "ContractViolation",
    "DocumentError",
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
    "audit",
    "audit_builder",
    "catalogue",
    "generate",
]

_LATE = {
    "Audit": "audits",
    "Case": "cases.case",
    "audit": "audits",
    "audit_builder": "audits",
    "catalogue": "cases.catalogue",
    "generate": "cases.generator",
}
"""Names that only makers of cases need, and the module of each."""


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)

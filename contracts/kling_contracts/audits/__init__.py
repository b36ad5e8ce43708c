"""Audits: somebody else's judgement, held against cases whose verdict is known."""

from kling_contracts.audits.audit import Audit, AuditFinding, InterruptedAuditError, Kind, Row
from kling_contracts.audits.builders import audit_builder, is_builder
from kling_contracts.audits.validators import audit

__all__ = ["Audit", "AuditFinding", "InterruptedAuditError", "Kind", "Row", "audit", "audit_builder", "is_builder"]

"""Exceptions for a mistake in one of *our* documents, and for a wrong payload.

    DocumentError (ValueError)          our documents are wrong; raised while a contract is loaded
    ├── OverlayError                    an overlay is malformed, or one of its actions selects nothing
    └── RuleError                       a rule cannot be compiled: syntax, unknown name, types that do not fit
    ContractViolation (AssertionError)  the request is wrong; in `violations`, raised by `Contract.check`

A misused API raises `TypeError` or `ValueError`.
"""


class DocumentError(ValueError):
    """One of the documents that make up the contract is wrong; the message names the file and the place."""


class OverlayError(DocumentError):
    """An overlay is malformed, or one of its actions selects nothing."""


class RuleError(DocumentError):
    """A rule cannot be compiled."""

    def __init__(self, message: str, rule_id: str = "") -> None:
        super().__init__(message)
        self.rule_id = rule_id
        """The id of the rule; empty where the error is not about one rule."""


def misshapen(error: Exception) -> str:
    """Return in words why a value could not be read, of the error that reading its members ended with."""
    if isinstance(error, KeyError):
        return f"it has no member {error.args[0]!r}"
    if isinstance(error, ValueError):
        return str(error)
    return f"a member is of another type than it must be ({error})"

"""What is judged before there is a payload: path, method, bearer token, content type, JSON."""

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from kling_contracts import body
from kling_contracts.http import Request
from kling_contracts.operation import Operation
from kling_contracts.rules import Rule
from kling_contracts.violations import Violation


class Refusal(Exception):
    """A request that never gets as far as having a payload."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.message)
        self.violation = violation


class Gate(NamedTuple):
    """The request rules of a contract. Every method raises `Refusal` where one is broken."""

    rules: Mapping[str, Rule]
    routes: Mapping[str, Mapping[str, Operation]]
    """Operations by path, then by upper-case method."""

    def route(self, request: Request) -> Operation:
        """Return the operation that the request is for."""
        methods = self.routes.get(request.path)
        if methods is None:
            self.refuse("path", value=request.path, remedy=" or ".join(self.routes))
        operation = methods.get(request.method)
        if operation is None:
            self.refuse("method", value=request.method, remedy=", ".join(methods))
        return operation

    def allowed(self, path: str) -> str:
        """Return the methods that a path has, for an `Allow` header; empty for an unknown path."""
        return ", ".join(self.routes.get(path, ()))

    def token(self, request: Request) -> str:
        """Return the bearer token; the scheme's case does not matter (RFC 9110)."""
        header = request.headers.get("authorization", "").strip()
        if not header:
            self.refuse("authorization-missing", remedy="Authorization: Bearer <key>")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip() or " " in token.strip():
            self.refuse("authorization-invalid", remedy="Authorization: Bearer <key>")
        return token.strip()

    def payload(self, request: Request, operation: Operation) -> Any:
        """Return the decoded body; an absent content type means JSON."""
        content_type = request.headers.get("content-type", "")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type and media_type not in operation.media_types:
            self.refuse("content-type", value=content_type, remedy=" or ".join(operation.media_types))
        if not request.body:
            self.refuse("body.required")
        try:
            return body.decode(request.body)
        except body.BodyError as error:
            self.refuse("body-json", detail=str(error))

    def refuse(self, rule_id: str, *, value: str = "", remedy: str = "", detail: str = "") -> NoReturn:
        """Refuse by the request rule of that id."""
        rule = self.rules[rule_id]
        message = f"{rule.message}: {detail}" if detail else rule.message
        raise Refusal(Violation(rule, "", message, value[:60], remedy))

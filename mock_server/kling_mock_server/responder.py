"""Request in, response out: the mock itself, without any HTTP library."""

from collections.abc import Callable
from typing import Any, Final

from kling_contracts import Contract, Operation, Report, Request, Response, Violation
from kling_contracts.facts import Fetch
from kling_contracts.gate import Refusal
from kling_mock_server import control
from kling_mock_server.account import Account
from kling_mock_server.accounts import Accounts
from kling_mock_server.envelope import SUCCEED, answer, new_request_id
from kling_mock_server.journal import Entry, digest_of, kept
from kling_mock_server.tasks import Task

VIOLATIONS_HEADER: Final = "X-Contract-Violations"
"""Ids of every rule that the request broke, in document order."""
UNVERIFIED_HEADER: Final = "X-Contract-Unverified"
"""Ids of the rules that could be judged neither way."""
SPARE_BYTES: Final = 1024 * 1024
"""What a body may hold beside the largest audio file in Base64."""


class Responder:
    """One mock. It may be shared by threads."""

    def __init__(self, contract: Contract, accounts: Accounts, fetch: Fetch) -> None:
        self.contract = contract
        self.accounts = accounts
        self.largest_body = (contract.largest_file or 0) * 4 // 3 + SPARE_BYTES
        """Bytes of a body beyond which an adapter need not read it: `refuse` answers for it."""
        self._control = control.Control(contract, accounts)
        self._fetch = fetch
        self.watch: Callable[[Entry], None] | None = None
        """Called with every exchange that is journalled, its body whole, a refused one's facts too."""

    def respond(self, request: Request) -> Response:
        """Answer one request as the documented API would."""
        if request.path == control.PREFIX or request.path.startswith(f"{control.PREFIX}/"):
            return self._control.respond(request)
        exchange = Exchange(request, self.accounts.nobody)
        unwelcome = self._admit(exchange)
        try:
            operation = self.contract.gate.route(request)
            if unwelcome:
                raise unwelcome
            payload = self.contract.gate.payload(request, operation)
        except Refusal as refusal:
            return self._refused(exchange, Report((refusal.violation,)))
        return self._judged(exchange, operation, payload)

    def refuse(self, request: Request, rule_id: str) -> Response:
        """Refuse a request whose body was never read, by a request rule."""
        rule = self.contract.gate.rules[rule_id]
        exchange = Exchange(request, self.accounts.nobody)
        self._admit(exchange)
        return self._refused(exchange, Report((Violation(rule, "", rule.message),)))

    def _admit(self, exchange: "Exchange") -> Refusal | None:
        """Find the account first: whatever is wrong with the request, its sender reads it in the own journal."""
        try:
            token = self.contract.gate.token(exchange.request)
            exchange.token = digest_of(token)
            exchange.account = self.accounts.admit(token, self.contract.gate)
        except Refusal as refusal:
            return refusal
        return None

    def _judged(self, exchange: "Exchange", operation: Operation, payload: Any) -> Response:
        # Twice at most: an id that is taken between judging and storing is known to the world by then, and
        # where it still breaks no rule the contract does not mind.
        for _ in range(2):
            meter = exchange.account.meter(self._fetch, self.contract.largest_file)
            report = operation.tree.report(payload, meter)
            if report.violations:
                return self._refused(exchange, report)
            if exchange.account.tasks.claim(payload.get("external_task_id", "")):
                break
        task = exchange.account.create_task(payload.get("external_task_id", ""))
        return self._accepted(exchange, report, task)

    def _accepted(self, exchange: "Exchange", report: Report, task: Task) -> Response:
        self._record(exchange, 200, 0, SUCCEED, report)
        return answer(200, 0, SUCCEED, exchange.request_id, _data(task), _unverified(report))

    def _refused(self, exchange: "Exchange", report: Report) -> Response:
        first = report.violations[0]
        headers = {
            VIOLATIONS_HEADER: ", ".join(report.broken),
            "Link": f'<{control.PREFIX}/rules/{first.rule.id}>; rel="help"',
            **_unverified(report),
        }
        if first.rule.id == "method":
            headers["Allow"] = self.contract.gate.allowed(exchange.request.path)
        self._record(exchange, first.rule.status, first.rule.code, first.message, report)
        return answer(first.rule.status, first.rule.code, first.message, exchange.request_id, headers=headers)

    def _record(self, exchange: "Exchange", status: int, code: int, message: str, report: Report) -> None:
        request, account = exchange.request, exchange.account
        entry = Entry(
            at_ms=account.clock.now_ms(),
            method=request.method,
            path=request.path,
            token=exchange.token,
            body=kept(request.body),
            status=status,
            code=code,
            answer=message,
            request_id=exchange.request_id,
            report=_without_facts(report),
        )
        account.journal.record(entry)
        if self.watch:
            whole = report.violations or entry.body is not request.body
            self.watch(entry._replace(body=request.body, report=report) if whole else entry)


class Exchange:
    """One request on its way to an answer: whose it is becomes known as it is judged."""

    def __init__(self, request: Request, account: Account) -> None:
        self.request = request
        self.request_id = new_request_id()
        self.account = account
        self.token = ""


def _unverified(report: Report) -> dict[str, str]:
    ids = dict.fromkeys(unverified.rule.id for unverified in report.unverified)
    return {UNVERIFIED_HEADER: ", ".join(ids)} if ids else {}


_NOTHING_TO_SAY: Final = Report()


def _without_facts(report: Report) -> Report:
    if report.violations or report.unverified or report.notes:
        return report._replace(facts=())
    return _NOTHING_TO_SAY


def _data(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "task_status": task.status,
        "task_info": {"external_task_id": task.external_id},
        "created_at": task.created_ms,
        "updated_at": task.created_ms,
    }

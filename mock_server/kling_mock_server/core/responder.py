"""Request in, response out: the mock itself, without any HTTP library."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kling_contracts import Contract, Operation, Report, Request, Response, Violation
from kling_contracts.facts.payload_facts import Fetch, unfetched
from kling_contracts.judging.request_rules import RefusedRequestError
from kling_mock_server.core import control_api, file_endpoint, page_endpoint
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations import WORKS
from kling_mock_server.core.resources import Resources, resources_of
from kling_mock_server.failures.playback import ScenarioPlayer
from kling_mock_server.failures.wire import wire_details
from kling_mock_server.protocol import file_urls
from kling_mock_server.protocol.answer_summary import NO_DETAILS, answer_details, task_details
from kling_mock_server.protocol.envelope import SUCCEED, answer, new_request_id
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import Entry, digest_of, kept
from kling_mock_server.state.stores.store import StoreDownError
from kling_mock_server.state.tasks import TaskRefusedError

VIOLATIONS_HEADER: Final = "X-Contract-Violations"
"""Ids of every rule that the request broke, in document order."""
UNVERIFIED_HEADER: Final = "X-Contract-Unverified"
"""Ids of the rules that could be judged neither way."""
SPARE_BYTES: Final = 1024 * 1024
"""What a body may hold beside the largest audio file in Base64."""
NOTHING_TO_SAY: Final = Report()


class Responder:
    """One mock. It may be shared by threads."""

    def __init__(
        self, contract: Contract, accounts: Accounts, fetch: Fetch = unfetched, resources: Resources | None = None
    ) -> None:
        self.contract = contract
        self.accounts = accounts
        self.resources = resources or resources_of(contract, accounts, fetch=fetch)
        self.largest_body = (contract.largest_file or 0) * 4 // 3 + SPARE_BYTES
        """Bytes of a body beyond which an adapter need not read it: `refuse` answers for it."""
        self._scenarios = ScenarioPlayer(contract)
        self._control = control_api.Control(contract, accounts, self.resources)
        self.watch: Callable[[Entry], None] | None = None
        """Called with every exchange that is journalled, its body whole, a refused one's facts too."""

    def respond(self, request: Request) -> Response:
        """Answer one request as the documented API would."""
        try:
            return self._respond(request)
        except StoreDownError as error:
            return _out_of_order(error)

    def _respond(self, request: Request) -> Response:
        own = self._own(request)
        if own is not None:
            return own
        exchange = Exchange(request)
        unwelcome = self._admit(exchange)
        try:
            routed = self.contract.gate.route(request)
            exchange.operation = routed.operation.name
            if unwelcome:
                raise unwelcome
            if exchange.state.scenario is not None:
                exchange.played = self._scenarios.take_step(exchange.account.state, exchange.operation)
                if exchange.played and not exchange.played.carries_out:
                    return self._played(exchange, None)
            payload = self.contract.gate.payload(request, routed)
        except RefusedRequestError as refusal:
            return self._refused(exchange, Report((refusal.violation,)))
        return self._judged(exchange, routed.operation, payload)

    def _own(self, request: Request) -> Response | None:
        """Answer what is the mock's own and no part of the API; None for the API's requests."""
        if request.path.startswith(f"{control_api.PREFIX}/"):
            if request.path.startswith(f"{file_urls.PREFIX}/"):
                return self._downloaded(request)
            if request.path.startswith(page_endpoint.PREFIX):
                return page_endpoint.page_file(request)
            return self._control.respond(request)
        if request.path == control_api.PREFIX:
            return self._control.respond(request)
        return page_endpoint.page() if page_endpoint.wants_page(request) else None

    def refuse(self, request: Request, rule_id: str) -> Response:
        """Refuse a request whose body was never read, by a request rule."""
        exchange = Exchange(request)
        try:
            self._admit(exchange)
            return self._refused(exchange, self._by_rule(rule_id))
        except StoreDownError as error:
            return _out_of_order(error)

    def close(self) -> None:
        """Stop sending callbacks and rendering, and let go of the store."""
        self.resources.callback_worker.close()
        self.resources.renderer.close()
        self.accounts.store.close()

    def _admit(self, exchange: Exchange) -> RefusedRequestError | None:
        """Find the account first: whatever is wrong with the request, its sender reads it in the own journal."""
        try:
            token = self.contract.gate.token(exchange.request)
            exchange.token = digest_of(token)
            exchange.enter(self.accounts.admit(token, self.contract.gate))
        except RefusedRequestError as refusal:
            exchange.enter(self.accounts.nobody)
            return refusal
        return None

    def _judged(self, exchange: Exchange, operation: Operation, payload: Any) -> Response:
        # Twice at most: what was taken, or taken away, between judging and storing is known to the world by then.
        for _ in range(2):
            work = WORKS[operation.name](exchange, self.resources)
            report = operation.tree.report(payload, work.meter())
            if exchange.notes:
                report = report._replace(notes=report.notes + exchange.notes)
            if report.violations:
                break
            try:
                data = work.carry_out(payload)
            except TaskRefusedError as taken:
                report = self._by_rule(taken.rule_id)
                if taken.rule_id in self.contract.account_rules:
                    break
                continue
            return self._accepted(exchange, report, data)
        return self._refused(exchange, report)

    def _by_rule(self, rule_id: str) -> Report:
        rule = self.contract.every_rule[rule_id]
        return Report((Violation(rule, "", rule.sentence()),))

    def _accepted(self, exchange: Exchange, report: Report, data: Any) -> Response:
        good = answer(200, 0, SUCCEED, exchange.request_id, data, _unverified(report))
        if exchange.played:
            return self._played(exchange, good, report)
        self._record(exchange, 200, 0, SUCCEED, report, task_details(data))
        return good

    def _refused(self, exchange: Exchange, report: Report) -> Response:
        first = report.violations[0]
        headers = {
            VIOLATIONS_HEADER: ", ".join(report.broken),
            "Link": f'<{control_api.PREFIX}/rules/{first.rule.id}>; rel="help"',
            **_unverified(report),
        }
        if first.rule.id == "method":
            headers["Allow"] = self.contract.gate.allowed(exchange.request.path)
        status, code, message = first.rule.status, first.rule.code, first.message
        refusal = answer(status, code, message, exchange.request_id, headers=headers)
        if exchange.played:
            return self._played(exchange, refusal, report)
        self._record(exchange, status, code, message, report)
        return refusal

    def _played(self, exchange: Exchange, good: Response | None, report: Report = NOTHING_TO_SAY) -> Response:
        assert exchange.played is not None
        played = self._scenarios.answer(exchange.played.step, good, exchange.request_id)
        is_file = exchange.operation == "download"
        details = {**answer_details(played.response, is_file=is_file), **wire_details(played.response)}
        self._record(exchange, played.response.status, played.code, played.message, report, details)
        return played.response

    def _downloaded(self, request: Request) -> Response:
        exchange = Exchange(request)
        address = file_urls.address_of(request.path)
        known = address and self.accounts.knows(address.account)
        exchange.enter(self.accounts.of(address.account) if address and known else self.accounts.nobody)
        exchange.operation = "download"
        exchange.token = digest_of(request.headers.get("authorization", "").partition(" ")[2].strip())
        if exchange.state.scenario is not None:
            exchange.played = self._scenarios.take_step(exchange.account.state, exchange.operation)
        replaced = exchange.played and not exchange.played.carries_out
        response = None if replaced else file_endpoint.download(request, address, self.resources)
        if exchange.played:
            return self._played(exchange, response)
        assert response is not None
        self._record(exchange, response.status, 0, "", NOTHING_TO_SAY, answer_details(response, is_file=True))
        return response

    def _record(
        self,
        exchange: Exchange,
        status: int,
        code: int,
        message: str,
        report: Report,
        details: Mapping[str, Any] = NO_DETAILS,
    ) -> None:
        request, account = exchange.request, exchange.account
        entry = Entry(
            at_ms=exchange.now_ms,
            method=request.method,
            path=request.path,
            token=exchange.token,
            body=kept(request.body),
            status=status,
            code=code,
            answer=message,
            request_id=exchange.request_id,
            report=_without_facts(report),
            operation=exchange.operation,
            fault=exchange.played.scenario if exchange.played else "",
            details=details,
        )
        account.journal.record(entry)
        if self.watch:
            whole = report.violations or entry.body is not request.body
            self.watch(entry._replace(body=request.body, report=report) if whole else entry)


def _out_of_order(error: StoreDownError) -> Response:
    return answer(503, 5001, f"The mock cannot use its store: {error}", new_request_id())


def _unverified(report: Report) -> dict[str, str]:
    if not report.unverified:
        return {}
    return {UNVERIFIED_HEADER: ", ".join(dict.fromkeys(unverified.rule.id for unverified in report.unverified))}


def _without_facts(report: Report) -> Report:
    if report.violations or report.unverified or report.notes:
        return report._replace(facts=())
    return NOTHING_TO_SAY

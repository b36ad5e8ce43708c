"""A payload judged against an account's world, and nothing else done with it."""

from collections.abc import Mapping
from typing import Any

from kling_contracts import Contract, Operation, Request
from kling_contracts.jsonio import strict_json
from kling_mock_server.core.exchange import Caller, Exchange
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.query import Asked
from kling_mock_server.reports.payload_checker import report_json, unreadable
from kling_mock_server.state.account import Account


def check_json(request: Request, account: Account, contract: Contract, works: Mapping[str, Work]) -> dict[str, Any]:
    """Return the report on the payload that is the request's body, as `klingkit check --format json` has it.

    The query's `operation` is the short name of the one that the payload is for, by default the vendor's. `works` are
    those of the contract, by such names. Raises `ValueError` where the query says something else.
    """
    operation = _operation(request.query, contract)
    try:
        payload = strict_json.decode(request.body)
    except strict_json.BodyError as error:
        return report_json(None, unreadable(contract, error))
    work = works[operation.name]
    exchange = Exchange.begin(request, Caller(account), operation.name, work.seen(account, payload))
    judged = work.judge(exchange, payload)
    return report_json(judged.payload, judged.report)


def _operation(query: str, contract: Contract) -> Operation:
    names = Asked(query, ("operation",)).known("operation", contract.by_name)
    return contract.by_name[names[-1]] if names else contract.operation

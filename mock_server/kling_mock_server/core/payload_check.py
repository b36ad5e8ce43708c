"""A payload judged against an account's world, and nothing else done with it."""

from typing import Any

from kling_contracts import Operation, Request
from kling_contracts.jsonio import strict_json
from kling_mock_server.core.exchange import Caller, Exchange
from kling_mock_server.core.operations import work_on
from kling_mock_server.core.operations.work import judge
from kling_mock_server.core.query import Asked
from kling_mock_server.core.resources import Resources
from kling_mock_server.reports.payload_checker import report_json, unreadable
from kling_mock_server.state.account import Account


def check_json(request: Request, account: Account, resources: Resources) -> dict[str, Any]:
    """Return the report on the payload that is the request's body, as `klingkit check --format json` has it.

    The query's `operation` is the short name of the one that the payload is for, by default the vendor's. Raises
    `ValueError` where the query says something else.
    """
    operation = _operation(request.query, resources)
    try:
        payload = strict_json.decode(request.body)
    except strict_json.BodyError as error:
        return report_json(None, unreadable(resources.contract, error))
    work = work_on(Exchange.begin(request, Caller(account), operation=operation.name), resources)
    read = operation.read(payload)
    measured = operation.facts.measure(read.payload, work.sources())
    return report_json(read.payload, judge(work, operation, read, measured))


def _operation(query: str, resources: Resources) -> Operation:
    contract = resources.contract
    names = Asked(query, ("operation",)).known("operation", contract.by_name)
    return contract.by_name[names[-1]] if names else contract.operation

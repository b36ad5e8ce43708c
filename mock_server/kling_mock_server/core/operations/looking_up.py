"""Query and list: tasks as they are at this instant of the account's clock."""

from typing import Any

from kling_contracts import Note
from kling_contracts.facts.companion_facts import QueryMeter
from kling_contracts.facts.payload_facts import Measures
from kling_contracts.rules.price import Price
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.names import CREATE, LIST
from kling_mock_server.protocol.task_json import state_json
from kling_mock_server.state.account import Account
from kling_mock_server.state.tables import Task


class Query:
    """One task, by its own id or the caller's."""

    def __init__(self, exchange: Exchange, resources: Resources) -> None:
        self._account = exchange.account
        self._renderer = resources.renderer
        self._price = resources.contract.prices.get(CREATE)
        self._task: Task | None = None

    def meter(self) -> Measures:
        """Return what tells whether the task exists."""
        return QueryMeter(self._knows)

    def notes(self, payload: Any) -> tuple[Note, ...]:
        """Return no notes."""
        return ()

    def carry_out(self, payload: Any) -> Any:
        """Return the task."""
        task = self._task
        assert task is not None, "an unknown task breaks a rule"
        if task.status(self._account.clock.now_ms()) == "succeed":
            self._renderer.begin(self._account.key, task.id)
        return _now(self._account, task, self._price)

    def _knows(self, name: str) -> bool:
        self._task = self._account.tasks.find(name)
        return self._task is not None


class List:
    """One page of tasks, the newest first."""

    def __init__(self, exchange: Exchange, resources: Resources) -> None:
        self._account = exchange.account
        self._price = resources.contract.prices.get(CREATE)
        parameters = resources.contract.by_name[LIST].parameters
        self._defaults = {name: parameter.default for name, parameter in parameters.items()}

    def meter(self) -> Measures:
        """Return a meter of no facts: a page depends on nothing but its numbers."""
        return QueryMeter()

    def notes(self, payload: Any) -> tuple[Note, ...]:
        """Return no notes."""
        return ()

    def carry_out(self, payload: Any) -> Any:
        """Return the page, empty beyond the last task."""
        asked = {**self._defaults, **payload}
        page = self._account.tasks.page(asked["pageNum"], asked["pageSize"])
        return [_now(self._account, task, self._price) for task in page]


def _now(account: Account, task: Task, price: Price | None) -> dict[str, Any]:
    now_ms = account.clock.now_ms()
    return state_json(task, task.status(now_ms), task.updated_ms(now_ms), account.key, price)

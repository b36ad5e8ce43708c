"""Query and list: tasks as they are at this instant of the account's clock."""

from typing import Any

from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.provider import NO_SUCH_ID
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.task import Task
from kling_contracts.rules.price import Price
from kling_contracts.unknown import Unknown
from kling_mock_server.core.answer_record import AnswerRecord
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.names import CREATE, LIST
from kling_mock_server.protocol.task_json import state_json


class Query(Work):
    """One task, by its own id or the caller's."""

    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from: the account's tasks."""
        return FactSources(self._account.world, find={"tasks": self._find})

    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Return the task."""
        task = measured.entry("task")
        if not isinstance(task, Task):
            # A contract without a rule on it lets an unknown task pass; there is nothing to tell of it.
            return None
        if task.succeeds and task.ends_ms is not None:
            # A caller that asks for a task on its way is going to ask for its result.
            self._resources.renderer.begin(self._account.key, task.id)
        return _now(self._exchange, task, self._resources.contract.prices.get(CREATE))

    def _find(self, name: str) -> Task | Unknown:
        return self._account.tasks.find(name) or NO_SUCH_ID


class List(Work):
    """One page of tasks, the newest first."""

    def __init__(self, exchange: Exchange, resources: Resources) -> None:
        super().__init__(exchange, resources)
        parameters = resources.contract.by_name[LIST].parameters
        self._defaults = {name: parameter.default for name, parameter in parameters.items()}

    def sources(self) -> FactSources:
        """Return no sources: a page depends on nothing but its numbers."""
        return FactSources()

    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Return the page, empty beyond the last task."""
        asked = {**self._defaults, **payload}
        page = self._account.tasks.page(asked["pageNum"], asked["pageSize"])
        price = self._resources.contract.prices.get(CREATE)
        return [_now(self._exchange, task, price) for task in page]


def _now(exchange: Exchange, task: Task, price: Price | None) -> dict[str, Any]:
    now_ms = exchange.account.clock.now_ms()
    reached = task if task.origin else task._replace(origin=exchange.request.origin)
    return state_json(reached, task.status(now_ms), task.updated_ms(now_ms), exchange.account.folder, price)

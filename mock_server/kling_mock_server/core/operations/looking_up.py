"""Query and list: tasks as they are at this instant of the account's clock."""

from collections.abc import Mapping
from typing import Any

from kling_contracts import Operation
from kling_contracts.facts.provider import NO_SUCH_ID
from kling_contracts.facts.sources import Resolve
from kling_contracts.facts.task import Task
from kling_contracts.rules.price import Price
from kling_contracts.unknown import Unknown
from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Done, Judged, Work
from kling_mock_server.core.resources import Resources
from kling_mock_server.protocol.task_json import state_json
from kling_mock_server.state.tasks import Tasks


class Query(Work):
    """One task, by its own id or the caller's."""

    def carry_out(self, exchange: Exchange, judged: Judged) -> Done:
        """Return the task."""
        task = judged.measured.entry("task")
        if not isinstance(task, Task):
            # A contract without a rule on it lets an unknown task pass; there is nothing to tell of it.
            return Done(None)
        if task.succeeds and task.ends_ms is not None:
            # A caller that asks for a task on its way is going to ask for its result.
            self._resources.renderer.begin(exchange.account.key, task.id)
        return Done(_now(exchange, task, self._resources.task_price))

    def _find(self, exchange: Exchange) -> Mapping[str, Resolve]:
        tasks: Tasks = exchange.account.tasks

        def find(name: str) -> Task | Unknown:
            return tasks.find(name) or NO_SUCH_ID

        return {"tasks": find}


class List(Work):
    """One page of tasks, the newest first."""

    def __init__(self, operation: Operation, resources: Resources) -> None:
        super().__init__(operation, resources)
        self._defaults = {name: parameter.default for name, parameter in operation.parameters.items()}

    def carry_out(self, exchange: Exchange, judged: Judged) -> Done:
        """Return the page, empty beyond the last task."""
        asked = {**self._defaults, **judged.payload}
        page = exchange.account.tasks.page(asked["pageNum"], asked["pageSize"])
        return Done([_now(exchange, task, self._resources.task_price) for task in page])


def _now(exchange: Exchange, task: Task, price: Price | None) -> dict[str, Any]:
    now_ms = exchange.account.clock.now_ms()
    reached = task if task.origin else task._replace(origin=exchange.request.origin)
    return state_json(reached, task.status(now_ms), task.updated_ms(now_ms), exchange.account.folder, price)

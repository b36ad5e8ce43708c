"""An operation that the mock does not know: judged like any other, and answered with the document's own example."""

from functools import partial
from typing import Any

from kling_contracts.facts.measuring import Measurement
from kling_contracts.facts.sources import FactSources
from kling_mock_server.core.answer_record import AnswerRecord
from kling_mock_server.core.operations.work import Work


class AnswerByExample(Work):
    """One call of an operation that a document of one's own describes. Nothing is stored."""

    def sources(self) -> FactSources:
        """Return what the payload's facts are measured from: the account's world, and files that URLs lead to."""
        exchange, downloads = self._exchange, self._resources.downloads
        origin = exchange.request.origin
        return FactSources(
            self._account.world_of(exchange.state),
            fetch={"audio": partial(downloads.audio, origin=origin), "video": partial(downloads.video, origin=origin)},
            now_ms=exchange.now_ms,
            advanced_ms=exchange.state.advanced_ms,
        )

    def carry_out(self, payload: Any, measured: Measurement, record: AnswerRecord) -> Any:
        """Return `data` of the example of a good answer; the whole example where it has no such member."""
        example = self._resources.contract.by_name[self._exchange.operation].answer_example
        return example["data"] if isinstance(example, dict) and "data" in example else example

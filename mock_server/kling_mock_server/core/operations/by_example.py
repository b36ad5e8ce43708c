"""An operation that the mock does not know: judged like any other, and answered with the document's own example."""

from kling_mock_server.core.exchange import Exchange
from kling_mock_server.core.operations.work import Done, Judged, Work


class AnswerByExample(Work):
    """The work for an operation that a document of one's own describes. Nothing is stored."""

    def carry_out(self, exchange: Exchange, judged: Judged) -> Done:
        """Return `data` of the example of a good answer; the whole example where it has no such member."""
        example = self._operation.answer_example
        return Done(example["data"] if isinstance(example, dict) and "data" in example else example)

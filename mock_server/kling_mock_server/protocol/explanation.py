"""One exchange as people read it: what was asked and answered, every broken rule, and the times drawn."""

from collections.abc import Iterator

from kling_contracts.judging.report import describe, indented
from kling_mock_server.state.journal import Entry


def explain(entry: Entry) -> str:
    """Return the text of an exchange; a timeline needs an entry that still has its facts (`Responder.watch`)."""
    return "\n".join(_lines(entry))


def summary(entry: Entry) -> str:
    """Return what was asked and answered, in one line."""
    return f"{entry.method} {entry.path} -> {entry.status} / {entry.code} {entry.answer}".replace("\n", "\\n")


def _lines(entry: Entry) -> Iterator[str]:
    report = entry.report
    yield summary(entry)
    yield from (indented(describe(violation)) for violation in report.violations)
    yield from (f"  {note}".replace("\n", "\\n") for note in report.notes)
    if report.violations and report.facts:
        yield from (f"\n{indented(drawing)}" for drawing in report.drawings(entry.payload))

"""One exchange as people read it: what was asked and answered, every broken rule, and the times drawn."""

from collections.abc import Iterator

from kling_contracts import body
from kling_contracts.timeline import concerns_times, timeline
from kling_contracts.violations import describe
from kling_mock_server.journal import Entry


def explain(entry: Entry) -> str:
    """Return the text of an exchange; a timeline needs an entry that still has its facts (`Responder.watch`)."""
    return "\n".join(_lines(entry))


def _lines(entry: Entry) -> Iterator[str]:
    yield f"{entry.method} {entry.path} -> {entry.status} / {entry.code} {entry.answer}"
    for violation in entry.report.violations:
        yield _indented(describe(violation))
    for note in entry.report.notes:
        yield f"  note: {note.pointer}: {note.message}"
    for drawing in _timelines(entry):
        yield ""
        yield _indented(drawing)


def _timelines(entry: Entry) -> Iterator[str]:
    if any(concerns_times(violation.rule) for violation in entry.report.violations):
        for item, facts in zip(body.decode(entry.body)["face_choose"], entry.report.facts, strict=False):
            if isinstance(item, dict):
                yield timeline(item, facts)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())

"""The result of `klingkit check` for people: a block for each file, what they all have in common, and the counts."""

from collections.abc import Iterator, Sequence

from kling_contracts import Report
from kling_contracts.judging.report import describe, indented, printable
from kling_contracts.judging.timeline import WIDTH
from kling_mock_server.reports.finding import counted
from kling_mock_server.reports.payload_checker import Result, UnreadFile


def check_text(results: Sequence[Result | UnreadFile], width: int = WIDTH) -> str:
    """Return the text; `width` is that of the longest bar of a timeline, in columns."""
    return printable("\n\n".join(_parts(results, width)))


def counts(results: Sequence[Result | UnreadFile]) -> str:
    """Return the line of counts: `3 files: 1 valid, 1 refused, 1 not verified`."""
    reports = [result.report for result in results if isinstance(result, Result)]
    refused = sum(bool(report.violations) for report in reports)
    unsure = sum(bool(report.unverified) and not report.violations for report in reports)
    numbers = {
        "valid": len(reports) - refused - unsure,
        "refused": refused,
        "not fully verified": unsure,
        "not read": len(results) - len(reports),
    }
    said = ", ".join(f"{number} {word}" for word, number in numbers.items() if number)
    return f"{counted(len(results), 'file')}: {said}"


def _parts(results: Sequence[Result | UnreadFile], width: int) -> Iterator[str]:
    read = [result for result in results if isinstance(result, Result)]
    shared = _shared(read)
    blocks = {id(result): list(_blocks(result, width, shared)) for result in read}
    common = _common(list(blocks.values()))
    for result in results:
        own = [block for block in blocks.get(id(result), ()) if block not in common]
        yield "\n\n".join([f"{result.name}: {_verdict(result)}", *own])
    common += _unverified_blocks(shared)
    if common:
        which = "every file" if len(read) == len(results) else "every file that was read"
        yield "\n\n".join([f"{which}:", *common])
    if len(results) > 1:
        yield counts(results)


def _shared(read: Sequence[Result]) -> list[tuple[str, str]]:
    """Return what could be verified in none of several files: pairs of a reason and the id of a rule."""
    if len(read) < 2:
        return []
    pairs = [_pairs(result.report) for result in read]
    return [pair for pair in pairs[0] if all(pair in others for others in pairs[1:])]


def _pairs(report: Report) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.because, one.rule.id) for one in report.unverified))


def _common(blocks: list[list[str]]) -> list[str]:
    """Return the blocks that stand below every one of several files."""
    if len(blocks) < 2:
        return []
    return [block for block in blocks[0] if all(block in others for others in blocks[1:])]


def _verdict(result: Result | UnreadFile) -> str:
    if isinstance(result, UnreadFile):
        return f"not read: {result.problem}"
    if result.report.violations:
        return f"{counted(len(result.report.violations), 'violation')}; the vendor would refuse it"
    return "valid" if not result.report.unverified else "no violation, but not everything could be verified"


def _blocks(result: Result, width: int, shared: Sequence[tuple[str, str]]) -> Iterator[str]:
    report = result.report
    for text in [*map(describe, report.violations), *report.drawings(result.payload, width)]:
        yield indented(text)
    yield from _unverified_blocks([pair for pair in _pairs(report) if pair not in shared])
    if report.notes:
        yield "\n\n".join(f"  {note}" for note in report.notes)


def _unverified_blocks(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for because, rule_id in pairs:
        reasons.setdefault(because, []).append(rule_id)
    for because, ids in reasons.items():
        yield f"  not verified, because {because}:\n    {', '.join(ids)}"

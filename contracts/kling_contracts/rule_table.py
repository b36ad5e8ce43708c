"""The rule table: every rule with the vendor's sentences, as data, as text and as Markdown."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from kling_contracts.contract import Contract
from kling_contracts.judging.report import SOURCES, origin_lines
from kling_contracts.rules.rule import Rule


def rule_rows(contract: Contract, ids: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return one JSON object per rule, in the order in which they are judged; of these ids, if any are given.

    `operation` is the short name of the one it belongs to; empty for the rules on any request.
    """
    return [rule_row(part.name, rule) for part in _parts(contract, ids) for rule in part.rules]


def rule_text(contract: Contract, ids: Collection[str] = ()) -> str:
    """Return the table for a terminal, each operation under its name."""
    return "\n\n".join(block for part in _parts(contract, ids) for block in _blocks(part))


def rule_markdown(contract: Contract, ids: Collection[str] = ()) -> str:
    """Return one table of Markdown for each operation."""
    return "\n\n".join("\n".join(_table(part)) for part in _parts(contract, ids))


class _Part(NamedTuple):
    """The rules on any request, or those on the payload of one operation."""

    name: str
    heading: str
    rules: tuple[Rule, ...]


def _parts(contract: Contract, ids: Collection[str]) -> Iterator[_Part]:
    """Yield every part with those of its rules that are asked for, all of them without ids, unless none is left."""
    for part in _every_part(contract):
        rules = tuple(rule for rule in part.rules if not ids or rule.id in ids)
        if rules:
            yield part._replace(rules=rules)


def _every_part(contract: Contract) -> Iterator[_Part]:
    yield _Part("", "any request", tuple(contract.request_rules.rules.values()))
    for operation in contract.operations:
        heading = f"{operation.name}: {operation.method} {operation.paths[0]}"
        account = contract.account_rules.values() if operation is contract.operation else ()
        yield _Part(operation.name, heading, (*operation.rules, *account))


def _blocks(part: _Part) -> Iterator[str]:
    yield part.heading
    yield from ("\n".join(_lines(rule)) for rule in part.rules)


def _table(part: _Part) -> Iterator[str]:
    yield f"## {part.heading}\n"
    yield "| rule | holds when | refusal | the vendor's sentence | evidence |"
    yield "| --- | --- | --- | --- | --- |"
    yield from map(_markdown, part.rules)


def rule_row(operation: str, rule: Rule) -> dict[str, Any]:
    """Return the JSON object of one rule; `operation` as in `rule_rows`."""
    return {
        "id": rule.id,
        "operation": operation,
        "kind": rule.kind,
        "node": rule.node,
        "statement": rule.statement,
        "message": rule.sentence(),
        "status": rule.status,
        "code": rule.code,
        "source": rule.source,
        "evidence": {**rule.evidence.to_json(), "message": rule.message_evidence.to_json()},
        "quotes": [quote.to_json() for quote in rule.quotes],
    }


def _lines(rule: Rule) -> Iterator[str]:
    where = f" at {rule.node or 'the body'}" if rule.kind != "request" else ""
    yield f"{rule.id}  ({rule.status} / {rule.code}){where}"
    if rule.kind != "request":
        yield f"  holds:  {rule.statement}"
    yield f"  else:   {rule.sentence()}"
    yield from (f"  {line}" for line in origin_lines(rule))


def _markdown(rule: Rule) -> str:
    said = "<br>".join(f"{quote.text} ({quote.meaning})" for quote in rule.quotes) or SOURCES[rule.source]
    cells = (f"`{rule.id}`", f"`{rule.statement}`", f"{rule.status} / {rule.code}", said, str(rule.evidence))
    return markdown_row(*cells)


def markdown_row(*cells: str) -> str:
    """Return a row of a Markdown table; a bar that belongs to a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

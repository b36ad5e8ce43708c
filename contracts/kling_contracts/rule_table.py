"""The rule table: every rule with the vendor's sentences, as data, as text and as Markdown."""

from collections.abc import Iterator
from typing import Any

from kling_contracts.contract import Contract
from kling_contracts.rules import Rule
from kling_contracts.violations import SOURCES


def rule_rows(contract: Contract) -> list[dict[str, Any]]:
    """Return one JSON object a rule, in the order in which they are judged."""
    return [rule_row(rule) for rule in contract.rules.values()]


def rule_text(contract: Contract) -> str:
    """Return the table for a terminal."""
    return "\n\n".join("\n".join(_lines(rule)) for rule in contract.rules.values())


def rule_markdown(contract: Contract) -> str:
    """Return the table as Markdown."""
    head = ["| rule | holds when | refusal | the vendor's sentence |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *map(_markdown, contract.rules.values())])


def rule_row(rule: Rule) -> dict[str, Any]:
    """Return one rule as JSON."""
    return {
        "id": rule.id,
        "kind": rule.kind,
        "node": rule.node,
        "statement": rule.statement,
        "message": rule.sentence(),
        "status": rule.status,
        "code": rule.code,
        "source": rule.source,
        "quotes": [quote.to_json() for quote in rule.quotes],
    }


def _lines(rule: Rule) -> Iterator[str]:
    where = f" at {rule.node or 'the body'}" if rule.kind != "request" else ""
    yield f"{rule.id}  ({rule.status} / {rule.code}){where}"
    if rule.kind != "request":
        yield f"  holds:  {rule.statement}"
    yield f"  else:   {rule.sentence()}"
    for quote in rule.quotes:
        yield f"  vendor: {quote.text}  ({quote.meaning})"
    if not rule.quotes:
        yield f"  source: {SOURCES[rule.source]}"


def _markdown(rule: Rule) -> str:
    said = "<br>".join(f"{quote.text} ({quote.meaning})" for quote in rule.quotes) or SOURCES[rule.source]
    cells = (f"`{rule.id}`", f"`{rule.statement}`", f"{rule.status} / {rule.code}", said)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

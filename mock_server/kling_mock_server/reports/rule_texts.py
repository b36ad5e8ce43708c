"""The texts on rules that findings name."""

from kling_contracts import Rule
from kling_contracts.judging.report import SOURCES
from kling_mock_server.reports.finding import RuleText


def rule_text(rule: Rule) -> RuleText:
    """Return a rule's sentence, and the vendor's words or the source where it rests on none."""
    quotes = "; ".join(f"{quote.text} ({quote.meaning})" for quote in rule.quotes)
    return RuleText(rule.sentence() or rule.statement, quotes or SOURCES[rule.source])

"""Readings: how points are read that the documents leave open.

`python -m kling_contracts.reading_table` prints docs/readings.md.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kling_contracts.contract import Contract
from kling_contracts.rule_table import markdown_row
from kling_contracts.rules.evidence import GRADES, Evidence


class Reading(NamedTuple):
    """One point that the documents leave open."""

    point: str
    reading: str
    switch: str = ""
    """The switch that changes it, where there is one; Markdown."""
    about: str = ""
    """`companions`, where it is about the operations around the vendor's; else empty."""
    evidence: Evidence = Evidence("ours")


def readings(contract: Contract) -> tuple[Reading, ...]:
    """Return the readings of a contract, in the order of its documents."""
    return tuple(map(_reading, contract.document.get("x-readings", ())))


def reading_markdown(contract: Contract) -> str:
    """Return the page of readings."""
    every = readings(contract)
    blocks = [
        _HEAD,
        _grades(),
        _table(one for one in every if not one.about),
        _AROUND,
        _table(one for one in every if one.about),
        _CODES,
        "\n".join(_codes(contract)),
        _MESSAGES,
    ]
    return "\n\n".join(blocks)


def _reading(entry: dict[str, Any]) -> Reading:
    return Reading(**{**entry, "evidence": Evidence.from_json(entry.get("evidence", "ours"))})


def _grades() -> str:
    return "\n".join(
        ["| grade | what it rests on |", "| --- | --- |", *(f"| {name} | {of} |" for name, of in GRADES.items())]
    )


def _table(rows: Iterator[Reading]) -> str:
    head = ["| point | reading | switch | evidence |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *(markdown_row(row.point, row.reading, row.switch, str(row.evidence)) for row in rows)])


def _codes(contract: Contract) -> Iterator[str]:
    yield "| code | HTTP status | meaning | message | retry | evidence |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in contract.codes.values():
        yield markdown_row(str(one.code), str(one.status), one.meaning, one.message, one.retry, str(one.evidence))


_HEAD = """\
# How unclear points are read

<!-- Made from the documents by `make readings`. -->

The documents leave points open. Each reading has a grade, and what has been seen of the service stands beside it.
Where a user may want it otherwise there is a switch."""
_AROUND = "Of the operations around it, which the vendor's document does not describe:"
_CODES = """\
## Service codes

What a refusal says where no broken rule says more, and whether the same request can pass: never, later, or nobody knows
how far it came."""
_MESSAGES = (
    "The texts in `message` are ours wherever nobody has published upstream's; `klingkit rules --format json` has the\n"
    "grade of each."
)

if __name__ == "__main__":
    print(reading_markdown(Contract.load()))

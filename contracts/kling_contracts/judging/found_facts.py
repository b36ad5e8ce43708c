"""The facts behind a violation, in words: the numbers that a condition compared, and what was found out of a file."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kling_contracts.facts.with_evidence import WithEvidence
from kling_contracts.unknown import Unknown


def found_facts(reads: Iterable[str], facts: Any) -> str:
    """Return what is known of the facts among the names that a failed condition reads; empty where nothing is.

    A number as it is, `audio.duration_ms is 1999`; of a file its evidence, `a WebM or Matroska file`, where there is
    any.
    """
    return ", ".join(dict.fromkeys(_found(reads, facts)))


def _found(reads: Iterable[str], facts: Any) -> Iterator[str]:
    for name in sorted(reads):
        root, _, path = name.partition(".")
        fact, _, member = path.partition(".")
        record = getattr(facts, fact) if root == "facts" and member else None
        value = None if record is None or isinstance(record, Unknown) else getattr(record, member)
        if value is None or isinstance(value, Unknown):
            continue
        # Whether an audio decodes is told by what its file is.
        evidence = None if type(value) is int else _evidence((record, *(facts if value is False else ())))
        yield evidence or f"{path} is {json.dumps(value, ensure_ascii=False)}"


def _evidence(records: Iterable[Any]) -> str | None:
    """Return the first evidence in these records."""
    for record in records:
        for value in () if isinstance(record, Unknown) else record:
            if isinstance(value, WithEvidence) and value.because:
                return value.because
    return None

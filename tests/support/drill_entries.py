"""Entries of a journal, made by hand, and what the drill holds against the client that caused them."""

import json

from kling_contracts import Report
from kling_mock_server.state.journal import Entry
from kling_mock_server.testing.drill.answers import Codes
from kling_mock_server.testing.drill.judging import Run, collect_reasons
from support.serving import PATH, documented

# By hand: entries of a journal, each `gap` ms after the one before.

NOT_FOUND = {"status": 400, "code": 1201}
BROKEN = {"status": 500, "code": 5000}
DOWN = {"status": 503, "code": 5001}
LATE = {"status": 504, "code": 5002}
LOST = {"details": {"wire": {"head": False, "end": "reset"}}}
SLOW = {"details": {"wire": {"delay_ms": 1500}}}
BUSY = {"status": 429, "code": 1303}
ENDED = {"details": {"task_status": "succeed", "videos": 1}}
FAILED = {"details": {"task_status": "failed"}}
WAITING = {"details": {"task_status": "processing"}}


def made(operation, gap=1000, **fields):
    """What makes one entry: its operation, and by how much later than the one before it came."""
    return operation, gap, fields


def create(external_id="", gap=1000, **fields):
    return made("create", gap, body=json.dumps({"external_task_id": external_id}).encode(), **fields)


def query(gap=1000, task="1", **fields):
    return made("query", gap, method="GET", path=f"{PATH}/{task}", **fields)


def download(gap=1000, **fields):
    return made("download", gap, method="GET", path="/_mock/files/abc/results/2.mp4", **{"token": "", **fields})


def entries_of(*rows):
    at_ms, entries = 0, []
    for number, (operation, gap, fields) in enumerate(rows):
        at_ms += gap
        usual = Entry(at_ms, "POST", f"/{operation}", "digest", b"", 200, 0, "", str(number), Report(), operation)
        entries.append(usual._replace(**fields))
    return tuple(entries)


def reasons(*rows, status=0, expects="either"):
    return collect_reasons(Run(entries_of(*rows), status, 60), expects, Codes.of(documented()))


def broken(*rows):
    """The rules that these requests break, whatever came of them."""
    return {reason.rule for reason in reasons(*rows, status=1)}

"""Rows of a store are lists: who changes a record, or a table, changes the form in which stores are written."""

import dataclasses
import json

import pytest

from kling_contracts import Note, Unverified, Violation
from kling_contracts.facts.task import Task
from kling_contracts.facts.world import Audio, File, Session, VideoFile
from kling_contracts.judging.timeline import Bar
from kling_mock_server.core.inbox import POSTS, Post
from kling_mock_server.state import tables
from kling_mock_server.state.journal import Entry, journal_table
from kling_mock_server.state.stores.store import Table
from kling_mock_server.state.stores.text import FORMAT
from kling_mock_server.state.tables import Message, Outbox, State
from support.serving import documented

# A record that changes: raise FORMAT in state/stores/text.py, then write here what it is now.
PINNED_FORMAT = 8
PINNED_RECORDS = {
    State: "standing_ms advanced_ms audio_slack_ms lists_files lists_videos voices flagged_words concurrency scenario "
    "progress",
    Task: "id external_task_id created_ms begins_ms ends_ms succeeds message video_id video_url video_ms session_id "
    "origin",
    Message: "status at_ms id change body percent signature",
    Outbox: "task_id url messages attempt due_ms",
    Entry: "at_ms method path token body status code answer request_id report operation scenario details query headers "
    "elapsed_ms bars",
    Post: "name headers body",
    Violation: "rule pointer message value remedy because",
    Unverified: "rule pointer because",
    Note: "pointer message",
    Bar: "label start_ms end_ms",
}
PINNED_TABLES = (
    "audios external_ids files journal large_sessions large_tasks leases outboxes posts results running sessions state "
    "tasks videos"
)
# A file has as many slots for the rows of a log as it may hold.
PINNED_LOGS = {"journal": 1000, "posts": 1000}
# These are kept by name.
WORLD_ROWS = {
    tables.SESSIONS: ({"video_ms": 5000, "faces": {"0": [0, 5000]}, "created_ms": 1}, Session),
    tables.AUDIOS: ({"duration_ms": 5000, "created_ms": 1, "flagged": True}, Audio),
    tables.FILES: ({"format": "mp3", "size_bytes": 1, "duration_ms": 5000, "decodes": True, "flagged": False}, File),
    tables.VIDEOS: ({"duration_ms": 5000, "faces": {"0": [0, 5000]}}, VideoFile),
}


def all_tables():
    return [*(one for one in vars(tables).values() if isinstance(one, Table)), POSTS, journal_table(documented())]


def test_the_format_is_the_one_whose_records_are_pinned():
    assert FORMAT == PINNED_FORMAT


@pytest.mark.parametrize("record", PINNED_RECORDS)
def test_the_fields_of_a_stored_record_belong_to_the_format(record):
    fields = getattr(record, "_fields", None) or [field.name for field in dataclasses.fields(record)]
    assert " ".join(fields) == PINNED_RECORDS[record], "raise FORMAT in state/stores/text.py and pin it here"


def test_the_tables_belong_to_the_format():
    assert " ".join(sorted(table.name for table in all_tables())) == PINNED_TABLES


def test_how_many_rows_a_log_holds_belongs_to_the_format():
    assert {table.name: table.max_rows for table in all_tables() if table.is_log} == PINNED_LOGS


@pytest.mark.parametrize(("table", "row", "record"), [(table, *kept) for table, kept in WORLD_ROWS.items()])
def test_what_a_world_holds_is_kept_by_name(table, row, record):
    entry = table.from_json(row)

    assert isinstance(entry, record)
    kept = json.loads(json.dumps(table.to_json(entry)))
    assert kept.items() >= row.items()
    assert table.from_json(kept) == entry

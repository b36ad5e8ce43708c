"""Steps of a client below HTTP, and what it must see at each."""

import gzip
import select
import time
from functools import partial

import pytest

from support.receivers import receiving
from support.scenarios import unreadable
from support.serving import PATIENCE_S, documented
from support.wire_client import BEGINS_MS, ENDS_MS

# What can be seen


def good(seen):
    assert (seen.status, seen.end, seen.claimed) == (200, "close", len(seen.body))
    if seen.headers["content-type"] == "application/json":
        assert (seen.code, seen.json["message"]) == (0, "SUCCEED")
    else:
        assert seen.body[4:8] == b"ftyp"


def refused(status, code, message="", **headers):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed) == (status, "close", len(seen.body))
        assert seen.json.keys() == {"code", "message", "request_id"}
        assert (seen.code, bool(seen.json["message"])) == (code, True)
        assert seen.json["message"] == (message or seen.json["message"])
        assert seen.headers.items() >= {name.replace("_", "-"): value for name, value in headers.items()}.items()
        assert "retry_after" in headers or "retry-after" not in seen.headers

    return check


def not_found(client):
    """One query, which finds no task."""
    message = documented().every_rule["task-unknown"].sentence(given=client.task_id)
    refused(400, 1201, message)(client.ask("query"))


def taken(seen):
    refused(400, 1201)(seen)
    assert seen.headers["x-contract-violations"] == "external-task-id-duplicate"


def raw(status, kind, part):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed) == (status, "close", len(seen.body))
        assert seen.headers.get("content-type") == kind
        assert part in seen.body

    return check


def bare(status):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed, seen.body) == (status, "close", 0, b"")

    return check


def without_code(status, part):
    def check(seen):
        raw(status, "application/json", part)(seen)
        assert seen.json.keys() == {"error"}

    return check


def tells(status, **members):
    """A good answer whose task has that status, and no result unless `members` say so."""

    def check(seen):
        good(seen)
        expected = {"task_status": status, "task_result": None, **members}
        assert {name: seen.data.get(name) for name in expected} == expected

    return check


def has_result(seen):
    good(seen)
    assert seen.data["task_result"]["videos"][0]["url"].endswith(".mp4")


def nothing(end):
    def check(seen):
        assert (seen.status, seen.body, seen.end) == (None, b"", end)

    return check


def share(of_body, end):
    """So much of a good answer, of which Content-Length promises all."""

    def check(seen):
        assert (seen.status, seen.end, len(seen.body)) == (200, end, int(seen.claimed * of_body))
        if of_body == 1:
            assert seen.code == 0
        else:
            assert unreadable(seen.body)

    return check


def claims(more):
    def check(seen):
        assert (seen.status, seen.end, seen.claimed - len(seen.body)) == (200, "close", more)
        assert unreadable(seen.body[: seen.claimed]) == (more < 0)

    return check


def no_gzip(seen):
    assert (seen.status, seen.headers["content-encoding"], seen.code) == (200, "gzip", 0)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(seen.body)


def late(by_s):
    def check(seen):
        assert seen.after_s >= by_s
        good(seen)

    return check


def drips(seen):
    good(seen)
    assert seen.after_s >= (len(seen.body) // 32 - 1) * 0.05


def numeric(*path):
    """A number of as many digits as an id has is at that place of `data`."""

    def check(seen):
        good(seen)
        value = seen.data
        for name in path:
            value = value[name]
        assert isinstance(value, int)
        assert len(str(value)) == 18
        assert str(value).encode() in seen.body

    return check


def both(*checks):
    def check(seen):
        for one in checks:
            one(seen)

    return check


def adds(*names):
    """Members that a good answer does not have, beside those that it has."""

    def check(seen):
        good(seen)
        assert seen.json["trace_id"] == "7c1e"
        assert set(names) < seen.data.keys()

    return check


# What a client does


def asking(call, check, **changes):
    return lambda client: check(client.ask(call, **changes))


create, query, identify, tts, download = (
    partial(asking, call) for call in ("create", "query", "identify", "tts", "download")
)


def silent(call, for_s):
    """Ask, hear nothing while somebody else is answered, and hang up."""

    def step(client):
        number, begun = len(client.kling.journal) + 1, time.monotonic()
        with client.begin(call) as connection:
            client.wait_for_entry(number)
            good(client.ask("list", client.other))
            assert is_silent(connection) or time.monotonic() - begun >= for_s

    return step


def is_silent(connection):
    return select.select([connection], [], [], 0) == ([], [], [])


def passing(by_ms):
    return lambda client: client.kling.clock.advance(by_ms)


def always(call, check):
    return [asking(call, check) for _ in range(3)]


def pattern(call, expected, **checks):
    """One call a character, in the words of `checks`; a dot is good."""
    return [asking(call, checks.get(character, good)) for character in expected]


def told(*statuses, first=0):
    """The statuses that a receiver is told, None where it cannot read one; `first` so many before the reply."""

    def step(client):
        with receiving() as receiver:
            good(client.ask("create", callback_url=receiver.url))
            assert len(receiver.received) >= first
            for by_ms in (0, BEGINS_MS, ENDS_MS):
                client.kling.clock.advance(by_ms)
                assert client.kling.wait_for_callbacks(PATIENCE_S)
            assert tuple(receiver.statuses) == statuses

    return [step]


MODERATED = "Failure to pass the risk control system"
HTML = raw(502, "text/html", b"<h1>502 Bad Gateway</h1>")
BUSY = raw(429, "application/json", b'"code":"1302"')
EXPIRED = raw(403, "application/xml", b"<Code>AccessDenied</Code>")
NO_TOKEN = without_code(401, b'"type":"new_api_error"')

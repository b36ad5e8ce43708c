"""Every row of `cases/`, judged by the contract and answered by the mock; `cases/example.yaml` says how to read one."""

import base64
import binascii
import json
import signal
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, cached_property
from pathlib import Path
from uuid import UUID

import jsonschema_rs
import pytest
import yaml

from kling_contracts import Contract, World, document, silence
from kling_mock_server import create_app
from serving import NOW_MS, PATIENCE_S

MEMBERS = {
    *("says", "quote", "payload", "item", "items", "sound_file", "without", "body", "world"),
    *("profile", "upstream_state", "breaks", "unverified"),
}
WRITTEN = {
    "plainly": lambda data: base64.b64encode(data).decode(),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "unpadded": lambda data: base64.b64encode(data).decode().rstrip("="),
    "with-newlines": lambda data: base64.encodebytes(data).decode(),
    "data-url": lambda data: f"data:audio/wav;base64,{base64.b64encode(data).decode()}",
}


class Row:
    """One row: what it changes of the vendor's example, and which rules that breaks."""

    def __init__(self, file, index, content):
        self.content = content
        self.id = f"{file}: {content['says']}"
        self.account = f"{file}-{index}"
        self.breaks = content["breaks"]
        self.profile = content.get("profile", "documented")
        self.upstream_state = content.get("upstream_state", True)

    @property
    def unverified(self):
        """Ids of the rules that can be judged neither way; None where the row leaves that open."""
        stated = self.content.get("unverified", None if self.breaks else ())
        return None if stated is None else set(stated)

    @property
    def contract(self):
        return contract_of(self.profile, self.upstream_state)

    @cached_property
    def payload(self):
        if "body" in self.content:
            return self.content["body"]
        payload = deepcopy(contract_of().operation.example)
        (item,) = payload["face_choose"]
        if "sound_file" in self.content:
            del item["audio_id"]
            item["sound_file"] = _sound_file(self.content["sound_file"])
        item |= self.content.get("item", {})
        if "items" in self.content:
            payload["face_choose"] = [item | changes for changes in self.content["items"]]
        payload |= self.content.get("payload", {})
        for name in self.content.get("without", ()):
            payload.pop(name, item.pop(name, None))
        return payload

    @cached_property
    def world_json(self):
        fresh = contract_of().operation.example_world.to_json()
        return _merged({"now_ms": NOW_MS, **fresh}, self.content.get("world", {}))

    @cached_property
    def world(self):
        return World.from_json(self.world_json)

    @cached_property
    def report(self):
        return self.contract.report(self.payload, self.world)

    @cached_property
    def answer(self):
        return answered(client_of(self.profile, self.upstream_state), self)


@cache
def contract_of(profile="documented", upstream_state=True):
    return Contract.load(profile, upstream_state=upstream_state)


@cache
def client_of(profile, upstream_state):
    return create_app(profile=profile, upstream_state=upstream_state, fetch="none").test_client()


def answered(client, row):
    """Return what a mock answers in the row's world; every row has an account of its own."""
    headers = {"Authorization": f"Bearer {row.account}"}
    assert client.put("/_mock/world", json=row.world_json, headers=headers).status_code == 200
    path = contract_of().operation.paths[0]
    with answer_expected():
        return client.post(path, data=json.dumps(row.payload), content_type="application/json", headers=headers)


@contextmanager
def answer_expected():
    """Turn a mock that judges without end into a test that fails."""

    def give_up(*_):
        pytest.fail("the mock does not answer")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def listed(header):
    return header.split(", ") if header else []


def _sound_file(made):
    if "silence" in made:
        data = silence.make(made["silence"], made["duration_ms"], made.get("size_bytes"))
    else:
        data = binascii.unhexlify(made["hex"])
    return WRITTEN[made.get("written", "plainly")](data)


def _merged(old, new):
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _merged(old.get(name), member) for name, member in new.items()}}


def _rows():
    for file in sorted(Path(__file__).with_name("cases").glob("*.yaml")):
        for index, content in enumerate(yaml.safe_load(file.read_bytes())):
            yield Row(file.stem, index, content)


def _descriptions(node):
    if isinstance(node, dict):
        yield node.get("description", "")
        for child in node.values():
            yield from _descriptions(child)


ROWS = list(_rows())
RULE_IDS = [rule.id for rule in contract_of().operation.rules]


def rows(chosen=lambda row: True):
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS if chosen(row)])


@rows()
def test_the_contract_finds_exactly_the_broken_rules_in_document_order(row):
    assert list(row.report.broken) == row.breaks


@rows(lambda row: row.unverified is not None)
def test_the_contract_says_what_it_could_not_verify(row):
    assert {one.rule.id for one in row.report.unverified} == row.unverified


@rows(lambda row: row.breaks)
def test_the_mock_refuses_by_the_first_broken_rule_and_names_all(row):
    first = row.contract.rules[row.breaks[0]]
    assert (row.answer.status_code, row.answer.json["code"]) == (first.status, first.code)
    assert row.answer.json["message"] == row.report.violations[0].message
    assert listed(row.answer.headers["X-Contract-Violations"]) == row.breaks


@rows(lambda row: not row.breaks)
def test_the_mock_accepts_what_breaks_no_rule(row):
    assert (row.answer.status_code, row.answer.json["code"], row.answer.json["message"]) == (200, 0, "SUCCEED")
    assert "X-Contract-Violations" not in row.answer.headers
    assert set(listed(row.answer.headers.get("X-Contract-Unverified"))) == row.unverified


@rows()
def test_the_mock_answers_in_the_documented_envelope(row):
    data = {"data"} if row.answer.status_code == 200 else set()
    assert row.answer.content_type == "application/json"
    assert row.answer.json.keys() == {"code", "message", "request_id"} | data
    assert str(UUID(row.answer.json["request_id"])) == row.answer.json["request_id"]
    jsonschema_rs.validate(_answer_schema(row.contract.document, row.answer.status_code), row.answer.json)


def _answer_schema(effective, status):
    response = effective["paths"][contract_of().operation.paths[0]]["post"]["responses"][str(status)]
    if "$ref" in response:
        response = effective["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return {**response["content"]["application/json"]["schema"], "components": effective["components"]}


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_some_row_breaks_the_rule(rule_id):
    assert any(rule_id in row.breaks for row in ROWS)


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_some_row_holds_the_rule(rule_id):
    assert any(not row.breaks and rule_id in row.contract.rules and rule_id not in row.unverified for row in ROWS)


def test_rows_name_only_rules_that_exist():
    named = {row.id: {*row.breaks, *(row.unverified or ())} - row.contract.rules.keys() for row in ROWS}
    assert {row_id: ids for row_id, ids in named.items() if ids} == {}


def test_rows_quote_the_vendor_to_the_letter():
    said = list(_descriptions(document.vendor()))
    quotes = {row.content["quote"] for row in ROWS if "quote" in row.content}
    assert [quote for quote in quotes if not any(quote in description for description in said)] == []


def test_rows_have_only_the_members_that_are_explained():
    assert [row.id for row in ROWS if not {"says", "breaks"} <= row.content.keys() <= MEMBERS] == []


def test_no_two_rows_say_the_same():
    assert len({row.content["says"] for row in ROWS}) == len(ROWS)

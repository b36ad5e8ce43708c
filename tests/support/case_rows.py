"""The rows of `cases/`, each with its contract, its report and the mock's answer."""

import base64
import binascii
import json
import signal
from contextlib import contextmanager
from copy import deepcopy
from functools import cache, cached_property
from pathlib import Path

import pytest
import yaml

from kling_contracts import Contract, World
from kling_contracts.media import silent_audio
from kling_mock_server import create_app
from support.serving import NOW_MS, PATIENCE_S

CASES = Path(__file__).parents[1] / "cases"
WRITTEN = {
    "plainly": lambda data: base64.b64encode(data).decode(),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "unpadded": lambda data: base64.b64encode(data).decode().rstrip("="),
    "with-newlines": lambda data: base64.encodebytes(data).decode(),
    "data-url": lambda data: f"data:audio/wav;base64,{base64.b64encode(data).decode()}",
}


class CaseRow:
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
        data = silent_audio.make(made["silence"], made["duration_ms"], made.get("size_bytes"))
    else:
        data = binascii.unhexlify(made["hex"])
    return WRITTEN[made.get("written", "plainly")](data)


def _merged(old, new):
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{name: _merged(old.get(name), member) for name, member in new.items()}}


def _rows():
    for file in sorted(CASES.glob("*.yaml")):
        for index, content in enumerate(yaml.safe_load(file.read_bytes())):
            yield CaseRow(file.stem, index, content)


ROWS = list(_rows())

"""What a callback tells of a task is what the document declares and a query tells."""

import json
from contextlib import contextmanager

import pytest

from kling_mock_server.core.responder import Responder
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.outgoing.webhooks import Attempt, Targets
from support.serving import documented, new_app, payload
from support.tasks import BEGINS_MS, ENDS_MS, created, handle_of
from support.workflow import CREATE, Caller, validator

pytest_plugins = ["support.task_fixtures"]


# What is sent about it.


class RecordingPost:
    """Stands where callbacks are sent; keeps what it was sent."""

    def __init__(self, status=200):
        self.status = status
        self.bodies = []

    def __call__(self, url, body, *_):
        self.bodies.append(json.loads(body))
        return Attempt(self.status, "")


@contextmanager
def calling_back(receiver):
    responder = new_app(pace="manual").responder
    worker = CallbackWorker(
        responder.accounts, CallbackSender(Targets(), post=receiver, price=documented().prices["create"])
    )
    resources = responder.resources._replace(callback_worker=worker)
    mock = Caller(Responder(responder.contract, responder.accounts, resources=resources))
    try:
        yield mock, handle_of(mock)
    finally:
        worker.close()


CALLBACK_URL = "http://127.0.0.1:9/callback"


def test_every_callback_fits_the_schema_that_the_document_declares():
    (callback,) = documented().document["paths"][CREATE]["post"]["callbacks"].values()
    (item,) = callback.values()
    declared = validator(item["post"]["requestBody"]["content"]["application/json"]["schema"])
    receiver = RecordingPost()
    with calling_back(receiver) as (mock, handle):
        for scenario in (None, "failed-task"):
            handle.play(scenario)
            created(mock, callback_url=CALLBACK_URL)
            handle.clock.advance(ENDS_MS)
            assert handle.wait_for_callbacks()
    assert [body["task_status"] for body in receiver.bodies] == [
        "submitted",
        "processing",
        "succeed",
        "submitted",
        "processing",
        "failed",
    ]
    for body in receiver.bodies:
        declared.validate(body)


def test_a_callback_tells_what_a_query_told_at_that_time():
    receiver = RecordingPost()
    told = []
    with calling_back(receiver) as (mock, handle):
        mock.put_world()
        task_id = created(mock, callback_url=CALLBACK_URL, external_task_id="mine")
        for advance_ms in (0, BEGINS_MS, ENDS_MS - BEGINS_MS):
            handle.clock.advance(advance_ms)
            told.append(mock.query(task_id).data)
            assert handle.wait_for_callbacks()
    assert receiver.bodies == told


@pytest.mark.parametrize("callback_url", ["", None])
def test_without_a_url_nobody_is_called(callback_url):
    receiver = RecordingPost()
    with calling_back(receiver) as (mock, handle):
        body = {name: value for name, value in {**payload(), "callback_url": callback_url}.items() if value is not None}
        assert mock.post(body).status == 200
        handle.clock.advance(ENDS_MS)
        assert handle.wait_for_callbacks()
    assert receiver.bodies == []

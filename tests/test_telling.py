import json

import pytest

from kling_contracts import Response
from kling_mock_server.failures.wire import Wire, WiredResponse
from kling_mock_server.protocol.answer_summary import told_by, told_of_task


def told(body=b"{}", operation="query", wire=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response(200, named, body) if wire is None else WiredResponse(200, named, body, wire)
    return told_by(response, operation)


def enveloped(data):
    return json.dumps({"code": 0, "data": data}).encode()


def test_the_status_of_a_task_is_told():
    assert told(enveloped({"task_status": "processing"})) == {"task_status": "processing"}


def test_the_number_of_videos_is_told():
    data = {"task_status": "succeed", "task_result": {"videos": [{}]}}

    assert told(enveloped(data)) == {"task_status": "succeed", "videos": 1}


@pytest.mark.parametrize("data", [None, [], {"session_id": "1"}, "text"])
def test_what_is_about_no_task_tells_of_none(data):
    assert told_of_task(data) == {}


def test_headers_that_say_when_and_what_are_told_whatever_their_case():
    answer = told(b"...", "download", RETRY_AFTER="1", content_range="bytes 0-1/2")

    assert answer == {"retry_after": "1", "range": "bytes 0-1/2"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": 0'])
def test_an_answer_that_is_no_json_object_is_unreadable(body):
    assert told(body) == {"unreadable": True}


def test_an_answer_that_claims_an_encoding_is_unreadable():
    assert told(Content_Encoding="gzip") == {"unreadable": True}


def test_a_file_need_not_be_json():
    assert told(b"ftyp", "download") == {}


def test_how_an_answer_left_is_told_as_far_as_it_is_unusual():
    assert told(wire=Wire(percent=50, end="reset")) == {"wire": {"percent": 50, "end": "reset"}}
    assert told(wire=Wire()) == {"wire": {}}

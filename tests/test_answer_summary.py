import json

import pytest

from kling_contracts import Response
from kling_mock_server.failures.wire import Wire, WiredResponse, wire_details
from kling_mock_server.protocol.answer_summary import answer_details
from kling_mock_server.protocol.task_json import task_details


def details(body=b"{}", *, is_file=False, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer_details(Response(200, named, body), is_file=is_file)


def enveloped(data):
    return json.dumps({"code": 0, "data": data}).encode()


def test_the_details_hold_the_status_of_a_task():
    assert details(enveloped({"task_status": "processing"})) == {"task_status": "processing"}


def test_the_details_hold_the_number_of_videos():
    data = {"task_status": "succeed", "task_result": {"videos": [{}]}}

    assert details(enveloped(data)) == {"task_status": "succeed", "videos": 1}


@pytest.mark.parametrize("data", [None, [], {"session_id": "1"}, "text"])
def test_data_that_is_no_task_has_no_details(data):
    assert task_details(data) == {}


def test_the_names_of_headers_are_read_whatever_their_case():
    answer = details(b"...", is_file=True, RETRY_AFTER="1", content_range="bytes 0-1/2")

    assert answer == {"retry_after": "1", "range": "bytes 0-1/2"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": 0'])
def test_an_answer_that_is_no_json_object_is_unreadable(body):
    assert details(body) == {"unreadable": True}


def test_an_answer_that_claims_an_encoding_is_unreadable():
    assert details(Content_Encoding="gzip") == {"unreadable": True}


def test_a_file_need_not_be_json():
    assert details(b"ftyp", is_file=True) == {}


def test_a_bent_answer_has_the_members_of_its_wire_that_differ_from_the_defaults():
    def bent(wire):
        return wire_details(WiredResponse(200, {}, b"{}", wire))

    assert bent(Wire(percent=50, end="reset")) == {"wire": {"percent": 50, "end": "reset"}}
    assert bent(Wire()) == {"wire": {}}
    assert wire_details(Response(200, {}, b"{}")) == {}

"""What a wired answer consists of, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import __version__
from kling_mock_server.failures.wire import Piece, Wire, WiredResponse, claimed_length, headers, script
from support.wired import obedient_app

DATE = "Sun, 15 Jun 2025 15:06:40 GMT"


def answer(body=b"0123456789", status=200, headers=(), **wire):
    return WiredResponse(status, dict(headers), body, Wire(**wire))


def play(response, method="GET"):
    return list(script(response, method, DATE))


def head_of(response, method="GET"):
    return play(response, method)[0].data.decode("latin-1").split("\r\n")


def body_of(response, method="GET"):
    return [piece.data for piece in play(response, method)[1:]]


def test_an_answer_is_a_head_and_its_body():
    assert play(answer(headers={"Content-Type": "text/plain"})) == [
        Piece(
            0,
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\nContent-Type: text/plain\r\n"
                f"Date: {DATE}\r\nServer: klingkit/{__version__}\r\n\r\n"
            ).encode(),
        ),
        Piece(0, b"0123456789"),
    ]


def test_the_delay_is_before_the_first_byte():
    assert [piece.wait_ms for piece in play(answer(delay_ms=700))] == [700, 0]


def test_the_body_drips_in_pieces():
    assert play(answer(delay_ms=9, drip_bytes=4, drip_ms=50))[1:] == [
        Piece(0, b"0123"),
        Piece(50, b"4567"),
        Piece(50, b"89"),
    ]


def test_without_a_head_there_is_only_the_delay():
    assert play(answer(head=False, delay_ms=5, percent=50)) == [Piece(5, b"")]


@pytest.mark.parametrize(("percent", "sent"), [(0, b""), (9, b""), (10, b"0"), (55, b"01234"), (100, b"0123456789")])
def test_a_share_of_the_body_is_sent_and_all_of_it_claimed(percent, sent):
    cut = answer(percent=percent)
    assert b"".join(body_of(cut)) == sent
    assert claimed_length(cut, "GET") == 10


@given(st.binary(max_size=300), st.integers(0, 100), st.integers(0, 40))
def test_pieces_make_up_the_share_that_is_sent(body, percent, drip_bytes):
    pieces = body_of(answer(body, percent=percent, drip_bytes=drip_bytes))
    assert b"".join(pieces) == body[: len(body) * percent // 100]
    assert all(0 < len(piece) <= (drip_bytes or len(body)) for piece in pieces)


@pytest.mark.parametrize(("extra", "claimed"), [(7, 17), (-4, 6), (-99, 0)])
def test_the_head_claims_another_length(extra, claimed):
    assert f"Content-Length: {claimed}" in head_of(answer(extra_length=extra))
    assert claimed_length(answer(extra_length=extra), "GET") == claimed


def test_headers_of_the_response_stand_in_for_ours():
    named = {"server": "nginx", "DATE": "today", "content-length": "3", "connection": "keep-alive"}
    lines = head_of(answer(headers=named))[1:-2]
    assert lines == ["DATE: today", "connection: keep-alive", "content-length: 3", "server: nginx"]
    assert claimed_length(answer(headers=named), "GET") == 3


def test_a_length_that_is_no_number_lets_nobody_wait():
    assert claimed_length(answer(headers={"Content-Length": "many"}), "GET") == 0


def test_a_head_request_is_told_the_length_and_gets_no_body():
    assert "Content-Length: 10" in head_of(answer(), "HEAD")
    assert body_of(answer(), "HEAD") == []
    assert claimed_length(answer(), "HEAD") == 0


@pytest.mark.parametrize("status", [101, 204, 304])
def test_a_status_without_a_body_gets_neither_body_nor_length(status):
    assert "Content-Length" not in headers(answer(status=status))
    assert body_of(answer(status=status)) == []
    assert claimed_length(answer(status=status), "GET") == 0


@pytest.mark.parametrize(("status", "line"), [(429, "HTTP/1.1 429 TOO MANY REQUESTS"), (599, "HTTP/1.1 599 UNKNOWN")])
def test_the_status_line_is_that_of_other_answers(status, line):
    assert head_of(answer(status=status))[0] == line


def test_what_a_header_cannot_hold_becomes_a_question_mark():
    assert "X-Name: é?" in head_of(answer(headers={"X-Name": "é音"}))


def test_another_server_answers_in_full_and_says_so():
    got = obedient_app().test_client().post("/", data='{"size": 10, "wire": {"percent": 50, "delay_ms": 600000}}')
    assert (got.status_code, got.data, got.headers["Content-Type"]) == (200, b"0123456789", "text/plain")
    assert got.headers["X-Kling-Wire"].startswith("not played")

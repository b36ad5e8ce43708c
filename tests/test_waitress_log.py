"""What the terminal shows of an exchange is cut: a client can send megabytes, again and again."""

import pytest

from kling_mock_server.adapters import waitress_server
from kling_mock_server.adapters.waitress_server import MAX_LINE, MAX_PRINTED
from support.serving import Mock, payload


@pytest.fixture
def printed(capsys):
    def of(body):
        mock = Mock()
        mock.responder.watch = waitress_server._log
        assert mock.post(body).status == 400
        return capsys.readouterr().out

    return of


def test_a_line_of_usual_length_is_printed_whole(printed):
    assert "…" not in printed({**payload(), "session_id": "x" * 40})


@pytest.mark.parametrize("length", [MAX_LINE + 1, 7_000_000])
def test_a_long_value_is_cut(printed, length):
    out = printed({**payload(sound_start_time="x" * length), "session_id": "y" * length})
    assert len(out) <= MAX_PRINTED + 200
    assert max(map(len, out.splitlines())) <= MAX_LINE + 1

"""The log of `klingkit serve`."""

import io
import json
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import httpx
import pytest

from kling_mock_server.adapters import exchange_log
from kling_mock_server.adapters.exchange_log import MAX_KINDS, MAX_LINE, MAX_PRINTED, JsonLog, TextLog
from support.serving import PATH, PATIENCE_S, SESSION, Mock, payload, started


@pytest.fixture
def printed(capsys, monkeypatch):
    """Return what sends payloads to a mock with a log, ends the log, and returns the printed lines."""
    # Counts are printed at the end, however long the test takes.
    monkeypatch.setattr(exchange_log.threading, "Timer", lambda *_: Timer())

    def of(log, *payloads):
        mock = Mock()
        mock.responder.watch = log.see
        for body in payloads:
            mock.post(body)
        log.end()
        return capsys.readouterr().out.splitlines()

    return of


SHORT = payload(sound_end_time=1999)


def test_a_refusal_is_explained_behind_the_time(printed):
    head, *rest = printed(TextLog(), SHORT)
    assert re.fullmatch(rf"\d\d:\d\d:\d\d POST {PATH} -> 400 / 1201 The cropped audio .* 2000 ms", head)
    assert "  clip-too-short at /face_choose/0/sound_end_time: " in "\n".join(rest)


def test_a_pipe_of_cp1252_gets_meanings_and_drawings_of_ascii(monkeypatch):
    pipe = io.TextIOWrapper(io.BytesIO(), "cp1252", "backslashreplace")
    monkeypatch.setattr("sys.stdout", pipe)
    mock, log = Mock(), TextLog()
    mock.responder.watch = log.see
    mock.post(SHORT)
    log.end()
    said = pipe.buffer.getvalue().decode("cp1252")
    assert "    vendor: (the cropped audio must not be shorter than 2 seconds)" in said
    assert re.search(r"      clip  \|-+\|  +0 to 1999, 1999 ms", said)
    assert "\\u" not in said


def test_what_is_accepted_is_printed_with_verbose_alone(printed):
    assert printed(TextLog(), payload()) == ["stopped"]
    head, took, _ = printed(TextLog(verbose=True), payload())
    assert head.endswith(f"POST {PATH} -> 200 / 0 SUCCEED")
    assert re.fullmatch(r"  took [\d.]+ ms", took)


def test_the_same_refusal_again_is_counted(printed):
    once, thrice = printed(TextLog(), SHORT), printed(TextLog(), SHORT, SHORT, SHORT)
    assert [line[9:] for line in thrice[: len(once) - 1]] == [line[9:] for line in once[:-1]]
    (count,) = thrice[len(once) - 1 : -1]
    assert f" and 2 more like it: POST {PATH} -> 400 / 1201 The cropped audio" in count


def test_a_refusal_of_another_value_is_explained(printed):
    lines = printed(TextLog(), SHORT, payload(sound_end_time=1998))
    assert sum(line.endswith(" ms") and "->" in line for line in lines) == 2
    assert not any("more like it" in line for line in lines)


def test_refusals_that_alternate_are_each_explained_once(printed):
    other = payload(sound_end_time=1998)
    lines = printed(TextLog(), SHORT, other, SHORT, other, other)
    assert [line.split()[2] for line in lines if "more like it" in line] == ["1", "2"]


def test_a_refusal_that_was_explained_long_ago_is_explained_again(printed):
    others = [payload(sound_end_time=1000 + number) for number in range(MAX_KINDS)]
    assert not any("more like it" in line for line in printed(TextLog(), SHORT, *others, SHORT))


def test_verbose_explains_a_repeated_refusal_each_time(printed):
    lines = printed(TextLog(verbose=True), SHORT, SHORT)
    assert sum("clip-too-short at" in line for line in lines) == 2


def test_counts_are_printed_without_a_further_request(capsys, monkeypatch):
    started = []
    monkeypatch.setattr(exchange_log.threading, "Timer", lambda _, work: started.append(work) or Timer())
    mock, log = Mock(), TextLog()
    mock.responder.watch = log.see
    for _ in range(3):
        mock.post(SHORT)
    (work,) = started
    capsys.readouterr()
    work()
    assert "and 2 more like it" in capsys.readouterr().out


class Timer:
    def start(self):
        """Never elapses by itself."""


def test_json_is_one_object_per_exchange_as_the_journal_has_it(printed):
    *exchanges, stopped = map(json.loads, printed(JsonLog(), payload(), SHORT))
    assert [row["event"] for row in (*exchanges, stopped)] == ["exchange", "exchange", "stopped"]
    assert [row["response"]["status"] for row in exchanges] == [200, 400]
    assert exchanges[0]["request"]["body"]["session_id"] == SESSION
    assert exchanges[1]["violations"][0]["rule"] == "clip-too-short"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}\+00:00", stopped["time"])


def test_json_holds_no_audio_and_no_key(printed):
    row = printed(JsonLog(), payload(audio_id="", sound_file="QUJD" * 1000))[0]
    assert "QUJDQUJD" not in row
    assert "Bearer key" not in row


def test_a_line_is_written_in_one_piece_as_other_threads_print_too(monkeypatch):
    written = []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="utf-8", write=written.append, flush=lambda: None))
    JsonLog().end()
    assert [json.loads(piece)["event"] for piece in written if piece] == ["stopped"]
    assert [piece[-1] for piece in written if piece] == ["\n"]


def test_every_line_of_the_json_log_is_json():
    with started("serve", "--port", "0", "--log-format", "json", stdout=subprocess.PIPE, encoding="utf-8") as process:
        begun = json.loads(process.stdout.readline())
        assert httpx.get(f"{begun['url']}/nothing", trust_env=False, timeout=PATIENCE_S).status_code == 404
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line)["event"] for line in process.stdout]
    assert [begun["event"], *rest] == ["listening", "exchange", "stopped"]


def test_a_line_of_usual_length_is_printed_whole(printed):
    assert not any("…" in line for line in printed(TextLog(), {**payload(), "session_id": "x" * 40}))


@pytest.mark.parametrize("length", [MAX_LINE + 1, 7_000_000])
def test_a_long_value_is_cut(printed, length):
    lines = printed(TextLog(), {**payload(sound_start_time="x" * length), "session_id": "y" * length})
    assert len("\n".join(lines)) <= MAX_PRINTED + 200
    assert max(map(len, lines)) <= MAX_LINE + 1


def test_a_long_value_is_no_part_of_the_json(printed):
    body = {**payload(sound_start_time="x" * 7_000_000), "session_id": "y" * 7_000_000}
    assert max(map(len, printed(JsonLog(), body))) <= MAX_PRINTED

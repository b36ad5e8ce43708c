"""A refusal says what was found: of Base64, of a file, of a download, of the facts that were compared."""

import base64

import pytest

from kling_contracts import World
from kling_contracts.media import silent_audio, still_video
from support.audio_files import encoded
from support.serving import AUDIO, NOW_MS, SESSION, documented, file_server, loopback, payload, response, world
from support.workflow import DAY_MS, Caller

MP3 = silent_audio.wav(5000)
TEXT = base64.b64encode(MP3).decode()


def found(rule_id, body, **changes):
    """Return what a report shows as found where the rule of that id is broken."""
    report = documented().report(body, World.from_json(world(**changes)))
    (shown,) = [violation.found for violation in report.violations if violation.rule_id == rule_id]
    return shown


def of_file(rule_id, text):
    return found(rule_id, payload(audio_id="", sound_file=text))


def in_base64(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (base64.encodebytes(MP3).decode(), ": a line break at character 77"),
        (TEXT.rstrip("=") if TEXT.endswith("=") else TEXT[:-1], "characters"),
        (str(TEXT.encode()), ": the text b'…' of a Python bytes object, at character 1"),
        (f"data:audio/wav;base64,{TEXT}", ": a data: URL: the Base64 begins behind the comma, at character 23"),
        ("ftp://example.com/a.mp3", ": a URL of the scheme ftp, which is neither http nor https"),
        ("voice.mp3", ": the name of a file, not its content"),
    ],
)
def test_what_keeps_a_text_from_being_base64_is_shown(text, said):
    assert said in of_file("sound-file-unreadable", text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encoded("ogg", "libopus", 48_000), ": an Ogg file"),
        (encoded("adts", "aac"), ": bare AAC without a container (ADTS)"),
        (encoded("flac", "flac"), ": a FLAC file"),
        (b"<!DOCTYPE html>", ": an HTML page"),
        (still_video.mp4(3000), ": an mp4 file with a video track"),
        (b"\xfe" * 10, ": no known format; its first bytes are fe fe fe fe fe fe fe fe"),
    ],
)
def test_what_a_file_of_a_wrong_format_is_is_shown(data, said):
    assert of_file("sound-file-format", in_base64(data)).endswith(said)


def test_why_a_file_does_not_decode_is_shown():
    shown = of_file("audio-content", in_base64(encoded("ipod", "aac")[:3000]))
    assert ": an m4a file that does not decode: " in shown


def test_what_moderation_refuses_is_told_apart_from_what_does_not_decode():
    flagged = {AUDIO: {"duration_ms": 8000, "flagged": True}}
    assert found("audio-content", payload(), audios=flagged).endswith(": audio.flagged is true")


@pytest.mark.parametrize(
    ("rule_id", "body", "changes", "said"),
    [
        ("audio-too-short", payload(), {"audios": {AUDIO: {"duration_ms": 1999}}}, "audio.duration_ms is 1999"),
        ("clip-past-audio-end", payload(sound_end_time=8001), {}, "8001: audio.end_ms is 8000"),
        (
            "session-expired",
            payload(),
            {"sessions": {SESSION: {**world()["sessions"][SESSION], "created_ms": NOW_MS - DAY_MS - 1}}},
            f"session.age_ms is {DAY_MS + 1}",
        ),
        ("insert-past-video-end", payload(sound_insert_time=5001), {}, "5001: video.duration_ms is 10000"),
    ],
)
def test_the_facts_that_were_compared_are_shown(rule_id, body, changes, said):
    assert said in found(rule_id, body, **changes)


def test_a_violation_of_the_payload_alone_shows_the_payload_alone():
    assert found("clip-too-short", payload(sound_end_time=1999)) == "1999"


@pytest.fixture
def mock():
    return Caller()


def entry_of(mock, url):
    """Return what the journal says was found out of a video's URL."""
    mock.identify(url)
    (violation,) = mock.journal()["entries"][-1]["violations"]
    return violation["because"]


STATUSES = {
    "404 Not Found": "the server answered 404 Not Found",
    "302 Found": "the server answered 302 Found, a redirect to /b.mp4, which is not followed",
}


@pytest.mark.parametrize("status", STATUSES)
def test_why_a_download_failed_is_shown(mock, status):
    headers = ["Location: /b.mp4"] if status.startswith("302") else []
    with loopback(lambda connection, _: connection.sendall(response(b"", status, headers=headers))) as port:
        assert entry_of(mock, f"http://127.0.0.1:{port}/a.mp4") == STATUSES[status]


def test_a_refused_connection_is_told(mock):
    with loopback(lambda *_: None) as port:
        pass
    assert entry_of(mock, f"http://127.0.0.1:{port}/a.mp4") == "the connection was refused: nothing listens there"


def test_a_download_that_broke_off_is_told(mock):
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    with loopback(lambda connection, _: connection.sendall(cut)) as port:
        assert entry_of(mock, f"http://127.0.0.1:{port}/a.mp4") == "the connection ended after 3 of 10 bytes"


def test_what_a_video_of_a_wrong_format_is_is_shown(mock):
    with file_server(b"<html>") as port:
        assert entry_of(mock, f"http://127.0.0.1:{port}/a.mp4") == "an HTML page"


def test_why_a_video_does_not_decode_is_shown(mock):
    with file_server(still_video.mp4(5000)[:200]) as port:
        assert "that does not decode: " in entry_of(mock, f"http://127.0.0.1:{port}/a.mp4")

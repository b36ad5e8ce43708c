"""A file is described in words by its content."""

import base64
from pathlib import Path

import pytest

from kling_contracts.media import audio, video
from kling_contracts.media.description import describe
from support.audio_files import encoded

MEDIA = Path(__file__).with_name("media")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"\n <HTML>", "an HTML page"),
        (b'<?xml version="1.0"?><Error/>', "XML"),
        (b'{"code": 404}', "JSON"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"PK\x03\x04", "a zip archive"),
        (b"Not found\n", 'the text "Not found"'),
        (b"\xfe\xff\x01\x02\x03\x04\x05\x06\x07", "no known format; its first bytes are fe ff 01 02 03 04 05 06"),
        (bytes(100), "nothing but zeros, as far as one can see"),
        (base64.b64encode(bytes(range(200))), "Base64, encoded twice"),
        (b"https://example.com/a.mp3", "the text of a URL"),
        (encoded("ogg", "libopus", 48_000), "an Ogg file"),
        (encoded("adts", "aac"), "bare AAC without a container (ADTS)"),
        (encoded("flac", "flac"), "a FLAC file"),
        (encoded("mp2", "mp2"), "MPEG audio of layer I or II"),
        ((MEDIA / "four_seconds.webm").read_bytes(), "a WebM or Matroska file"),
    ],
)
def test_a_file_is_described_by_its_content(data, words):
    assert describe(data, audio.identify(data)) == words
    assert describe(data, video.identify(data)) == words

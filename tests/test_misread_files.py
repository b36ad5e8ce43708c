"""A server that reads a file of some flavour wrongly is found by the cases."""

import re
import struct
from functools import cache
from urllib.parse import unquote

import pytest

from kling_contracts.audits import Kind
from kling_contracts.cases.file_alikes import FILE_ALIKES
from kling_contracts.facts.file_content import base64_bytes, measured_audio
from kling_contracts.facts.made_worlds import NOW_MS
from kling_contracts.media import audio, iso_media
from kling_contracts.media.foreign_audio import FOREIGN
from kling_mock_server.testing.fuzzing import Options, fuzz_server
from support.catalogues import rows
from support.misread_files import NO_AUDIO, as_read, duration_of, lasting, misreading, sees_through
from support.serving import documented
from support.spoilt_servers import serving_with

REQUEST_RULES = documented().request_rules.rules.keys()


@cache
def with_files():
    """The rows of the catalogue with a file in Base64, or what looks like one."""
    return tuple(row for row in rows("create") if "sound_file" in row.why and not row.breaks & REQUEST_RULES)


def wav(take):
    """Misread a wav: `take` gets its bytes and the fields of its format chunk."""
    return lambda data: take(data, *struct.unpack_from("<HHIIHH", data, 20)) if audio.identify(data) == "wav" else None


def mp3(take):
    return lambda data: take(data) if audio.identify(data) == "mp3" else None


def m4a(take):
    return lambda data: take(data, iso_media.major_brand(data)) if audio.identify(data) == "m4a" else None


def refused(is_refused):
    """Take what a condition holds of for no audio."""
    return lambda *read: NO_AUDIO if is_refused(*read) else None


MISREAD = {
    "stereo taken for mono": wav(lambda data, tag, channels, *_: lasting(duration_of(data) * channels)),
    "stereo refused": wav(refused(lambda data, tag, channels, *_: channels == 2)),
    "16 bits taken for 8": wav(lambda data, *fields: lasting(duration_of(data) * fields[-1] // 8)),
    "an extensible wav refused": wav(refused(lambda data, tag, *_: tag == 0xFFFE)),
    "a header of 44 bytes": wav(lambda data, *fields: lasting(duration_of(data) + data.find(b"data") - 36)),
    "a wav without data at byte 36": wav(refused(lambda data, *_: data[36:40] != b"data")),
    "the size of an mp3 by its bit rate": mp3(lambda data: lasting(len(data))),
    "an mp3 with a tag refused": mp3(refused(lambda data: data.startswith(b"ID3"))),
    "a cover taken for no audio": mp3(refused(lambda data: b"APIC" in data)),
    "an mp3 without a Xing header refused": mp3(refused(lambda data: b"Info" not in data)),
    "an mp3 in stereo refused": mp3(refused(lambda data: b"\xff\xf3\x58\x00" in data)),
    "frames counted twice in stereo": mp3(
        lambda data: lasting(duration_of(data) * (1 + (b"\xff\xf3\x58\x00" in data)))
    ),
    "m4a by its brand alone": m4a(refused(lambda data, brand: brand != "M4A ")),
    "mp42 refused": m4a(refused(lambda data, brand: brand == "mp42")),
    "isom refused": m4a(refused(lambda data, brand: brand == "isom")),
    "a cover taken for a video": m4a(refused(lambda data, brand: b"covr" in data)),
    "an m4a in stereo refused": m4a(refused(lambda data, brand: b"\x05\x02\x15\x90" in data)),
    "an index at the end alone": m4a(refused(lambda data, brand: data.find(b"moov") < data.find(b"mdat"))),
}


def lenient(change):
    """Return what reads a text that is no Base64 as what `change` makes of it."""
    return lambda text: change(text) if base64_bytes(text) is None else None


def padded(text):
    bare = text.rstrip("=")
    return bare + "=" * (-len(bare) % 4)


LENIENT = {
    "line breaks skipped": lenient(lambda text: "".join(text.splitlines())),
    "the last line break cut": lenient(str.rstrip),
    "spaces in front skipped": lenient(str.lstrip),
    "spaces skipped": lenient(lambda text: text.replace(" ", "")),
    "all but the alphabet skipped": lenient(lambda text: padded(re.sub("[^A-Za-z0-9+/]", "", text))),
    "the URL-safe alphabet": lenient(lambda text: text.replace("-", "+").replace("_", "/")),
    "padding added": lenient(padded),
    "one sign of padding added": lenient(lambda text: f"{text}="),
    "too much padding cut": lenient(lambda text: text[:-1] if text.endswith("===") else text),
    "percent signs decoded": lenient(unquote),
    "a Python bytes object": lenient(lambda text: text.removeprefix("b'").removesuffix("'")),
    "a data: prefix": lenient(lambda text: text.rpartition("base64,")[2] if text.startswith("data:a") else text),
    "a data: prefix of any kind": lenient(lambda text: text.partition(",")[2] if text[:5].lower() == "data:" else text),
    "a prefix base64,": lenient(lambda text: text.removeprefix("base64,")),
    "decoded twice": lambda text: (base64_bytes(text) or b"").decode("latin-1") or None,
}


@pytest.mark.parametrize("read", LENIENT.values(), ids=LENIENT)
def test_a_server_that_takes_another_spelling_of_base64_is_found(read):
    found = sees_through(documented(), with_files(), read)
    assert {"sound-file-unreadable", "sound-file-format"} & set().union(*(row.breaks for row in found))


@pytest.mark.parametrize("name", [*FOREIGN, "no audio at all"])
def test_a_server_that_takes_another_format_is_found(name):
    def take(data):
        return lasting(60_000) if audio.identify(data) == (name if name in FOREIGN else None) else None

    assert sees_through(documented(), with_files(), misreading(take))


def test_a_server_that_takes_half_a_file_is_found():
    def take(data):
        return lasting(60_000) if not measured_audio(data).decodes else None

    found = sees_through(documented(), with_files(), misreading(take))
    assert {"audio-content"} in [row.breaks for row in found]


@pytest.mark.parametrize("alike", FILE_ALIKES, ids=lambda alike: alike.says)
def test_nothing_else_is_wrong_with_a_look_alike_of_a_file(alike):
    (row, *_) = [row for row in with_files() if f"sound_file {alike.says}" in row.why]
    assert len(row.breaks) == (0 if alike.counts_as is None else 1)


@pytest.mark.parametrize("table", ["audios", "sessions"])
def test_what_was_made_half_a_second_ahead_is_accepted(table):
    ahead = [
        row
        for row in rows("create")
        if any(one.created_ms == NOW_MS + 500 for one in getattr(row.world, table).values())
    ]
    assert any(not row.breaks for row in ahead)


@pytest.mark.parametrize("take", MISREAD.values(), ids=MISREAD)
def test_a_server_that_misreads_a_flavour_is_found(take):
    assert sees_through(documented(), with_files(), misreading(take))


def test_a_server_that_reads_right_is_not_found():
    assert not sees_through(documented(), with_files(), misreading(lambda data: data))


def test_fuzz_finds_it_over_http(monkeypatch):
    read = misreading(MISREAD["stereo taken for mono"])
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.catalogue", lambda contract, operation: with_files())
    monkeypatch.setattr("kling_mock_server.testing.fuzzing.server_catalogue", lambda contract, operation: ())

    with serving_with(change=lambda request, answer: answer(as_read(request, read))) as url:
        result = fuzz_server(url, Options(n=0, operations=("create",)), contract=documented())

    assert ("clip-past-audio-end", Kind.ACCEPTED) in {(one.rule, one.kind) for one in result.findings}
    assert any(", in stereo" in one.case.why for one in result.findings)

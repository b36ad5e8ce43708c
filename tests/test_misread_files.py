"""A server that reads a file of some flavour wrongly is found by the cases."""

import struct
from functools import cache

import pytest

from kling_contracts.audits import Kind
from kling_contracts.facts.made_worlds import NOW_MS
from kling_contracts.media import audio, iso_media
from kling_mock_server.testing.fuzzing import Options, fuzz_server
from support.catalogues import rows
from support.misread_files import NO_AUDIO, as_read, duration_of, lasting, misreading, sees_through
from support.serving import documented
from support.spoilt_servers import serving_with


@cache
def with_files():
    """The rows of the catalogue with a file in Base64, or what looks like one."""
    return tuple(row for row in rows("create") if "Base64" in row.why)


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


@pytest.mark.parametrize("table", ["audios", "sessions"])
def test_what_was_made_half_a_second_ahead_is_accepted(table):
    made = [(row.breaks, one.created_ms) for row in rows("create") for one in getattr(row.world, table).values()]
    assert (frozenset(), NOW_MS + 500) in made


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

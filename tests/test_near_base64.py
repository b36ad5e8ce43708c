"""What is wrong with a text that is nearly Base64 is said in words, with the place."""

import base64
import binascii

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_contracts.facts.near_base64 import wrong_with

DATA = bytes(range(256)) + b"\xfb\xff"
TEXT = base64.b64encode(DATA).decode()
FIRST_PLUS = TEXT.index("+") + 1
FIRST_SLASH = TEXT.index("/") + 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(base64.encodebytes(DATA).decode(), "a line break at character 77", id="wrapped"),
        pytest.param(TEXT.replace("A", "\r\nA", 1), "a line break at character 1", id="CR and LF"),
        pytest.param(f"{TEXT}\n", f"a line break at character {len(TEXT) + 1}", id="a newline at the end"),
        pytest.param(f"{TEXT}=="[:-2] + "\n", f"a line break at character {len(TEXT) + 1}", id="behind the text"),
        pytest.param(
            base64.urlsafe_b64encode(DATA).decode(),
            f'"-" of the URL-safe alphabet at character {FIRST_PLUS}',
            id="URL-safe",
        ),
        pytest.param(
            TEXT.replace("/", "_"), f'"_" of the URL-safe alphabet at character {FIRST_SLASH}', id="URL-safe slash"
        ),
        pytest.param("QUI", 'the padding is missing: "=" at the end', id="one character of padding is missing"),
        pytest.param("QQ", 'the padding is missing: "==" at the end', id="two characters of padding are missing"),
        pytest.param("QQ=", 'the padding is wrong: "=" at the end instead of "=="', id="half of the padding"),
        pytest.param("QUJD=", 'there is padding, "=" at the end, where none is needed', id="needless padding"),
        pytest.param("QUJDR", "its 5 characters cannot be Base64", id="a cut text"),
        pytest.param("QQ==QQ==", '"Q" at character 5, behind the padding', id="two texts in one"),
        pytest.param("QQ==\n", "a line break at character 5, behind the padding", id="a newline behind the padding"),
        pytest.param(str(b"QUJD"), "the text b'…' of a Python bytes object, at character 1", id="str() of bytes"),
        pytest.param(
            TEXT.replace("+", " "), f"a space at character {FIRST_PLUS}", id="a plus that became a space"
        ),
        pytest.param("QUI%3D", 'as in a percent-encoded text at character 4', id="percent-encoded"),
        pytest.param("QUJD\\nQUJD", 'an escape of a line break, at character 5', id="an escaped escape"),
        pytest.param("QU＋D", '"＋" (fullwidth plus sign) at character 3', id="full width"),
        pytest.param("QU\u200bJD", "(zero width space) at character 3", id="zero width"),
        pytest.param("QU\0D", "U+0000 at character 3", id="NUL"),
        pytest.param('"QUJD"', "a quotation mark at character 1", id="quoted"),
        pytest.param("data:audio/mpeg;base64,QUJD", "begins behind the comma, at character 24", id="data: URL"),
        pytest.param("file:///tmp/a.mp3", "a URL of the scheme file", id="file: URL"),
        pytest.param("/tmp/voice over.mp3", "the name of a file, not its content", id="a path"),
    ],
)  # fmt: skip
def test_it_names_the_character_and_its_place(text, said):
    assert said in wrong_with(text)


@given(st.binary(max_size=300))
def test_nothing_is_wrong_with_base64(data):
    assert wrong_with(base64.b64encode(data).decode()) == ""


@given(st.text(max_size=30) | st.text("QUJD+/=-_ \n", max_size=30))
@example("=")
@example("====")
@example("Q===")
@example("b''")
def test_it_finds_something_exactly_where_a_strict_decoder_refuses(text):
    assert bool(wrong_with(text)) == (not is_base64(text))


def is_base64(text):
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return len(text) == (len(data) + 2) // 3 * 4

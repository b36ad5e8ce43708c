import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_contracts.jsonio.strict_json import MAX_DEPTH, BodyError, decode

BOM = b"\xef\xbb\xbf"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # JSON texts hold whole characters only; half of a surrogate pair is refused, see below.
    | st.text(st.characters(exclude_categories=["Cs"]))
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


def refusal(body):
    with pytest.raises(BodyError) as caught:
        decode(body)
    return str(caught.value)


@settings(deadline=None)
@given(value=JSON, ascii_only=st.booleans(), indent=st.none() | st.just(2), bom=st.booleans())
def test_every_json_value_survives_the_way_through_its_text(value, ascii_only, indent, bom):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    # Compared as text, in which 1 and 1.0, 0.0 and -0.0, and the order of keys differ.
    assert json.dumps(decode(BOM * bom + text.encode())) == json.dumps(value)


PIECES = b'[ ] { } " : , \\ \\u d83d de00 0 9 - . e "a" {"a":1, null NaN Infinity 1e999 \xff'.split()
JSON_LIKE = st.lists(st.sampled_from([*PIECES, BOM, b" ", b"\n", b"\x00"]), max_size=12).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=40) | JSON_LIKE)
def test_nothing_but_a_body_error_ever_escapes(body):
    with suppress(BodyError):
        # What is accepted is JSON for any other strict parser too, down to the encoding.
        json.dumps(decode(body), allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("template", ["{}", "[{}]", '{{"a": {{"b": {}}}}}'])
def test_what_only_javascript_calls_a_number_is_refused_by_name(number, template):
    assert number in refusal(template.format(number).encode())


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1E400", "123456789e301"])
def test_a_number_that_would_become_infinite_is_refused(number):
    assert refusal(f"[{number}]".encode()) == "a number is too large"


@pytest.mark.parametrize("number", ["1e308", "1e-999", "0.1", "-0.0", "1E5", "0." + "9" * 5000])
def test_a_number_that_a_float_holds_is_accepted(number):
    assert decode(number.encode()) == float(number)


@pytest.mark.parametrize("number", ["0", "-1", str(2**53 + 1), str(2**64), "9" * 4000])
def test_an_integer_is_read_to_its_last_digit(number):
    assert decode(number.encode()) == int(number)


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_5000_digits_is_refused(sign):
    assert "digits" in refusal(f'{{"a": {sign}{"9" * 5000}}}'.encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"a": 1, "a": 2}', id="two values"),
        pytest.param('{"a": 1, "a": 1}', id="twice the same value"),
        pytest.param('{"a": 1, "b": 2, "a": 3}', id="apart"),
        pytest.param('[{"b": [{"a": 1, "a": 2}]}]', id="nested"),
        pytest.param('{"a": 1, "\\u0061": 2}', id="written differently"),
    ],
)
def test_a_key_that_stands_twice_in_one_object_is_refused_by_name(body):
    assert refusal(body.encode()) == 'the key "a" stands twice in one object'


def test_the_same_key_may_stand_in_several_objects():
    assert decode(b'{"a": {"a": 1}, "b": {"a": 2}}') == {"a": {"a": 1}, "b": {"a": 2}}


def test_the_name_of_a_repeated_key_is_cut_short():
    key = json.dumps("k" * 1_000_000)

    assert len(refusal(f"{{{key}: 1, {key}: 2}}".encode())) < 200


def test_a_repeated_key_among_very_many_is_found_in_reasonable_time():
    members = ",".join(f'"{number}": 0' for number in range(8_000))
    start = time.thread_time()

    assert "7999" in refusal(f'{{{members}, "7999": 1}}'.encode())
    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(r'"\ud800"', id="a high half"),
        pytest.param(r'"\udc00"', id="a low half"),
        pytest.param(r'"\ude00\ud83d"', id="a pair the wrong way round"),
        pytest.param(r'"\ud83d \ude00"', id="a pair torn apart"),
        pytest.param(r'["a", {"b": "\uDFFF"}]', id="nested, upper case"),
        pytest.param(r'{"\ud800": 1}', id="a key"),
        pytest.param(r'{"a": {"x\udbff": 1}}', id="a nested key"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused(body):
    assert "surrogate" in refusal(body.encode())


@pytest.mark.parametrize("body", [r'"\ud83d\ude00"', '"😀"'])
def test_a_whole_surrogate_pair_is_a_character(body):
    assert decode(body.encode()) == "😀"


def test_an_escaped_backslash_before_a_u_is_no_surrogate():
    assert decode(rb'"\\ud800"') == r"\ud800"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b"\xff", 0, id="a byte that UTF-8 never has"),
        pytest.param(b'["\x80"]', 2, id="a continuation byte alone"),
        pytest.param(b'"\xc3"', 1, id="a character cut off"),
        pytest.param(b'"\xc0\xaf"', 1, id="an overlong slash"),
        pytest.param(b'"\xe0\x80\xaf"', 1, id="an overlong slash in three bytes"),
        pytest.param(b'"\xed\xa0\x80"', 1, id="a surrogate"),
        pytest.param(b'"\xf4\x90\x80\x80"', 1, id="beyond Unicode"),
        pytest.param("{}".encode("utf-16"), 0, id="UTF-16"),
        pytest.param('"\u4f60"'.encode("gbk"), 1, id="GBK"),
    ],
)
def test_what_is_not_utf_8_is_refused_with_its_place(body, place):
    assert refusal(body) == f"byte {place} is not UTF-8"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_wide_encoding_without_a_mark_is_refused(encoding):
    assert refusal('{"a": 1}'.encode(encoding))


def test_a_byte_order_mark_is_skipped():
    assert decode(BOM + b'{"a": 1}') == {"a": 1}


def test_only_one_byte_order_mark_is_skipped():
    assert refusal(BOM + BOM + b"{}")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_nesting_is_accepted_up_to_200_levels(opening, closing):
    levels = MAX_DEPTH // opening.replace("{", "[").count("[")
    deepest = opening * levels + "1" + closing * levels

    decode(deepest.encode())
    assert refusal(f"[{deepest}]".encode()) == "it is nested deeper than 200 levels"


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_of_100000_levels_is_refused(opening, closing, closed):
    assert refusal((opening * 100_000 + closing * 100_000 * closed).encode())


@pytest.mark.parametrize("text", ["[" * 1000, '"' + "[" * 1000, '\\"' + "{[" * 500, "\\", "\\\\" + "[" * 1000])
def test_brackets_within_strings_are_not_nesting(text):
    assert decode(json.dumps({text: [text]}).encode()) == {text: [text]}


def test_many_objects_side_by_side_are_not_nesting():
    assert decode(b"[" + b"[{}]," * 1000 + b"0]")[-1] == 0


@pytest.mark.parametrize("body", [b"", b" ", b"\n\t\r ", BOM])
def test_an_empty_text_is_refused(body):
    assert refusal(body).endswith("there is nothing but blanks")


@pytest.mark.parametrize("garbage", ["x", "{}", ",", "]", "0", "\x00", "// comment", "\xa0"])
def test_whatever_follows_the_value_is_refused(garbage):
    assert refusal(f"{{}} {garbage}".encode()).startswith("line 1, column 4")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param('{"a": tru}', "line 1, column 7", id="a misspelt literal"),
        pytest.param('{\n  "a": 1,\n  "b" 2\n}', "line 3, column 7", id="a colon forgotten"),
        pytest.param("[1,\n2,]", "line 2, column 3", id="a comma too many"),
        pytest.param("{'a': 1}", "line 1, column 2", id="single quotes"),
        pytest.param(
            '"a\nb"',
            "line 1, column 3: a line break or another control character stands unescaped in a string",
            id="a line break in a string",
        ),
        pytest.param('"a\x00b"', "line 1, column 3", id="a NUL in a string"),
        pytest.param(r'"\x41"', "line 1, column 2", id="an escape that JSON does not have"),
        pytest.param('"abc', "line 1, column 1: the string that begins here has no end", id="an unfinished string"),
        pytest.param("[01]", "line 1, column 3", id="a leading zero"),
        pytest.param("[+1]", "line 1, column 2", id="a plus sign"),
        pytest.param("[.5]", "line 1, column 2", id="no digit before the point"),
        pytest.param("[1.]", "line 1, column 3", id="no digit after the point"),
        pytest.param('["你", x]', "line 1, column 7", id="columns are characters"),
    ],
)
def test_a_syntax_error_is_named_with_line_and_column(body, place):
    assert f"{refusal(body.encode())}: ".startswith(f"{place}: ")


def test_a_refusal_is_a_value_error():
    with pytest.raises(ValueError, match="line 1"):
        decode(b"x")

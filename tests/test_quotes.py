"""Quotes stand in a description whatever the width of its commas and the white space between its sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract, RuleError
from kling_contracts.documents import loading
from kling_contracts.documents.prose_coverage import coverage
from kling_contracts.documents.quotes import find_quote, folded, holds_quote
from support.published import FULL_WIDTH, SEED, full_width


def effective_of(text, tmp_path):
    """The effective document of a folder whose vendor document is `text`."""
    import kling_openapi

    for source in kling_openapi.FOLDER.glob("*.yaml"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / loading.VENDOR_DOCUMENT).write_text(text, encoding="utf-8")
    return loading.effective(folder=tmp_path)


def test_the_document_with_the_punctuation_of_the_published_page_loads(tmp_path):
    published = full_width(SEED)
    assert sum(one != other for one, other in zip(published, SEED, strict=True)) > 20
    effective = effective_of(published, tmp_path)
    assert Contract.compile(effective).rules.keys() == Contract.load().rules.keys()
    described = coverage(loading.parse(published.encode(), "published"), effective)
    assert sum(one.uncovered_characters for one in described) == 0
    assert not any(one.strays for one in described)


def test_another_word_is_still_another_sentence(tmp_path):
    effective = effective_of(SEED.replace("不得短于2秒", "不得短于3秒"), tmp_path)
    with pytest.raises(RuleError, match="裁剪后音频不得短于2秒"):
        Contract.compile(effective)


@pytest.mark.parametrize(
    ("description", "quote"),
    [
        ("取值范围\uff1a[0\uff0c 2]\uff1b原视频无声时", "取值范围:[0, 2]"),
        ("取值范围:[0,2]", "取值范围:[0, 2]"),
        ("值越大\n    音量越大", "值越大音量越大"),
        ("裁剪后\u200b音频", "裁剪后音频"),
        ("\uff15\uff2d\uff22", "5MB"),
    ],
)
def test_width_and_white_space_make_no_difference(description, quote):
    assert holds_quote(description, quote)


@pytest.mark.parametrize(("description", "quote"), [("能同时为空", "不能同时为空"), ("", "a"), (None, "a"), ("a", " ")])
def test_what_is_not_there_is_not_said(description, quote):
    assert not holds_quote(description, quote)


def test_a_quote_is_found_where_it_stands_in_the_original():
    description = "说明: 音频 不超过 5 MB 。"
    start, end = find_quote(description, "不超过5MB")
    assert description[start:end] == "不超过 5 MB"


QUOTES = st.sampled_from([rule for rule in Contract.load().operation.rules if rule.quotes])


@given(rule=QUOTES, data=st.data())
def test_a_sentence_is_found_however_it_is_spaced_and_widened(rule, data):
    quote = rule.quotes[0].text
    spaced = "".join(
        data.draw(st.sampled_from(["", " ", "\n", "\u3000"]))
        + data.draw(st.sampled_from([one, FULL_WIDTH.get(one, one)]))
        for one in quote
    )
    description = f"前文{spaced}后文"
    start, end = find_quote(description, quote)
    assert folded(description[start:end]) == folded(quote)

"""Every sentence of the vendor's prose is a rule, or is said not to be one; neither can drift in silence."""

import re
import unicodedata
from copy import deepcopy

import pytest

import kling_openapi
from kling_contracts import Contract, DocumentError, RuleError
from kling_contracts.documents.loading import PROFILES, VENDOR_DOCUMENT, parse
from kling_contracts.documents.overlay import apply
from kling_contracts.documents.prose_coverage import coverage

# What the vendor says, rule by rule, in document order. No sentence means that only the schema's own keyword, or
# upstream's documentation, says it. A change here is a change of what this kit claims the vendor to have said.
TABLE = {
    "body.type": [],
    "session_id.required": [],
    "face_choose.required": [],
    "session_id.type": [],
    "session-unknown": ["会基于对口型人脸识别接口生成"],
    "session-expired": [],
    "face_choose.type": [],
    "face_choose.minItems": ["暂时仅支持指定单人对口型"],
    "face_choose.maxItems": ["暂时仅支持指定单人对口型"],
    "face_choose.items.type": [],
    "face_id.required": [],
    "sound_start_time.required": [],
    "sound_end_time.required": [],
    "sound_insert_time.required": [],
    "sound_volume.required": [],
    "original_audio_volume.required": [],
    "audio-source-missing": [
        "audio_id、sound_file参数二选一",
        "不能同时为空",
        "audio_id、sound_file参数二选一",
        "不能同时为空",
    ],
    "audio-source-conflict": [
        "audio_id、sound_file参数二选一",
        "也不能同时有值",
        "audio_id、sound_file参数二选一",
        "也不能同时有值",
    ],
    "audio-too-short": ["时长不短于2秒", "仅支持使用时长不短于2秒"],
    "audio-too-long": ["且不超过60秒的音频", "且不长于60秒的音频"],
    "audio-content": ["系统会校验音频内容"],
    "clip-too-short": ["裁剪后音频不得短于2秒"],
    "face-overlap-too-short": ["插入音频的时间范围与该人脸可对口型时间区间至少重合2秒时长"],
    "insert-past-video-end": ["插入音频的结束时间不得晚于视频结束时间"],
    "face_id.type": [],
    "face-unknown": ["人脸ID由人脸识别接口返回"],
    "audio_id.type": [],
    "audio-id-unknown": ["通过试听接口生成的音频的ID"],
    "audio-id-expired": ["仅支持使用30天内生成的"],
    "sound_file.type": [],
    "sound-file-unreadable": ["支持传入音频Base64编码或图音频URL"],
    "sound-file-unreachable": ["确保可访问"],
    "sound-file-format": ["音频文件支持.mp3/.wav/.m4a"],
    "sound-file-too-large": ["文件大小不超过5MB"],
    "sound_start_time.type": ["单位ms"],
    "sound_start_time.minimum": ["开始时间为0分0秒"],
    "sound_end_time.type": [],
    "clip-past-audio-end": ["终点时间不得晚于原始音频总时长"],
    "sound_insert_time.type": [],
    "sound_insert_time.minimum": ["插入音频的开始时间不得早于视频开始时间"],
    "sound_volume.type": [],
    "sound_volume.minimum": ["取值范围:[0, 2]"],
    "sound_volume.maximum": ["取值范围:[0, 2]"],
    "original_audio_volume.type": [],
    "original_audio_volume.minimum": ["取值范围:[0, 2]"],
    "original_audio_volume.maximum": ["取值范围:[0, 2]"],
    "external_task_id.type": [],
    "external-task-id-duplicate": [],
    "callback_url.type": [],
}

NOT_ENFORCED = {
    "会话ID",
    "指定人脸对口型",
    "包括人脸ID、口型参考等内容等",
    "音频文件",
    "格式不匹配或文件过大会返回错误码等信息",
    "如有问题会返回错误码等信息",
    "音频裁剪起点时间",
    "以原始音频开始时间为准",
    "起点之前的音频会被裁剪",
    "音频裁剪终点时间",
    "裁剪后音频插入时间",
    "音频音量大小",
    "原始视频音量大小",
    "值越大,音量越大",
    "原视频无声时,当前参数无效果",
    "正式环境",
}


def read(name):
    return parse((kling_openapi.FOLDER / name).read_bytes(), name)


def laid_over(profile):
    document = VENDOR
    for name in PROFILES[profile]:
        document = apply(document, read(name))
    return document


VENDOR = read(VENDOR_DOCUMENT)
EFFECTIVE = laid_over("documented")


def table_of(document):
    return {rule.id: [quote.text for quote in rule.quotes] for rule in Contract.compile(document).operation.rules}


def letters(text):
    """What must be answered for: all but spaces and punctuation."""
    return "".join(c for c in text if not c.isspace() and not unicodedata.category(c).startswith("P"))


def uncovered(document, vendor=VENDOR):
    """Everything that nothing answers for, in the order of the vendor's document."""
    return letters("".join(run for described in coverage(vendor, document) for run in described.uncovered))


def strays(document, vendor=VENDOR):
    """Every quote that does not stand where it is said to stand."""
    return [text for described in coverage(vendor, document) for text in described.strays]


# A place is a path of keys into a document, so that a copy can be changed there.


def nodes(node, place=()):
    """Yield every object of a document with its place."""
    if isinstance(node, dict):
        yield place, node
    for key, member in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(member, dict | list):
            yield from nodes(member, (*place, key))


def at(place, document=EFFECTIVE):
    for key in place:
        document = document[key]
    return document


def with_text(document, place, text):
    """A copy of a document that has another text at a place."""
    copy = deepcopy(document)
    at(place[:-1], copy)[place[-1]] = text
    return copy


def without(place):
    """The effective document without what stands at a place."""
    copy = deepcopy(EFFECTIVE)
    del at(place[:-1], copy)[place[-1]]
    return copy


def altered(text):
    """The text with its middle character replaced."""
    middle = len(text) // 2
    return text[:middle] + "甲" + text[middle + 1 :]


DESCRIPTIONS = [(*place, "description") for place, node in nodes(VENDOR) if node.get("description")]
RULES = [
    (*place, "x-validations", index)
    for place, node in nodes(EFFECTIVE)
    for index, _ in enumerate(node.get("x-validations", ()))
]
KEYWORDS = [(*place, "x-prose", keyword) for place, node in nodes(EFFECTIVE) for keyword in node.get("x-prose", ())]
QUOTES = [(*place, "text") for place, node in nodes(EFFECTIVE) if {"text", "en"} <= node.keys()]
REASONED = [(*place, "text") for place, node in nodes(EFFECTIVE) if {"text", "reason"} <= node.keys()]


def name_of(place):
    """A readable id for a place: the rule, or the field and its keyword, and the vendor's words."""
    words = f" {at(place)}" if place[-1] == "text" else ""
    if "x-validations" in place:
        return at(place[: place.index("x-validations") + 2])["id"] + words
    if "x-prose" in place:
        keyword = place.index("x-prose")
        return f"{place[keyword - 1]}.{place[keyword + 1]}{words}"
    return words.strip() or str(place[-2])


@pytest.mark.parametrize("profile", PROFILES)
def test_every_character_of_the_vendors_prose_is_answered_for(profile):
    left = {
        described.pointer: described.uncovered
        for described in coverage(VENDOR, laid_over(profile))
        if described.uncovered
    }

    assert left == {}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_quote_stands_where_it_is_said_to_stand(profile):
    assert strays(laid_over(profile)) == []


def test_no_description_of_the_vendor_is_left_out():
    described = coverage(VENDOR, EFFECTIVE)

    assert [one.description for one in described] == [at(place, VENDOR) for place in DESCRIPTIONS]
    assert sum(one.characters for one in described) == sum(len(letters(one.description)) for one in described)


def test_the_contract_quotes_exactly_the_fixed_table():
    assert table_of(EFFECTIVE) == TABLE


def test_the_rules_stand_in_the_order_of_the_table():
    assert list(table_of(EFFECTIVE)) == list(TABLE)


def test_what_is_not_enforced_is_exactly_the_closed_list():
    assert {at(place) for place in REASONED} == NOT_ENFORCED


def test_whatever_is_not_enforced_has_a_reason():
    assert all(at(place[:-1])["reason"] for place in REASONED)


def test_every_passage_that_is_enforced_names_rules_of_the_contract():
    named = {
        rule_id
        for described in coverage(VENDOR, EFFECTIVE)
        for passage in described.passages
        if passage.enforced
        for rule_id in passage.answers
    }

    assert named == {rule_id for rule_id, sentences in TABLE.items() if sentences}


@pytest.mark.parametrize("place", RULES + KEYWORDS, ids=name_of)
def test_a_rule_that_is_taken_away_is_missed(place):
    assert table_of(without(place)) != TABLE


@pytest.mark.parametrize("place", RULES + KEYWORDS, ids=name_of)
def test_the_sentences_that_a_rule_alone_quotes_are_named_when_it_is_taken_away(place):
    others = {at(quote) for quote in QUOTES if quote[: len(place)] != place}
    alone = {at(quote) for quote in QUOTES if quote[: len(place)] == place} - others
    left = uncovered(without(place))

    assert {text for text in alone if letters(text) not in left} == set()
    assert bool(alone) == bool(left)


@pytest.mark.parametrize("place", REASONED, ids=name_of)
def test_a_reason_that_is_taken_away_leaves_its_words_uncovered(place):
    assert letters(at(place)) in uncovered(without(place[:-1]))


@pytest.mark.parametrize("place", [place for place in KEYWORDS if place[-1] != "type"], ids=name_of)
def test_words_quoted_for_a_keyword_that_is_not_there_are_an_error(place):
    # They would count as enforced, and nothing would enforce them.
    node, keyword = place[:-2], place[-1]

    with pytest.raises(RuleError, match=keyword):
        Contract.compile(without((*node, keyword)))


@pytest.mark.parametrize("place", QUOTES, ids=name_of)
def test_a_rule_that_misquotes_by_one_character_is_an_error_that_names_the_sentence(place):
    misquoted = altered(at(place))

    with pytest.raises(DocumentError, match=re.escape(misquoted)):
        Contract.compile(with_text(EFFECTIVE, place, misquoted))


@pytest.mark.parametrize("place", REASONED, ids=name_of)
def test_a_reason_that_misquotes_by_one_character_is_a_stray_and_leaves_the_words_uncovered(place):
    document = with_text(EFFECTIVE, place, altered(at(place)))

    assert strays(document) == [altered(at(place))]
    assert letters(at(place)) in uncovered(document)


# Every quoted passage: the place of its description, where it starts there, and the passage.
PASSAGES = [
    pytest.param(place, described.description.index(passage.text), passage, id=f"{place[-2]} {passage.text}")
    for place, described in zip(DESCRIPTIONS, coverage(VENDOR, EFFECTIVE), strict=True)
    for passage in described.passages
]


def drifted(document, place, start, text):
    """A copy of a document in which the vendor changed one character of a passage."""
    description = at(place, VENDOR)
    new = description[:start] + altered(text) + description[start + len(text) :]
    return with_text(document, place, new)


@pytest.mark.parametrize(("place", "start", "passage"), PASSAGES)
def test_one_character_that_the_vendor_changes_leaves_the_sentence_uncovered(place, start, passage):
    vendor, document = (drifted(one, place, start, passage.text) for one in (VENDOR, EFFECTIVE))

    assert letters(altered(passage.text)) in uncovered(document, vendor)


@pytest.mark.parametrize(("place", "start", "passage"), [one for one in PASSAGES if one.values[2].enforced])
def test_a_rule_whose_sentence_the_vendor_changes_is_an_error_that_names_the_sentence(place, start, passage):
    with pytest.raises(DocumentError, match=re.escape(passage.text)):
        Contract.compile(drifted(EFFECTIVE, place, start, passage.text))


@pytest.mark.parametrize("place", DESCRIPTIONS, ids=name_of)
def test_a_word_that_the_vendor_puts_in_is_noticed_wherever_it_stands(place):
    description = at(place, VENDOR)

    def noticed(position):
        vendor = with_text(VENDOR, place, f"{description[:position]}不{description[position:]}")
        return "不" in uncovered(EFFECTIVE, vendor)

    assert [position for position in range(len(description) + 1) if not noticed(position)] == []


def test_a_description_that_the_vendor_adds_is_noticed():
    payload = DESCRIPTIONS[0][:-2]

    vendor = with_text(VENDOR, (*payload, "callback_url", "description"), "回调地址")

    assert uncovered(EFFECTIVE, vendor) == "回调地址"


def test_uncovered_characters_are_counted():
    (label,) = [place for place in REASONED if at(place) == "会话ID"]

    assert sum(described.uncovered_characters for described in coverage(VENDOR, without(label[:-1]))) == 4


def test_an_uncovered_sentence_is_named_whole():
    place = next(place for place in REASONED if at(place) == "原视频无声时,当前参数无效果")
    (described,) = [one for one in coverage(VENDOR, without(place[:-1])) if one.uncovered]

    assert described.uncovered == ("原视频无声时,当前参数无效果",)


@pytest.mark.parametrize("place", [place for place in REASONED if "servers" not in place], ids=name_of)
def test_a_reason_that_misquotes_a_field_is_an_error(place):
    with pytest.raises(RuleError, match=re.escape(altered(at(place)))):
        Contract.compile(with_text(EFFECTIVE, place, altered(at(place))))

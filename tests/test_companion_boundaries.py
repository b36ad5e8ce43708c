"""What identify-face, TTS, query and list take is judged at every boundary, whatever the profile."""

from urllib.parse import urlencode

import pytest

from kling_contracts import World
from support.companions import (
    CONTRACTS,
    DAY_MS,
    MB,
    TABLE,
    VIDEO_ID,
    broken,
    every_contract,
    request,
    unverified,
    video,
)
from support.serving import NOW_MS, documented
from support.workflow import IDENTIFY, LIST, TTS, VIDEO_URL, said, task_path

# identify-face.


def by_url(entry=None, url=VIDEO_URL):
    """Return the request for a video by its URL, and the world in which it is found; no entry: it is not."""
    return request(IDENTIFY, {"video_url": url}), {"now_ms": NOW_MS, "videos": {} if entry is None else {url: entry}}


def by_id(entry=None):
    return request(IDENTIFY, {"video_id": VIDEO_ID}), {
        "now_ms": NOW_MS,
        "videos": {} if entry is None else {VIDEO_ID: entry},
    }


def given(**members):
    return request(IDENTIFY, members), {"videos": {VIDEO_URL: video(), VIDEO_ID: video()}}


IDENTIFICATIONS = [
    pytest.param(by_url(video()), set(), id="a good video by its URL"),
    pytest.param(by_id(video()), set(), id="a good video by its id"),
    pytest.param(given(video_url=VIDEO_URL, video_id=""), set(), id="the vendor's own example: an empty id"),
    pytest.param(given(video_url="", video_id=VIDEO_ID), set(), id="the aggregator's example: an empty URL"),
    pytest.param(given(), {"video-source-missing"}, id="no source"),
    pytest.param(given(video_id="", video_url=""), {"video-source-missing"}, id="two empty sources"),
    pytest.param(given(video_id=VIDEO_ID, video_url=VIDEO_URL), {"video-source-conflict"}, id="two sources"),
    pytest.param(given(video_url=["x"]), {"video_url.type"}, id="a URL in an array"),
    pytest.param(given(video_id=825465778199224381), {"video_id.type"}, id="an id that is a number"),
    pytest.param((request(IDENTIFY, []), {}), {"body.type"}, id="an array"),
    pytest.param(by_url(video(duration_ms=1999)), {"video-too-short"}, id="1999 ms"),
    pytest.param(by_url(video(duration_ms=2000)), set(), id="2000 ms"),
    pytest.param(by_url(video(duration_ms=60_000)), set(), id="60000 ms"),
    pytest.param(by_url(video(duration_ms=60_001)), {"video-too-long"}, id="60001 ms"),
    pytest.param(by_id(video(duration_ms=1999)), {"video-too-short"}, id="1999 ms, by id"),
    pytest.param(by_id(video(duration_ms=60_001)), {"video-too-long"}, id="60001 ms, by id"),
    pytest.param(by_url(video(size_bytes=100 * MB)), set(), id="100 MB"),
    pytest.param(by_url(video(size_bytes=100 * MB + 1)), {"video-too-large"}, id="100 MB and a byte"),
    pytest.param(by_id(video(size_bytes=100 * MB + 1)), set(), id="a video of Kling's own is as large as it is"),
    *(
        pytest.param(by_url(video(width_px=width, height_px=height)), rules, id=f"{width}x{height}")
        for width, height, rules in [
            (1280, 720, set()),
            (1280, 719, {"video-resolution"}),
            (719, 1280, {"video-resolution"}),
            (720, 1280, set()),
            (1920, 1080, set()),
            (1920, 1081, {"video-resolution"}),
            (1081, 1920, {"video-resolution"}),
            (1080, 1080, set()),
            (2160, 1080, set()),
            (2161, 1080, {"video-width"}),
            (1080, 2160, set()),
            (1080, 2161, {"video-height"}),
            (512, 1280, {"video-resolution"}),
            (511, 1280, {"video-width", "video-resolution"}),
            (1280, 512, {"video-resolution"}),
            (1280, 511, {"video-height", "video-resolution"}),
            (0, 0, {"video-width", "video-height", "video-resolution"}),
        ]
    ),
    *(pytest.param(by_url(video(format=name)), set(), id=name) for name in ("mp4", "mov")),
    *(
        pytest.param(by_url(video(format=name)), {"video-format"}, id=f"not {name}")
        for name in ("webm", "avi", "unknown", "MP4", "m4v", "")
    ),
    pytest.param(by_url(video(faces={})), {"no-human"}, id="nobody"),
    pytest.param(by_id(video(faces={})), {"no-human"}, id="nobody, by id"),
    pytest.param(by_url(video(faces={"0": [0, 1], "1": [1, 2]})), set(), id="two faces"),
    pytest.param(by_url(video(flagged=True)), {"video-content"}, id="flagged"),
    pytest.param(by_id(video(created_ms=NOW_MS - 30 * DAY_MS)), set(), id="30 days old"),
    pytest.param(by_id(video(created_ms=NOW_MS - 30 * DAY_MS - 1)), {"video-id-expired"}, id="30 days and a ms old"),
    pytest.param(by_url(video(created_ms=0)), set(), id="an old file at a URL"),
    pytest.param(by_id(), {"video-id-unknown"}, id="an unknown id"),
    pytest.param(by_url(), {"video-url-unreachable"}, id="a URL that does not answer"),
    *(
        pytest.param(by_url(video(), url), {"video-url-unreadable"}, id=repr(url))
        for url in (
            "ftp://example.com/a.mp4",
            "talk.mp4",
            "//example.com/a.mp4",
            "data:video/mp4;base64,AAAA",
            "http://",
            " ",
        )
    ),
    pytest.param(by_url(video(), "HTTPS://EXAMPLE.COM/A.MP4"), set(), id="a scheme in capitals"),
]


@every_contract
@pytest.mark.parametrize(("asked", "rules"), IDENTIFICATIONS)
def test_a_video_is_judged_at_every_boundary(contract, asked, rules):
    assert broken(*asked, contract) == rules


def test_a_null_is_no_text_where_documented_and_absent_upstream():
    asked = given(video_url=None)
    assert broken(*asked, CONTRACTS["documented"]) == {"video_url.type"}
    assert broken(*asked, CONTRACTS["upstream"]) == {"video-source-missing"}


def test_the_tables_of_rows_break_every_rule_of_identify():
    told = set().union(*(row.values[1] for row in IDENTIFICATIONS))
    assert told == {rule_id for rule_id, *_ in TABLE["identify"]}


def test_without_a_world_nothing_is_said_about_a_video():
    asked, _ = by_url()
    assert broken(asked) == set()
    assert unverified(asked) == {
        "video-too-short",
        "video-too-long",
        "video-height",
        "video-width",
        "video-resolution",
        "video-content",
        "no-human",
        "video-url-unreachable",
        "video-too-large",
    }


def test_a_world_that_lists_no_videos_says_nothing_about_them():
    asked, _ = by_id()
    assert broken(asked, {}) == set()
    assert {"video-id-unknown", "video-id-expired", "no-human"} <= unverified(asked, {})


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        pytest.param("https://example.com/a.webm", {"video-format"}, id="another format"),
        pytest.param("https://example.com/a.mp3?b.mp4", {"video-format"}, id="audio"),
        pytest.param("https://example.com/a.mov", set(), id="mov"),
        pytest.param("https://example.com/a", set(), id="none"),
    ],
)
def test_of_a_video_that_nobody_looks_at_the_extension_is_the_evidence(url, rules):
    assert broken(request(IDENTIFY, {"video_url": url}), {}) == rules


def test_with_two_sources_there_is_no_one_video_to_judge():
    asked, world = given(video_id=VIDEO_ID, video_url=VIDEO_URL)
    world["videos"][VIDEO_ID] = video(duration_ms=1)
    assert broken(asked, world) == {"video-source-conflict"}
    assert "video-too-short" in unverified(asked, world)


# TTS.


def spoken(world=None, **changes):
    return request(TTS, said(**changes)), world if world is not None else {
        "voices": {"oversea_male1": "en", "genshin": "zh"}
    }


SPEECHES = [
    pytest.param(spoken(), set(), id="the example"),
    *(
        pytest.param(spoken(text=text), rules, id=name)
        for name, text, rules in [
            ("no character", "", {"text.minLength"}),
            ("1 character", "a", set()),
            ("1000 characters", "a" * 1000, set()),
            ("1001 characters", "a" * 1001, {"text.maxLength"}),
            ("1000 characters of Chinese", "你" * 1000, set()),
            ("1001 characters of Chinese", "你" * 1001, {"text.maxLength"}),
            ("1000 emoji", "🙂" * 1000, set()),
            ("1001 emoji", "🙂" * 1001, {"text.maxLength"}),
            ("spaces", "   ", set()),
            ("a number", 5, {"text.type"}),
        ]
    ),
    *(
        pytest.param(spoken(voice_speed=speed), rules, id=f"speed {speed}")
        for speed, rules in [
            (0.7, {"voice_speed.minimum"}),
            (0.7999999, {"voice_speed.minimum"}),
            (0.8, set()),
            (1, set()),
            (1.25, set()),
            (2, set()),
            (2.0, set()),
            (2.1, {"voice_speed.maximum"}),
            (-1, {"voice_speed.minimum"}),
            (10**30, {"voice_speed.maximum"}),
            ("1.0", {"voice_speed.type"}),
            (True, {"voice_speed.type"}),
        ]
    ),
    pytest.param(spoken(voice_id="genshin", voice_language="zh"), set(), id="Chinese"),
    pytest.param(spoken(voice_language="zh"), {"voice-language-mismatch"}, id="a voice that speaks English only"),
    pytest.param(spoken(voice_id="genshin"), {"voice-language-mismatch"}, id="a voice that speaks Chinese only"),
    pytest.param(spoken(voice_language="fr"), {"voice_language.enum"}, id="French"),
    pytest.param(spoken(voice_language="EN"), {"voice_language.enum"}, id="a language in capitals"),
    pytest.param(spoken(voice_language=1), {"voice_language.type", "voice_language.enum"}, id="a language by number"),
    pytest.param(spoken(voice_id="nobody"), {"voice-unknown"}, id="an unknown voice"),
    pytest.param(spoken(voice_id=""), {"voice-unknown"}, id="an empty voice"),
    pytest.param(spoken(voice_id=1), {"voice_id.type"}, id="a voice by number"),
    *(
        pytest.param(spoken(**{name: None}), {f"{name}.required"}, id=f"without {name}")
        for name in ("text", "voice_id", "voice_language")
    ),
    pytest.param((request(TTS, "text"), {}), {"body.type"}, id="only a text"),
    pytest.param(spoken({"flagged_words": ["welcome"]}), {"text-content"}, id="a word that is not allowed"),
    pytest.param(spoken({"flagged_words": ["Welcome", "bye"]}), set(), id="words that are not there"),
    pytest.param(spoken({}), set(), id="a world of any voice"),
]


@every_contract
@pytest.mark.parametrize(("asked", "rules"), SPEECHES)
def test_a_text_is_judged_at_every_boundary(contract, asked, rules):
    assert broken(*asked, contract) == rules


def test_the_tables_of_rows_break_every_rule_of_tts():
    told = set().union(*(row.values[1] for row in SPEECHES))
    assert told == {rule_id for rule_id, *_ in TABLE["tts"]}


def test_without_a_world_neither_voice_nor_moderation_is_known():
    assert unverified(spoken()[0]) == {"text-content", "voice-unknown", "voice-language-mismatch"}


# Query and list.

PAGES = [
    ("", set()),
    *(
        (f"pageNum={number}", rules)
        for number, rules in [
            ("1", set()),
            ("0001", set()),
            ("1000", set()),
            ("0", {"pageNum.minimum"}),
            ("-0", {"pageNum.minimum"}),
            ("-1", {"pageNum.minimum"}),
            ("1001", {"pageNum.maximum"}),
            ("9" * 18, {"pageNum.maximum"}),
            ("9" * 900, {"pageNum.maximum"}),
            ("9" * 9000, {"pageNum.type"}),
            ("", {"pageNum.type"}),
            ("one", {"pageNum.type"}),
            ("1.0", {"pageNum.type"}),
            ("1e2", {"pageNum.type"}),
            ("0x1", {"pageNum.type"}),
            ("1_0", {"pageNum.type"}),
            ("+1", {"pageNum.type"}),
            ("%2B1", {"pageNum.type"}),
            ("%201", {"pageNum.type"}),
            ("1%0A", {"pageNum.type"}),
            ("%D9%A1", {"pageNum.type"}),
            ("%00", {"pageNum.type"}),
            ("%FF", {"pageNum.type"}),
            ("true", {"pageNum.type"}),
            ("null", {"pageNum.type"}),
        ]
    ),
    ("pageSize=1", set()),
    ("pageSize=500", set()),
    ("pageSize=0", {"pageSize.minimum"}),
    ("pageSize=501", {"pageSize.maximum"}),
    ("pageSize=many", {"pageSize.type"}),
    ("pageNum=0&pageSize=501", {"pageNum.minimum", "pageSize.maximum"}),
    ("pageNum=0&pageNum=1", set()),
    ("pageNum=1&pageNum=0", {"pageNum.minimum"}),
    ("page%4Eum=0", {"pageNum.minimum"}),
    ("pagenum=0", set()),
    ("&&=&", set()),
    ("pageNum", {"pageNum.type"}),
    ("\ud800", set()),
    ("pageNum=\ud800", {"pageNum.type"}),
]


@every_contract
@pytest.mark.parametrize(("query", "rules"), PAGES, ids=[ascii(query)[:30] for query, _ in PAGES])
def test_a_page_is_judged_at_every_boundary(contract, query, rules):
    assert broken(request(LIST, query=query), {}, contract) == rules


def test_the_tables_of_rows_break_every_rule_of_list():
    assert set().union(*(rules for _, rules in PAGES)) == {rule_id for rule_id, *_ in TABLE["list"]}


def test_a_page_that_is_no_number_is_told_what_it_is():
    (violation,) = documented().collect_violations(request(LIST, query="pageNum=one"))
    assert (violation.pointer, violation.message) == ("/pageNum", "pageNum must be an integer, not a string")
    assert violation.value == '"one"'


def test_a_parameter_that_is_not_documented_is_noted():
    (note,) = documented().report(request(LIST, query="page_num=2")).notes
    assert (note.pointer, note.message) == ("/page_num", '"page_num" is not a documented field; did you mean pageNum?')


def test_of_a_query_without_end_only_the_beginning_is_read():
    asked = urlencode([("x", "")] * 1_000_000 + [("pageNum", "0")])
    assert broken(request(LIST, query=asked)) == set()


def test_a_query_needs_nothing_but_an_account_to_be_judged():
    assert broken(request(task_path("825466120331415623")), {}) == set()
    assert unverified(request(task_path("825466120331415623")), {}) == {"task-unknown"}


@pytest.mark.parametrize("query", ["task_id=", "task_id=other", "pageNum=0"])
def test_the_path_alone_says_which_task(query):
    report = documented().report(request(task_path("1"), query=query), World())
    assert report.broken == ()

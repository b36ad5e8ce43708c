"""The operations around the vendor's, as their document says them: rules at every boundary, links, examples."""

import copy
import json
import re
import shutil
from urllib.parse import urlencode

import pytest

import kling_openapi
from kling_contracts import Contract, DocumentError, Request, World
from kling_contracts.documents.loading import COMPANIONS, effective
from support.serving import NOW_MS, PATH, documented
from support.workflow import CREATE, IDENTIFY, LIST, QUERY, TTS, VIDEO_URL, resolved, said, task_path, validator

MB = 1024 * 1024
DAY_MS = 24 * 60 * 60 * 1000
VIDEO_ID = "825465778199224381"

CONTRACTS = {
    "documented": documented(),
    "upstream": Contract.load("upstream"),
    "documented, no upstream state": Contract.load(upstream_state=False),
    "upstream, no upstream state": Contract.load("upstream", upstream_state=False),
}
DOCUMENT = documented().document
COMPANION_NAMES = ("list", "query", "identify", "tts")


def request(path, body=None, query="", method=None, **headers):
    """Return a request as a client sends it, with a key unless `headers` says otherwise."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    chosen = method or ("GET" if body is None else "POST")
    return Request(chosen, path, {"authorization": "Bearer key", **headers}, content, query)


def broken(asked, world=None, contract=None):
    """Return the ids of the rules that a request breaks in a world, as its JSON, or in none."""
    known = None if world is None else World.from_json(world)
    return {one.rule.id for one in (contract or documented()).collect_violations(asked, known)}


def unverified(asked, world=None):
    known = None if world is None else World.from_json(world)
    return {one.rule.id for one in documented().report(asked, known).unverified}


# What upstream's documentation says of each operation, rule by rule, in document order: id, HTTP status, service code.

TABLE = {
    "list": [
        ("pageNum.type", 400, 1201),
        ("pageNum.minimum", 400, 1201),
        ("pageNum.maximum", 400, 1201),
        ("pageSize.type", 400, 1201),
        ("pageSize.minimum", 400, 1201),
        ("pageSize.maximum", 400, 1201),
    ],
    "query": [("task_id.type", 400, 1201), ("task-unknown", 400, 1201)],
    "identify": [
        ("body.type", 400, 1201),
        ("video-source-missing", 400, 1201),
        ("video-source-conflict", 400, 1201),
        ("video-too-short", 400, 1201),
        ("video-too-long", 400, 1201),
        ("video-height", 400, 1201),
        ("video-width", 400, 1201),
        ("video-resolution", 400, 1201),
        ("video-content", 400, 1301),
        ("no-human", 400, 1201),
        ("video_id.type", 400, 1201),
        ("video-id-unknown", 400, 1201),
        ("video-id-expired", 400, 1201),
        ("video_url.type", 400, 1201),
        ("video-url-unreadable", 400, 1201),
        ("video-url-unreachable", 400, 1201),
        ("video-format", 400, 1201),
        ("video-too-large", 400, 1201),
    ],
    "tts": [
        ("body.type", 400, 1201),
        ("text.required", 400, 1201),
        ("voice_id.required", 400, 1201),
        ("voice_language.required", 400, 1201),
        ("voice-language-mismatch", 400, 1201),
        ("text.type", 400, 1201),
        ("text.minLength", 400, 1201),
        ("text.maxLength", 400, 1201),
        ("text-content", 400, 1301),
        ("voice_id.type", 400, 1201),
        ("voice-unknown", 400, 1201),
        ("voice_language.type", 400, 1201),
        ("voice_language.enum", 400, 1201),
        ("voice_speed.type", 400, 1201),
        ("voice_speed.minimum", 400, 1201),
        ("voice_speed.maximum", 400, 1201),
    ],
}

every_contract = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


@every_contract
@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_an_operation_has_exactly_the_rules_of_the_table_whatever_the_profile(contract, name):
    assert [(rule.id, rule.status, rule.code) for rule in contract.by_name[name].rules] == TABLE[name]


@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_no_rule_is_said_to_be_the_vendors(name):
    assert {rule.source for rule in documented().by_name[name].rules} == {"upstream"}


@every_contract
def test_there_are_five_operations_and_the_vendors_is_the_first(contract):
    assert [operation.name for operation in contract.operations] == ["create", *COMPANION_NAMES]
    assert contract.operation.id == "createAdvancedLipSync"


def test_a_task_too_many_is_refused_with_the_observed_message():
    rule = documented().account_rules["tasks-in-parallel"]
    assert (rule.status, rule.code, rule.message) == (429, 1303, "parallel task over resource pack limit")


# identify-face.


def video(**changes):
    return {"duration_ms": 10_000, "faces": {"0": [0, 10_000]}, **changes}


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


# Before there is a payload.

PATHS = {"list": LIST, "query": task_path("1"), "identify": IDENTIFY, "tts": TTS}
BODIES = {"identify": {"video_url": VIDEO_URL}, "tts": said()}


def asked_of(name, path=None, **changes):
    return request(path or PATHS[name], **{"body": BODIES.get(name), **changes})


@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_an_operation_answers_at_both_prefixes(name):
    short = PATHS[name].removeprefix("/kling")
    assert broken(asked_of(name), {}) == broken(asked_of(name, short), {}) == set()
    for path in (PATHS[name], short):
        methods, _ = documented().request_rules.routes.find(path)
        assert name in {operation.name for operation in methods.values()}


@pytest.mark.parametrize("name", COMPANION_NAMES)
@pytest.mark.parametrize(
    ("headers", "rule_id"),
    [
        ({"authorization": ""}, "authorization-missing"),
        ({"authorization": "key"}, "authorization-invalid"),
        ({"authorization": "Basic a2V5"}, "authorization-invalid"),
    ],
)
def test_every_operation_needs_a_key(name, headers, rule_id):
    assert broken(asked_of(name, **headers)) == {rule_id}


@pytest.mark.parametrize("name", COMPANION_NAMES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "get", ""])
def test_any_other_method_is_refused(name, method):
    assert broken(asked_of(name, method=method or "HEAD")) == {"method"}


@pytest.mark.parametrize("name", ["identify", "tts"])
@pytest.mark.parametrize(
    ("changes", "rule_id"),
    [
        ({"content-type": "text/plain"}, "content-type"),
        ({"body": b""}, "body.required"),
        ({"body": b"{"}, "body-json"),
        ({"body": b'{"a": NaN}'}, "body-json"),
        ({"body": b"\xff"}, "body-json"),
        ({"body": b'{"text": "a", "text": "b"}'}, "body-json"),
    ],
)
def test_a_body_is_read_as_strictly_as_the_vendors(name, changes, rule_id):
    assert broken(asked_of(name, **changes)) == {rule_id}


@pytest.mark.parametrize("name", ["list", "query"])
def test_what_takes_no_body_looks_at_none(name):
    assert broken(request(PATHS[name], b"{", method="GET", **{"content-type": "text/plain"}), {}) == set()


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}/",
        f"{PATH}/1/2",
        f"{PATH}//",
        f"{IDENTIFY}/",
        IDENTIFY.replace("identify", "Identify"),
        f"{TTS}s",
        TTS.replace("audio", "videos"),
        f"/x{QUERY}",
        "",
    ],
)
def test_paths_are_those_of_the_document_to_the_letter(path):
    assert broken(request(path)) == {"path"}


@pytest.mark.parametrize("name", ["{task_id}", "a b", "ä", "..", "%", "\n", "\0", "\ud800", "9" * 5000])
def test_any_segment_is_the_name_of_a_task(name):
    assert broken(request(task_path(name)), {}) == set()


# The document itself.


def operations(document):
    for path, item in document["paths"].items():
        for method, body in item.items():
            yield path, method, body


def contents(node):
    """Yield every media type object of a document, with whatever it holds."""
    if isinstance(node, dict):
        if "schema" in node and ("example" in node or "examples" in node) and "in" not in node:
            yield node
        for member in node.values():
            yield from contents(member)
    elif isinstance(node, list):
        for entry in node:
            yield from contents(entry)


def test_every_example_is_valid_under_its_own_schema():
    examples = [content for path, _, body in operations(DOCUMENT) for content in contents(body)]
    assert len(examples) >= 6
    for content in examples:
        validator(content["schema"]).validate(content["example"])


@pytest.mark.parametrize("name", ["identify", "tts"])
def test_the_example_of_a_request_breaks_no_rule(name):
    operation = documented().by_name[name]
    world = World.from_json({"videos": {VIDEO_URL.replace("talk", "source"): video()}})
    assert broken(request(operation.paths[0], operation.example), world.to_json()) == set()
    assert operation.example


def test_every_parameter_has_an_example_that_is_valid_or_a_default():
    for _, _, body in operations(DOCUMENT):
        for parameter in body.get("parameters", ()):
            value = parameter.get("example", parameter["schema"].get("default"))
            validator(parameter["schema"]).validate(value)


def links(document):
    for path, method, body in operations(document):
        for response in body["responses"].values():
            for name, link in resolved(response).get("links", {}).items():
                yield f"{method} {path} {name}", body, response, link


LINKS = list(links(DOCUMENT))
by_link = pytest.mark.parametrize(
    ("body", "response", "link"), [one[1:] for one in LINKS], ids=[one[0] for one in LINKS]
)


def expressions(node):
    if isinstance(node, dict):
        for member in node.values():
            yield from expressions(member)
    elif isinstance(node, list):
        for entry in node:
            yield from expressions(entry)
    elif isinstance(node, str) and node.startswith("$"):
        yield node


def test_session_face_audio_and_task_are_linked():
    texts = " ".join(expression for *_, link in LINKS for expression in expressions(link))
    assert all(name in texts for name in ("session_id", "face_id", "audios/0/id", "task_id"))


@by_link
def test_a_link_leads_to_an_operation_that_takes_what_it_passes_on(body, response, link):
    (target,) = [other for _, _, other in operations(DOCUMENT) if other["operationId"] == link["operationId"]]
    assert set(link.get("parameters", ())) <= {one["name"] for one in target["parameters"]}
    if "requestBody" in link:
        accepts(target["requestBody"]["content"]["application/json"]["schema"], link["requestBody"])


def accepts(schema, value):
    """Hold the members of a partial payload against the properties of its schema."""
    if isinstance(value, dict):
        assert set(value) <= set(schema["properties"])
        for name, member in value.items():
            accepts(schema["properties"][name], member)
    elif isinstance(value, list):
        for entry in value:
            accepts(schema["items"], entry)
    else:
        assert schema["type"] == "string"


@by_link
def test_what_a_link_passes_on_stands_in_the_example_of_the_answer(body, response, link):
    example = response["content"]["application/json"]["example"]
    for expression in expressions(link):
        value = example
        for step in re.fullmatch(r"\$response\.body#/(.*)", expression)[1].split("/"):
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert isinstance(value, str)
        assert value


def test_names_of_operations_are_their_own():
    ids = [body["operationId"] for _, _, body in operations(DOCUMENT)]
    names = [body["x-name"] for _, _, body in operations(DOCUMENT)]
    assert len(set(ids)) == len(ids) == len(set(names)) == 5


@pytest.mark.parametrize("name", COMPANION_NAMES)
def test_an_operation_declares_every_status_of_the_vendors_error_table(name):
    path = documented().by_name[name].paths[0]
    (body,) = [body for at, _, body in operations(DOCUMENT) if at == path and body["x-name"] == name]
    takes_body = {"413"} if "requestBody" in body else set()
    assert set(body["responses"]) == {"200", "400", "401", "403", "404", "429", "500", "503", "504", *takes_body}


def test_a_callback_is_a_task_without_the_envelope():
    (callback,) = DOCUMENT["paths"][CREATE]["post"]["callbacks"].values()
    ((expression, item),) = callback.items()
    assert expression == "{$request.body#/callback_url}"
    assert item["post"]["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/TaskState"
    }
    assert {one["name"] for one in item["post"]["parameters"]} == {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }


TASK_STATE = {
    "task_id": "1",
    "task_status": "processing",
    "task_status_msg": "",
    "task_info": {
        "parent_video": {"id": "2", "url": "https://example.com/v", "duration": "10"},
        "external_task_id": "",
    },
    "created_at": 1,
    "updated_at": 1,
}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"task_status": "succeeded"}, id="succeeded instead of succeed"),
        pytest.param({"task_id": 1}, id="an id that is a number"),
        pytest.param({"created_at": "1"}, id="a time that is a text"),
        pytest.param({"final_unit_deduction": 1}, id="a deduction that is a number"),
        pytest.param({"task_info": {"parent_video": {"id": "2", "url": "u", "duration": 10}}}, id="a numeric duration"),
        pytest.param({"task_result": {"videos": [{"id": "3", "url": "u", "duration": "10 s"}]}}, id="a unit"),
        pytest.param({"task_result": {}}, id="a result without videos"),
    ],
)
def test_the_types_that_clients_trip_over_are_part_of_the_schema(change):
    state = validator({"$ref": "#/components/schemas/TaskState"})
    state.validate(TASK_STATE)
    assert not state.is_valid({**TASK_STATE, **change})


# Merging it in.


@pytest.fixture
def folder(tmp_path):
    """A copy of the documents, to be changed."""
    for source in kling_openapi.FOLDER.glob("*.yaml"):
        shutil.copy(source, tmp_path)
    return tmp_path


def test_merging_adds_and_changes_nothing(folder):
    without = copy.deepcopy(effective())
    (folder / COMPANIONS).write_text("openapi: 3.1.1\npaths: {}\n", encoding="utf-8")
    bare = effective(folder=folder)
    assert bare["info"] == without["info"]
    assert bare["servers"] == without["servers"]
    assert list(bare["paths"]) == [PATH]
    vendors, merged = bare["paths"][PATH]["post"], without["paths"][PATH]["post"]
    assert {name: merged[name] for name in vendors if name != "responses"} == {
        name: body for name, body in vendors.items() if name != "responses"
    }
    assert bare["components"]["schemas"].items() <= without["components"]["schemas"].items()


@pytest.mark.parametrize(
    ("text", "said_"),
    [
        pytest.param("a: [1, 2", "not YAML", id="not YAML"),
        pytest.param("- a", "not a YAML object", id="a list"),
        pytest.param(f"paths: {{{PATH}: {{post: 1}}}}", "same kind", id="a number for an operation"),
        pytest.param(f"paths: {{{PATH}: {{post: {{operationId: []}}}}}}", "same kind", id="a list for a name"),
    ],
)
def test_a_broken_companion_is_an_error_that_names_the_file(folder, text, said_):
    (folder / COMPANIONS).write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=rf"^{COMPANIONS}: .*{said_}"):
        effective(folder=folder)


def test_a_folder_without_companions_has_the_vendors_operation_alone(folder):
    (folder / COMPANIONS).unlink()
    assert list(Contract.load(folder=folder).by_name) == ["create"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("facts.video.faces >= 1", "facts.video.heads >= 1"),
        ("x-facts: IdentifyFacts", "x-facts: NoFacts"),
        ("code: 1301", "code: 9999"),
        ("operationId: identifyFace", "operationid: identifyFace"),
        ("id: video-too-short", "id: video-too-long"),
        (
            "      source: upstream\n                      rule: '!facts.text.flagged'",
            "      rule: '!facts.text.flagged'",
        ),
    ],
)
def test_a_mistake_in_a_companion_is_found_when_it_is_loaded(folder, old, new):
    path = folder / COMPANIONS
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DocumentError):
        Contract.load(folder=folder)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/kling/v1/videos/Identify-face", "/kling/v1/videos/identify-face"),
        ("/v1/videos/advanced-lipsync", "/v1/videos/advanced-lip-sync"),
    ],
)
def test_a_path_that_is_nearly_right_is_told_the_right_one(path, wanted):
    (violation,) = documented().collect_violations(Request("POST", path, {"authorization": "Bearer key"}))
    assert (violation.rule_id, violation.remedy) == ("path", wanted)


def test_a_path_that_is_like_no_other_is_told_all_of_them():
    (violation,) = documented().collect_violations(Request("POST", "/", {"authorization": "Bearer key"}))
    paths = dict.fromkeys(path for one in documented().operations for path in one.paths)
    assert violation.remedy.split(" or ") == list(paths)

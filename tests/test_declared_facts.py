"""The facts that a document declares: what each provider finds out, and what is refused while it is loaded."""

import ast
import base64
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import kling_contracts
from kling_contracts import Contract, DocumentError, World
from kling_contracts.facts.lookup import found_by
from kling_contracts.facts.provider import NO_SUCH_ID
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import File
from kling_contracts.jsonio.keywords import MAX_ITEMS
from kling_contracts.media import still_video
from kling_contracts.unknown import Absent, Unknown
from support.serving import documented

CONTRACT = documented()
VALUES = {
    "lookup": {"kind": "lookup", "table": "audios", "key": "id"},
    "media": {"kind": "media", "holds": "audio", "field": "file", "table": "files", "base64": True},
}


def contract(facts, rules=(), properties=("id", "file", "text")):
    """A contract with one operation whose payload has texts, and an array of items with the same texts."""
    fields = {name: {"type": "string"} for name in properties}
    items = {"type": "array", "items": {"type": "object", "properties": dict(fields)}}
    schema = {"type": "object", "properties": {**fields, "items": items}, "x-validations": list(rules)}
    code = {"properties": {"code": {"const": 1}}}
    operation = {
        "operationId": "make",
        "x-name": "make",
        "x-violation-code": 1,
        "x-facts": "Facts",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"400": {"content": {"application/json": {"schema": code}}}},
    }
    schemas = {"Facts": {"type": "object", "properties": facts}}
    request_rules = [{**rule, "code": 1} for rule in CONTRACT.document["x-request-rules"]]
    return Contract.compile(
        {
            "openapi": "3.1.1",
            "info": {"title": "t", "version": "1"},
            "paths": {"/make": {"post": operation}},
            "components": {"schemas": schemas},
            "x-request-rules": request_rules,
        }
    )


def fact(provider, **members):
    declared = {"type": "object", "x-provider": provider}
    return {**declared, "properties": members} if members else declared


def measured(facts, payload, world=None, **sources):
    """The facts of a payload."""
    given = FactSources(None if world is None else World.from_json(world), **sources)
    return contract(facts).operation.facts.measure(payload, given).facts


def reason(unknown):
    assert isinstance(unknown, Unknown)
    return unknown.reason


# Providers beyond what the vendor's operations need.


def test_an_empty_id_is_an_id_like_others_unless_it_is_declared_to_name_nothing():
    world = {"audios": {"": {"duration_ms": 5}}}
    length = {"type": "integer"}
    like_others = {"audio": fact(VALUES["lookup"], duration_ms=length)}
    names_nothing = {"audio": fact({**VALUES["lookup"], "empty": "not-given"}, duration_ms=length)}
    assert measured(like_others, {"id": ""}, world).audio == (5,)
    assert reason(measured(names_nothing, {"id": ""}, world).audio) == "there is no id"


def test_a_member_may_have_another_name_than_in_the_world():
    facts = {"audio": fact(VALUES["lookup"], length_ms={"type": "integer", "x-from": "duration_ms"})}
    assert measured(facts, {"id": "a"}, {"audios": {"a": {"duration_ms": 7}}}).audio.length_ms == 7


def test_a_media_fact_tells_what_its_file_holds_without_an_either():
    facts = {"file": fact(VALUES["media"], kind={"type": "string"}, duration_ms={"type": "integer"})}
    world = {"files": {"https://a/b.mp3": {"format": "mp3", "size_bytes": 1, "duration_ms": 5}}}
    assert measured(facts, {"file": "https://a/b.mp3"}, world).file == ("url", 5)
    assert reason(measured(facts, {"file": "https://a/c.mp3"}, world).file.duration_ms) == "the URL does not answer"


@pytest.mark.parametrize("missing", ["size_bytes", "width_px"])
def test_what_a_file_does_not_tell_is_unknown_and_never_0(missing):
    provider = {"kind": "media", "holds": "video", "field": "file", "table": "videos", "base64": True}
    members = {name: {"type": "integer"} for name in ("size_bytes", "duration_ms", "width_px")}
    facts = {"file": fact(provider, **members, faces={"type": "integer", "x-from": {"count": "faces"}})}
    video = {"duration_ms": 4, "faces": {}, "width_px": 5, "size_bytes": 6, "format": "mp4"}
    listed = measured(facts, {"file": "https://a"}, {"videos": {"https://a": video}}).file
    assert (listed.duration_ms, listed.width_px, listed.size_bytes, listed.faces) == (4, 5, 6, 0)
    unread = measured(facts, {"file": "AAAA"}, {}).file
    assert (unread.size_bytes, reason(unread.width_px)) == (3, "the file was not measured")
    assert reason(unread.duration_ms) == reason(unread.faces) == "the file was not measured"


def test_base64_of_a_video_is_measured_and_its_faces_are_not():
    data = still_video.mp4(2000, 64, 48)
    provider = {"kind": "media", "holds": "video", "field": "file", "table": "videos", "base64": True}
    members = {name: {"type": "integer"} for name in ("duration_ms", "width_px", "height_px")}
    side = {"type": "integer", "x-from": {"smaller": ["width_px", "height_px"]}}
    faces = {"type": "integer", "x-from": {"count": "faces"}}
    facts = {"file": fact(provider, **members, short_side_px=side, faces=faces)}
    file = measured(facts, {"file": base64.b64encode(data).decode()}).file
    assert (file.duration_ms, file.width_px, file.height_px, file.short_side_px) == (2000, 64, 48, 48)
    assert reason(file.faces) == "the file was not measured"


THREE = {
    "made": fact({"kind": "lookup", "table": "audios", "key": "id", "empty": "not-given"}),
    "sent": fact(VALUES["media"]),
    "said": fact({"kind": "lookup", "table": "audios", "key": "text", "empty": "not-given"}),
    "audio": fact(
        {
            "kind": "either",
            "sources": [
                {"fact": "made", "constants": {"decodes": True}},
                {"fact": "sent"},
                {"fact": "said", "constants": {"decodes": True}},
            ],
        },
        duration_ms={"type": "integer"},
        decodes={"type": "boolean"},
    ),
}
AUDIOS = {"audios": {"a": {"duration_ms": 1}, "b": {"duration_ms": 2}}}


@pytest.mark.parametrize(
    ("payload", "audio"),
    [
        ({}, "there is no audio"),
        ({"id": "", "file": "", "text": ""}, "there is no audio"),
        ({"id": "a"}, (1, True)),
        ({"text": "b", "id": ""}, (2, True)),
        ({"id": "a", "text": "b"}, "with several sources given there is no one audio"),
        ({"id": "a", "text": "b", "file": "https://a"}, "with several sources given there is no one audio"),
        ({"id": "a", "file": {}}, "file is missing or broken"),
        ({"id": 1, "file": "", "text": ""}, "id is missing or broken"),
        ({"id": "c"}, "the world does not know the id"),
    ],
)
def test_of_three_sources_the_one_that_is_given_counts(payload, audio):
    found = measured(THREE, payload, AUDIOS).audio
    assert (reason(found) if isinstance(found, Unknown) else found) == audio


def test_a_source_may_have_other_names_for_members():
    sources = [
        {"fact": "made", "names": {"length_ms": "duration_ms"}},
        {"fact": "sent", "names": {"length_ms": "size_bytes"}},
    ]
    facts = {
        "made": THREE["made"],
        "sent": THREE["sent"],
        "one": fact({"kind": "either", "sources": sources}, length_ms={"type": "integer"}),
    }
    assert measured(facts, {"id": "a"}, AUDIOS).one == (1,)
    url = {"file": "https://a"}
    assert measured(facts, url, fetch={"audio": lambda url: File("mp3", 9, 8)}).one == (9,)


def test_facts_may_be_declared_in_any_order():
    facts = {"audio": THREE["audio"], **THREE}
    assert measured(dict(reversed(facts.items())), {"id": "a"}, AUDIOS).audio == (1, True)


def test_a_table_that_the_world_leaves_out_is_asked_of_whoever_can_find():
    facts = {"voice": fact({"kind": "lookup", "table": "voices", "key": "id"}, language={"type": "string"})}
    assert reason(measured(facts, {"id": "v"}, {}).voice) == "the world lists no voices"
    assert measured(facts, {"id": "v"}, {}, find={"voices": lambda name: f"{name}!"}).voice == ("v!",)
    assert isinstance(measured(facts, {"id": "v"}, {"voices": {}}).voice, Absent)


def test_a_fact_of_an_item_is_measured_for_each_item():
    facts = {"audio": fact({"kind": "lookup", "table": "audios", "key": "items[].id"}, duration_ms={"type": "integer"})}
    rule = {"id": "known", "source": "mock", "rule": "facts.audio.duration_ms >= 0", "message": "It is not known"}
    declared = contract(facts, [rule])
    report = declared.report({"items": [{"id": "a"}, {"id": "b"}, {}]}, World.from_json(AUDIOS))
    assert [one.audio if isinstance(one.audio, tuple) else None for one in report.facts] == [(1,), (2,), None]
    assert [one.because for one in report.unverified] == ["it belongs to one item of items"]


# Mistakes.


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"a": {"type": "object"}}, "it names no provider; x-provider says where it comes from"),
        (
            {"a": fact({"kind": "magic"})},
            "'magic' is no kind of provider; there are: lookup, of, media, either, flagged",
        ),
        ({"a": fact({"kind": "lookup", "table": "audios"})}, "a provider of kind lookup needs 'key'"),
        ({"a": fact({**VALUES["lookup"], "tabel": "x"})}, "a provider of kind lookup has no 'tabel'"),
        ({"a": fact({**VALUES["lookup"], "table": "songs"})}, "'songs' is no table of a world; there are: sessions, "),
        ({"a": fact({**VALUES["lookup"], "key": "ids"})}, "the payload has no field 'ids'"),
        ({"a": fact({**VALUES["lookup"], "key": "songs[].id"})}, "the payload has no field 'songs[].id'"),
        ({"a": fact({**VALUES["lookup"], "empty": "absent"})}, "'empty' can only be not-given"),
        ({"a": fact({**VALUES["lookup"], "in": "b"})}, "it builds on 'b', which is not declared"),
        ({"a": fact({"kind": "of", "fact": "a"})}, "the fact 'a' builds on itself"),
        (
            {"a": fact(VALUES["lookup"]), "b": fact({"kind": "lookup", "table": "faces", "key": "id", "in": "a"})},
            "the entry of 'a' has no table 'faces'",
        ),
        ({"a": fact({**VALUES["media"], "table": "audios"})}, "the table 'audios' does not hold audio"),
        ({"a": fact({**VALUES["media"], "holds": "smell"})}, "'smell' is no kind of media; there are: audio, video"),
        ({"a": fact({"kind": "flagged", "field": "text", "words": "names"})}, "'names' is no list of words"),
        ({"a": fact({"kind": "either", "sources": []})}, "there must be two sources or more"),
        (
            {"a": fact(VALUES["lookup"]), "b": fact({"kind": "either", "sources": [{"fact": "a"}, {"fact": "a"}]})},
            "the source 'a' must be media, or a lookup with empty: not-given",
        ),
        ({"a": fact(VALUES["lookup"], length={"type": "integer"})}, "an entry has no 'length'; it has: duration_ms"),
        ({"a": fact(VALUES["lookup"], flagged={"type": "integer"})}, "flagged is declared as integer and is boolean"),
        ({"a": fact(VALUES["lookup"], flagged={"type": "number"})}, "flagged must be one of integer, string, boolean"),
        (
            {"a": fact(VALUES["lookup"], age={"type": "integer", "x-from": {"since": "created_ms"}})},
            "x-from must be a name or one of age, count, difference, smaller with what it takes",
        ),
        (
            {"a": fact(VALUES["lookup"], end={"type": "integer", "x-from": {"difference": ["duration_ms", "gap"]}})},
            "end: a world has no 'gap'",
        ),
        ({"class": fact(VALUES["lookup"])}, "no reserved word"),
        ({"_a": fact(VALUES["lookup"])}, "a name is a letter and then letters"),
        ({"a": fact(["lookup"])}, "is not declared as a fact must be"),
    ],
)
def test_a_mistake_in_a_declaration_names_the_schema_the_fact_and_the_mistake(facts, says):
    with pytest.raises(DocumentError, match=r"^components\.schemas\.Facts: the fact '\w+'") as caught:
        contract(facts)
    assert says in str(caught.value)


# Nothing of an operation stands in Python.

ROOT = Path(kling_contracts.__file__).parent
WORLD_NAMES = set(re.findall(r'"(\w+)":', (ROOT / "facts" / "world.schema.json").read_text(encoding="utf-8")))
LEFT_OUT = ("audits/builder_arguments.py",)
"""A table of what builders call their parameters."""


def fields_of(schema):
    for name, member in schema.get("properties", {}).items():
        yield name
        yield from fields_of(member)
    if "items" in schema:
        yield from fields_of(schema["items"])


def names_of_the_documents():
    """Rule ids, and the names of fields and of the schemas that declare facts."""
    for operation in CONTRACT.operations:
        yield from (rule.id for rule in operation.rules)
        yield from operation.parameters
    for path in CONTRACT.document["paths"].values():
        for method in path.values():
            for content in method.get("requestBody", {}).get("content", {}).values():
                yield from fields_of(content["schema"])
    yield from (name for name in CONTRACT.document["components"]["schemas"] if "Facts" in name)


def texts_of(path):
    """The names and texts of a module that run; docstrings and comments give examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from [node.value, *re.findall(r"[A-Za-z_][\w.-]*", node.value)]
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Attribute):
            yield node.attr


WORDS = {"text", "Facts"}
"""Names of the documents that are plain words of the kit as well."""
NAMES = {name for name in names_of_the_documents() if name not in WORLD_NAMES | WORDS}
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if not path.relative_to(ROOT).as_posix().startswith(LEFT_OUT)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_name_of_an_operation_stands_in_the_contracts_code(path):
    assert {"session-unknown", "sound_insert_time", "voice_id", "SpeechFacts"} <= NAMES
    assert NAMES.intersection(texts_of(path)) == set()


# The entries of a world that a payload names.


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ({"id": "a"}, [("audios", "a")]),
        ({"id": "a", "file": "https://h/b.mp3"}, [("audios", "a"), ("files", "https://h/b.mp3")]),
        ({"file": "aGVsbG8="}, []),
        ({"items": [{"id": "a"}, 5, {"id": "b"}]}, [("audios", "a"), ("audios", "b")]),
        ({"id": 5, "items": {"id": "a"}}, []),
        ([{"id": "a"}], []),
        (None, []),
    ],
)
def test_the_entries_that_the_facts_of_a_payload_depend_on_are_named(payload, named):
    in_items = {"kind": "lookup", "table": "audios", "key": "items[].id"}
    facts = {"own": fact(VALUES["lookup"]), "file": fact(VALUES["media"]), "inner": fact(in_items)}

    assert contract(facts).operation.facts.named_in(payload) == named


@pytest.mark.parametrize("number", range(MAX_ITEMS - 1, MAX_ITEMS + 2))
def test_so_many_items_name_entries_as_are_judged(number):
    facts = {"inner": fact({"kind": "lookup", "table": "audios", "key": "items[].id"})}
    payload = {"items": [{"id": str(index)} for index in range(number)]}

    assert len(contract(facts).operation.facts.named_in(payload)) == min(number, MAX_ITEMS)


@pytest.mark.parametrize(("name", "found"), [("1", "first"), ("mine", "second"), ("", None), ("other", None)])
def test_an_entry_without_a_second_name_is_not_found_by_an_empty_one(name, found):
    table = {key: SimpleNamespace(external_task_id=own) for key, own in (("1", ""), ("2", "mine"))}
    entry = found_by(table, "external_task_id", name)
    assert entry is ({"first": table["1"], "second": table["2"]}.get(found, NO_SUCH_ID))

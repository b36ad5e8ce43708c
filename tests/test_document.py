import hashlib
import json
import sys
from contextlib import suppress

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

import kling_openapi
from kling_contracts import DocumentError
from kling_contracts.documents.folders import STATELESS
from kling_contracts.documents.loading import PROFILES, SHIPPED, VENDOR_DOCUMENT, effective, load, parse
from support.contract_folder import OVERLAY, copy_of_documents
from support.interpreter import modules_loaded_by

PATH = "/kling/v1/videos/advanced-lip-sync"
VENDOR = parse((kling_openapi.FOLDER / VENDOR_DOCUMENT).read_bytes(), VENDOR_DOCUMENT)
DOCUMENTS = {
    f"{profile}{'' if upstream_state else ', stateless'}": effective(profile, upstream_state=upstream_state)
    for profile in PROFILES
    for upstream_state in (True, False)
}
DOCUMENTED, UPSTREAM = DOCUMENTS["documented"], DOCUMENTS["upstream"]

# The error table of the vendor's documentation: HTTP status, service codes.
ERRORS = {
    "400": {1200, 1201, 1300, 1301},
    "401": {1000, 1001, 1002, 1003, 1004},
    "403": {1103},
    "404": {1202, 1203},
    "429": {1100, 1101, 1102, 1302, 1303, 1304},
    "500": {5000},
    "503": {5001},
    "504": {5002},
}

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)


def operation(document):
    return document["paths"][PATH]["post"]


def content(document):
    return operation(document)["requestBody"]["content"]["application/json"]


def item(document):
    return content(document)["schema"]["properties"]["face_choose"]["items"]


def checker(document, schema):
    """A judge for a schema that may refer to the document's components."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


def response(document, status):
    declared = operation(document)["responses"][status]
    if "$ref" in declared:
        declared = document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    return declared["content"]["application/json"]


def rule_ids(document):
    """The ids of the rules on the payload, wherever they stand."""
    found, rest = set(), [content(document)["schema"]]
    while rest:
        node = rest.pop()
        found |= {rule["id"] for rule in node.get("x-validations", ())}
        rest += [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
    return found


def test_the_vendors_document_is_kept_byte_for_byte():
    digest = hashlib.sha256((kling_openapi.FOLDER / VENDOR_DOCUMENT).read_bytes()).hexdigest()

    assert digest == "ffd54074887a146f1db06958b3073665acfef0a95ee577afdc6c061da6395ba2"


@every_document
def test_the_effective_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


@every_document
def test_the_effective_document_is_plain_json(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@every_document
def test_the_operation_has_a_name_and_needs_a_body(document):
    assert operation(document)["operationId"] == "createAdvancedLipSync"
    assert operation(document)["requestBody"]["required"] is True


@every_document
def test_headers_that_openapi_reads_elsewhere_are_no_parameters(document):
    assert operation(document)["parameters"] == []
    assert operation(document)["security"] == [{"bearer": []}]


def statements(node, path=""):
    """Every scalar of a document with its path; a list's entries stand at `-`, in whatever order."""
    if isinstance(node, dict):
        for key, member in node.items():
            yield from statements(member, f"{path}/{key}")
    elif isinstance(node, list):
        for entry in node:
            yield from statements(entry, f"{path}/-")
    else:
        yield path, node


@pytest.mark.parametrize(
    ("document", "loosened"),
    [
        pytest.param(DOCUMENTED, set(), id="documented"),
        pytest.param(
            UPSTREAM,
            {
                ("sound_volume/type", "integer"),
                ("original_audio_volume/type", "integer"),
                ("required/-", "sound_volume"),
                ("required/-", "original_audio_volume"),
            },
            id="upstream",
        ),
    ],
)
def test_of_what_the_vendor_wrote_only_this_is_changed(document, loosened):
    changed = set(statements(VENDOR)) - set(statements(document))
    parameters = {(path, text) for path, text in changed if path.startswith(f"/paths/{PATH}/post/parameters/")}
    fields = f"/paths/{PATH}/post/requestBody/content/application/json/schema/properties/face_choose/items/"

    assert changed - parameters == {
        ("/openapi", "3.0.1"),
        ("/info/title", ""),
        ("/info/description", ""),
        (f"/paths/{PATH}/post/description", ""),
        (f"/paths/{PATH}/post/responses/200/description", ""),
        *((fields + ("" if path.startswith("required") else "properties/") + path, text) for path, text in loosened),
    }


@every_document
def test_the_vendors_own_example_is_valid(document):
    assert checker(document, content(document)["schema"]).is_valid(content(document)["example"])


@every_document
def test_the_example_of_success_is_valid(document):
    success = response(document, "200")

    assert checker(document, success["schema"]).is_valid(success["example"])


@pytest.mark.parametrize("member", ["code", "message", "request_id", "data"])
def test_a_success_needs_every_member_of_the_envelope(member):
    success = response(DOCUMENTED, "200")
    incomplete = {name: value for name, value in success["example"].items() if name != member}

    assert not checker(DOCUMENTED, success["schema"]).is_valid(incomplete)


@pytest.mark.parametrize("member", ["task_id", "task_status", "created_at", "updated_at"])
def test_a_success_needs_what_makes_up_a_task(member):
    success = response(DOCUMENTED, "200")
    task = {name: value for name, value in success["example"]["data"].items() if name != member}

    assert not checker(DOCUMENTED, success["schema"]).is_valid({**success["example"], "data": task})


def test_a_success_has_the_code_0():
    success = response(DOCUMENTED, "200")

    assert not checker(DOCUMENTED, success["schema"]).is_valid({**success["example"], "code": 1200})


@every_document
def test_every_status_of_the_vendors_error_table_is_declared(document):
    # 413 is the mock's own.
    assert set(operation(document)["responses"]) == {"200", "413", *ERRORS}


@pytest.mark.parametrize(("status", "code"), [(status, code) for status in ERRORS for code in ERRORS[status]])
def test_every_service_code_is_valid_under_its_status_and_no_other(status, code):
    envelope = {"code": code, "message": "refused", "request_id": "1"}

    accepting = {
        other for other in ERRORS if checker(DOCUMENTED, response(DOCUMENTED, other)["schema"]).is_valid(envelope)
    }

    assert accepting == {status}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("member", ["code", "message", "request_id"])
def test_a_refusal_needs_every_member_of_the_envelope(status, member):
    envelope = {"code": min(ERRORS[status]), "message": "refused", "request_id": "1"}
    del envelope[member]

    assert not checker(DOCUMENTED, response(DOCUMENTED, status)["schema"]).is_valid(envelope)


@pytest.mark.parametrize("status", ERRORS)
def test_a_refusal_with_an_unknown_code_is_not_documented(status):
    envelope = {"code": 9999, "message": "refused", "request_id": "1"}

    assert not checker(DOCUMENTED, response(DOCUMENTED, status)["schema"]).is_valid(envelope)


@pytest.mark.parametrize("volume", ["sound_volume", "original_audio_volume"])
def test_upstream_volumes_are_optional_floats_with_default_1(volume):
    documented, upstream = item(DOCUMENTED), item(UPSTREAM)

    assert (documented["properties"][volume]["type"], upstream["properties"][volume]["type"]) == ("integer", "number")
    assert (volume in documented["required"], volume in upstream["required"]) == (True, False)
    assert upstream["properties"][volume]["default"] == 1
    assert (upstream["properties"][volume]["minimum"], upstream["properties"][volume]["maximum"]) == (0, 2)


def test_upstream_changes_nothing_but_volumes_null_and_fractions_of_times():
    def without_changes(document):
        text = json.dumps(document)
        copy = json.loads(text)
        copy.pop("x-null-is-absent", None)
        for time in ("sound_start_time", "sound_end_time", "sound_insert_time"):
            item(copy)["properties"][time].pop("x-cut-fraction", None)
        for volume in ("sound_volume", "original_audio_volume"):
            del item(copy)["properties"][volume]
            item(copy)["required"] = [name for name in item(copy)["required"] if name != volume]
        return copy

    assert without_changes(UPSTREAM) == without_changes(DOCUMENTED)


@pytest.mark.parametrize("profile", PROFILES)
def test_stateless_drops_exactly_the_two_upstream_rules(profile):
    dropped = rule_ids(DOCUMENTS[profile]) - rule_ids(DOCUMENTS[f"{profile}, stateless"])

    assert dropped == {"session-expired", "external-task-id-duplicate"}
    assert rule_ids(DOCUMENTS[f"{profile}, stateless"]) < rule_ids(DOCUMENTS[profile])


# Where the overlay adds nothing, the verdict is still the vendor's. Under 2020-12, to which only the version of the
# document raises it: 1.0 is an integer there.

VENDOR_JUDGE = jsonschema_rs.Draft202012Validator(content(VENDOR)["schema"])
EFFECTIVE_JUDGE = checker(DOCUMENTED, content(DOCUMENTED)["schema"])
ANYTHING = st.sampled_from([None, True, "", "x", 0, 1, 1.0, 0.5, 2, [], {}, [1], {"a": 1}])
ADDED = {"sound_start_time", "sound_insert_time", "sound_volume", "original_audio_volume"}


def fields_of(schema):
    """Objects with any of the fields, each mostly of its type, within the bounds that the overlay adds."""
    fitting = {"string": st.text(max_size=3), "integer": st.sampled_from([0, 1, 2, 1.0, 2.0])}

    def member(body):
        if body["type"] == "array":
            # Exactly one item, as the overlay demands.
            return st.lists(fields_of(body["items"]) | ANYTHING, min_size=1, max_size=1) | ANYTHING.filter(bool)
        usual = fitting[body["type"]]
        return st.one_of(usual, usual, usual, ANYTHING)

    members = {name: member(body) for name, body in schema["properties"].items()}
    missing = st.sets(st.sampled_from(sorted(members)), max_size=1)
    return st.builds(
        lambda value, gone, extra: {k: v for k, v in value.items() if k not in gone} | extra,
        st.fixed_dictionaries(members),
        missing,
        st.sampled_from([{}, {"unknown": 1}]),
    )


@settings(max_examples=150, deadline=None)
@given(payload=fields_of(content(VENDOR)["schema"]) | ANYTHING)
def test_types_and_required_fields_are_the_vendors(payload):
    if isinstance(payload, dict) and payload.get("face_choose") == []:
        payload = {**payload, "face_choose": [1]}

    assert EFFECTIVE_JUDGE.is_valid(payload) == VENDOR_JUDGE.is_valid(payload)


# Reading the documents from disk.


@pytest.fixture
def folder(tmp_path):
    return copy_of_documents(tmp_path)


@pytest.fixture
def caching(monkeypatch):
    """As in a plain run: the environment of a test may forbid writing byte code, and with it the cache."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


CHANGE = "\n  - {target: $.info, update: {termsOfService: changed}}\n"


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def cached(folder):
    return sorted((folder / "__pycache__").glob("effective.*.json"))


def test_documents_are_read_from_any_folder(folder):
    append(folder / OVERLAY, CHANGE)

    assert effective(folder=folder)["info"]["termsOfService"] == "changed"
    assert "termsOfService" not in effective()["info"]


def test_the_shipped_effective_document_is_what_the_documents_say(folder):
    shipped = json.loads(SHIPPED.read_bytes())["document"]

    assert shipped == effective(folder=folder), "run `make cases`"
    assert load().is_shipped, "run `make cases`: it would be made anew at every start of a read-only installation"


def test_a_start_with_the_installed_documents_compiles_nothing():
    loaded = modules_loaded_by("from kling_contracts import Contract; Contract.load()")

    assert not {"yaml", "kling_contracts.documents.overlay"} & set(loaded), "run `make cases`"


@pytest.mark.usefixtures("caching")
def test_the_effective_document_is_kept_for_the_next_start(folder):
    effective(folder=folder)
    (cache,) = cached(folder)
    cache.write_text('{"kept": true}', encoding="utf-8")

    assert effective(folder=folder) == {"kept": True}


@pytest.mark.usefixtures("caching")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("upstream_state", [True, False])
def test_what_was_kept_is_what_was_compiled(folder, profile, upstream_state):
    compiled = effective(profile, upstream_state=upstream_state, folder=folder)

    assert len(cached(folder)) == 1
    assert effective(profile, upstream_state=upstream_state, folder=folder) == compiled


@pytest.mark.usefixtures("caching")
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param("{200: ok}", id="a key that is a number"),
        pytest.param("{day: 2025-01-01}", id="a date without quotes"),
        pytest.param("{1: a, '1': b}", id="keys that differ in their type alone"),
        pytest.param("{pair: !!binary aGk=}", id="bytes"),
    ],
)
def test_yaml_that_json_cannot_say_is_read_the_same_every_time_or_refused(folder, odd):
    append(folder / OVERLAY, f"\n  - {{target: $.info, update: {{contact: {odd}}}}}\n")

    with suppress(DocumentError):
        assert effective(folder=folder) == effective(folder=folder)


@pytest.mark.usefixtures("caching")
@pytest.mark.parametrize("name", [OVERLAY, VENDOR_DOCUMENT])
def test_a_changed_document_is_seen_at_once(folder, name):
    before = effective(folder=folder)
    source = folder / name
    source.write_text(source.read_text(encoding="utf-8").replace("30天内", "31天内"), encoding="utf-8")

    after = effective(folder=folder)

    assert "31天内" in json.dumps(after, ensure_ascii=False)
    assert before != after


@pytest.mark.usefixtures("caching")
def test_profiles_do_not_see_each_others_kept_documents(folder):
    found = [
        effective(profile, upstream_state=state, folder=folder)
        for _ in range(2)
        for profile in PROFILES
        for state in (True, False)
    ]

    assert found == [*DOCUMENTS.values(), *DOCUMENTS.values()]


@pytest.mark.usefixtures("caching")
@pytest.mark.parametrize("name", ["upstream.overlay.yaml", STATELESS])
def test_an_overlay_that_is_not_asked_for_changes_nothing(folder, name):
    unchanged = effective("documented", folder=folder)
    append(folder / name, CHANGE)

    assert effective("documented", folder=folder) == unchanged
    assert effective("upstream", upstream_state=False, folder=folder)["info"]["termsOfService"] == "changed"


@pytest.mark.usefixtures("caching")
def test_a_folder_that_cannot_be_written_still_works(folder):
    # A file where the cache's folder would be: that stops even root.
    (folder / "__pycache__").write_text("in the way", encoding="utf-8")

    assert effective(folder=folder) == DOCUMENTED
    assert effective(folder=folder) == DOCUMENTED


def test_nothing_is_written_where_python_may_not_write_byte_code(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    effective(folder=folder)

    assert cached(folder) == []


@pytest.mark.usefixtures("caching")
@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="cut off"),
        pytest.param(lambda whole: b"\x00" * len(whole), id="zeros"),
        pytest.param(lambda whole: b"\xff" + whole, id="not UTF-8"),
    ],
)
def test_a_corrupt_cache_file_is_ignored_and_replaced(folder, garbage):
    effective(folder=folder)
    (cache,) = cached(folder)
    whole = cache.read_bytes()
    cache.write_bytes(garbage(whole))

    assert effective(folder=folder) == DOCUMENTED
    assert cache.read_bytes() == whole


@pytest.mark.usefixtures("caching")
def test_no_draft_is_left_behind(folder):
    effective(folder=folder)

    assert list((folder / "__pycache__").iterdir()) == cached(folder)


def test_the_caller_may_change_what_it_was_given(folder):
    effective(folder=folder)["info"].clear()

    assert effective(folder=folder) == DOCUMENTED


@pytest.mark.parametrize("profile", ["", "Documented", "documented ", None, 3])
def test_an_unknown_profile_is_a_value_error_that_names_those_there_are(profile):
    with pytest.raises(ValueError, match="documented, upstream") as caught:
        effective(profile)

    assert not isinstance(caught.value, DocumentError)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"a: [1, 2", id="an open bracket"),
        pytest.param(b"a: b: c", id="two colons"),
        pytest.param(b"\ta: 1", id="a tab"),
        pytest.param(b"a: \xff\xfe", id="not UTF-8"),
        pytest.param(b"a: *nowhere", id="an alias of nothing"),
        pytest.param(b"a: !!python/object/apply:os.getcwd []", id="a Python object"),
        pytest.param(b"- a\n- b", id="a list"),
        pytest.param(b"just words", id="a text"),
        pytest.param(b"", id="empty"),
        pytest.param(b"a: 1\n---\nb: 2", id="two documents"),
    ],
)
def test_what_is_not_a_yaml_object_is_an_error(broken):
    with pytest.raises(DocumentError, match=r"^some\.yaml: not "):
        parse(broken, "some.yaml")


@pytest.mark.parametrize("name", [VENDOR_DOCUMENT, *PROFILES["upstream"], STATELESS])
def test_a_broken_document_is_an_error_that_names_the_file(folder, name):
    (folder / name).write_bytes(b"a: [1, 2")

    with pytest.raises(DocumentError, match=rf"^{name}: not YAML"):
        effective("upstream", upstream_state=False, folder=folder)


@pytest.mark.parametrize("name", [VENDOR_DOCUMENT, OVERLAY, STATELESS])
def test_a_missing_document_is_an_error_that_names_the_file(folder, name):
    (folder / name).unlink()

    with pytest.raises(DocumentError, match=name):
        effective("upstream", upstream_state=False, folder=folder)


@pytest.mark.parametrize("name", ["session_id", "sound_file", "original_audio_volume"])
def test_a_field_that_the_vendor_renames_is_an_error_that_names_overlay_and_target(folder, name):
    source = folder / VENDOR_DOCUMENT
    renamed = source.read_text(encoding="utf-8").replace(f"  {name}:", f"  {name}_2:")
    source.write_text(renamed, encoding="utf-8")

    with pytest.raises(DocumentError, match=rf"{OVERLAY}, actions\[\d+\], target '.*{name}'"):
        effective(folder=folder)


def test_json_is_yaml_too():
    assert parse(b'{"a": "\xe4\xbd\xa0"}', "x.json") == {"a": "你"}

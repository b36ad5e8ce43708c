from copy import deepcopy

import pytest

from kling_contracts.documents.overlay import apply
from kling_contracts.errors import DocumentError, OverlayError

DOCUMENT = {
    "info": {"title": "Lip-sync", "tags": ["video"]},
    "fields": {"id": {"type": "string"}, "size": {"type": "integer"}},
    "list": [0, 1, 2, 3],
}


def overlay(*actions, version="1.1.0"):
    return {"overlay": version, "info": {"title": "t", "version": "1"}, "actions": list(actions)}


def applied(*actions, to=DOCUMENT, version="1.1.0"):
    return apply(to, overlay(*actions, version=version))


def test_an_object_is_merged_member_by_member_at_every_depth():
    result = applied({"target": "$", "update": {"fields": {"id": {"minLength": 1}, "new": {}}}})

    assert result["fields"] == {
        "id": {"type": "string", "minLength": 1},
        "size": {"type": "integer"},
        "new": {},
    }


def test_members_that_an_update_does_not_name_keep_their_order():
    result = applied({"target": "$.fields", "update": {"size": {"minimum": 0}, "new": {}}})

    assert list(result["fields"]) == ["id", "size", "new"]


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        pytest.param(["audio", "face"], ["video", "audio", "face"], id="an array is joined"),
        pytest.param("audio", ["video", "audio"], id="a primitive is appended"),
        pytest.param({"name": "audio"}, ["video", {"name": "audio"}], id="an object is appended"),
        pytest.param([], ["video"], id="an empty array adds nothing"),
        pytest.param([["a"]], ["video", ["a"]], id="an array within an array is one entry"),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["the target is the array", "a member is the array"])
def test_an_array_grows_at_its_end(update, expected, nested):
    action = {"target": "$.info", "update": {"tags": update}} if nested else {"target": "$.info.tags", "update": update}

    assert applied(action)["info"]["tags"] == expected


@pytest.mark.parametrize("update", ["", "other", 0, 1.5, False, True, None])
def test_a_primitive_takes_the_place_of_another(update):
    assert applied({"target": "$.info.title", "update": update})["info"]["title"] is update


def test_an_update_reaches_every_match():
    result = applied({"target": "$.fields.*", "update": {"x-seen": True}})

    assert [field["x-seen"] for field in result["fields"].values()] == [True, True]


def test_matches_that_receive_the_same_update_do_not_share_it():
    result = applied(
        {"target": "$.fields.*", "update": {"tags": ["a"]}},
        {"target": "$.fields.id.tags", "update": ["b"]},
    )

    assert (result["fields"]["id"]["tags"], result["fields"]["size"]["tags"]) == (["a", "b"], ["a"])


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("$.list[1]", [0, 2, 3]),
        ("$.list[-1]", [0, 1, 2]),
        ("$.list[0, 2]", [1, 3]),
        ("$.list[2, 0]", [1, 3]),
        ("$.list[0, 0]", [1, 2, 3]),
        ("$.list[?@ > 1]", [0, 1]),
        ("$.list[::2]", [1, 3]),
        ("$.list[::-1]", []),
        ("$.list[*]", []),
    ],
)
def test_exactly_the_selected_entries_of_an_array_are_removed(target, left):
    # JSONPath may select in any order and the same node twice; an index must not drift meanwhile.
    assert applied({"target": target, "remove": True})["list"] == left


@pytest.mark.parametrize("target", ["$.fields['id', 'size']", "$.fields['id', 'size', 'id']", "$.fields.*"])
def test_every_selected_member_of_an_object_is_removed(target):
    assert applied({"target": target, "remove": True})["fields"] == {}


def test_a_match_within_another_match_is_removed_with_it():
    document = {"a": {"drop": {"drop": 1}}, "drop": 2, "keep": 3}

    assert applied({"target": "$..drop", "remove": True}, to=document) == {"a": {}, "keep": 3}


def test_removing_wins_over_updating():
    result = applied({"target": "$.fields.id", "update": {"minLength": 1}, "remove": True}, version="1.0.0")

    assert "id" not in result["fields"]


def test_remove_false_removes_nothing_and_still_updates():
    result = applied({"target": "$.fields.id", "remove": False, "update": {"minLength": 1}}, version="1.0.0")

    assert result["fields"]["id"] == {"type": "string", "minLength": 1}


def test_a_copy_merges_what_stands_at_its_source():
    result = applied(
        {"target": "$.fields", "update": {"name": {"description": "as it is spoken"}}},
        {"target": "$.fields.name", "copy": "$.fields.id"},
    )

    assert result["fields"]["name"] == {"description": "as it is spoken", "type": "string"}
    assert result["fields"]["id"] == {"type": "string"}


def test_a_copy_is_a_copy():
    result = applied(
        {"target": "$.fields.size", "copy": "$.info"},
        {"target": "$.fields.size.tags", "update": ["more"]},
    )

    assert result["info"]["tags"] == ["video"]


def test_a_later_action_sees_what_an_earlier_one_did():
    result = applied(
        {"target": "$.fields", "update": {"added": {"type": "array"}}},
        {"target": "$.fields[?@.type == 'array']", "update": {"maxItems": 1}},
        {"target": "$.fields.id", "remove": True},
        {"target": "$.fields.*", "update": {"x-kept": True}},
    )

    assert result["fields"] == {
        "size": {"type": "integer", "x-kept": True},
        "added": {"type": "array", "maxItems": 1, "x-kept": True},
    }


def test_neither_the_document_nor_the_overlay_is_changed():
    document = deepcopy(DOCUMENT)
    changes = overlay(
        {"target": "$.fields", "update": {"new": {"tags": ["a"]}}},
        {"target": "$.fields.new.tags", "update": ["b"]},
        {"target": "$.list[*]", "remove": True},
        {"target": "$.info", "copy": "$.fields.new"},
    )
    before = deepcopy(changes)

    result = apply(document, changes)
    result["fields"]["new"]["tags"].append("c")
    result["info"]["title"] = "changed"

    assert document == DOCUMENT
    assert changes == before


@pytest.mark.parametrize(
    "target",
    ["$.nothing", "$.fields.name", "$.list[4]", "$.list[?@ > 3]", "$..nothing", "$.info.title.deeper"],
)
@pytest.mark.parametrize("change", [{"update": {}}, {"remove": True}, {"copy": "$.info"}], ids=str)
def test_a_target_that_selects_nothing_is_an_error(target, change):
    with pytest.raises(OverlayError, match="selects nothing"):
        applied({"target": target, **change})


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("$.list[", id="unfinished"),
        pytest.param("$.list[?unknown(@)]", id="unknown function"),
        pytest.param("/info/title", id="a JSON Pointer"),
        pytest.param("", id="empty"),
        pytest.param("info.title", id="not from the root"),
        pytest.param("$.info | $.fields", id="a union, which RFC 9535 does not have"),
        pytest.param("$.info.~", id="keys, which RFC 9535 does not have"),
    ],
)
def test_a_target_that_is_not_jsonpath_is_an_error(target):
    with pytest.raises(OverlayError, match="not a JSONPath"):
        applied({"target": target, "update": {"x": 1}})


@pytest.mark.parametrize(
    ("target", "update"),
    [
        pytest.param("$.fields", "text", id="a primitive into an object"),
        pytest.param("$.fields", None, id="null into an object"),
        pytest.param("$.fields", ["id"], id="an array into an object"),
        pytest.param("$.info.title", {"en": "t"}, id="an object into a primitive"),
        pytest.param("$.info.title", ["t"], id="an array into a primitive"),
        pytest.param("$", {"info": {"title": {"en": "t"}}}, id="deep inside"),
        pytest.param("$", [], id="an array into the document"),
    ],
)
def test_an_update_of_another_kind_than_its_target_is_an_error(target, update):
    with pytest.raises(OverlayError, match="same kind"):
        applied({"target": target, "update": update})


def test_the_whole_document_cannot_be_removed():
    with pytest.raises(OverlayError, match=r"target '\$'"):
        applied({"target": "$", "remove": True})


@pytest.mark.parametrize("source", ["$.fields.*", "$.nothing", "$.list[", 3, None])
def test_a_copy_needs_exactly_one_source(source):
    with pytest.raises(OverlayError, match=r"actions(\[|/)0.*copy"):
        applied({"target": "$.info", "copy": source})


def test_a_copy_from_nowhere_names_its_source():
    with pytest.raises(OverlayError, match=r"\$\.nothing"):
        applied({"target": "$.info", "copy": "$.nothing"})


def test_an_error_names_the_overlay_the_action_and_the_target():
    broken = overlay(
        {"target": "$.info", "update": {"title": "fine"}},
        {"target": "$.fields.renamed", "update": {"minimum": 0}},
    )

    with pytest.raises(OverlayError) as caught:
        apply(DOCUMENT, broken, "some.overlay.yaml")

    assert str(caught.value) == ("some.overlay.yaml, actions[1], target '$.fields.renamed': it selects nothing")


def test_a_failing_overlay_leaves_the_document_as_it_was():
    document = deepcopy(DOCUMENT)

    with pytest.raises(OverlayError):
        applied({"target": "$.list[*]", "remove": True}, {"target": "$.nothing", "remove": True}, to=document)

    assert document == DOCUMENT


FINE = {"target": "$.info", "update": {"title": "t"}}


def with_info(**info):
    return {"overlay": "1.1.0", "info": info, "actions": [FINE]}


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param(None, id="nothing"),
        pytest.param([FINE], id="a list"),
        pytest.param("overlay", id="a text"),
        pytest.param({"actions": [FINE]}, id="no version"),
        pytest.param(overlay(FINE, version="2.0.0"), id="version 2"),
        pytest.param(overlay(FINE, version="0.9.0"), id="version 0.9"),
        pytest.param(overlay(FINE, version="1.10.0"), id="version 1.10"),
        pytest.param({"overlay": "1.1.0"}, id="no actions"),
        pytest.param(overlay(), id="no action"),
        pytest.param({"overlay": "1.1.0", "actions": FINE}, id="actions are an object"),
        pytest.param(overlay("$.info"), id="an action is a text"),
        pytest.param(overlay(None), id="an action is null"),
        pytest.param(overlay({"update": {}}), id="no target"),
        pytest.param(overlay({"target": 3, "update": {}}), id="a target is a number"),
        pytest.param(overlay({"target": "$.info", "updat": {}}), id="a misspelt member does nothing"),
        pytest.param(overlay({**FINE, "description": 1}), id="a description is a number"),
        pytest.param(overlay({"target": "$.info", "remove": "yes"}), id="remove is a text"),
        pytest.param(overlay({"target": "$.info", "copy": 1}), id="copy is a number"),
        pytest.param(overlay(FINE, FINE), id="an action is given twice"),
        pytest.param(overlay({**FINE, "remove": True}), id="update and remove in one action"),
        pytest.param(overlay({**FINE, "remove": False}), id="update and remove: false in one action"),
        pytest.param(overlay({**FINE, "copy": "$.list"}), id="update and copy in one action"),
        pytest.param(overlay({"target": "$.list", "copy": "$.list", "remove": True}), id="copy and remove in one"),
        pytest.param(overlay({"target": "$.info", "copy": "$.fields"}, version="1.0.0"), id="copy in version 1.0"),
        pytest.param(overlay(FINE, version=1.1), id="the version is a number"),
        pytest.param(overlay(FINE, version="1.1.0-rc1"), id="a version that is no release"),
        pytest.param({**overlay(FINE), "action": []}, id="an unknown member at the root"),
        pytest.param({**overlay(FINE), "extends": ["a.yaml"]}, id="extends is a list"),
        pytest.param({"overlay": "1.1.0", "actions": [FINE]}, id="no info"),
        pytest.param(with_info(version="1"), id="info without a title"),
        pytest.param(with_info(title="t"), id="info without a version"),
        pytest.param(with_info(title=1, version="1"), id="a title is a number"),
        pytest.param(with_info(title="t", version=1.0), id="a version is a number"),
        pytest.param(with_info(title="t", version="1", author="a"), id="an unknown member of info"),
        pytest.param(with_info(title="t", version="1", description=1), id="the description of info is a number"),
        pytest.param({**overlay(FINE), "info": "t"}, id="info is a text"),
        pytest.param(
            {**with_info(title="t", version="1", description="d"), "overlay": "1.0.0"},
            id="a description of info in version 1.0",
        ),
    ],
)
def test_a_malformed_overlay_is_an_error_that_names_it(malformed):
    with pytest.raises(OverlayError, match=r"^some\.overlay\.yaml"):
        apply(DOCUMENT, malformed, "some.overlay.yaml")


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param({**overlay(FINE), "x-root": 1, "extends": "a.yaml"}, id="an extension of the root"),
        pytest.param(overlay({**FINE, "x-why": []}), id="an extension of an action"),
        pytest.param(overlay({"target": "$.info", "update": {"x-info": {"x-deep": 1}}}), id="any extension written"),
        pytest.param(with_info(title="t", version="1", description="d", **{"x-a": 1}), id="all that info may hold"),
        pytest.param(overlay({"target": "$"}), id="an action that does nothing"),
        pytest.param(overlay(FINE, {**FINE, "description": "again"}), id="actions that differ in their description"),
    ],
)
def test_what_the_standard_allows_is_applied(allowed):
    assert apply(DOCUMENT, allowed)["info"]["tags"] == ["video"]


def test_a_malformed_overlay_is_an_error_that_names_every_place_and_the_nearest_word():
    malformed = {**with_info(titel="t", version="1"), "acitons": []}

    with pytest.raises(OverlayError) as caught:
        apply(DOCUMENT, malformed, "some.overlay.yaml")

    assert set(str(caught.value).splitlines()) == {
        "some.overlay.yaml, /acitons: acitons is not known here; did you mean actions?",
        "some.overlay.yaml, /info/titel: titel is not known here; did you mean title?",
        "some.overlay.yaml, /info/title: title is required",
    }


@pytest.mark.parametrize("version", ["1.0.0", "1.0.1", "1.1.0", "1.1.7"])
def test_versions_1_0_and_1_1_are_understood(version):
    assert apply(DOCUMENT, overlay(FINE, version=version))["info"]["title"] == "t"


def test_a_wrong_overlay_is_a_wrong_document():
    # One `except DocumentError` catches whatever is wrong with our documents.
    with pytest.raises(DocumentError):
        applied({"target": "$.nothing", "remove": True})


# The sets that the standard publishes as examples of a compliant tool, retold with documents of our own.

LENDING = {
    "openapi": "3.1.0",
    "info": {"title": "Tool lending", "version": "2.0.0"},
    "servers": [
        {"url": "https://tools.example", "description": "Public"},
        {"url": "https://trial.tools.example", "description": "Trial"},
    ],
    "paths": {
        "/tools": {
            "get": {
                "summary": "Everything on the shelf",
                "tags": ["shelf"],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "label": {"type": "string", "example": "drill"},
                                            "weight_g": {"type": "integer"},
                                        },
                                    },
                                }
                            }
                        }
                    },
                    "500": {"description": "Broken"},
                },
            }
        },
        "/tools/{id}": {
            "get": {"tags": ["shelf"], "responses": {"200": {"description": "One"}, "default": {"description": "?"}}}
        },
    },
    "components": {"schemas": {"Loan": {"properties": {"days": {"type": "integer", "example": 7}}}}},
}


def edited(edit):
    """The document after an edit by hand."""
    document = deepcopy(LENDING)
    edit(document)
    return document


def license_is_added(document):
    document["info"]["license"] = {"name": "MIT", "url": "https://spdx.org/licenses/MIT"}


def operation_is_described(document):
    document["paths"]["/tools"]["get"] |= {"summary": "All tools", "description": "Lists what can be lent"}


def operations_are_tagged(document):
    shelf, tool = document["paths"].values()
    del shelf["get"]["summary"]
    shelf["get"]["tags"] = ["shelf", "every", "first"]
    shelf["get"]["x-by"] = {"x-overlay": "lending"}
    tool["get"]["tags"] = ["shelf", "every"]
    for item in (shelf, tool):
        item["post"] = {"x-draft": {"by": "hand"}}


def example_is_removed(document):
    del document["components"]["schemas"]["Loan"]["properties"]["days"]["example"]


def responses_are_removed(document):
    del document["paths"]["/tools"]["get"]["responses"]["500"]
    del document["paths"]["/tools/{id}"]["get"]["responses"]["default"]


def texts_are_removed(document):
    media = document["paths"]["/tools"]["get"]["responses"]["200"]["content"]["application/json"]
    del media["schema"]["items"]["properties"]["label"]


def server_is_removed(document):
    del document["servers"][1]


def servers_are_replaced(document):
    document["servers"] = [{"url": "http://tools.local", "description": "Sandbox"}]


def root_is_marked(document):
    document["info"]["x-edited"] = True


@pytest.mark.parametrize(
    ("actions", "edit"),
    [
        (
            [{"target": "$.info", "update": {"license": {"name": "MIT", "url": "https://spdx.org/licenses/MIT"}}}],
            license_is_added,
        ),
        (
            [
                {
                    "target": "$.paths['/tools'].get",
                    "update": {"description": "Lists what can be lent", "summary": "All tools"},
                }
            ],
            operation_is_described,
        ),
        (
            [
                {"target": "$.paths['/tools'].get.summary", "remove": True},
                {"target": "$.paths.*.get", "update": {"tags": ["every"]}},
                {
                    "target": "$.paths['/tools'].get",
                    "update": {"x-by": {"x-overlay": "lending"}, "tags": ["first"]},
                },
                {"target": "$.paths.*", "update": {"post": {"x-draft": {"by": "hand"}}}},
            ],
            operations_are_tagged,
        ),
        (
            [{"target": "$.components.schemas.Loan.properties['days'].example", "remove": True}],
            example_is_removed,
        ),
        (
            [
                {"target": "$.paths..responses['500']", "remove": True},
                {"target": "$.paths..responses['default']", "remove": True},
            ],
            responses_are_removed,
        ),
        (
            [
                {
                    "target": "$.paths['/tools'].get.responses['200']..properties[?(@.type == 'string')]",
                    "remove": True,
                }
            ],
            texts_are_removed,
        ),
        ([{"target": "$.servers[?( @.description == 'Trial' )]", "remove": True}], server_is_removed),
        (
            [
                {"target": "$.servers", "remove": True},
                {"target": "$", "update": {"servers": [{"url": "http://tools.local", "description": "Sandbox"}]}},
            ],
            servers_are_replaced,
        ),
        ([{"target": "$", "update": {"info": {"x-edited": True}}}], root_is_marked),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_published_examples_of_a_compliant_tool_give_the_published_results(actions, edit, version):
    given = {**overlay(*actions, version=version), "extends": "tools.yaml"}

    assert apply(LENDING, given) == edited(edit)

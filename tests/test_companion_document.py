"""The document of the operations around create: examples, links, schemas, and how it is merged in."""

import copy
import re
import shutil

import pytest

import kling_openapi
from kling_contracts import Contract, DocumentError, World
from kling_contracts.documents.loading import COMPANIONS, effective
from support.companions import COMPANION_NAMES, DOCUMENT, broken, request, video
from support.contract_folder import changed
from support.serving import PATH, documented
from support.workflow import CREATE, VIDEO_URL, resolved, validator

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
    ("old", "new", "says"),
    [
        (
            "x-there: has_succeeded",
            "x-there: has_suceeded",
            "/x-there: no entry of a world has 'has_suceeded'; did",
        ),
        ("x-shows: start_ms", "x-shows: begin_ms", "/x-shows: no entry of a world has 'begin_ms'"),
        ("{seconds: video_ms}", "{seconds: video_s}", "/x-shows/seconds: no entry of a world has 'video_s'; did you"),
        ("{world: now_ms}", "{world: now}", "/x-shows/world: no world has 'now'"),
        ("{fact: task}, $ref", "{fact: tasks}, $ref", "/x-entry/fact: no operation has 'tasks'; did you mean task"),
        ("{table: tasks, newest", "{table: task, newest", "/x-entry/table: no world has 'task'; did you mean tasks"),
        ("{since: ends_ms", "{since: end", "/x-file/since: no entry of a world has 'end'"),
    ],
)
def test_a_member_that_nothing_has_is_named_when_the_document_is_loaded(folder, old, new, says):
    changed(folder, COMPANIONS, old, new)
    with pytest.raises(DocumentError, match=re.escape(says)):
        Contract.load(folder=folder)


def test_a_folder_may_be_given_as_a_text(folder):
    assert Contract.load(folder=str(folder)).operations

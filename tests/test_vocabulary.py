"""A word that our documents do not have is an error at load: file, line, place, and the nearest word that they have."""

import json
import re
from pathlib import Path

import pytest

from kling_contracts import Contract, DocumentError
from kling_contracts.documents.loading import COMPANIONS
from kling_contracts.documents.vocabulary import SCHEMA_FILE
from kling_contracts.rules.rule import KEYWORDS
from support.contract_folder import OVERLAY, changed, copy_of_documents

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads(SCHEMA_FILE.read_bytes())


@pytest.fixture
def folder(tmp_path):
    return copy_of_documents(tmp_path)


def error_of(folder):
    with pytest.raises(DocumentError) as caught:
        Contract.load(folder=folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (OVERLAY, "x-validations:", "x-validation:", "x-validation is not known here; did you mean x-validations?"),
        (OVERLAY, "x-prose:", "x-porse:", "x-porse is not known here; did you mean x-prose?"),
        (OVERLAY, "fieldPath:", "feildPath:", "feildPath is not known here; did you mean fieldPath?"),
        (OVERLAY, "source: upstream", "source: upsteam", "did you mean upstream?"),
        (OVERLAY, "text: 会基于", "txet: 会基于", "txet is not known here; did you mean text?"),
        (OVERLAY, "reason: a label", "raeson: a label", "raeson is not known here; did you mean reason?"),
        (OVERLAY, "{at: .audio_id,", "{at: audio_id,", "at must be a field of the node, .name"),
        (OVERLAY, "x-violation-code: 1201", "x-violation-code: '1201'", "x-violation-code must be an integer"),
        (OVERLAY, "x-also-at: [/v1", "x-also-at: [v1", "must be a path: it starts with /"),
        (OVERLAY, "actions:", "acitons:", "acitons is not known here; did you mean actions?"),
        (
            COMPANIONS,
            "x-validations:",
            "x-validatoins:",
            "x-validatoins is not known here; did you mean x-validations?",
        ),
        (COMPANIONS, "x-source: upstream", "x-source: upstraem", "did you mean upstream?"),
        (COMPANIONS, "{id: tasks-in-parallel, code", "{id: tasks-in-parallel, kode", "kode is not known here"),
        (COMPANIONS, "x-name: list", "x-nmae: list", "x-nmae is not known here; did you mean x-name?"),
    ],
)
def test_a_misspelt_word_is_an_error_that_names_file_line_and_the_nearest_word(folder, name, old, new, says):
    line = changed(folder, name, old, new)

    first = next(one for one in error_of(folder).splitlines() if says in one)
    assert first.startswith(f"{name}, line {line}, /")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "fieldPath: .sound_end_time",
            "fieldPath: .sound_end_tiem",
            "rule 'clip-too-short': fieldPath names .sound_end_tiem, no such field; did you mean .sound_end_time?",
        ),
        (
            "fieldPath: .sound_end_time\n          evidence",
            "fieldPath: .sound_end_tiem\n          evidence",
            "rule 'clip-ends-with-audio': fieldPath names .sound_end_tiem, no such field; did you mean",
        ),
        (
            "fieldPath: [.audio_id, .sound_file]",
            "fieldPath: [.audio_id, .sound]",
            "rule 'audio-source-missing': fieldPath names .sound, no such field; did you mean .sound_file?",
        ),
        (
            "at: .sound_start_time, text: 裁剪后",
            "at: .start, text: 裁剪后",
            "rule 'clip-too-short': at names .start, no such field",
        ),
    ],
)
def test_a_field_that_does_not_exist_is_an_error_that_names_file_line_rule_and_the_nearest_field(
    folder, old, new, says
):
    line = changed(folder, OVERLAY, old, new)

    error = error_of(folder)

    assert error.startswith(f"{OVERLAY}, line {line}, /actions/")
    assert says in error


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rule: self <= facts.audio.end_ms", "rule: self <= facts.audio.end", "facts.audio has no field end"),
        ("rule: self <= facts.audio.end_ms", "rule: self <== facts.audio.end_ms", "'=' is outside the profile"),
        ("must last at least {limit} ms", "must last at least {limt} ms", "the message names 'limt'"),
        ("code: 1301\n", "code: 1399\n", "no response of the operation declares code 1399"),
        (
            "text: 裁剪后音频不得短于2秒",
            "text: 裁剪后音频不得短于3秒",
            "the vendor does not say '裁剪后音频不得短于3秒'",
        ),
        ("- id: clip-too-short", "- id: audio-too-long", "two rules have the id 'audio-too-long'"),
    ],
)
def test_a_rule_that_cannot_be_compiled_is_an_error_that_names_its_file_and_line(folder, old, new, says):
    changed(folder, OVERLAY, old, new)

    error = error_of(folder)

    assert re.match(rf"{OVERLAY}, line [0-9]+, /actions/[0-9]+/update/x-validations/[0-9]+: ", error)
    assert says in error


def test_a_misspelt_keyword_is_an_error_that_names_the_field_and_the_nearest_keyword(folder):
    changed(folder, COMPANIONS, "maxLength: 1000", "maxLenght: 1000")

    assert error_of(folder) == ("the schema keyword 'maxLenght' at text cannot be made a rule; did you mean maxLength?")


def test_facts_that_no_schema_declares_are_an_error_that_names_the_nearest_schema(folder):
    changed(folder, COMPANIONS, "x-facts: SpeechFacts", "x-facts: SpechFacts")

    assert "x-facts names SpechFacts, no such schema in components.schemas; did you mean SpeechFacts?" in error_of(
        folder
    )


def test_a_rule_that_stands_where_none_is_judged_is_an_error(folder):
    rule = "{id: stray, source: mock, rule: 1 == 1, message: m}"
    action = f"\n  - {{target: $.info, update: {{x-validations: [{rule}]}}}}\n"
    with (folder / OVERLAY).open("a", encoding="utf-8") as overlay:
        overlay.write(action)

    assert "rule 'stray': it stands outside of every payload's schema, where no rule is judged" in error_of(folder)


def test_a_rule_that_an_action_spoils_afterwards_is_an_error(folder):
    action = "\n  - {target: \"$..['x-validations'][?@.id == 'clip-too-short']\", update: {feildPath: .face_id}}\n"
    with (folder / OVERLAY).open("a", encoding="utf-8") as overlay:
        overlay.write(action)

    assert "feildPath is not known here; did you mean fieldPath?" in error_of(folder)


def test_every_mistake_of_a_document_is_named_at_once(folder):
    changed(folder, OVERLAY, "fieldPath:", "feildPath:")
    changed(folder, OVERLAY, "source: upstream", "source: upsteam")

    assert len(error_of(folder).splitlines()) == 2


@pytest.mark.parametrize("extension", ["x-apifox-anything", "x-run-in-apifox"])
def test_the_extensions_of_the_vendor_are_left_alone(folder, extension):
    changed(folder, OVERLAY, "x-name: create", f"x-name: create\n      {extension}: anything")

    assert Contract.load(folder=folder).document["paths"]


def test_a_field_of_a_payload_may_have_any_name(folder):
    changed(folder, COMPANIONS, "voice_language: {", "x-anything: {type: string}\n                voice_language: {")

    assert "x-anything.type" in Contract.load(folder=folder).every_rule


@pytest.mark.parametrize("name", [OVERLAY, COMPANIONS])
def test_a_second_key_of_the_same_name_is_an_error_that_names_the_line(folder, name):
    line = changed(folder, name, "x-violation-code: 1201", "x-violation-code: 1201\n      x-violation-code: 1200")

    error = error_of(folder)

    assert error.startswith(f"{name}: ")
    assert "a second key 'x-violation-code'" in error
    assert f"line {line + 1}," in error


def test_a_comma_that_ends_a_text_too_early_is_an_error(folder):
    changed(
        folder, COMPANIONS, "description: 'End of that interval, in ms.'", "description: End of that interval, in ms."
    )

    assert error_of(folder) == f"{COMPANIONS}: 'in ms.' has no value: quote the text before it, a comma ends it"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/kling_*/**/*.schema.json")), ids=lambda path: path.name)
def test_a_schema_has_an_id_that_ends_in_the_name_of_its_file(path):
    assert json.loads(path.read_bytes())["$id"].rpartition("/")[2] == path.name


def test_the_schema_knows_every_keyword_that_is_a_rule():
    assert set(SCHEMA["$defs"]["Prose"]["properties"]) == set(KEYWORDS)


def test_every_extension_is_explained():
    page = (ROOT / "docs" / "overlay.md").read_text(encoding="utf-8")
    extensions = [name for name in SCHEMA["$defs"]["Object"]["properties"] if name.startswith("x-")]

    assert [name for name in extensions if f"`{name}`" not in page] == []


@pytest.mark.parametrize("definition", ["Rule", "RequestRule", "Reading", "Price", "Evidence"])
def test_every_member_of_an_extension_is_explained(definition):
    page = (ROOT / "docs" / "overlay.md").read_text(encoding="utf-8")
    name = {"Evidence": "GradeWithReports"}.get(definition, definition)

    assert [member for member in SCHEMA["$defs"][name]["properties"] if not re.search(rf"\b{member}\b", page)] == []

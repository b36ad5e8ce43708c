"""Drift: what a newer document of the vendor changes, clause by clause, and the patch under which it loads."""

import shutil
from pathlib import Path

import pytest

from kling_contracts import Contract, DocumentError
from kling_contracts.cases.catalogue import catalogue
from kling_contracts.documents import loading
from kling_contracts.drift.baseline import Baseline
from kling_contracts.drift.change import SEVERITIES, TITLES
from kling_contracts.drift.comparing import compare
from kling_contracts.drift.fitting import propose
from kling_contracts.drift.newer import MAX_BYTES, read
from support.drift_edits import FOLDERS, KINDS, edits
from support.nightly import share
from support.published import SEED, page

BASELINE = Baseline.load()
FOLLOWING = {"field-dropped": {"clause-dropped", "required-changed"}}
"""What one edit brings with it: a field takes its sentences along."""
ANYWAY = {"example-changed", "reworded"}


def drift_of(text):
    return compare(BASELINE, read(text.encode(), "newer").document)


def changes_of(text):
    return [(change.kind, change.rules) for change in drift_of(text).changes]


def patched_folder(text, folder):
    """A folder of documents: the newer one, ours, and the patch that was proposed."""
    newer = read(text.encode(), "newer").document
    proposal = propose(compare(BASELINE, newer), BASELINE, newer)
    assert proposal.problem == ""
    for source in FOLDERS[0].glob("*.yaml"):
        shutil.copy(source, folder)
    (folder / loading.VENDOR_DOCUMENT).write_text(loading.dump(newer, "yaml"), encoding="utf-8")
    if proposal.patch:
        (folder / "newer.patch.yaml").write_text(loading.dump(proposal.patch, "yaml"), encoding="utf-8")
    return proposal


def test_every_kind_has_a_severity_and_a_title():
    assert SEVERITIES.keys() == TITLES.keys()


# What is planted is found.


@pytest.mark.parametrize(
    ("original", "edit"), list(edits(share(360, 36))), ids=lambda value: getattr(value, "kind", "")
)
def test_an_edit_is_classed_right_and_its_patch_loads(original, edit):
    drift = compare(original.baseline, edit.document)
    kinds = {change.kind for change in drift.changes}
    if SEVERITIES[edit.kind] == "cosmetic":
        assert not drift.is_real, edit.what
    else:
        assert edit.kind in kinds, edit.what
        assert kinds <= {edit.kind} | ANYWAY | FOLLOWING.get(edit.kind, set()), edit.what
    assert propose(drift, original.baseline, edit.document).problem == "", edit.what


def test_every_way_to_edit_is_tried_in_ci():
    assert len(KINDS) <= 36


# The forms in which the document comes.


@pytest.mark.parametrize(
    "text",
    [SEED, page(), page(widen=False), loading.dump(loading.vendor(), "json"), SEED.replace("\n", "\r\n")],
    ids=["YAML", "the published page", "a page with our punctuation", "JSON", "CRLF"],
)
def test_the_same_document_in_another_form_is_no_drift(text):
    drift = drift_of(text)
    assert not drift.changes
    assert drift.unchanged == 46


def test_the_published_page_loads_without_a_patch(tmp_path):
    assert patched_folder(page(), tmp_path).patch == {}
    assert Contract.load(folder=tmp_path).rules.keys() == Contract.load().rules.keys()


def test_a_change_is_placed_in_the_page_that_holds_it():
    newer = read(page(SEED.replace("不得短于2秒", "不得短于3秒")).encode(), "page.md")
    (change,) = compare(BASELINE, newer.document).changes
    line = page().splitlines()[newer.position(change.pointer).line - 1]
    assert "sound_start_time" in page().splitlines()[newer.position(change.pointer).line - 2] + line


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"just words", "wanted: OpenAPI as YAML or JSON"),
        (b"a: [", "not YAML"),
        (b"openapi: 3.0.1", "an object without paths"),
        (b"# Page\n\n```yaml\na: 1\n```\n", "one of its 1 blocks"),
        (b"x" * (MAX_BYTES + 1), "larger than 5 MB"),
        (b"[" * 100_000, "newer"),
    ],
)
def test_what_is_no_document_is_refused_with_what_is_wanted(source, says):
    with pytest.raises(DocumentError, match=says):
        read(source, "newer")


def test_a_few_lines_that_stand_for_billions_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(DocumentError, match="more than 200000 values"):
        read("\n".join([*lines, "paths: {}"]).encode(), "newer")


# Clauses.


def test_a_limit_is_named_with_its_rule_its_numbers_and_its_unit():
    (change,) = drift_of(SEED.replace("不得短于2秒", "不得短于3秒")).changes
    assert [str(limit) for limit in change.limits] == ["clip-too-short: 2000 -> 3000 ms"]
    assert (change.old, change.new) == ("裁剪后音频不得短于2秒", "裁剪后音频不得短于3秒")


def test_sizes_are_compared_in_bytes():
    (change,) = drift_of(SEED.replace("5MB", "10MB")).changes
    assert [str(limit) for limit in change.limits] == ["sound-file-too-large: 5242880 -> 10485760 bytes"]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("裁剪后音频不得短于2秒", "裁剪后音频不得短于2000毫秒", "reworded"),
        ("裁剪后音频不得短于2秒", "裁剪后音频不得短于2.001秒", "limit-changed"),
        ("裁剪后音频不得短于2秒", "裁剪后音频不得短于2秒左右", "negation-changed"),
        ("裁剪后音频不得短于2秒", "裁剪后音频不得长于2秒", "negation-changed"),
        ("裁剪后音频不得短于2秒", "裁剪后音频必须足够长", "clause-dropped"),
        ("确保可访问", "不确保可访问", "negation-changed"),
        (".mp3/.wav/.m4a", ".m4a/.wav/.mp3", "reworded"),
        (".mp3/.wav/.m4a", ".mp3/.wav", "list-changed"),
        (".mp3/.wav/.m4a", ".mp3/.wav/.m4a/.aac", "list-changed"),
        ("[0, 2];原视频", "(0, 2];原视频", "meaning-unclear"),
        ("值越大,音量越大", "值越大、音量越大", "reworded"),
        ("仅支持使用30天内生成的", "仅支持使用30小时内生成的", "limit-changed"),
        ("且不超过60秒的音频", "且不超过两分钟的音频", "limit-changed"),
        ("且不超过60秒的音频", "且不超过1分钟的音频", "reworded"),
    ],
)
def test_a_sentence_is_classed_by_what_changed_in_it(old, new, kind):
    assert old in SEED
    kinds = [change.kind for change in drift_of(SEED.replace(old, new)).changes]
    assert kind in kinds
    assert set(kinds) <= {kind, "clause-new"}


def test_a_dropped_clause_names_the_rules_that_it_leaves_without_a_source():
    (change,) = drift_of(SEED.replace(",裁剪后音频不得短于2秒", "").replace(";裁剪后音频不得短于2秒", "")).changes
    assert change.kind == "clause-dropped"
    assert "clip-too-short without a source" in change.message


def test_two_clauses_that_change_places_have_moved():
    text = SEED.replace("终点时间不得晚于原始音频总时长", "").replace(
        "开始时间为0分0秒", "终点时间不得晚于原始音频总时长;开始时间为0分0秒"
    )
    assert changes_of(text) == [("clause-moved", ("clip-past-audio-end",))]


# The patch.


def test_a_new_limit_is_enforced_under_the_patch_and_the_cases_follow(tmp_path):
    patched_folder(SEED.replace("不得短于2秒", "不得短于3秒"), tmp_path)
    contract = Contract.load(folder=tmp_path)
    payload = contract.operation.example
    payload["face_choose"][0]["sound_end_time"] = 2999
    assert "clip-too-short" in contract.report(payload).broken
    payload["face_choose"][0]["sound_end_time"] = 3000
    assert "clip-too-short" not in contract.report(payload).broken
    clips = {
        one["sound_end_time"] - one["sound_start_time"]
        for case in catalogue(contract)
        if "clip-too-short" in case.breaks
        for one in case.payload["face_choose"]
    }
    assert 2999 in clips
    assert 1999 not in clips or max(clips) >= 2999


@pytest.mark.parametrize(
    ("old", "new", "rule", "statement"),
    [
        (".m4a", ".m4a/.aac", "sound-file-format", "facts.file.format == 'aac'"),
        ("5MB", "10MB", "sound-file-too-large", "<= 10485760"),
        ("至少重合2秒", "至少重合3秒", "face-overlap-too-short", ">= 3000"),
        ("30天", "7天", "audio-id-expired", "<= 604800000"),
    ],
)
def test_the_patch_follows_what_is_certain(tmp_path, old, new, rule, statement):
    proposal = patched_folder(SEED.replace(old, new), tmp_path)
    assert statement in Contract.load(folder=tmp_path).rules[rule].statement
    assert not any(one.uncovered or one.strays for one in proposal.described)


def test_an_item_that_is_gone_is_gone_from_the_rule(tmp_path):
    patched_folder(SEED.replace(".mp3/.wav/.m4a", ".wav/.m4a"), tmp_path)
    assert "mp3" not in Contract.load(folder=tmp_path).rules["sound-file-format"].statement


def test_one_bound_of_a_range_moves_and_the_other_stays(tmp_path):
    patched_folder(SEED.replace("[0, 2];原视频", "[0, 3];原视频"), tmp_path)
    rules = Contract.load(folder=tmp_path).rules
    assert rules["original_audio_volume.maximum"].value == 3
    assert rules["original_audio_volume.minimum"].value == 0
    assert rules["sound_volume.maximum"].value == 2


def test_two_sentences_that_contradict_each_other_change_no_rule(tmp_path):
    # audio_id says 3 seconds now, sound_file still says 2.
    proposal = patched_folder(SEED.replace("时长不短于2秒且", "时长不短于3秒且", 1), tmp_path)
    assert ">= 2000" in Contract.load(folder=tmp_path).rules["audio-too-short"].statement
    assert [run for one in proposal.described for run in one.uncovered] == ["时长不短于3秒"]


def test_what_is_not_certain_loses_its_quote_and_stays_a_rule_of_ours(tmp_path):
    proposal = patched_folder(SEED.replace("确保可访问", "保证能够公开访问"), tmp_path)
    rule = Contract.load(folder=tmp_path).rules["sound-file-unreachable"]
    assert (rule.source, rule.quotes) == ("mock", ())
    assert [run for one in proposal.described for run in one.uncovered] == ["保证能够公开访问"]


def test_a_renamed_field_takes_its_rules_along(tmp_path):
    patched_folder(SEED.replace("sound_end_time", "sound_stop_time"), tmp_path)
    rules = Contract.load(folder=tmp_path).rules
    assert rules["clip-too-short"].statement == "self.sound_stop_time - self.sound_start_time >= 2000"
    assert "sound_stop_time.required" in rules


def test_a_renamed_field_takes_its_notes_along(tmp_path):
    patched_folder(SEED.replace("sound_end_time", "sound_stop_time"), tmp_path)
    (path_item,) = [one for one in Contract.load(folder=tmp_path).document["paths"].values() if "x-notes" in str(one)]
    content = path_item["post"]["requestBody"]["content"]["application/json"]
    note, *_ = content["schema"]["properties"]["face_choose"]["items"]["x-notes"]
    assert note["fieldPath"] == ".sound_stop_time"
    assert note["when"] == "self.sound_stop_time == facts.audio.duration_ms"


def test_a_rule_whose_field_is_gone_is_taken_out_by_name():
    document = loading.vendor()
    (item,) = document["paths"].values()
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    del schema["properties"]["face_choose"]["items"]["properties"]["audio_id"]
    proposal = propose(compare(BASELINE, document), BASELINE, document)
    assert proposal.problem == ""
    assert {"audio-source-missing", "audio-source-conflict"} <= set(proposal.lost)


def test_another_path_and_method_are_followed(tmp_path):
    patched_folder(
        SEED.replace("/kling/v1/videos/advanced", "/v1/videos/advanced").replace("    post:", "    put:"), tmp_path
    )
    operation = Contract.load(folder=tmp_path).operation
    assert (operation.method, operation.paths) == ("PUT", ("/v1/videos/advanced-lip-sync",))


@pytest.mark.parametrize("profile", loading.PROFILES)
def test_a_patched_folder_loads_in_every_profile(tmp_path, profile):
    patched_folder(SEED.replace("sound_volume", "voice_volume").replace("5MB", "6MB"), tmp_path)
    Contract.load(profile, folder=tmp_path)
    Contract.load(profile, folder=tmp_path, upstream_state=False)


def test_a_patch_of_an_unknown_document_is_refused(tmp_path):
    patched_folder(SEED.replace("5MB", "6MB"), tmp_path)
    patch = tmp_path / "newer.patch.yaml"
    patch.write_text(patch.read_text().replace("extends: advanced-lip-sync.overlay", "extends: advanced.overlay"))
    with pytest.raises(
        DocumentError, match=r"newer\.patch\.yaml: there is no document 'advanced\.overlay\.yaml' to patch"
    ):
        loading.effective(folder=tmp_path)


def test_the_vendors_own_document_cannot_be_patched(tmp_path):
    patched_folder(SEED.replace("5MB", "6MB"), tmp_path)
    patch = tmp_path / "newer.patch.yaml"
    patch.write_text(patch.read_text().replace("advanced-lip-sync.overlay.yaml", loading.VENDOR_DOCUMENT))
    with pytest.raises(DocumentError, match=r"no document 'advanced-lip-sync\.openapi\.yaml' to patch"):
        loading.effective(folder=tmp_path)


def test_the_other_document_is_covered_too():
    assert all(Path(folder, loading.VENDOR_DOCUMENT).exists() for folder in FOLDERS)

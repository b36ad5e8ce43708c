"""Facts: what a world says about one payload, and what is said where nobody can know."""

import base64
import copy
import operator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract, World
from kling_contracts.facts.file_content import measured_audio
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import Face, File
from kling_contracts.media import silent_audio
from kling_contracts.unknown import Absent, Unknown, UnknownFactError, present
from support.serving import documented

CONTRACT = documented()
URL = "https://example.com/a.mp3"
WORLD = World.from_json(
    {
        "now_ms": 1_000_000,
        "sessions": {"s": {"video_ms": 10_000, "created_ms": 400_000, "faces": {"0": [2000, 7000]}}},
        "audios": {"a": {"duration_ms": 8000, "created_ms": 300_000, "flagged": True}},
        "external_task_ids": ["mine"],
    }
)
LISTING = replace(WORLD, files={URL: File("mp3", 120_000, 5000)})


class Fleeting(dict):
    """A mapping that forgets an entry once it was looked up, as the live view of a world may."""

    def get(self, key, default=None):
        return self.pop(key, default)


def facts_of(world=WORLD, session_id="s", task_id="", fetch=None, contract=CONTRACT, **item):
    """The facts of a payload with one item; `now_ms` and `advanced_ms` are the clock's."""
    clock = {name: item.pop(name) for name in ("now_ms", "advanced_ms") if name in item}
    sources = FactSources(world, fetch={"audio": fetch} if fetch else {}, **clock)
    payload = {"session_id": session_id, "external_task_id": task_id, "face_choose": [item]}
    return contract.operation.facts.measure(payload, sources).of_item("face_choose", item)


def allowing(size_bytes):
    """The contract with another limit on the size of a file; None: with none."""
    document = copy.deepcopy(CONTRACT.document)
    operation = next(iter(document["paths"].values()))["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    rules = schema["properties"]["face_choose"]["items"]["properties"]["sound_file"]["x-validations"]
    (limit,) = [rule for rule in rules if "size_bytes" in rule["rule"]]
    limit["rule"] = limit["rule"].replace("5242880", str(size_bytes))
    if size_bytes is None:
        rules.remove(limit)
    return Contract.compile(document)


def why(fact):
    """The reason why nobody can know a fact."""
    with pytest.raises(UnknownFactError) as caught:
        present(fact)
    return str(caught.value)


# A fact is present, absent or not known.


@pytest.mark.parametrize("fact", [True, 0, "", (), Face(0, 0)])
def test_a_fact_that_the_world_tells_is_present(fact):
    assert present(fact)


def test_a_fact_that_the_world_does_not_know_is_absent():
    assert not present(Absent("no such id"))


def test_whether_there_is_a_fact_that_nobody_can_know_is_not_known_itself():
    assert why(Unknown("no world was given")) == "no world was given"


COMPUTING = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, operator.add, operator.sub]


@pytest.mark.parametrize("kind", [Unknown, Absent])
@pytest.mark.parametrize(
    "read",
    [
        *(bool, operator.attrgetter("duration_ms")),
        *(lambda fact, on=operate: on(fact, 1) for operate in COMPUTING),
        *(lambda fact, on=operate: on(1, fact) for operate in COMPUTING),
    ],
)
def test_reading_what_is_not_there_says_why(kind, read):
    with pytest.raises(UnknownFactError, match=r"^the reason$"):
        read(kind("the reason"))


# The session, its video, its faces, the caller's own id.


def test_a_session_tells_its_age_its_video_and_its_faces():
    facts = facts_of(face_id="0")
    assert (facts.session.age_ms, facts.video.duration_ms) == (600_000, 10_000)
    assert (facts.face.start_ms, facts.face.end_ms) == (2000, 7000)


def test_an_unknown_session_is_absent_and_what_hangs_on_it_not_known():
    facts = facts_of(session_id="other", face_id="0")
    assert not present(facts.session)
    assert (why(facts.video), why(facts.face)) == ("the session is not known", "the session is not known")


def test_an_unknown_face_is_absent_and_the_video_is_not():
    facts = facts_of(face_id="1")
    assert not present(facts.face)
    assert facts.video.duration_ms == 10_000


def test_an_external_id_is_present_once_it_was_used():
    assert present(facts_of(task_id="mine").task)
    assert not present(facts_of(task_id="yours").task)


@pytest.mark.parametrize("wrong", [None, 5, [], {}])
def test_what_is_named_by_a_value_that_is_no_string_is_not_known(wrong):
    facts = facts_of(session_id=wrong, task_id=wrong, face_id=wrong, audio_id=wrong, sound_file=wrong)
    for fact in (facts.session, facts.video, facts.face, facts.preview, facts.file, facts.audio, facts.task):
        assert not isinstance(fact, Absent)
        assert "missing or broken" in why(fact)


def test_without_a_world_nothing_of_it_is_known():
    facts = facts_of(None, face_id="0", audio_id="a")
    for fact in (facts.session, facts.video, facts.face, facts.preview, facts.audio, facts.task):
        assert why(fact) == "no world was given"


# Time.


@pytest.mark.parametrize(("created_ms", "age_ms"), [(0, 1_000_000), (999_999, 1), (1_000_000, 0), (1_000_005, -5)])
def test_an_age_is_the_time_since_creation(created_ms, age_ms):
    world = replace(WORLD, sessions={"s": WORLD.sessions["s"]._replace(created_ms=created_ms)})
    assert facts_of(world).session.age_ms == age_ms


def test_what_has_no_time_of_creation_ages_only_as_a_clock_is_advanced():
    world = World.from_json({"sessions": {"s": {"video_ms": 1, "faces": {}}}, "audios": {"a": {"duration_ms": 1}}})
    for now_ms in (None, 0, 2**53):
        for advanced_ms in (0, 86_400_001):
            facts = facts_of(world, now_ms=now_ms, advanced_ms=advanced_ms, audio_id="a")
            assert (facts.session.age_ms, facts.preview.age_ms) == (advanced_ms, advanced_ms)


def test_the_time_of_the_sources_goes_before_the_worlds():
    assert facts_of(now_ms=400_007).session.age_ms == 7


# The audio: from the preview call, or from a file.


def test_an_audio_id_tells_age_length_and_moderation():
    facts = facts_of(audio_id="a")
    assert facts.preview.age_ms == 700_000
    assert facts.audio == (8000, 8000, True, True)
    assert why(facts.file) == "there is no sound_file"


def test_an_unknown_audio_id_is_absent_and_so_is_its_audio():
    facts = facts_of(audio_id="b")
    assert (present(facts.preview), present(facts.audio)) == (False, False)


@pytest.mark.parametrize("item", [{}, {"audio_id": ""}, {"sound_file": ""}, {"audio_id": "", "sound_file": ""}])
def test_without_a_source_there_is_no_audio(item):
    assert why(facts_of(**item).audio) == "there is no audio"


def test_with_both_sources_there_is_no_one_audio_but_each_is_looked_at():
    facts = facts_of(LISTING, audio_id="a", sound_file=URL)
    assert why(facts.audio) == "with both sources given there is no one audio"
    assert (facts.preview, facts.file[:4]) == ((700_000,), ("url", True, "mp3", 120_000))


@pytest.mark.parametrize(
    ("item", "duration_ms"),
    [
        ({"audio_id": "a"}, 8000),
        ({"sound_file": URL}, 5000),
        ({"sound_file": base64.b64encode(silent_audio.wav(3000)).decode()}, 3000),
    ],
)
def test_slack_moves_the_end_of_an_audio_and_not_its_length(item, duration_ms):
    audio = facts_of(replace(LISTING, audio_slack_ms=20), **item).audio
    assert (audio.duration_ms, audio.end_ms) == (duration_ms, duration_ms - 20)


# What sound_file holds: is it a URL? a data URL? too long to be decoded? strict Base64?


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (URL, "url"),
        ("http://a", "url"),
        ("HTTPS://A", "url"),
        ("https://", "other"),
        ("https:///a", "other"),
        (" https://a", "other"),
        ("ftp://a/b.mp3", "other"),
        ("data:audio/wav;base64,UklGRg==", "data_url"),
        ("Data:,", "data_url"),
        ("UklGRg==", "base64"),
        ("UklG", "base64"),
        ("UklGRg", "other"),
        ("UklGRg=", "other"),
        ("UklG\nRg==", "other"),
        ("UklGRg==\n", "other"),
        ("UklG=", "other"),
        ("UklG===", "other"),
        ("UklG====", "other"),
        ("Ukl-", "other"),
        ("Ukl_", "other"),
        ("Ukl+", "base64"),
        ("=", "other"),
        (" ", "other"),
        ("é", "other"),
    ],
)
def test_a_sound_file_is_read_strictly(text, kind):
    assert facts_of(sound_file=text).file.kind == kind


@pytest.mark.parametrize("text", ["data:,", "no Base64!"])
def test_what_cannot_be_read_tells_nothing(text):
    facts = facts_of(sound_file=text)
    unread = (facts.file.reachable, facts.file.format, facts.file.size_bytes, facts.audio)
    assert {why(fact) for fact in unread} == {"sound_file cannot be read"}


NOTHING_ALLOWED = allowing(0)


@given(st.binary(min_size=1, max_size=300))
def test_a_base64_text_tells_the_size_of_what_it_holds(data):
    text = base64.b64encode(data).decode()
    assert facts_of(sound_file=text).file.size_bytes == len(data)
    assert facts_of(contract=NOTHING_ALLOWED, sound_file=text).file.size_bytes == len(data)


@pytest.mark.parametrize(("bound", "looked_into"), [(None, True), (2044, True), (2043, False)])
def test_a_file_beyond_the_bound_is_not_looked_into(bound, looked_into):
    data = silent_audio.wav(2000)
    assert len(data) == 2044
    facts = facts_of(contract=allowing(bound), sound_file=base64.b64encode(data).decode())
    assert facts.file.size_bytes == 2044
    if looked_into:
        assert (facts.file.format, facts.audio.duration_ms) == ("wav", 2000)
    else:
        assert why(facts.audio) == why(facts.file.format) == "the file is too large to be looked into"


def test_a_text_beyond_the_bound_is_not_decoded_to_see_whether_it_could_be():
    assert facts_of(contract=allowing(10), sound_file="!" * 100).file.kind == "base64"


def test_a_data_url_beyond_the_bound_is_a_data_url_all_the_same():
    assert facts_of(contract=NOTHING_ALLOWED, sound_file="data:," + "A" * 100).file.kind == "data_url"


def test_base64_is_measured_without_a_world():
    facts = facts_of(None, sound_file=base64.b64encode(silent_audio.mp3(2000)).decode())
    assert (facts.file.format, facts.audio.duration_ms, facts.audio.flagged) == ("mp3", 2000, False)


# URLs: what the world lists, else whoever fetches.


def refuse_to_fetch(url):
    raise AssertionError(url)


def test_a_listed_url_is_what_the_world_says():
    facts = facts_of(LISTING, sound_file=URL)
    assert facts.file[:4] == ("url", True, "mp3", 120_000)
    assert facts.audio == (5000, 5000, True, False)


@pytest.mark.parametrize("url", [URL, "https://example.com/b.mp3"])
def test_a_world_that_lists_files_leaves_nothing_to_be_fetched(url):
    facts_of(LISTING, fetch=refuse_to_fetch, sound_file=url)


def test_an_unlisted_url_does_not_answer():
    facts = facts_of(LISTING, sound_file="https://example.com/b.mp3")
    assert (facts.file.kind, facts.file.reachable) == ("url", False)
    assert why(facts.file.format) == why(facts.audio) == "the URL does not answer"


@pytest.mark.parametrize("world", [WORLD, None])
def test_without_a_list_a_url_is_fetched(world):
    fetched = {URL: File("wav", 1, 2000)}
    assert facts_of(world, fetch=fetched.__getitem__, sound_file=URL).file.format == "wav"


def test_a_url_that_answers_nobody_is_unreachable():
    assert facts_of(fetch=lambda url: Absent("gone"), sound_file=URL).file.reachable is False


def test_a_url_that_may_not_be_fetched_is_known_by_its_name_alone():
    file = facts_of(fetch=lambda url: Unknown("not allowed"), sound_file=URL).file
    assert file.format == "mp3"
    assert why(file.reachable) == why(file.size_bytes) == "not allowed"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://a/b.mp3", "mp3"),
        ("https://a/b.MP3", "mp3"),
        ("https://a/b.c.m4a?d=e.ogg#f.aac", "m4a"),
        ("https://a/b.oga", "ogg"),
        ("https://a/b.wave", "wav"),
        ("https://a/b.mp3/c", None),
        ("https://a/b", None),
        ("https://a/b.txt", None),
        ("https://a.mp3", None),
        ("https://a/b?c=/d.mp3", None),
        ("https://a/b#/d.mp3", None),
        ("https://a/.", None),
    ],
)
def test_the_name_of_an_unfetched_url_is_the_extension_of_its_path(url, named):
    found = facts_of(WORLD, sound_file=url).file.format
    assert (None if isinstance(found, Unknown) else found) == named


# Bytes.


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "m4a"])
def test_a_file_is_measured_by_its_content(audio_format):
    data = silent_audio.make(audio_format, 2345)
    brand = "M4A " if audio_format == "m4a" else ""
    assert measured_audio(data) == File(audio_format, len(data), 2345, decodes=True, brand=brand)


@pytest.mark.parametrize(
    ("data", "file"),
    [
        (b"OggS", File("ogg", 4, None, decodes=None, brand="")),
        (b"hello", File("unknown", 5, None, decodes=None, brand="")),
        (b"RIFF\0\0\0\0WAVE", File("wav", 12, None, decodes=False, brand="")),
    ],
)
def test_what_cannot_be_measured_is_left_open(data, file):
    assert measured_audio(data) == file
    audio = facts_of(sound_file=base64.b64encode(data).decode()).audio
    assert why(audio.duration_ms) == why(audio.end_ms) == "the file was not measured"


def test_a_face_belongs_to_the_session_that_was_looked_up_though_it_is_gone_by_then():
    facts = facts_of(replace(WORLD, sessions=Fleeting(WORLD.sessions)), face_id="0")
    assert facts.session.age_ms == 600_000
    assert facts.face.start_ms == 2000

"""One function judges plain payloads, and the walk all others: both say the same, and violations alone are a part."""

import copy
from dataclasses import replace

import pytest

from kling_contracts import Contract, World
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import File
from kling_contracts.judging.judge import Judge
from kling_contracts.unknown import Unknown

CONTRACT = Contract.load()
CREATE = CONTRACT.operation
URL = "https://x/a.mp3"
WORLD = replace(CREATE.example_world, now_ms=1_750_000_000_000)
FILES = {"a short one": File("mp3", 9, 1999), "one that nobody measured": File("mp3", 9, None)}
WORLDS = {
    "the world": WORLD,
    "an empty one": World(),
    "none": None,
    "one that does not know how long its video is": replace(
        WORLD, sessions={name: one._replace(video_ms=Unknown("nobody said")) for name, one in WORLD.sessions.items()}
    ),
    **{name: replace(WORLD, files={URL: file}) for name, file in FILES.items()},
}


def example(**item):
    changed = copy.deepcopy(CREATE.example)
    changed["face_choose"][0].update(item)
    return changed


PAYLOADS = {
    "the example": CREATE.example,
    "a clip that ends with the audio": example(sound_end_time=8000),
    "a broken rule": example(sound_end_time=1999),
    "several broken rules": example(face_id="9", audio_id="9", sound_insert_time=10**9, sound_file="//"),
    "a URL": example(audio_id="", sound_file=URL),
    "whole numbers as floats": example(sound_end_time=5000.0, sound_insert_time=1999.0),
    "a field that nobody knows": example(sound_volum=1),
    "a refused field": example(face_id=9, sound_end_time=1999),
    "several refused fields": {**example(sound_start_time=-1, sound_volume=9, sound_end_time=None), "session_id": 4},
    "a refused field among broken rules": example(sound_volume=3, face_id="9", sound_insert_time=10**9, sound_file=URL),
    "a missing field": {"face_choose": CREATE.example["face_choose"]},
    "a missing field of an item": {**CREATE.example, "face_choose": [{"audio_id": "9", "sound_start_time": 0}]},
    "a refused field and one that nobody knows": example(face_id=9, sound_volum=1),
    "floats that are no whole numbers": example(sound_end_time=1999.5, sound_insert_time=0.5),
    "floats past all integers of 64 bits": example(sound_end_time=2.0**60, sound_insert_time=2.0**53),
    "two items, one broken": {**CREATE.example, "face_choose": [*CREATE.example["face_choose"], {"face_id": 9}]},
    "fields missing": {"face_choose": [{}, 1]},
    "no item": {**CREATE.example, "face_choose": []},
    "no object": [],
}


def seen(report):
    """All that a report says, its facts included; an unknown is as good as its reason."""
    facts = [[_known(value) for value in fact] for record in report.facts for fact in map(_known, record)]
    return report.to_json(), facts


def _known(value):
    return [type(value).__name__, value.reason] if isinstance(value, Unknown) else value


def walked(operation, payload, sources):
    """The report of a judge whose one function judges nothing."""
    judge = Judge(operation.tree, operation.facts)
    judge._function = lambda only_violations, keywords_hold: lambda payload, by, unsound: None
    return judge.report(payload, operation.facts.measure(payload, sources))


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_the_walk_says_what_the_one_function_says(payload, world):
    sources = FactSources(world)
    report = CREATE.report(payload, sources)

    assert seen(report) == seen(walked(CREATE, payload, sources))
    assert CONTRACT.collect_violations(payload, world) == report.violations


@pytest.mark.parametrize("operation", CONTRACT.operations, ids=lambda one: one.name)
def test_the_one_function_judges_the_example_of_every_operation(operation):
    payload = operation.example or {}
    judge = Judge(operation.tree, operation.facts)

    for world in (operation.example_world, None):
        sources = FactSources(world)
        assert judge._found(payload, operation.facts.measure(payload, sources), only_violations=False)[1] is not None
        assert seen(operation.report(payload, sources)) == seen(walked(operation, payload, sources))


@pytest.mark.parametrize(
    "name", ["a refused field", "several refused fields", "a missing field", "whole numbers as floats"]
)
def test_the_one_function_judges_flat_payloads_whatever_they_break(name):
    judge = Judge(CREATE.tree, CREATE.facts)
    sources = FactSources(WORLD)

    assert judge._found(PAYLOADS[name], sources, only_violations=True)[1] is not None


@pytest.mark.parametrize("judging", [CONTRACT.report, CONTRACT.collect_violations])
@pytest.mark.parametrize("name", ["a URL", "a refused field among broken rules"])
def test_a_url_is_fetched_once_whoever_judges(name, judging):
    fetched = []

    def fetch(url):
        fetched.append(url)
        return FILES["one that nobody measured"]

    judging(PAYLOADS[name], replace(WORLD, files=None), fetch=fetch)

    assert fetched == [URL]

"""An audit finds what a validator or builder gets wrong, names the rule, and says nothing where it is right."""

import asyncio
import json
from collections import Counter
from datetime import timedelta

import pytest

from kling_contracts import World
from kling_contracts.audits import Kind, audit, audit_builder, is_builder
from kling_contracts.audits.validators import judgement
from support.serving import documented


def perfect(payload):
    return documented().report(payload).broken


def audited(validator, **options):
    return audit(validator, n=0, contract=documented(), **options)


def built(builder, **options):
    return audit_builder(builder, n=50, contract=documented(), **options)


def found(result):
    return {(finding.rule, finding.kind) for finding in result.findings}


def clip_of(payload):
    (item,) = payload["face_choose"]
    return item["sound_end_time"] - item["sound_start_time"]


def test_a_validator_that_keeps_the_contract_has_no_finding():
    result = audit(perfect, contract=documented())

    assert str(result).splitlines()[0].endswith("no finding")
    assert result.judged > 1000
    result.check()


def test_a_validator_that_forgets_a_rule_lets_its_payloads_through():
    result = audited(lambda payload: [rule for rule in perfect(payload) if rule != "sound_volume.maximum"])

    (finding,) = result.findings
    assert (finding.rule, finding.kind) == ("sound_volume.maximum", Kind.ACCEPTED)
    assert finding.case.payload["face_choose"][0]["sound_volume"] == 3


def test_a_validator_that_is_too_strict_by_one_is_told_which_rule_it_mistakes():
    def strict(payload):
        broken = list(perfect(payload))
        if not broken and clip_of(payload) == 2000:
            broken.append("too short")
        return broken

    result = audited(strict)

    assert found(result) == {("clip-too-short", Kind.REFUSED)}


def test_refusing_everything_is_blamed_on_no_rule():
    assert found(audited(lambda payload: False)) == {("", Kind.REFUSED)}


def test_an_exception_of_python_itself_is_a_crash():
    def careless(payload):
        payload["face_choose"][0]["face_id"]
        return perfect(payload)

    assert ("face_choose.required", Kind.CRASHED) in found(audited(careless))


@pytest.mark.parametrize(
    "answer",
    [
        lambda broken: not broken,
        lambda broken: (not broken, list(broken)),
        lambda broken: (rule for rule in broken),
        lambda broken: ", ".join(broken),
        lambda broken: set(broken),
        lambda broken: dict.fromkeys(broken, "wrong"),
    ],
    ids=["bool", "bool first", "iterator", "text", "set", "dict"],
)
def test_every_usual_way_of_answering_is_read(answer):
    assert audited(lambda payload: answer(perfect(payload))).findings == ()


class LibraryError(Exception):
    """A library's own exception, as jsonschema has one."""


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ValueError, lambda payload: None),
        (AssertionError, lambda payload: payload),
        (LibraryError, lambda payload: object()),
    ],
    ids=["nothing", "the payload", "a model"],
)
def test_raising_is_refusing_and_whatever_was_parsed_is_accepting(error, answer):
    def parse(payload):
        if perfect(payload):
            raise error
        return answer(payload)

    assert audited(parse).findings == ()


def test_a_validator_that_ends_the_process_does_not_end_the_audit():
    def leave(payload):
        raise SystemExit(0)

    assert {kind for _, kind in found(audited(leave))} == {Kind.CRASHED}


def test_an_asynchronous_validator_is_awaited_within_a_running_loop_too():
    async def refuse(payload):
        raise ValueError("nothing is right")

    async def suite():
        return judgement(refuse, {}), judgement(refuse, {})

    assert [verdict.accepted for verdict in asyncio.run(suite())] == [False, False]


def test_what_needs_a_world_is_not_judged_without_one():
    result = audited(perfect)

    assert {"session-unknown", "insert-past-video-end", "audio-id-expired"} <= result.unjudged.keys()
    assert not result.unjudged.keys() & {row.rule for row in result.rows}


def test_a_second_argument_is_the_world_as_json():
    def validate(payload, world):
        return documented().report(payload, World.from_json(json.loads(json.dumps(world)))).broken

    result = audited(validate)

    assert result.findings == ()
    assert "session-unknown" not in result.unjudged


def test_a_second_argument_of_that_type_is_a_world():
    assert audited(documented().collect_violations).findings == ()


def test_a_validator_may_change_the_payload_it_is_given():
    def consume(payload):
        broken = perfect(payload)
        if isinstance(payload, dict):
            payload.clear()
        return broken

    assert audited(consume).findings == ()


def test_rules_that_are_not_meant_to_be_known_are_left_out():
    result = audited(lambda payload: set(perfect(payload)) - {"audio-content"}, ignore=["audio-content"])

    assert result.findings == ()
    assert "audio-content" in result.unjudged


def test_a_rule_that_does_not_exist_cannot_be_left_out():
    with pytest.raises(ValueError, match="clip-to-short"):
        audited(perfect, ignore=["clip-to-short"])


def test_check_raises_the_whole_text():
    result = audited(lambda payload: True)

    with pytest.raises(AssertionError, match=r"clip-too-short: .* let through"):
        result.check()


def test_the_same_seed_gives_the_same_result():
    first, second = (audit(lambda payload: True, n=50, seed=7, contract=documented()) for _ in range(2))

    assert str(first) == str(second)


def payload_of(session_id, face_id, audio_id, start, end, insert, volume=1, original=1):
    item = {"face_id": face_id, "audio_id": audio_id, "sound_start_time": start, "sound_end_time": end}
    item |= {"sound_insert_time": insert, "sound_volume": volume, "original_audio_volume": original}
    return {"session_id": session_id, "face_choose": [item]}


def careful(session_id, face_id, audio_id, start, end, insert):
    payload = payload_of(session_id, face_id, audio_id, start, end, insert)
    documented().check(payload)
    return payload


def test_a_builder_that_refuses_what_it_can_know_has_no_finding():
    result = built(careful)

    assert result.findings == ()
    assert {row.rule: row.judged for row in result.rows}["clip-too-short"] >= 5


def test_a_builder_that_builds_anything_is_told_which_rule_its_payloads_break():
    def build(session_id, face_id, audio_id, start_ms, end_ms, insert_ms):
        return payload_of(session_id, face_id, audio_id, start_ms, end_ms, insert_ms)

    assert ("clip-too-short", Kind.ACCEPTED) in found(built(build))


def test_a_builder_is_not_blamed_for_what_it_is_not_told():
    assert "face-overlap-too-short" not in {finding.rule for finding in built(careful).findings}


def test_a_builder_that_is_told_the_face_window_must_heed_it():
    def build(session_id, face_id, audio_id, start, end, insert, face_window):
        return careful(session_id, face_id, audio_id, start, end, insert)

    assert found(built(build)) == {("face-overlap-too-short", Kind.ACCEPTED)}


def test_a_builder_that_refuses_a_possible_intent_loses_a_feature():
    def build(session_id, face_id, audio_id, start, end, insert):
        if insert == 0:
            raise ValueError("not at the very start")
        return careful(session_id, face_id, audio_id, start, end, insert)

    assert {kind for _, kind in found(built(build))} == {Kind.REFUSED}


def test_a_builder_may_find_something_possible_instead():
    def build(session_id, face_id, audio_id, start, end, insert):
        return careful(session_id, face_id, audio_id, max(0, start), end, max(0, insert))

    assert built(build).findings == ()


@pytest.mark.parametrize("written", [json.dumps, lambda payload: json.dumps(payload).encode()], ids=["str", "bytes"])
def test_a_builder_may_return_json_text(written):
    assert (
        built(
            lambda session, face, audio_id, start, end, insert: written(
                careful(session, face, audio_id, start, end, insert)
            )
        ).findings
        == ()
    )


def test_a_builder_that_returns_no_payload_crashes():
    result = built(lambda session_id, face_id, audio_id, start, end, insert: None)

    assert {finding.kind for finding in result.findings} == {Kind.CRASHED}
    assert "NoneType" in str(result)


def test_times_are_given_in_the_unit_that_the_signature_asks_for():
    seen = Counter()

    def build(session_id, face_id, audio_id, start_s, end: float, insert: timedelta):
        seen.update([type(start_s), type(end), type(insert)])
        times = (round(start_s * 1000), round(end * 1000), insert // timedelta(milliseconds=1))
        return careful(session_id, face_id, audio_id, *times)

    assert built(build).findings == ()
    assert seen.keys() == {float, timedelta}


def test_a_repeated_audit_of_a_builder_says_the_same():
    first, second = (str(built(lambda session_id, face_id, audio_id, start, end, insert: {})) for _ in range(2))

    assert first == second


def test_a_pair_is_a_clip():
    assert built(lambda session, face, audio_id, clip, at: careful(session, face, audio_id, *clip, at)).findings == ()


def test_a_parameter_that_is_not_understood_is_named_with_those_that_are():
    with pytest.raises(ValueError, match=r"not understood: colour; .*session_id"):
        built(lambda session_id, colour: {})


@pytest.mark.parametrize(
    ("target", "expected"),
    [(careful, True), (perfect, False), (lambda payload, world: [], False), (lambda body: [], False)],
)
def test_a_builder_is_told_from_a_validator_by_its_signature(target, expected):
    assert is_builder(target) is expected


def refuse_to_build(session_id, face_id, audio_id, start, end):
    raise ValueError


@pytest.mark.parametrize("run", [audit, audit_builder])
def test_an_audit_tells_how_far_it_is(run):
    told = []
    target = refuse_to_build if run is audit_builder else perfect
    run(target, n=30, progress=lambda *step: told.append(step))
    numbers, totals = zip(*told, strict=True)
    assert list(numbers) == sorted(numbers)
    assert (numbers[0], numbers[-1], set(totals)) == (1, totals[0], {totals[0]})

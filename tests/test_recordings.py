"""Recordings: read in every form, redacted on reading, judged by the world that they show, turned into patches."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import vcr
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract
from kling_contracts.documents import loading
from kling_contracts.media import still_video
from kling_mock_server.cli.main import cli
from kling_mock_server.recordings.judging import judge
from kling_mock_server.recordings.proposing import observed_patch
from kling_mock_server.recordings.reading import read
from kling_mock_server.recordings.redaction import MAX_TEXT_LENGTH, redacted_body, redacted_headers, redacted_url
from kling_mock_server.reports.formats import FORMATS
from support import serving
from support.drift_edits import FOLDERS
from support.recorded import judged, proxied, recorded, session, upstream
from support.serving import PATH, documented, payload
from support.twins import Twin, of_keyword, of_text, with_member

EXAMPLES = Path(__file__).parents[1] / "examples"
NOW_MS = 1_750_000_000_000


def entry(method, path, body, status, answer, at="2025-06-15T15:06:40.000Z", **headers):
    """One entry of a HAR, as a browser would write it."""
    sent = {"Authorization": "Bearer sk-1", "Content-Type": "application/json", **headers}
    return {
        "startedDateTime": at,
        "request": {
            "method": method,
            "url": f"https://gateway.example/proxy{path}",
            "headers": [{"name": name, "value": value} for name, value in sent.items()],
            **({"postData": {"mimeType": "application/json", "text": json.dumps(body)}} if body is not None else {}),
        },
        "response": {
            "status": status,
            "headers": [],
            "content": {"mimeType": "application/json", "text": json.dumps(answer)},
        },
    }


def har(*entries):
    return json.dumps({"log": {"version": "1.2", "entries": list(entries)}}).encode()


def accepted(**data):
    created = {"task_id": "1", "task_status": "submitted", "created_at": NOW_MS, "updated_at": NOW_MS}
    return {"code": 0, "message": "SUCCEED", "request_id": "r", "data": {**created, **data}}


def refused(code, message):
    return {"code": code, "message": message, "request_id": "r"}


IDENTIFIED = entry(
    "POST",
    "/v1/videos/identify-face",
    {"video_url": "https://example.com/a.mp4"},
    200,
    {
        "code": 0,
        "message": "SUCCEED",
        "request_id": "r",
        "data": {
            "session_id": "900000000000000001",
            "face_data": [{"face_id": "0", "face_image": "https://x/f.png", "start_time": 0, "end_time": 9000}],
        },
    },
)
SPOKEN = entry(
    "POST",
    "/v1/audio/tts",
    {"text": "hello", "voice_id": "v", "voice_language": "en"},
    200,
    {
        "code": 0,
        "message": "SUCCEED",
        "request_id": "r",
        "data": {
            "task_id": "5",
            "task_status": "succeed",
            "task_result": {"audios": [{"id": "800000000000000001", "url": "https://x/a.wav", "duration": "6.5"}]},
            "created_at": NOW_MS,
            "updated_at": NOW_MS,
        },
    },
)


def create(status, answer, **changes):
    item = {"face_id": "0", "audio_id": "800000000000000001", "sound_end_time": 5000, **changes}
    return entry("POST", PATH, {**payload(**item), "session_id": "900000000000000001"}, status, answer)


def judged_har(*entries):
    return judge(documented(), [read(har(IDENTIFIED, SPOKEN, *entries), "a.har")])


def differences(*entries):
    return [(one.kind, one.rule) for one in judged_har(*entries).differences]


# The world is what the recording shows.


def test_what_is_as_predicted_is_no_difference():
    assert differences(create(200, accepted())) == []


def test_a_clip_that_ends_after_its_audio_is_known_from_the_answer_of_tts():
    assert differences(create(200, accepted(), sound_end_time=6501)) == [("accepted", "clip-past-audio-end")]
    assert differences(create(200, accepted(), sound_end_time=6500)) == []


def test_an_id_that_the_recording_does_not_show_is_not_judged():
    other = payload()
    assert differences(entry("POST", PATH, other, 200, accepted())) == []


def test_the_length_of_the_video_is_unknown_until_a_task_tells_it():
    past = create(200, accepted(), sound_insert_time=8000, sound_end_time=2000, sound_start_time=0)
    told = entry(
        "GET",
        f"{PATH}/1",
        None,
        200,
        accepted(
            task_status_msg="", task_info={"parent_video": {"id": "1", "url": "https://x/v.mp4", "duration": "9"}}
        ),
    )
    kinds = [rule for _, rule in differences(past, told)]
    assert "insert-past-video-end" not in [rule for _, rule in differences(past)]
    assert "insert-past-video-end" in kinds


def test_an_external_id_is_taken_by_the_create_before_it():
    body = {**payload(face_id="0", audio_id="800000000000000001"), "session_id": "900000000000000001"}
    twice = [entry("POST", PATH, {**body, "external_task_id": "mine"}, 200, accepted(task_id=one)) for one in "12"]
    assert differences(*twice) == [("accepted", "external-task-id-duplicate")]


def test_a_session_is_as_old_as_its_answer():
    late = create(200, accepted())
    late["startedDateTime"] = "2025-06-16T15:06:41.000Z"
    assert ("accepted", "session-expired") in differences(late)
    late["startedDateTime"] = "2025-06-16T15:06:40.000Z"
    assert differences(late) == []


def test_what_is_about_the_account_or_the_service_is_not_judged():
    calls = [
        create(429, refused(1102, "Account balance not enough")),
        create(503, refused(5001, "maintenance")),
        create(401, refused(1002, "bad key")),
    ]
    judgement = judged_har(*calls)
    assert judgement.differences == []
    assert len(judgement.not_judged) == 3


def test_a_refusal_that_no_rule_explains_names_the_nearest_rule():
    message = "The cropped audio must last at least 6000 ms"
    assert differences(create(400, refused(1201, message))) == [("refused", "clip-too-short")]


def test_a_key_that_was_taken_out_of_a_recording_is_not_missed():
    call = create(200, accepted())
    call["request"]["headers"] = call["request"]["headers"][1:]
    assert differences(call) == []


@pytest.mark.parametrize("answer", ["<html>", "[]", '"text"'])
def test_an_answer_without_the_envelope_is_a_difference(answer):
    call = create(200, accepted())
    call["response"]["content"]["text"] = answer
    assert ("envelope", "") in differences(call)


# Redaction.


def test_keys_signatures_and_audio_never_leave_the_reader():
    audio = base64.b64encode(bytes(range(256)) * 20).decode()
    call = create(200, accepted(), audio_id="", sound_file=audio)
    call["request"]["url"] += "?api_key=sk-2&pageNum=3"
    exchanges = read(har(call), "a.har")
    text = repr(exchanges)
    assert "sk-1" not in text
    assert "sk-2" not in text
    assert audio[:50] not in text
    assert "pageNum=3" in exchanges[0].url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://u:p@h.example/a?X-Amz-Signature=abc", "https://h.example/a?X-Amz-Signature=redacted"),
        ("/v1/videos/x?pageSize=3&sig=1#frag", "/v1/videos/x?pageSize=3&sig=redacted"),
        ("http://[bad", "redacted"),
    ],
)
def test_of_a_url_remain_host_path_and_the_parameters_of_the_api(url, kept):
    assert redacted_url(url) == kept


def test_redacting_twice_changes_nothing():
    body = redacted_body(json.dumps(payload(sound_file=base64.b64encode(b"RIFF" * 50).decode())).encode())
    assert redacted_body(body) == body
    headers = redacted_headers({"Authorization": "Bearer sk-1"})
    assert redacted_headers(headers) == headers


@pytest.mark.parametrize("name", ["token", "refresh_token", "apiKey", "client_secret", "Password"])
def test_a_member_whose_name_ends_like_a_secrets_is_redacted(name):
    assert json.loads(redacted_body(json.dumps({name: "hunter2", f"{name}_ms": "5"}).encode())) == {
        name: "redacted",
        f"{name}_ms": "5",
    }


@pytest.mark.parametrize("length", [MAX_TEXT_LENGTH, MAX_TEXT_LENGTH + 1])
def test_a_text_past_the_limit_is_kept_by_its_digest_alone(length):
    kept = json.loads(redacted_body(json.dumps({"text": "x" * length}).encode()))["text"]
    assert (kept == "x" * length) is (length == MAX_TEXT_LENGTH)
    assert length == MAX_TEXT_LENGTH or kept["length"] == length


# Every form.


def with_cassette(folder, serializer):
    file = folder / f"session.{serializer}"
    with upstream() as (url, handle):
        headers = {"Authorization": f"Bearer {handle.token}"}
        with vcr.VCR(serializer=serializer).use_cassette(str(file)), requests.Session() as http:
            http.trust_env = False
            paths = documented().by_name
            shown = http.post(
                url + paths["identify"].paths[0], json={"video_url": "https://e.com/a.mp4"}, headers=headers
            )
            body = {**payload(face_id="0"), "session_id": shown.json()["data"]["session_id"]}
            for end in (5000, 1999):
                body["face_choose"][0]["sound_end_time"] = end
                http.post(url + PATH, json=body, headers=headers)
    return file


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_a_cassette_of_vcrpy_is_judged(serializer, tmp_path):
    judgement = judged(with_cassette(tmp_path, serializer))
    assert judgement.calls == 3
    assert judgement.differences == []
    assert judgement.verdicts["clip-too-short"].confirmed >= 1


def journal_of(folder):
    """The journal of a mock after a few calls, and the whole answer that holds it."""
    with upstream() as (url, handle):
        headers = {"Authorization": f"Bearer {handle.token}"}
        with requests.Session() as http:
            http.trust_env = False
            for body in (payload(), payload(sound_end_time=1999), payload(sound_volume=3)):
                http.post(url + PATH, json=body, headers=headers)
            return http.get(f"{url}/_mock/journal", headers=headers).json()


def test_the_mocks_own_journal_is_judged_whole_and_line_by_line(tmp_path):
    value = journal_of(tmp_path)
    lines = "\n".join(json.dumps(one) for one in value["data"]["entries"])
    for text in (json.dumps(value), lines):
        judgement = judge(documented(), [read(text.encode(), "journal")])
        assert (judgement.calls, judgement.differences) == (3, [])
    assert [one.place.line for one in read(lines.encode(), "journal")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"", "wanted: HAR 1.2"),
        (b"{}", "JSON, but no recording"),
        (b"a: [", "neither JSON nor YAML"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b'{"log": {"entries": [{}]}}', "/log/entries/0: not an entry of a HAR: it has no member 'request'$"),
        (
            b'{"log": {"entries": [{"request": 1, "response": {}}]}}',
            "of a HAR: a member is of another type",
        ),
        (b'{"interactions": [{}]}', "/interactions/0: not an interaction of a cassette: it has no member 'request'$"),
        (b'{"request": {}, "operation": "create"}', "not an entry of a journal"),
        (b'{"log": {"entries": []}}', "it holds no exchange"),
    ],
)
def test_what_is_no_recording_is_refused_with_what_is_wanted(source, says):
    with pytest.raises(ValueError, match=f"^file.*{says}"):
        read(source, "file")


MEMBERS = (
    *("code", "message", "data", "task_id", "task_status", "task_info", "task_result", "videos", "audios", "duration"),
    *("session_id", "face_data", "face_id", "face_choose", "parent_video", "created_at", "updated_at", "redacted"),
)
CALLS = [
    ("POST", PATH, 200),
    ("GET", PATH, 200),
    ("GET", f"{PATH}/1", 200),
    ("POST", "/v1/videos/identify-face", 200),
    ("POST", "/v1/audio/tts", 400),
    ("POST", "/my/callback", 200),
]

# The clients of the examples, whose traffic is that of the plain mock.


@pytest.mark.parametrize(
    ("project", "command"),
    [
        pytest.param("polling_httpx", [sys.executable, "-m", "lipdub"], id="polling_httpx"),
        pytest.param(
            "node_fetch",
            ["node", "index.mjs"],
            id="node_fetch",
            marks=pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
        ),
        pytest.param("callbacks_requests", [sys.executable, "-m", "hookdub"], id="callbacks_requests"),
    ],
)
def test_the_traffic_of_an_example_client_shows_no_difference(project, command, tmp_path):
    file = tmp_path / "session.har"
    voice = tmp_path / "voice.wav"
    from support.recorded import wav

    voice.write_bytes(wav(3000))
    said = str(voice) if project == "callbacks_requests" else "Welcome back to the show, and thank you for watching."
    with (
        serving.file_server(still_video.mp4(10_000, 1280, 720)) as port,
        upstream() as (url, handle),
        proxied(url, file) as proxy,
    ):
        video = f"http://127.0.0.1:{port}/talk.mp4"
        completed = subprocess.run(
            [*command, video, said, "-o", str(tmp_path / "out.mp4")],
            cwd=EXAMPLES / project,
            env=serving.environment(
                KLING_BASE_URL=proxy, KLING_API_KEY=handle.token, KLING_POLL_S="0.1", PYTHONDONTWRITEBYTECODE="1"
            ),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    judgement = judged(file)
    assert [one.message for one in judgement.differences] == []
    assert judgement.calls >= 3


# What recordings prove.


def proved(twin: Twin, folder):
    """The contract under the patch that a recording of a twin proves."""
    patch = observed_patch(judged(recorded(folder, talk=session, **twin.switches())))
    documents = folder / "documents"
    documents.mkdir()
    for source in FOLDERS[0].glob("*.yaml"):
        shutil.copy(source, documents)
    (documents / "observed.patch.yaml").write_text(loading.dump(patch, "yaml"), encoding="utf-8")
    return Contract.load(folder=documents), patch


def test_a_looser_limit_is_proved_by_what_was_accepted(tmp_path):
    contract, _ = proved(of_keyword("sound_volume", "maximum", 3, ""), tmp_path)
    rule = contract.rules["sound_volume.maximum"]
    assert (rule.value, rule.evidence.grade, rule.evidence.reports) == (3, "observed", 1)


def test_a_stricter_limit_is_read_from_the_refusal_itself(tmp_path):
    contract, _ = proved(of_text("clip-too-short", "2000", "2500"), tmp_path)
    assert contract.rules["clip-too-short"].statement == "self.sound_end_time - self.sound_start_time >= 2500"


def test_another_text_and_code_are_taken_over(tmp_path):
    contract, _ = proved(with_member("clip-too-short", message="Clip is too short!", code=1200), tmp_path)
    assert (contract.rules["clip-too-short"].message, contract.rules["clip-too-short"].code) == (
        "Clip is too short!",
        1200,
    )


def test_the_slack_at_the_end_of_an_audio_is_proved(tmp_path):
    contract, _ = proved(Twin("slack", "", lambda: {"audio_slack_ms": 20}), tmp_path)
    assert contract.rules["clip-past-audio-end"].statement.startswith("self + ")


def test_a_recording_of_the_plain_mock_proves_no_change(tmp_path):
    assert observed_patch(judged(recorded(tmp_path))) == {}


# The command.


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.har"
    path.write_bytes(har(IDENTIFIED, SPOKEN, create(200, accepted(), sound_end_time=6501)))
    return path


def run(*arguments):
    return CliRunner().invoke(cli, ["judge", *map(str, arguments)])


def test_the_command_names_the_call_the_rule_and_the_sentence(file):
    result = run(file)
    assert result.exit_code == 1
    assert "clip-past-audio-end: accepted, though clip-past-audio-end refuses it" in result.output
    assert f"at {file} /log/entries/2" in result.output
    assert "vendor: 终点时间不得晚于原始音频总时长" in result.output
    assert "contradicted once" in result.output
    assert "sk-1" not in result.output


def test_no_difference_is_good(tmp_path):
    path = tmp_path / "a.har"
    path.write_bytes(har(IDENTIFIED, SPOKEN, create(200, accepted())))
    result = run(path)
    assert result.exit_code == 0
    assert result.output.splitlines()[-1].startswith("no difference in 3 calls, 0 callbacks; ")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written(file, form):
    result = run(file, "--format", form)
    assert result.exit_code == 1
    assert "clip-past-audio-end" in result.output


def test_several_recordings_are_worlds_of_their_own(file, tmp_path):
    other = tmp_path / "b.har"
    other.write_bytes(har(create(200, accepted(), sound_end_time=6501)))
    assert run(other).exit_code == 0
    assert run(file, other).output.count("accepted, though") == 1


def test_the_patch_is_written_and_named(file, tmp_path):
    target = tmp_path / "observed.patch.yaml"
    path = tmp_path / "c.har"
    path.write_bytes(har(IDENTIFIED, SPOKEN, create(200, accepted(), sound_start_time=3100)))
    result = run(path, "--patch", target)
    assert result.exit_code == 1
    actions = yaml.safe_load(target.read_text())["actions"]
    assert any("1900" in str(action["update"]) for action in actions if "update" in action)


def test_what_is_no_recording_is_misuse(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("hello")
    result = run(path)
    assert result.exit_code == 2
    assert "wanted: HAR 1.2, a vcrpy cassette (YAML or JSON), or the mock's journal as NDJSON" in result.output


def test_null_that_is_taken_for_an_absent_field_is_proved(tmp_path):
    body = {**payload(face_id="0", audio_id="800000000000000001"), "session_id": "900000000000000001"}
    judgement = judged_har(entry("POST", PATH, {**body, "callback_url": None}, 200, accepted()))
    assert [(one.kind, one.rule) for one in judgement.differences] == [("accepted", "callback_url.type")]
    for source in FOLDERS[0].glob("*.yaml"):
        shutil.copy(source, tmp_path)
    patch = loading.dump(observed_patch(judgement), "yaml")
    (tmp_path / "observed.patch.yaml").write_text(patch, encoding="utf-8")
    contract = Contract.load(folder=tmp_path)
    assert contract.report({**body, "callback_url": None}).broken == ()
    assert contract.report({**body, "callback_url": 1}).broken == ("callback_url.type",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)


@given(body=JSON, answer=JSON, call=st.sampled_from(CALLS))
def test_whatever_stands_in_a_recording_is_judged_and_never_an_error(body, answer, call):
    method, path, status = call
    odd = entry(method, path, body, status, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": answer})
    again = entry(method, path, payload(), status, answer)
    judgement = judge(documented(), [read(har(odd, again, odd), "a.har")])
    observed_patch(judgement)
    assert judgement.calls + judgement.others + judgement.callbacks == 3

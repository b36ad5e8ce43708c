import base64
import threading
from uuid import UUID

import jsonschema_rs
import jwt
import pytest

from kling_contracts import Contract
from kling_contracts.facts.sources import unfetched
from kling_contracts.facts.world import File
from kling_contracts.media import silent_audio
from kling_mock_server.core.responder import Responder
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.journal import Journal
from kling_mock_server.state.stores.store import StoreDownError, real_ms
from support.serving import AUDIO, NOW_MS, PATH, PATIENCE_S, SESSION, SHORT_PATH, Mock, documented, payload, world

DAY_MS = 24 * 60 * 60 * 1000
URL = "http://files.example/speech"
NEEDED = (
    "face_id",
    "sound_start_time",
    "sound_end_time",
    "sound_insert_time",
    "sound_volume",
    "original_audio_volume",
)


@pytest.fixture
def mock():
    return Mock(fetch="none")


def signed(**claims):
    return jwt.encode({"iss": "key", **claims}, "k" * 32)


def without(name):
    return {key: value for key, value in payload().items() if key != name}


def file_payload(sound_file):
    return payload(audio_id="", sound_file=sound_file)


def wav(duration_ms):
    return base64.b64encode(silent_audio.wav(duration_ms)).decode()


def holding(**file):
    return {"files": {URL: {"format": "mp3", "size_bytes": 120_000, "duration_ms": 8000, **file}}}


def aged(name, age_ms):
    """Return the sessions or audios of a world as they are when that old."""
    return {name: {key: {**entry, "created_ms": NOW_MS - age_ms} for key, entry in world()[name].items()}}


# One request for every rule that there is, in which that rule is the first to be broken, and the world around it.
PAYLOADS = {
    "body.type": ([], {}),
    "session_id.required": (without("session_id"), {}),
    "face_choose.required": (without("face_choose"), {}),
    "session_id.type": ({**payload(), "session_id": 1}, {}),
    "session-unknown": ({**payload(), "session_id": "1"}, {}),
    "session-expired": (payload(), aged("sessions", DAY_MS + 1)),
    "face_choose.type": ({**payload(), "face_choose": {}}, {}),
    "face_choose.minItems": ({**payload(), "face_choose": []}, {}),
    "face_choose.maxItems": ({**payload(), "face_choose": payload()["face_choose"] * 2}, {}),
    "face_choose.items.type": ({**payload(), "face_choose": ["-1"]}, {}),
    **{f"{name}.required": (payload(**{name: None}), {}) for name in NEEDED},
    **{f"{name}.type": (payload(**{name: []}), {}) for name in (*NEEDED, "audio_id", "sound_file")},
    "face-unknown": (payload(face_id="7"), {}),
    "audio-source-missing": (payload(audio_id=""), {}),
    "audio-source-conflict": (payload(sound_file=URL), {}),
    "audio-too-short": (file_payload(wav(1999)), {}),
    "audio-too-long": (file_payload(wav(60_001)), {}),
    "audio-content": (payload(), {"audios": {AUDIO: {"duration_ms": 8000, "flagged": True}}}),
    "clip-too-short": (payload(sound_end_time=1999), {}),
    "face-overlap-too-short": (payload(face_id="0", sound_insert_time=5001, sound_end_time=2000), {}),
    "insert-past-video-end": (payload(sound_insert_time=5001), {}),
    "audio-id-unknown": (payload(audio_id="1"), {}),
    "audio-id-expired": (payload(), aged("audios", 30 * DAY_MS + 1)),
    "sound-file-unreadable": (file_payload("data:audio/wav;base64," + wav(8000)), {}),
    "sound-file-unreachable": (file_payload(URL), {"files": {}}),
    "sound-file-format": (file_payload(URL), holding(format="ogg")),
    "sound-file-too-large": (file_payload(URL), holding(size_bytes=5 * 1024 * 1024 + 1)),
    "sound_start_time.minimum": (payload(sound_start_time=-1), {}),
    "clip-past-audio-end": (payload(sound_end_time=8001), {}),
    "sound_insert_time.minimum": (payload(sound_insert_time=-1), {}),
    "sound_volume.minimum": (payload(sound_volume=-1), {}),
    "sound_volume.maximum": (payload(sound_volume=3), {}),
    "original_audio_volume.minimum": (payload(original_audio_volume=-1), {}),
    "original_audio_volume.maximum": (payload(original_audio_volume=3), {}),
    "external_task_id.type": ({**payload(), "external_task_id": 1}, {}),
    "external-task-id-duplicate": ({**payload(), "external_task_id": "a"}, {"external_task_ids": ["a"]}),
    "callback_url.type": ({**payload(), "callback_url": 1}, {}),
}

REQUESTS = {
    "path": (404, 1202, {"path": PATH + "s"}),
    "method": (404, 1202, {"method": "PUT"}),
    "authorization-missing": (401, 1001, {"token": ""}),
    "authorization-invalid": (401, 1002, {"token": "", "authorization": "Basic a2V5"}),
    "authorization-not-yet-valid": (401, 1003, {"token": signed(nbf=2**40)}),
    "authorization-expired": (401, 1004, {"token": signed(exp=1)}),
    "content-type": (400, 1200, {"content-type": "text/plain"}),
    "body.required": (400, 1200, {"body": b""}),
    "body-json": (400, 1200, {"body": b"{"}),
}

REFUSALS = [
    *(pytest.param(rule_id, *refusal, {}, id=rule_id) for rule_id, refusal in REQUESTS.items()),
    *(
        pytest.param(rule_id, 400, 1301 if rule_id == "audio-content" else 1201, {"body": body}, around, id=rule_id)
        for rule_id, (body, around) in PAYLOADS.items()
    ),
]


def refused(mock, request, around):
    if around:
        mock.put_world(**around)
    return mock.ask(**{"method": "POST", "path": PATH, "body": payload(), **request})


def test_the_tables_hold_a_refusal_for_every_rule_of_a_read_request():
    assert {*REQUESTS, *PAYLOADS} == documented().rules.keys() - {"body-too-large"}


@pytest.mark.parametrize(("rule_id", "status", "code", "request_", "around"), REFUSALS)
def test_a_broken_rule_is_refused_with_the_documented_status_and_code(mock, rule_id, status, code, request_, around):
    answer = refused(mock, request_, around)
    assert (answer.broken[0], answer.status, answer.code) == (rule_id, status, code)


@pytest.mark.parametrize(("rule_id", "status", "code", "request_", "around"), REFUSALS)
def test_a_refusal_is_an_envelope_without_data(mock, rule_id, status, code, request_, around):
    answer = refused(mock, request_, around)
    assert answer.json.keys() == {"code", "message", "request_id"}
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("rule_id", "status", "code", "request_", "around"), REFUSALS)
def test_a_refusal_fits_the_documents_own_schema_for_its_status(mock, rule_id, status, code, request_, around):
    assert schema_of(status).is_valid(refused(mock, request_, around).json)


@pytest.mark.parametrize(("rule_id", "status", "code", "request_", "around"), REFUSALS)
def test_a_refusal_links_to_the_row_of_its_first_rule(mock, rule_id, status, code, request_, around):
    link = refused(mock, request_, around).headers["Link"]
    assert link == f'</_mock/rules/{rule_id}>; rel="help"'
    assert mock.ask("GET", link[1 : link.index(">")], token="").data["id"] == rule_id


def schema_of(status):
    """Return the validator of the response that the effective document declares for a status."""
    document = documented().document
    declared = document["paths"][PATH]["post"]["responses"][str(status)]
    if "$ref" in declared:
        declared = document["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    schema = declared["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({"allOf": [schema], "components": document["components"]})


def test_the_declared_schemas_are_no_formality(mock):
    accepted, refusal = mock.post(payload()).json, mock.post([]).json
    assert not schema_of(400).is_valid(accepted)
    assert not schema_of(200).is_valid(refusal)
    assert not schema_of(401).is_valid(refusal)


@pytest.mark.parametrize("path", [PATH, SHORT_PATH])
def test_the_vendors_own_example_is_accepted_at_both_prefixes(mock, path):
    answer = mock.post(documented().operation.example, path=path)
    assert (answer.status, answer.broken) == (200, [])


def test_an_accepted_request_is_answered_as_upstream_answers(mock):
    mock.put_world()
    answer = mock.post({**payload(), "external_task_id": "mine"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {
        "code": 0,
        "message": "SUCCEED",
        "request_id": answer.json["request_id"],
        "data": {
            "task_id": answer.data["task_id"],
            "task_status": "submitted",
            "task_info": {"external_task_id": "mine"},
            "created_at": NOW_MS,
            "updated_at": NOW_MS,
        },
    }


def test_an_accepted_request_fits_the_documents_own_schema(mock):
    assert schema_of(200).is_valid(mock.post(payload()).json)


def test_a_task_is_created_at_the_time_of_its_account(mock):
    mock.put_world()
    mock.advance(1234)
    data = mock.post(payload()).data
    assert (data["created_at"], data["updated_at"]) == (NOW_MS + 1234, NOW_MS + 1234)


def test_task_ids_are_18_digits_and_grow_across_accounts(mock):
    ids = [mock.post(payload(), token).data["task_id"] for token in ("a", "b", "a", "c") * 50]
    assert all(len(task_id) == 18 and task_id.isdecimal() for task_id in ids)
    assert ids == sorted(set(ids))


def test_every_answer_has_a_request_id_of_its_own(mock):
    answers = [mock.post(body) for body in (payload(), [], payload(), b"")] + [mock.ask("GET", "/_mock/health")]
    ids = [answer.json["request_id"] for answer in answers]
    assert [str(UUID(request_id)) for request_id in ids] == ids
    assert len(set(ids)) == len(ids)


def test_a_wrong_method_is_told_the_right_ones(mock):
    assert mock.ask("DELETE", PATH).headers["Allow"] == "POST, GET"


def test_an_unknown_path_is_told_no_method(mock):
    assert "Allow" not in mock.ask("POST", "/").headers


def test_a_refusal_names_every_broken_rule_in_document_order(mock):
    answer = mock.post(
        {
            "callback_url": 1,
            "face_choose": [
                {
                    "original_audio_volume": 3,
                    "sound_insert_time": 9000,
                    "sound_end_time": 8001,
                    "sound_start_time": 6002,
                    "audio_id": AUDIO,
                    "face_id": "0",
                }
            ],
            "session_id": SESSION,
        }
    )
    assert answer.broken == [
        "sound_volume.required",
        "clip-too-short",
        "face-overlap-too-short",
        "insert-past-video-end",
        "clip-past-audio-end",
        "original_audio_volume.maximum",
        "callback_url.type",
    ]


def test_the_first_broken_rule_decides_the_message(mock):
    mock.put_world(audios={AUDIO: {"duration_ms": 8000, "flagged": True}})
    answer = mock.post(payload(sound_end_time=1999))
    assert answer.broken == ["audio-content", "clip-too-short", "face-overlap-too-short"]
    assert (answer.code, answer.message) == (1301, "The audio did not pass the content check")


def test_a_rule_that_two_faces_break_is_named_once(mock):
    faces = payload(sound_volume=3)["face_choose"] * 2
    answer = mock.post({**payload(), "face_choose": faces})
    assert answer.broken == ["face_choose.maxItems", "sound_volume.maximum"]


def test_an_acceptance_lists_what_could_not_be_verified(mock):
    answer = mock.post(file_payload(URL + ".mp3"))
    assert answer.status == 200
    assert sorted(answer.unverified) == [
        "audio-content",
        "audio-too-long",
        "audio-too-short",
        "clip-past-audio-end",
        "sound-file-too-large",
        "sound-file-unreachable",
    ]


def test_a_fully_verified_acceptance_lists_nothing(mock):
    assert "X-Contract-Unverified" not in mock.post(payload()).headers


def test_an_external_id_is_taken_once(mock):
    answers = [mock.post({**payload(), "external_task_id": "mine"}) for _ in range(2)]
    assert [answer.broken for answer in answers] == [[], ["external-task-id-duplicate"]]


def test_an_empty_external_id_is_never_taken(mock):
    assert [mock.post({**payload(), "external_task_id": ""}).status for _ in range(2)] == [200, 200]


def test_a_refused_request_takes_no_external_id(mock):
    mock.post({**payload(sound_volume=3), "external_task_id": "mine"})
    assert mock.post({**payload(), "external_task_id": "mine"}).status == 200


class Measured:
    """Resolves any URL to a good file, and counts how often it was asked."""

    def __init__(self, before=lambda count: None):
        self.before = before
        self.count = 0

    def __call__(self, url):
        self.count += 1
        self.before(self.count)
        return File("mp3", 120_000, 8000)


def mock_over(contract, fetch=unfetched):
    return Mock(Responder(contract, Accounts(contract, InitialState(contract.operation.example_world)), fetch))


def test_of_two_requests_at_once_with_one_external_id_exactly_one_is_accepted():
    # Both are judged before either is stored: each waits in its download for the other.
    both = threading.Barrier(2)
    fetch = Measured(lambda count: both.wait(PATIENCE_S) if count <= 2 else None)
    mock = mock_over(documented(), fetch)
    body = {**file_payload(URL), "external_task_id": "mine"}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(mock.post(body))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer.broken for answer in answers) == [[], ["external-task-id-duplicate"]]


def give_up(count):
    assert count < 5, "the request is judged over and over again"


def test_without_upstreams_state_an_external_id_may_be_used_again():
    mock = mock_over(Contract.load(upstream_state=False), Measured(give_up))
    body = {**file_payload(URL), "external_task_id": "mine"}
    assert [mock.post(body).status for _ in range(2)] == [200, 200]


def test_a_session_that_is_taken_away_while_a_request_is_judged_does_not_exist():
    mock = mock_over(documented(), Measured(lambda count: mock.put_world(sessions={})))
    answer = mock.post(file_payload(URL))
    assert (answer.status, answer.broken[0]) == (400, "session-unknown")


def test_a_task_is_created_when_its_sound_was_downloaded_not_when_it_was_asked_for():
    def take_a_while(count):
        asked_at = real_ms()
        while real_ms() == asked_at:
            pass
        downloaded_at.append(real_ms())

    downloaded_at = []
    mock = mock_over(documented(), Measured(take_a_while))
    assert mock.post(file_payload(URL)).data["created_at"] >= downloaded_at[0]


@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", PATH), ("GET", "/_mock/world")])
def test_a_store_that_is_down_is_a_503_that_says_so(mock, monkeypatch, method, path):
    def down(account, work, rows=()):
        raise StoreDownError("the disk is full")

    monkeypatch.setattr(mock.responder.accounts.store, "transaction", down)
    answer = mock.ask(method, path, payload(), token="someone-new")
    assert (answer.status, answer.code) == (503, 5001)
    assert "the disk is full" in answer.message
    assert path.startswith("/_mock") or schema_of(503).is_valid(answer.json)


def test_a_task_is_found_while_a_full_store_takes_no_entry_of_the_journal(monkeypatch):
    def full(self, entry, payload=None):
        raise StoreDownError("the disk is full")

    mock = Mock()
    task_id = mock.post(payload()).data["task_id"]
    monkeypatch.setattr(Journal, "row", full)
    assert mock.ask("GET", f"{PATH}/{task_id}").data["task_id"] == task_id
    assert mock.ask("GET", PATH).status == 200
    assert mock.post(payload()).status == 503


def test_an_empty_external_id_is_not_taken_even_where_a_world_says_so():
    mock = mock_over(documented(), Measured(give_up))
    mock.put_world(external_task_ids=[""])
    assert mock.post({**file_payload(URL), "external_task_id": ""}).status == 200


def test_the_profile_upstream_takes_volumes_as_upstream_does():
    mock = Mock(profile="upstream")
    assert mock.post(payload(sound_volume=1.5, original_audio_volume=None)).status == 200

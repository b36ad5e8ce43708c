import base64
import gc
import hashlib
import json
from contextlib import closing

import pytest

from kling_contracts import Report, Violation
from kling_contracts.media import silent_audio
from kling_mock_server.adapters.handle import InProcess
from kling_mock_server.protocol.explanation import explain
from kling_mock_server.state.journal import MAX_BODY_BYTES, MAX_ENTRIES, MAX_FINDINGS, Entry
from support.serving import NOW_MS, PATH, Mock, documented, new_app, payload, world

TOKEN = "sk-nobody-may-ever-read-this"
LARGE_AUDIO = base64.b64encode(silent_audio.make("wav", 5000, 30_000)).decode()


@pytest.fixture
def mock():
    return Mock(fetch="none")


def encoded(audio_format):
    return base64.b64encode(silent_audio.make(audio_format, 5000)).decode()


def entry_of(mock, body, token="key"):
    """Send one request and return its entry."""
    mock.post(body, token)
    return mock.journal(token)["entries"][-1]


def in_body(entry, *path):
    value = entry["request"]["body"]
    for step in path:
        value = value[step]
    return value


def test_an_entry_tells_what_was_asked_and_answered(mock):
    mock.put_world()
    answer = mock.post(payload())
    (entry,) = mock.journal()["entries"]
    assert entry == {
        "at_ms": NOW_MS,
        "operation": "create",
        "scenario": "",
        "request": {
            "method": "POST",
            "path": PATH,
            "query": "",
            "headers": {"authorization": "Bearer sha256:2c70e12b7a0646f9"},
            "token_sha256": hashlib.sha256(b"key").hexdigest()[:16],
            "body": payload(),
        },
        "response": {
            "status": 200,
            "code": 0,
            "message": "SUCCEED",
            "request_id": answer.json["request_id"],
            "details": {"task_status": "submitted"},
        },
        "violations": [],
        "unverified": [],
        "notes": [],
        "timelines": entry["timelines"],
        "elapsed_ms": entry["elapsed_ms"],
    }
    assert 0 < entry["elapsed_ms"] < 10_000


def test_an_entry_tells_the_time_of_its_account(mock):
    mock.put_world()
    mock.advance(1234)
    assert entry_of(mock, payload())["at_ms"] == NOW_MS + 1234


def test_a_refusal_is_journalled_with_every_broken_rule(mock):
    entry = entry_of(mock, payload(sound_end_time=1999, sound_volume=3))
    assert entry["response"]["status"] == 400
    assert entry["response"]["message"] == "The cropped audio must last at least 2000 ms"
    assert [(v["rule"], v["pointer"], v["message"]) for v in entry["violations"]] == [
        (
            "clip-too-short",
            "/face_choose/0/sound_end_time",
            "The cropped audio must last at least 2000 ms",
        ),
        (
            "face-overlap-too-short",
            "/face_choose/0/sound_insert_time",
            "The inserted audio must overlap the face's interval by at least 2000 ms",
        ),
        (
            "sound_volume.maximum",
            "/face_choose/0/sound_volume",
            "face_choose[0].sound_volume must be at most 2",
        ),
    ]


def test_what_could_not_be_verified_is_journalled_with_the_reason(mock):
    entry = entry_of(mock, payload(audio_id="", sound_file="http://files.example/a.mp3"))
    reasons = {one["rule"]: (one["pointer"], one["because"]) for one in entry["unverified"]}
    assert reasons["sound-file-too-large"] == ("/face_choose/0/sound_file", "the URL was not fetched")


def test_unknown_fields_are_journalled_as_notes(mock):
    entry = entry_of(mock, payload(sound_starttime=0))
    assert entry["notes"] == [
        {
            "pointer": "/face_choose/0/sound_starttime",
            "message": '"sound_starttime" is not a documented field; did you mean sound_start_time?',
        }
    ]


def test_a_body_that_is_not_json_is_kept_as_a_digest(mock):
    body = b'{"session_id": "secret'
    entry = entry_of(mock, body)
    assert in_body(entry) == {"redacted": "sha256:" + hashlib.sha256(body).hexdigest(), "length": len(body)}
    assert [v["rule"] for v in entry["violations"]] == ["body-json"]


def test_an_empty_body_is_journalled_as_none(mock):
    assert in_body(entry_of(mock, b"")) is None


def test_entries_stand_in_the_order_of_their_requests(mock):
    ids = [mock.post(payload()).json["request_id"] for _ in range(5)]
    assert [entry["response"]["request_id"] for entry in mock.journal()["entries"]] == ids


def test_the_oldest_entries_make_room_and_are_counted(mock):
    ids = [mock.post(b"").json["request_id"] for _ in range(MAX_ENTRIES + 3)]
    journal = mock.journal()
    assert journal["dropped"] == 3
    assert [entry["response"]["request_id"] for entry in journal["entries"]] == ids[3:]


def test_a_full_journal_has_dropped_nothing(mock):
    for _ in range(MAX_ENTRIES):
        mock.post(b"")
    assert mock.journal()["dropped"] == 0


REFUSED_ON_ADMISSION = [
    pytest.param({"authorization": TOKEN}, id="a bare token"),
    pytest.param({"authorization": f"Basic {TOKEN}"}, id="another scheme"),
    pytest.param({"authorization": f"Bearer {TOKEN} {TOKEN}"}, id="two tokens"),
    pytest.param({"authorization": f"Bearer {TOKEN}"}, id="a stranger's token"),
]


@pytest.mark.parametrize("headers", REFUSED_ON_ADMISSION)
def test_no_token_is_journalled_that_was_refused(headers):
    mock = Mock(tokens=("friend",))
    mock.ask("POST", PATH, payload(), token="", **headers)
    assert len(mock.journal(token="")["entries"]) == 1
    assert TOKEN not in json.dumps(mock.journal(token=""))


@pytest.mark.parametrize("body", [payload(), [], b"{"], ids=["accepted", "refused", "not JSON"])
def test_no_token_is_journalled_that_was_let_in(mock, body):
    mock.post(body, TOKEN)
    assert len(mock.journal(TOKEN)["entries"]) == 1
    assert TOKEN not in json.dumps(mock.journal(TOKEN))


def test_tokens_can_be_told_apart_by_their_digests(mock):
    digests = {entry_of(mock, payload(), token)["request"]["token_sha256"] for token in ("a", "b", "a")}
    assert len(digests) == 2


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "m4a"])
def test_audio_is_journalled_as_digest_length_and_format(mock, audio_format):
    text = encoded(audio_format)
    entry = entry_of(mock, payload(audio_id="", sound_file=text))
    assert in_body(entry, "face_choose", 0, "sound_file") == {
        "redacted": "sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        "length": len(text),
        "format": audio_format,
    }


MP3 = encoded("mp3")


@pytest.mark.parametrize(
    ("audio", "body"),
    [
        pytest.param(MP3, payload(audio_id="", sound_file=MP3), id="accepted"),
        pytest.param(MP3, payload(sound_file=MP3), id="two sources"),
        pytest.param(MP3, payload(audio_id="", sound_file="data:audio/mp3;base64," + MP3), id="a data URL"),
        pytest.param(MP3, payload(audio_id="", sound_file=MP3[:-1]), id="Base64 that breaks off"),
        pytest.param(MP3, payload(audio_id="", sound_file=MP3[:200]), id="short"),
        pytest.param(MP3, payload(audio_id="", sound_file=[MP3]), id="in an array"),
        pytest.param(MP3, payload(audio_id=MP3), id="in the wrong field"),
        pytest.param(MP3, payload(soundfile=MP3), id="in an unknown field"),
        pytest.param(MP3, {"sound_file": MP3[:200]}, id="outside of face_choose"),
        pytest.param(MP3, MP3, id="as the whole body"),
        pytest.param(MP3, json.dumps({"sound_file": MP3}).encode()[:-1], id="in a body that is not JSON"),
        pytest.param(LARGE_AUDIO, payload(audio_id="", sound_file=LARGE_AUDIO), id="larger than is kept"),
        pytest.param(LARGE_AUDIO, payload(sound_file=LARGE_AUDIO), id="larger than is kept, and refused"),
    ],
)
def test_no_audio_is_journalled(mock, audio, body):
    entry = entry_of(mock, body)
    assert audio[:24] not in json.dumps(entry)


@pytest.mark.parametrize("url", ["http://files.example/a.mp3", "HTTPS://files.example/b.wav?x=1"])
def test_the_url_of_an_audio_is_journalled(mock, url):
    entry = entry_of(mock, payload(audio_id="", sound_file=url))
    assert in_body(entry, "face_choose", 0, "sound_file") == url


@pytest.mark.parametrize(
    ("sound_file", "value"),
    [
        ("http://files.example/a.mp3", '"http://files.example/a.mp3"'),
        ("HTTPS://files.example/a.mp3", '"HTTPS://files.example/a.mp3"'),
        ("data:audio/mp3;base64,SUQz", ""),
        (LARGE_AUDIO[:1000] + "*", ""),
    ],
    ids=["a URL", "a URL in capitals", "a data URL", "broken Base64"],
)
def test_of_a_refused_sound_file_a_store_on_disk_keeps_the_url_alone(tmp_path, sound_file, value):
    app = new_app(fetch="none", store=f"sqlite:///{tmp_path}/store.db")
    with closing(app.responder):
        kling = InProcess(app, "http://kling.example", "key")
        kling.world.put(world(files={}))
        Mock(app.responder).post(payload(audio_id="", sound_file=sound_file))
        [violation] = kling.journal[-1].report.violations
        assert (violation.pointer, violation.value) == ("/face_choose/0/sound_file", value)


def test_an_empty_sound_file_is_journalled_as_it_is(mock):
    assert in_body(entry_of(mock, payload(sound_file="")), "face_choose", 0, "sound_file") == ""


def sized(size):
    body = json.dumps(payload(note="")).encode()
    return body.replace(b'"note": ""', b'"note": "' + b"x" * (size - len(body)) + b'"')


def test_a_body_at_the_limit_is_kept(mock):
    body = sized(MAX_BODY_BYTES)
    assert len(body) == 16 * 1024
    assert in_body(entry_of(mock, body), "session_id") == payload()["session_id"]


def test_of_a_body_beyond_the_limit_every_field_is_kept_but_its_long_texts(mock):
    body = sized(MAX_BODY_BYTES + 1)
    kept = in_body(entry_of(mock, body))
    note = json.loads(body)["face_choose"][0]["note"]
    assert kept["face_choose"][0].pop("note") == {
        "redacted": "sha256:" + hashlib.sha256(note.encode()).hexdigest(),
        "length": len(note),
    }
    assert kept == payload()


def test_of_an_upload_every_field_is_kept_but_the_audio(mock):
    entry = entry_of(mock, payload(audio_id="", sound_file=LARGE_AUDIO, sound_end_time=1999))
    assert in_body(entry, "face_choose", 0, "sound_end_time") == 1999
    assert in_body(entry, "face_choose", 0, "sound_file")["format"] == "wav"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps({f"field-{number}": "short" for number in range(2000)}).encode(), id="many fields"),
        pytest.param(b'{"note": "' + b"x" * MAX_BODY_BYTES, id="not JSON"),
    ],
)
def test_a_large_body_that_cannot_be_shortened_is_kept_as_a_digest(mock, body):
    assert in_body(entry_of(mock, body)) == {
        "redacted": "sha256:" + hashlib.sha256(body).hexdigest(),
        "length": len(body),
    }


def test_the_memory_of_a_journal_holds_no_large_body(mock):
    for _ in range(3):
        mock.post(payload(audio_id="", sound_file=LARGE_AUDIO))
    texts = [one for one in reachable(mock.responder.accounts) if isinstance(one, str | bytes)]
    # What is looked for can be found: the digests of these very bodies.
    assert any("sha256:" in str(text) for text in texts)
    assert max(map(len, texts)) < len(LARGE_AUDIO)
    assert not any(LARGE_AUDIO[100:140] in str(text) for text in texts)


def reachable(root):
    """Yield every object that hangs on `root`, modules, classes and code left out."""
    seen, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type) or type(one).__name__ in ("module", "function"):
            continue
        seen.add(id(one))
        yield one
        waiting += gc.get_referents(one)


def test_a_request_without_a_token_can_be_read_without_a_token(mock):
    mock.post(payload(), token="")
    (entry,) = mock.journal(token="")["entries"]
    assert entry["request"]["token_sha256"] == ""
    assert [v["rule"] for v in entry["violations"]] == ["authorization-missing"]


def test_the_entries_of_an_account_cannot_be_read_without_its_token(mock):
    mock.post(payload())
    assert mock.journal(token="") == {"dropped": 0, "entries": []}


def test_whoever_watches_sees_every_entry_of_every_account(mock):
    watched = []
    mock.responder.watch = watched.append
    mock.post(payload(), "a")
    mock.post(b"", "b")
    mock.post(payload(), "")
    assert [entry.status for entry in watched] == [200, 400, 401]


BARS = [("video", 0, 10_000), ("face", 0, 10_000), ("inserted", 1000, 6000), ("overlap", 1000, 6000)]


@pytest.mark.parametrize("volume", [1, 3], ids=["accepted", "refused"])
def test_an_entry_has_the_times_as_they_were_when_it_was_judged(mock, volume):
    mock.put_world()
    mock.post(payload(sound_volume=volume))
    mock.control("PUT", "/world", {})
    (bars,) = mock.journal()["entries"][-1]["timelines"]
    assert [tuple(bar.values()) for bar in bars] == [*BARS, ("audio", 0, 8000), ("clip", 0, 5000)]


def test_a_store_on_disk_keeps_the_times_too(tmp_path):
    mock = Mock(store=f"sqlite:///{tmp_path}/mock.db")
    entry = entry_of(mock, payload())
    assert [bar["label"] for bar in entry["timelines"][0]] == ["video", "face", "inserted", "overlap", "audio", "clip"]
    mock.responder.close()


def test_an_entry_has_the_headers_and_the_query_of_its_request(mock):
    mock.ask("GET", f"{PATH}?pageNum=2", **{"user-agent": "curl/8", "x-trace": "ü" * 2000})
    request = mock.journal()["entries"][-1]["request"]
    assert request["query"] == "pageNum=2"
    assert request["headers"]["user-agent"] == "curl/8"
    assert request["headers"]["x-trace"] == "ü" * 1024 + "…"


@pytest.mark.parametrize(("length", "kept"), [(1000, 16), (1024, 15)])
def test_headers_are_kept_as_far_as_they_have_16_kib_together(mock, length, kept):
    # Each name has 3 characters; authorization, the first, has 43 with its digest.
    mock.ask("GET", PATH, **{f"h{number:02}": "x" * length for number in range(60)})
    headers = mock.journal()["entries"][-1]["request"]["headers"]
    assert list(headers) == ["authorization", *(f"h{number:02}" for number in range(kept))]


@pytest.mark.parametrize(("last", "kept"), [(933, 17), (934, 16)])
def test_headers_of_exactly_16_kib_are_all_kept(mock, last, kept):
    mock.ask("GET", PATH, **{f"h{number:02}": "x" * 1024 for number in range(15)}, h15="x" * last, h16="x")
    assert len(mock.journal()["entries"][-1]["request"]["headers"]) == kept


def test_a_key_that_is_no_secret_is_shown(mock):
    mock.ask("GET", PATH, **{"idempotency-key": "order-1", "x-api-key": "hunter2"})
    headers = mock.journal()["entries"][-1]["request"]["headers"]
    assert headers["idempotency-key"] == "order-1"
    assert headers["x-api-key"].startswith("sha256:")


@pytest.mark.parametrize("faces", [MAX_FINDINGS, MAX_FINDINGS + 1])
def test_of_very_many_violations_the_first_are_kept_and_their_number_is_told(mock, faces):
    broken = [Violation(documented().every_rule["body.type"], "", "wrong")] * faces
    account = mock.responder.accounts.of_token("key")
    account.journal.record(Entry(0, "", "", "", b"", 400, 0, "", "id", Report(tuple(broken))))
    (entry,) = mock.journal()["entries"]
    assert len(entry["violations"]) == MAX_FINDINGS
    assert bool(entry["notes"]) == (faces > MAX_FINDINGS)
    assert not entry["notes"] or f"{faces} violations" in entry["notes"][0]["message"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("authorization", TOKEN, "sha256:"),
        ("authorization", f"Basic {TOKEN}", "Basic sha256:"),
        ("proxy-authorization", f"Basic {TOKEN}", "Basic sha256:"),
        ("cookie", f"session={TOKEN}", "sha256:"),
        ("x-api-key", TOKEN, "sha256:"),
        ("x-auth-token", TOKEN, "sha256:"),
        ("x-secret", TOKEN, "sha256:"),
        ("webhook-signature", TOKEN, "sha256:"),
    ],
)
def test_no_header_shows_a_secret(mock, name, value, shown):
    mock.ask("GET", PATH, token="" if name == "authorization" else "key", **{name: value})
    entries = mock.journal(token="")["entries"] + mock.journal()["entries"]
    assert TOKEN not in json.dumps(entries)
    (header,) = [entry["request"]["headers"][name] for entry in entries]
    assert header.startswith(shown)
    assert len(header) == len(shown) + 16


def ids(journal):
    return [entry["response"]["request_id"] for entry in journal["entries"]]


def asked(mock, query, token="key"):
    return mock.control("GET", f"/journal?{query}", token=token)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_what_followed_an_entry_can_be_asked_for(mock, count):
    first = mock.post(b"").json["request_id"]
    later = [mock.post(b"").json["request_id"] for _ in range(count)]
    journal = asked(mock, f"after={first}")
    assert (ids(journal), journal["gap"]) == (later, False)


@pytest.mark.parametrize("forgotten", ["reset", "made room", "never was"])
def test_after_an_entry_that_is_no_longer_there_comes_everything_and_it_says_so(mock, forgotten):
    last = mock.post(b"").json["request_id"] if forgotten != "never was" else "never-was"
    if forgotten == "reset":
        mock.control("POST", "/reset")
    for _ in range(MAX_ENTRIES if forgotten == "made room" else 2):
        mock.post(b"")
    journal = asked(mock, f"after={last}")
    assert journal["gap"]
    assert ids(journal) == ids(mock.journal())


def test_a_limit_takes_the_newest_entries_and_after_one_the_next(mock):
    every = [mock.post(b"").json["request_id"] for _ in range(5)]
    assert ids(asked(mock, "limit=2")) == every[-2:]
    assert ids(asked(mock, f"after={every[0]}&limit=2")) == every[1:3]


@pytest.fixture
def several(mock):
    mock.post(payload())
    mock.post(payload(sound_volume=3))
    mock.post(payload(sound_end_time=1999))
    mock.ask("POST", "/kling/v1/audio/tts", {})
    mock.ask("GET", "/elsewhere")
    return mock


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ("operation=create", [200, 400, 400]),
        ("operation=tts", [400]),
        ("operation=", [404]),
        ("operation=note", []),
        ("operation=tts&operation=create", [200, 400, 400, 400]),
        ("status=200", [200]),
        ("status=200&status=404", [200, 404]),
        ("rule=clip-too-short", [400]),
        ("rule=path&rule=sound_volume.maximum", [400, 404]),
        ("operation=create&status=400&rule=clip-too-short", [400]),
        ("operation=query", []),
    ],
)
def test_entries_are_filtered_by_operation_status_and_rule(several, query, statuses):
    assert [entry["response"]["status"] for entry in asked(several, query)["entries"]] == statuses


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "limit must be an integer from 1 to 1000, not '0'"),
        ("limit=1001", "limit must be an integer from 1 to 1000"),
        ("limit=x", "not 'x'"),
        ("limit=", "not ''"),
        ("status=4xx", "status must be an integer from 0 to 999, not '4xx'"),
        ("status=1000", "status must be"),
        ("operation=creat", "there is no operation 'creat'; did you mean create?"),
        ("rule=clip-to-short", "there is no rule 'clip-to-short'; did you mean clip-too-short"),
        ("since=1", "'since' is no parameter of this call; it takes after, limit, operation, status, rule"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(mock, query, said):
    answer = mock.ask("GET", f"/_mock/journal?{query}")
    assert answer.status == 400
    assert said in answer.message


def test_what_a_request_rule_found_is_journalled_as_there_is_no_body_to_read_it_in(mock):
    mock.ask("GET", "/elsewhere")
    (entry,) = mock.journal()["entries"]
    assert entry["violations"][0]["found"] == "/elsewhere"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{PATH}/nothing", b""),
        ("GET", f"{PATH}?pageNum=0", b""),
        ("POST", "/kling/v1/audio/tts", {}),
        ("POST", "/kling/v1/videos/identify-face", {}),
        ("POST", PATH, payload(sound_end_time=1999)),
        ("POST", PATH, payload(audio_id="", sound_file=LARGE_AUDIO, sound_end_time=1999)),
        ("POST", PATH, b"{"),
    ],
)
def test_whoever_watches_can_explain_every_refusal(mock, method, path, body):
    explained = []
    mock.responder.watch = lambda entry: explained.append(explain(entry))
    answer = mock.ask(method, path, body)
    assert answer.status >= 400
    (text,) = explained
    assert all(rule in text for rule in answer.broken)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("pageNum=1&pageSize=30", "pageNum=1&pageSize=30"),
        (f"api_key={TOKEN}&pageNum=1", "api_key=redacted&pageNum=1"),
        (f"pageNum=1&Access-Token={TOKEN}", "pageNum=1&Access-Token=redacted"),
        ("token", "token"),
        ("a=token", "a=token"),
        ("", ""),
    ],
)
def test_no_query_shows_a_secret(mock, query, kept):
    mock.ask("GET", f"{PATH}?{query}")
    assert mock.journal()["entries"][-1]["request"]["query"] == kept

"""identify-face: videos that are measured, videos that are made up, and the session that is issued."""

import copy
import socket
import struct
import threading
from pathlib import Path

import pytest

from kling_contracts import Contract
from kling_contracts.media import still_video
from kling_mock_server.assets.downloads import SMALL_VIDEO, Downloads
from kling_mock_server.core.responder import Responder
from kling_mock_server.outgoing.fetch import downloader
from support.serving import NOW_MS, Mock, documented, file_server, loopback, new_app, payload, response
from support.workflow import DAY_MS, IDENTIFY, ORIGIN, VIDEO_URL, Caller

ID_DIGITS = 18
MEDIA = Path(__file__).with_name("media")


@pytest.fixture
def mock():
    return Caller()


def faces_of(answer):
    return {one["face_id"]: (one["start_time"], one["end_time"]) for one in answer.data["face_data"]}


def created(mock, session_id, **changes):
    return mock.post({**payload(**changes), "session_id": session_id})


def test_an_answer_has_what_the_vendor_documents(mock):
    data = mock.identify(f"{VIDEO_URL}#face=2000-7000").data
    assert data.keys() == {"session_id", "face_data", "final_unit_deduction"}
    (face,) = data["face_data"]
    assert face == {"face_id": "0", "face_image": face["face_image"], "start_time": 2000, "end_time": 7000}
    assert data["final_unit_deduction"] == "0.05"


def test_sessions_have_ids_of_18_digits_that_are_never_the_same(mock):
    ids = [mock.identify().data["session_id"] for _ in range(100)]
    assert all(len(name) == ID_DIGITS and name.isdecimal() for name in ids)
    assert ids == sorted(set(ids))


def test_the_session_and_its_faces_can_be_used_at_once(mock):
    data = mock.identify(f"{VIDEO_URL}#duration=10000&face=0-9000").data
    (face,) = data["face_data"]
    assert created(mock, data["session_id"], face_id=face["face_id"]).broken == []


def test_the_world_lists_the_session(mock):
    mock.put_world()
    data = mock.identify(f"{VIDEO_URL}#duration=8000&face=1-2").data
    assert mock.control("GET", "/world")["sessions"][data["session_id"]] == {
        "video_ms": 8000,
        "created_ms": NOW_MS,
        "faces": {"0": [1, 2]},
        "video_url": VIDEO_URL,
    }


def test_the_picture_of_a_face_is_a_png(mock):
    (face, *_) = mock.identify().data["face_data"]
    picture = mock.download(face["face_image"])
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/png")
    assert picture.body.startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("advance_ms", "refusal"), [(DAY_MS, []), (DAY_MS + 1, ["session-expired"])], ids=["24 h", "1 ms later"]
)
def test_a_session_that_was_issued_expires_after_24_hours(mock, advance_ms, refusal):
    mock.put_world()
    session_id = mock.identify(f"{VIDEO_URL}#duration=10000&face=0-10000").data["session_id"]
    mock.advance(advance_ms)
    assert created(mock, session_id, face_id="0").broken == refusal


def test_a_session_is_issued_at_the_time_of_its_account(mock):
    mock.put_world()
    mock.advance(5 * DAY_MS)
    session_id = mock.identify(f"{VIDEO_URL}#duration=10000&face=0-10000").data["session_id"]
    assert created(mock, session_id, face_id="0").broken == []


def test_a_session_belongs_to_the_account_that_asked(mock):
    session_id = mock.identify(f"{VIDEO_URL}#duration=10000&face=0-10000", token="a").data["session_id"]
    assert mock.post({"session_id": session_id}, "b").broken[-1] == "session-unknown"


def test_a_refused_video_issues_no_session(mock):
    before = mock.control("GET", "/world")
    assert mock.identify(f"{VIDEO_URL}#faces=0").status == 400
    assert mock.control("GET", "/world") == before


def test_nobody_in_the_video_is_answered_as_observed_upstream(mock):
    answer = mock.identify(f"{VIDEO_URL}#faces=0")
    assert (answer.status, answer.code, answer.message) == (400, 1201, "The model did not detect a human")
    assert answer.broken == ["no-human"]


# Videos that are made up.


@pytest.mark.parametrize("source", ["video_url", "video_id"])
def test_the_same_video_always_shows_the_same_faces_whoever_asks(source):
    text = VIDEO_URL if source == "video_url" else "some-id"
    answers = [mock.identify(**{source: text}, token=key) for mock in (Caller(), Caller()) for key in ("a", "b")]
    assert len({tuple(faces_of(answer).items()) for answer in answers}) == 1


FRAGMENTS = [
    pytest.param("#faces=3", [], id="faces"),
    pytest.param("#duration=1999", ["video-too-short"], id="too short"),
    pytest.param("#duration=60001", ["video-too-long"], id="too long"),
    pytest.param("#width=480&height=360", ["video-height", "video-width", "video-resolution"], id="too small"),
    pytest.param("#size=104857601", ["video-too-large"], id="too large"),
    pytest.param("#size=104857600", [], id="just small enough"),
    pytest.param("#format=webm", ["video-format"], id="another format"),
    pytest.param("#format=mov", [], id="mov"),
    pytest.param("#flagged", ["video-content"], id="flagged"),
    pytest.param("#t=10", [], id="somebody else's fragment"),
    pytest.param("#", [], id="an empty one"),
]


@pytest.mark.parametrize(("fragment", "refusal"), FRAGMENTS)
def test_a_fragment_chooses_what_happens(mock, fragment, refusal):
    assert mock.identify(VIDEO_URL + fragment).broken == refusal


def test_a_fragment_chooses_faces_and_when_they_are_seen(mock):
    answer = mock.identify(f"{VIDEO_URL}#duration=20000&face=0-5000&face=6000-9000")
    assert faces_of(answer) == {"0": (0, 5000), "1": (6000, 9000)}


def notes_of(mock):
    return [(note["pointer"], note["message"]) for note in mock.journal()["entries"][-1]["notes"]]


@pytest.mark.parametrize(
    "part",
    [
        "faces=many",
        "faces=",
        "faces=-1",
        "duration=8s",
        "width=1.5",
        "face=2000",
        "face=7000-2000",
        "face=5-5",
        "format=MP4",
        "flagged=yes",
        "faces",
    ],
)
def test_a_choice_that_cannot_be_made_is_noted(mock, part):
    assert mock.identify(f"{VIDEO_URL}#{part}&faces=1").status == 200
    ((pointer, message),) = notes_of(mock)
    assert pointer == "/video_url"
    assert f'"{part}" in the fragment chooses nothing: {part.partition("=")[0]} takes ' in message


@pytest.mark.parametrize(
    ("part", "meant"),
    [("faxes=3", "faces"), ("durration=8000", "duration"), ("Width=1280", "width"), ("flaged", "flagged")],
)
def test_a_misspelt_choice_is_noted_with_the_nearest_one(mock, part, meant):
    assert mock.identify(f"{VIDEO_URL}#{part}").status == 200
    ((pointer, message),) = notes_of(mock)
    assert pointer == "/video_url"
    assert message.startswith(f'"{part}" in the fragment chooses nothing; did you mean {meant}, which takes ')


@pytest.mark.parametrize("fragment", ["", "t=10", "page=2", "xywh=1,2,3,4&faces=2", "face=1-2", "=", "&&"])
def test_a_fragment_that_chooses_well_or_is_not_ours_is_not_noted(mock, fragment):
    assert mock.identify(f"{VIDEO_URL}#{fragment}").status == 200
    assert notes_of(mock) == []


def test_a_refused_video_is_noted_too(mock):
    mock.identify(f"{VIDEO_URL}#faces=0&duration=8s")
    assert [pointer for pointer, _ in notes_of(mock)] == ["/video_url"]


def test_a_note_is_told_to_whoever_watches(mock):
    seen = []
    mock.responder.watch = seen.append
    mock.identify(f"{VIDEO_URL}#duration=8s")
    assert [note.pointer for note in seen[0].report.notes] == ["/video_url"]


def test_of_thousands_of_choices_only_the_first_are_made(mock):
    answer = mock.identify(f"{VIDEO_URL}#" + "face=1-2&" * 1700)
    assert 1 <= len(answer.data["face_data"]) <= 100


def test_a_url_of_megabytes_is_too_long(mock):
    assert mock.identify(f"{VIDEO_URL}#" + "face=1-2&" * 500_000).broken == ["text-too-long"]


def test_what_is_added_to_a_world_of_videos_is_all_there_is(mock):
    mock.put_world(videos={"known": {"duration_ms": 5000, "faces": {"7": [0, 5000]}}})
    assert faces_of(mock.identify(video_id="known")) == {"7": (0, 5000)}
    assert mock.identify(video_id="other").broken == ["video-id-unknown"]
    assert mock.identify().broken == ["video-url-unreachable"]


def test_a_video_is_as_old_as_the_clock_was_advanced(mock):
    mock.advance(30 * DAY_MS)
    assert mock.identify(video_id="some-id").broken == []
    mock.advance(1)
    assert mock.identify(video_id="some-id").broken == ["video-id-expired"]
    assert mock.identify().broken == []


# Videos that the account knows.


def finished_task(mock, **changes):
    """Create a task on a clock that stands still, and advance it to the end; returns its state."""
    task_id = mock.create(**changes).data["task_id"]
    mock.advance(300)
    return mock.query(task_id).data


def test_the_result_of_a_task_is_a_video_with_the_faces_of_its_source(mock):
    mock.put_world()
    (result,) = finished_task(mock)["task_result"]["videos"]
    answer = mock.identify(video_id=result["id"])
    assert faces_of(answer) == {"-1": (0, 10_000), "0": (2000, 7000)}


def test_a_result_can_be_used_for_30_days(mock):
    mock.put_world()
    (result,) = finished_task(mock)["task_result"]["videos"]
    mock.advance(30 * DAY_MS)
    assert mock.identify(video_id=result["id"]).broken == []
    mock.advance(1)
    assert mock.identify(video_id=result["id"]).broken == ["video-id-expired"]


def test_a_result_that_is_not_there_yet_does_not_exist(mock):
    mock.put_world()
    task_id = mock.create().data["task_id"]
    assert mock.identify(video_id=str(int(task_id) + 1)).broken == ["video-id-unknown"]


def test_the_source_of_a_task_is_the_video_of_its_session(mock):
    mock.put_world()
    parent = finished_task(mock)["task_info"]["parent_video"]
    assert faces_of(mock.identify(video_id=parent["id"])) == {"-1": (0, 10_000), "0": (2000, 7000)}


def test_the_url_of_a_result_is_measured_in_process(mock):
    mock.put_world()
    (result,) = finished_task(mock)["task_result"]["videos"]
    session_id = mock.identify(result["url"]).data["session_id"]
    assert mock.control("GET", "/world")["sessions"][session_id]["video_ms"] == 10_000


def test_a_file_of_the_mock_that_is_not_there_does_not_answer(mock):
    assert mock.identify(f"{ORIGIN}/_mock/files/abc/results/1.mp4").broken == ["video-url-unreachable"]


# Videos on this machine.


@pytest.mark.parametrize("duration_ms", [2000, 2345, 60_000])
def test_a_video_that_can_be_reached_is_measured(mock, duration_ms):
    with file_server(still_video.mp4(duration_ms, 1920, 1080)) as port:
        session_id = mock.identify(f"http://127.0.0.1:{port}/a.mp4").data["session_id"]
    assert mock.control("GET", "/world")["sessions"][session_id]["video_ms"] == duration_ms


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        pytest.param(lambda: still_video.mp4(1999), ["video-too-short"], id="1999 ms"),
        pytest.param(lambda: still_video.mp4(60_001), ["video-too-long"], id="60001 ms"),
        pytest.param(lambda: still_video.mp4(5000, 1280, 718), ["video-resolution"], id="718 lines"),
        pytest.param(lambda: still_video.mp4(5000, 510, 720), ["video-width", "video-resolution"], id="510 columns"),
        pytest.param(lambda: still_video.mp4(5000).replace(b"isom", b"qt  ", 1), [], id="a mov"),
    ],
)
def test_a_video_that_can_be_reached_is_judged_by_its_bytes(mock, content, refusal):
    with file_server(content()) as port:
        # Whatever the name says.
        assert mock.identify(f"http://127.0.0.1:{port}/a.webm").broken == refusal


NOT_MEASURABLE = {
    "empty": b"",
    "HTML": b"<html>",
    "wav": b"RIFF\0\0\0\0WAVEfmt ",
    "cut": still_video.mp4(5000)[:100],
    "webm": (MEDIA / "four_seconds.webm").read_bytes(),
    "an mp4 without a video track": still_video.mp4(5000).replace(b"vide", b"soun"),
    "a QuickTime file without a video track": (MEDIA / "audio_only.mov").read_bytes(),
}


@pytest.mark.parametrize("content", NOT_MEASURABLE.values(), ids=NOT_MEASURABLE)
def test_of_what_cannot_be_measured_the_format_alone_is_wrong_and_the_rest_unverified(mock, content):
    with file_server(content) as port:
        answer = mock.identify(f"http://127.0.0.1:{port}/a.mp4")
    assert answer.broken == ["video-format"]
    assert answer.unverified == [
        "video-too-short",
        "video-too-long",
        "video-height",
        "video-width",
        "video-resolution",
        "no-human",
    ]


def test_a_choice_of_the_fragment_makes_known_what_cannot_be_measured(mock):
    with file_server(NOT_MEASURABLE["webm"]) as port:
        url = f"http://127.0.0.1:{port}/a.mp4#duration=1999&faces=0"
        assert mock.identify(url).broken == ["video-too-short", "no-human", "video-format"]


def without_rule(rule_id):
    """Return the contract without one rule on the URL of identify-face."""
    document = copy.deepcopy(documented().document)
    schema = document["paths"][IDENTIFY]["post"]["requestBody"]["content"]["application/json"]["schema"]
    rules = schema["properties"]["video_url"]["x-validations"]
    rules[:] = [rule for rule in rules if rule["id"] != rule_id]
    return Contract.compile(document)


def test_a_contract_without_a_rule_on_the_format_makes_up_what_it_cannot_measure():
    mock = Mock(contract=without_rule("video-format"))
    with file_server(NOT_MEASURABLE["webm"]) as port:
        answer = mock.ask("POST", IDENTIFY, {"video_url": f"http://127.0.0.1:{port}/a.mp4"})
    session = mock.control("GET", "/world")["sessions"][answer.data["session_id"]]
    assert session["video_ms"] >= 2000
    assert session["faces"]


def test_the_size_of_a_listed_video_that_the_world_leaves_out_is_not_known(mock):
    mock.put_world(videos={VIDEO_URL: {"duration_ms": 5000, "faces": {"0": [0, 5000]}}})
    answer = mock.identify()
    assert (answer.broken, answer.unverified) == ([], ["video-too-large"])


@pytest.mark.parametrize("status", ["404 Not Found", "302 Found", "500 Internal Server Error"])
def test_a_url_that_does_not_answer_with_a_video_is_unreachable(mock, status):
    with loopback(lambda connection, _: connection.sendall(response(b"", status))) as port:
        assert mock.identify(f"http://127.0.0.1:{port}/a.mp4").broken == ["video-url-unreachable"]


def test_a_host_that_may_not_be_fetched_is_made_up_without_traffic(monkeypatch):
    mock = Caller(fetch="none")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("there was traffic"))
    assert mock.identify("http://127.0.0.1:9/a.mp4").status == 200


def test_the_fragment_is_laid_over_what_was_measured_and_never_sent(mock):
    asked = []

    def answer(connection, line):
        asked.append(line)
        connection.sendall(response(still_video.mp4(5000)))

    with loopback(answer) as port:
        url = f"http://127.0.0.1:{port}/a.mp4?x=1"
        assert faces_of(mock.identify(f"{url}#face=1000-4000")) == {"0": (1000, 4000)}
    assert asked == ["GET /a.mp4?x=1 HTTP/1.1"]


def limited(largest):
    """Return a mock that downloads no more of a video than this."""
    responder = new_app().responder
    resources = responder.resources
    downloads = Downloads(resources.library, resources.downloads.audio, downloader("loopback"), lambda holds: largest)
    return Caller(Responder(responder.contract, responder.accounts, resources=resources._replace(downloads=downloads)))


def box(kind, size):
    return struct.pack(">I4s", size, kind) + bytes(size - 8)


def test_of_a_video_that_is_too_large_no_more_is_said_than_its_beginning_tells():
    film = still_video.mp4(5000)
    begin, end = (film.index(kind) - 4 for kind in (b"moov", b"mdat"))
    # The media first, and far more of them than is read: what describes the pictures is never seen.
    described_last = film[:begin] + box(b"free", 1_000_000) + film[end:] + film[begin:end]
    with file_server(described_last) as port:
        # The fragment makes it too large for the contract as well.
        url = f"http://127.0.0.1:{port}/a.mp4#size=104857601"
        answer = limited(1000).identify(url)
    assert answer.broken == ["video-too-large"]
    assert {"video-too-short", "video-height", "no-human"} <= set(answer.unverified)


def test_a_video_that_is_being_downloaded_holds_up_no_other_account(mock):
    # What is imported at first use is imported by now: a download is waited for no longer than 5 s.
    mock.create(token="quick")
    begun, finish = threading.Event(), threading.Event()

    def answer(connection, _):
        begun.set()
        finish.wait(20)
        connection.sendall(response(still_video.mp4(5000)))

    answers = []
    with loopback(answer) as port:
        url = f"http://127.0.0.1:{port}/a.mp4"
        waiting = threading.Thread(target=lambda: answers.append(mock.identify(url, token="slow")))
        waiting.start()
        assert begun.wait(20)
        assert mock.identify(token="quick").status == 200
        assert mock.create(token="quick").status == 200
        assert answers == []
        finish.set()
        waiting.join(20)
    assert answers[0].status in (200, 400)


def test_a_large_video_is_measured_like_a_small_one(mock):
    film = still_video.mp4(5000)
    with file_server(film + box(b"free", SMALL_VIDEO)) as port:
        session_id = mock.identify(f"http://127.0.0.1:{port}/a.mp4").data["session_id"]
    assert mock.control("GET", "/world")["sessions"][session_id]["video_ms"] == 5000


# A header says where nobody looked at the video.


@pytest.mark.parametrize(
    "source", [{"video_id": "12345"}, {"video_url": VIDEO_URL}, {"video_url": f"{VIDEO_URL}#faces=1"}]
)
def test_an_answer_about_a_synthetic_video_says_so(mock, source):
    assert mock.identify(**source).headers["X-Kling-Synthetic"] == "video"


def test_an_answer_about_a_listed_video_or_a_result_does_not_say_that_it_is_synthetic(mock):
    (video,) = finished_task(mock)["task_result"]["videos"]

    assert "X-Kling-Synthetic" not in mock.identify(video_id=video["id"]).headers
    mock.put_world(videos={VIDEO_URL: {"duration_ms": 8000, "faces": {"0": [0, 8000]}}})
    assert "X-Kling-Synthetic" not in mock.identify(VIDEO_URL).headers


# Ids that were sent by mistake.


def test_the_id_of_a_task_is_no_video_as_observed_upstream(mock):
    task_id = mock.create().data["task_id"]
    answer = mock.identify(video_id=task_id)
    assert (answer.status, answer.code, answer.broken) == (400, 1201, ["video-id-unknown"])
    assert answer.message == f"From video not found by id: {task_id}"


def test_an_id_that_the_world_does_not_list_is_named(mock):
    mock.put_world(videos={})
    assert mock.identify(video_id="12345").message == "From video not found by id: 12345"

"""The mock's own files: results, voices, source videos and faces, downloaded and given back to the mock."""

import http.client
import io
import json
import socket
import wave
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import pytest

from kling_contracts import Contract, DocumentError
from kling_contracts.documents.loading import COMPANIONS
from kling_contracts.media import video
from kling_mock_server.adapters import waitress_server
from kling_mock_server.adapters.live_server import LiveServer
from kling_mock_server.state.journal import digest_of
from support.contract_folder import changed, copy_of_documents
from support.serving import PATH, SESSION, Answer, Mock, payload
from support.workflow import DAY_MS, IDENTIFY, ORIGIN, TTS, Caller, said, task_path

ENDS_MS = 150_000
LONG = "A sentence that is long enough to be used for lip-sync, with a pause or two. " * 2


@pytest.fixture
def mock():
    return Caller(pace="manual")


@pytest.fixture(params=["rendered", "neutral"])
def rendering(request, monkeypatch):
    """With PyAV installed, and as if it were not."""
    if request.param == "rendered":
        pytest.importorskip("av")
    else:
        monkeypatch.setattr("kling_mock_server.assets.renderer._can_render", lambda: False)


def succeeded(mock, **changes):
    """Create a task and advance the clock to its end; returns its state."""
    answer = mock.create(**changes)
    assert answer.status == 200, answer.body
    mock.advance(ENDS_MS)
    return mock.query(answer.data["task_id"]).data


def result_url(mock, **changes):
    (result,) = succeeded(mock, **changes)["task_result"]["videos"]
    return result["url"]


def folder_of(url):
    return urlsplit(url).path.split("/")[3]


def audio_url(mock, text=LONG):
    (audio,) = mock.speak(text).data["task_result"]["audios"]
    return audio["url"]


@pytest.fixture(scope="module")
def files():
    """A mock, and the URL of one file of each kind."""
    mock = Caller(pace="manual")
    state = succeeded(mock)
    (result,) = state["task_result"]["videos"]
    (face, *_) = mock.identify().data["face_data"]
    urls = {
        "results": result["url"],
        "videos": state["task_info"]["parent_video"]["url"],
        "audios": audio_url(mock),
        "faces": face["face_image"],
    }
    return mock, urls


each_kind = pytest.mark.parametrize("kind", ["results", "videos", "audios", "faces"])


# What a download holds.


@pytest.mark.usefixtures("rendering")
@pytest.mark.parametrize("video_ms", [2000, 2001, 12_345])
def test_a_result_is_an_mp4_of_exactly_the_videos_duration(mock, video_ms):
    session = {"video_ms": video_ms, "faces": {"-1": [0, video_ms]}}
    mock.put_world(sessions={SESSION: session})
    answer = mock.download(result_url(mock, sound_end_time=2000, sound_insert_time=0))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "video/mp4")
    assert (video.identify(answer.body), video.measure(answer.body).duration_ms) == ("mp4", video_ms)


@pytest.mark.usefixtures("rendering")
def test_a_result_is_the_same_at_every_download(mock):
    url = result_url(mock)
    assert mock.download(url).body == mock.download(url).body


@pytest.mark.parametrize("video_ms", [2000, 10_000, 60_000])
def test_the_source_of_a_task_is_an_mp4_of_its_duration(mock, video_ms):
    mock.put_world(sessions={SESSION: {"video_ms": video_ms, "faces": {"-1": [0, video_ms]}}})
    task_id = mock.create(sound_end_time=2000, sound_insert_time=0).data["task_id"]
    answer = mock.download(mock.query(task_id).data["task_info"]["parent_video"]["url"])
    assert video.measure(answer.body).duration_ms == video_ms


def test_a_voice_is_a_wav_of_its_duration(files):
    mock, urls = files
    with wave.open(io.BytesIO(mock.download(urls["audios"]).body)) as file:
        duration_ms = file.getnframes() * 1000 / file.getframerate()
    (told,) = mock.speak(LONG).data["task_result"]["audios"]
    assert duration_ms == round(float(told["duration"]) * 1000)


# How it is asked for.


@each_kind
def test_nobody_needs_a_token(files, kind):
    mock, urls = files
    assert mock.download(urls[kind]).status == 200
    assert mock.download(urls[kind], authorization="Bearer somebody-else").status == 200
    assert mock.download(urls[kind], authorization="nonsense").status == 200


@each_kind
def test_the_head_of_a_file_tells_what_the_file_would(files, kind):
    mock, urls = files
    whole, head = mock.download(urls[kind]), mock.download(urls[kind], "HEAD", range="bytes=0-1")
    assert (head.status, head.headers) == (whole.status, whole.headers)


@each_kind
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_file_can_only_be_got(files, kind, method):
    mock, urls = files
    answer = mock.download(urls[kind], method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=0-", 0, None),
    ("bytes=10-19", 10, 20),
    ("bytes=10-", 10, None),
    ("bytes=-5", -5, None),
    ("bytes=-999999999", 0, None),
    ("bytes=0-999999999", 0, None),
]


@each_kind
@pytest.mark.parametrize(("header", "start", "stop"), RANGES, ids=[header for header, *_ in RANGES])
def test_a_part_of_a_file_is_that_part(files, kind, header, start, stop):
    mock, urls = files
    whole = mock.download(urls[kind]).body
    answer = mock.download(urls[kind], range=header)
    assert (answer.status, answer.body) == (206, whole[start:stop])
    first = range(len(whole))[start:stop].start
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(whole)}"


def test_a_file_in_parts_is_the_file(files):
    mock, urls = files
    whole = mock.download(urls["audios"]).body
    step = len(whole) // 7
    parts = [
        mock.download(urls["audios"], range=f"bytes={at}-{at + step - 1}").body for at in range(0, len(whole), step)
    ]
    assert b"".join(parts) == whole


@pytest.mark.parametrize(
    "header", ["bytes={length}-", "bytes={length}-9999999999", "bytes=-0", "bytes=99999999999999-"]
)
def test_a_part_beyond_the_end_cannot_be_had(files, header):
    mock, urls = files
    length = len(mock.download(urls["audios"]).body)
    answer = mock.download(urls["audios"], range=header.format(length=length))
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{length}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_a_range_that_is_none_is_ignored(files, header):
    mock, urls = files
    whole = mock.download(urls["audios"])
    answer = mock.download(urls["audios"], range=header)
    assert (answer.status, answer.body) == (200, whole.body)


# What is not there.


@each_kind
def test_a_file_of_another_account_does_not_exist(files, kind):
    mock, urls = files
    account = urls[kind].split("/")[5]
    for other in ("0" * 16, "nobody", "f00d"):
        answer = mock.download(urls[kind].replace(account, other))
        # Everybody's default world holds the source of the vendor's example.
        assert answer.status == 404 or (kind, other) == ("videos", "nobody")


@each_kind
@pytest.mark.parametrize(
    "name",
    ["1", "0", "-1", "x", "9" * 18, "9" * 5000, "", "%20", "..", "%2e%2e", "a%2Fb", "%00", "%ff", "%F0%9F%99%82", "٣"],
)
def test_an_unknown_file_does_not_exist(files, kind, name):
    mock, urls = files
    folder, _, last = urls[kind].rpartition("/")
    answer = mock.download(f"{folder}/{name}.{last.rpartition('.')[2]}")
    assert (answer.status, answer.code) == (404, 1203)


@pytest.mark.parametrize(
    "path",
    [
        "/_mock/files/",
        "/_mock/files//",
        "/_mock/files/a",
        "/_mock/files/a/results/",
        "/_mock/files/a/secrets/1.mp4",
        "/_mock/files/A/results/1.mp4",
        "/_mock/files/a/results/1",
        "/_mock/files/a/results/1.wav",
        "/_mock/files/a/audios/1.mp4",
        "/_mock/files/../results/1.mp4",
        "/_mock/files/%00/results/1.mp4",
    ],
)
def test_a_path_that_leads_to_no_file_is_a_404(files, path):
    mock, _ = files
    assert mock.download(ORIGIN + path).status == 404


def test_the_token_does_not_tell_where_an_accounts_files_are():
    folders = [folder_of(result_url(Caller(pace="manual"))) for _ in range(2)]
    assert folders[0] != folders[1]
    assert not any(digest_of("key") in folder for folder in folders)


def test_a_folder_that_differs_in_one_digit_is_nobodys(mock):
    url = result_url(mock)
    folder = folder_of(url)
    for place in range(len(folder)):
        other = folder[:place] + ("1" if folder[place] == "0" else "0") + folder[place + 1 :]
        assert mock.download(url.replace(folder, other)).status == 404


def test_the_digest_of_a_token_leads_to_no_file(mock):
    url = result_url(mock)
    assert mock.download(url.replace(folder_of(url), digest_of("key"))).status == 404


def test_asking_for_a_file_makes_no_account(mock):
    before = len(mock.responder.accounts._by_key)
    for number in range(10):
        mock.download(f"{ORIGIN}/_mock/files/{number:048x}/results/1.mp4")
    assert len(mock.responder.accounts._by_key) == before


def test_a_result_is_not_there_before_its_task_has_succeeded(mock):
    task_id = mock.create().data["task_id"]
    folder = folder_of(mock.query(task_id).data["task_info"]["parent_video"]["url"])
    url = f"{ORIGIN}/_mock/files/{folder}/results/{int(task_id) + 1}.mp4"
    assert mock.download(url).status == 404
    mock.advance(ENDS_MS - 1)
    assert mock.download(url).status == 404
    mock.advance(1)
    assert mock.download(url).status == 200


def test_a_failed_task_has_no_result(mock):
    mock.control("PUT", "/scenario", {"name": "failed-task"})
    state = succeeded(mock)
    url = state["task_info"]["parent_video"]["url"]
    folder = url.rpartition("/videos/")[0]
    assert mock.download(f"{folder}/results/{int(state['task_id']) + 1}.mp4").status == 404


@pytest.mark.parametrize(("advance_ms", "status"), [(30 * DAY_MS, 200), (30 * DAY_MS + 1, 404)])
def test_a_result_is_there_for_30_days(mock, advance_ms, status):
    url = result_url(mock)
    mock.advance(advance_ms)
    assert mock.download(url).status == status


@pytest.mark.parametrize("forget", ["world", "reset"])
def test_files_are_forgotten_with_what_they_belong_to(mock, forget):
    urls = [result_url(mock), audio_url(mock)]
    if forget == "world":
        mock.put_world()
    else:
        mock.control("POST", "/reset")
    assert [mock.download(url).status for url in urls] == [404, 404]


@pytest.mark.parametrize("session_id", ["会话-1", "a b", "a/b", "a?b#c", "%41", "..", "x" * 300, "a.mp4"])
def test_a_file_of_any_name_can_be_downloaded(mock, session_id):
    mock.control(
        "PUT", "/world", {"sessions": {session_id: {"video_ms": 10_000, "faces": {"-1": [0, 10_000]}}}, **AUDIOS}
    )
    answer = mock.post({**payload(), "session_id": session_id})
    url = mock.query(answer.data["task_id"]).data["task_info"]["parent_video"]["url"]
    assert quote(url, safe=":/%") == url
    assert mock.download(url).status == 200
    # The mock knows its own file by that URL, too.
    assert mock.identify(url).broken == []
    assert mock.identify(url.replace(".mp4", "x.mp4")).broken == ["video-url-unreachable"]


AUDIOS = {"audios": {"825451760499568680": {"duration_ms": 8000}}}


def test_downloads_stand_in_the_journal_of_the_account_whose_file_it_is(mock):
    url = result_url(mock)
    mock.download(url, authorization="Bearer leaked")
    mock.download(url.replace(".mp4", ".mov"))
    entries = [entry for entry in mock.journal()["entries"] if entry["operation"] == "download"]
    told = [(entry["response"]["status"], bool(entry["request"]["token_sha256"])) for entry in entries]
    # What leads to no account's file stands in nobody's journal.
    assert told == [(200, True)]


# Given back to the mock.


@pytest.mark.parametrize("fetch", ["none", "loopback"])
def test_the_mocks_own_urls_are_looked_into_without_traffic(monkeypatch, fetch):
    mock = Caller(pace="manual", fetch=fetch)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("there was traffic"))
    sound, film = audio_url(mock), result_url(mock)
    answer = mock.create(audio_id="", sound_file=sound)
    assert (answer.broken, answer.unverified) == ([], [])
    session_id = mock.identify(film).data["session_id"]
    assert mock.control("GET", "/world")["sessions"][session_id]["video_ms"] == 10_000


@pytest.mark.parametrize("origin", ["http://localhost:1", "https://kling.example/api", "http://[::1]:80"])
def test_they_are_known_under_any_name_of_the_mock(origin):
    mock = Caller(pace="manual", fetch="none")
    answer = mock.create(audio_id="", sound_file=audio_url(mock).replace(ORIGIN, origin))
    assert (answer.broken, answer.unverified) == ([], [])


@pytest.mark.parametrize("suffix", ["?x=1", "#faces=1", "?a=/_mock/files/#b"])
def test_query_and_fragment_change_nothing(mock, suffix):
    assert mock.create(audio_id="", sound_file=audio_url(mock) + suffix).broken == []


def test_a_voice_that_is_no_longer_there_does_not_answer(mock):
    url = audio_url(mock)
    mock.advance(30 * DAY_MS + 1)
    mock.control("PUT", f"/sessions/{SESSION}", {"video_ms": 10_000, "faces": {"-1": [0, 10_000]}})
    assert mock.create(audio_id="", sound_file=url).broken == ["sound-file-unreachable"]


def test_a_rendered_result_is_a_source_like_any_other(mock):
    url = result_url(mock)
    mock.download(url)
    assert mock.identify(url).broken == []


def test_a_result_is_no_sound(mock):
    assert "sound-file-format" in mock.create(audio_id="", sound_file=result_url(mock)).broken


def test_a_voice_is_no_video(mock):
    assert "video-format" in mock.identify(audio_url(mock)).broken


# Over HTTP.


class FileClient:
    """A client of one mock that listens."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, **headers):
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Authorization": "Bearer key", **headers})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def download(self, url, method="GET", **headers):
        assert url.startswith(self.url), url
        return self.ask(method, url.removeprefix(self.url), **headers)


@contextmanager
def listening(**options):
    with LiveServer(**options) as server:
        yield FileClient(server.url)


@pytest.fixture
def one_thread(monkeypatch):
    monkeypatch.setattr(waitress_server, "THREADS", 1)


def finished(client):
    """Walk the whole way; returns the URLs of the voice and of the result."""
    (audio,) = client.ask("POST", TTS, said(LONG)).data["task_result"]["audios"]
    task_id = client.ask("POST", PATH, payload(audio_id=audio["id"])).data["task_id"]
    client.ask("POST", "/_mock/clock", {"advance_ms": ENDS_MS})
    (result,) = client.ask("GET", task_path(task_id)).data["task_result"]["videos"]
    return audio["url"], result["url"]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_server_of_one_thread_looks_into_its_own_files(monkeypatch, name):
    # A rendered result is smaller than a source may be.
    monkeypatch.setattr("kling_mock_server.assets.renderer._can_render", lambda: False)
    with listening() as client:
        sound, film = (url.replace("127.0.0.1", name) for url in finished(client))
        assert client.ask("POST", PATH, payload(audio_id="", sound_file=sound)).broken == []
        answer = client.ask("POST", IDENTIFY, {"video_url": film})
        assert (answer.status, answer.broken) == (200, [])


def test_files_of_another_mock_are_fetched_from_it(monkeypatch):
    # A rendered result is smaller than a source may be.
    monkeypatch.setattr("kling_mock_server.assets.renderer._can_render", lambda: False)
    with listening() as client, listening() as other:
        sound, film = finished(other)
        answer = client.ask("POST", PATH, payload(audio_id="", sound_file=sound))
        assert (answer.broken, answer.unverified) == ([], [])
        assert client.ask("POST", IDENTIFY, {"video_url": film}).broken == []


def test_files_come_over_http_as_they_are():
    with listening() as client:
        _, url = finished(client)
        whole = client.download(url)
        head = client.download(url, "HEAD")
        part = client.download(url, Range="bytes=4-7")
        beyond = client.download(url, Range=f"bytes={len(whole.body)}-")
    assert (whole.status, whole.headers["Content-Length"]) == (200, str(len(whole.body)))
    assert video.measure(whole.body).duration_ms == 10_000
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(whole.body)), b"")
    assert (part.status, part.body, part.headers["Content-Length"]) == (206, b"ftyp", "4")
    assert (beyond.status, beyond.body) == (416, b"")


def test_a_file_that_is_missing_is_refused_as_the_documents_say(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, COMPANIONS, "{id: file-missing, code: 1203,", "{id: file-missing, code: 1202,")
    mock = Mock(contract=Contract.load(folder=folder))

    assert mock.ask("GET", "/_mock/files/0123456789abcdef/results/1.mp4").code == 1202


def test_documents_without_a_rule_of_the_mocks_own_are_refused_at_the_start(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, COMPANIONS, "id: store-down,", "id: store-dwon,")

    with pytest.raises(DocumentError, match="x-mock-rules lacks store-down"):
        Mock(contract=Contract.load(folder=folder))

"""The length that an answer gives of a file is held against the file, as far as anybody can measure it."""

import pytest

from kling_contracts.cases.answers import Expected
from kling_contracts.media import silent_audio, still_video
from kling_mock_server.testing.fuzzing.answered_files import MAX_FILES, AnsweredFiles
from support.serving import file_server

URLS = "/data/audios/-/url"
LENGTHS = Expected(200, 0, lengths={"/data/audios/-/duration": URLS})
FILES = Expected(200, 0, files=(URLS,))
NOBODY = "http://127.0.0.1:9/a.wav"


def answer(*audios):
    return {"data": {"audios": [dict(zip(("url", "duration"), audio, strict=False)) for audio in audios]}}


@pytest.mark.parametrize(
    ("told", "is_wrong"),
    [
        ("1.899", True),
        ("1.9", True),
        ("1.901", False),
        ("2", False),
        ("2.099", False),
        ("2.1", True),
        ("2 s", True),
        ("nan", True),
    ],
)
def test_a_length_may_be_rounded_to_one_decimal(told, is_wrong):
    with file_server(silent_audio.mp3(2000)) as port:
        url = f"http://127.0.0.1:{port}/a"
        wrong = AnsweredFiles().wrong(LENGTHS, answer((url, "2"), (url, told)))
    text = f"is {told!r}, but the file at {url} lasts 2000 ms"
    assert wrong == ({"/data/audios/1/duration": text} if is_wrong else {})


def test_a_video_has_a_length_too():
    with file_server(still_video.mp4(3000)) as port:
        wrong = AnsweredFiles().wrong(LENGTHS, answer((f"http://127.0.0.1:{port}/a", "9")))
    assert list(wrong) == ["/data/audios/0/duration"]


@pytest.mark.parametrize(
    "told", [("https://files.example/a.wav", "9"), (NOBODY, "9"), (NOBODY,), (7, "9"), (NOBODY, 9), ("", "9")], ids=str
)
def test_what_cannot_be_measured_is_not_judged(told):
    assert not AnsweredFiles().wrong(LENGTHS, answer(told))


@pytest.mark.parametrize("content", [b"no audio", b"OggS", silent_audio.wav(2000)[:20]])
def test_a_file_that_is_no_audio_is_not_judged(content):
    with file_server(content) as port:
        assert not AnsweredFiles().wrong(LENGTHS, answer((f"http://127.0.0.1:{port}/a", "9")))


@pytest.mark.parametrize("given", [None, [], {"data": None}, {"data": {"audios": {}}}, {"data": {"audios": [None]}}])
def test_an_answer_of_another_form_has_no_wrong_length(given):
    assert not AnsweredFiles().wrong(LENGTHS, given)


def test_only_so_many_files_are_downloaded():
    with file_server(silent_audio.wav(2000)) as port:
        url = f"http://127.0.0.1:{port}/a"
        wrong = AnsweredFiles().wrong(LENGTHS, answer(*[(url, "9")] * (MAX_FILES + 1)))
    assert len(wrong) == MAX_FILES


def test_a_url_that_leads_to_nothing_is_wrong():
    wrong = AnsweredFiles().wrong(FILES, answer((NOBODY, "9")))

    assert wrong["/data/audios/0/url"].startswith(f"is '{NOBODY}', where there is no file: ")


@pytest.mark.parametrize("url", ["https://files.example/a.wav", 7, None])
def test_a_file_elsewhere_is_not_looked_for(url):
    assert not AnsweredFiles().wrong(FILES, answer((url, "9")))


def test_a_file_that_is_there_may_be_any():
    with file_server(b"no audio") as port:
        assert not AnsweredFiles().wrong(FILES, answer((f"http://127.0.0.1:{port}/a",)))

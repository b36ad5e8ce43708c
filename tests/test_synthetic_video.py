"""Videos that nobody can look at: a pure function of their names, and of the fragment that chooses otherwise."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.facts.world import Face, VideoFile
from kling_contracts.media import still_video
from kling_contracts.unknown import Absent, Unknown
from kling_mock_server.assets.synthetic_video import Choices, choices_of, notes_on, video_of
from support.serving import environment
from support.workflow import Caller

URL = "https://example.com/talk.mp4"
UNSEEN = Unknown("nobody looked")

urls = st.from_regex(r"https?://[a-z0-9.]{1,20}/[ -~]{0,40}", fullmatch=True) | st.text(min_size=1, max_size=60)
NUMBERS = ("faces", "duration", "width", "height", "size")


def unseen(name):
    return video_of(name, UNSEEN)


@given(name=urls)
def test_the_same_name_is_the_same_video(name):
    assert unseen(name) == unseen(name)


def test_it_is_the_same_video_in_every_process():
    code = f"from kling_mock_server.assets.synthetic_video import *; print(repr(video_of({URL!r}, Unknown(''))))"
    seeds = [{"PYTHONHASHSEED": seed} for seed in ("0", "1")]
    printed = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment(**seed), capture_output=True, text=True, check=True
        )
        for seed in seeds
    ]
    assert {one.stdout.strip() for one in printed} == {repr(unseen(URL))}


@given(name=st.from_regex(r"https?://[a-z0-9.]{1,20}/[a-z]{0,20}(\.mp4|\.mov)?", fullmatch=True))
def test_a_video_that_is_made_up_is_always_a_good_one(name):
    answer = Caller(fetch="none").identify(name)
    assert (answer.status, answer.broken) == (200, [])
    assert 1 <= len(answer.data["face_data"]) <= 2


@given(name=urls)
def test_faces_lie_within_the_video_one_after_the_other(name):
    video = unseen(name)
    ends = [0, *(end for face in video.faces.values() for end in face), video.duration_ms]
    assert ends == sorted(ends)
    assert list(video.faces) == [str(index) for index in range(len(video.faces))]


def test_names_make_different_videos():
    videos = [unseen(f"https://example.com/{number}.mp4") for number in range(200)]
    assert len({video.duration_ms for video in videos}) > 20
    assert len({(video.width_px, video.height_px) for video in videos}) > 1
    assert {len(video.faces) for video in videos} == {1, 2}


def test_a_face_can_be_used_for_a_clip_of_two_seconds_whatever_the_video():
    shortest = min(
        face.end_ms - face.start_ms
        for number in range(500)
        for face in unseen(f"https://example.com/{number}").faces.values()
    )
    assert shortest >= 2000


# The fragment.


@pytest.mark.parametrize("name", NUMBERS)
@given(number=st.integers(0, 10**12 - 1))
def test_a_number_is_what_it_says(name, number):
    assert choices_of(f"{URL}#{name}={number}") == Choices()._replace(**{name: number})


@given(first=st.integers(0, 10**8), length=st.integers(1, 10**8))
def test_a_face_is_an_interval(first, length):
    assert choices_of(f"{URL}#face={first}-{first + length}").intervals == (Face(first, first + length),)


@given(
    parts=st.lists(
        st.sampled_from(["faces=2", "duration=9000", "width=512", "format=webm", "flagged", "t=1", "", "x"]), max_size=5
    )
)
def test_the_fragment_changes_what_it_names_and_nothing_else(parts):
    plain, chosen = unseen(URL), unseen(f"{URL}#{'&'.join(parts)}")
    assert chosen.duration_ms == (9000 if "duration=9000" in parts else plain.duration_ms)
    assert chosen.width_px == (512 if "width=512" in parts else plain.width_px)
    assert chosen.height_px == plain.height_px
    assert chosen.size_bytes == plain.size_bytes
    assert chosen.format == ("webm" if "format=webm" in parts else plain.format)
    assert chosen.flagged == ("flagged" in parts)
    if "faces=2" in parts:
        assert len(chosen.faces) == 2
    elif "duration=9000" not in parts:
        assert chosen.faces == plain.faces


@given(fragment=st.text(max_size=60))
def test_a_fragment_may_hold_anything(fragment):
    name = f"{URL}#{fragment}"
    assert isinstance(unseen(name), VideoFile)
    # A fragment that is not ours chooses nothing.
    if choices_of(name) == Choices():
        assert unseen(name) == unseen(URL)


def test_of_two_choices_of_one_name_the_later_one_counts():
    assert choices_of(f"{URL}#faces=1&faces=2").faces == 2


def test_faces_that_are_given_one_by_one_are_all_there_are():
    assert unseen(f"{URL}#faces=5&face=0-1000&face=2000-3000").faces == {"0": Face(0, 1000), "1": Face(2000, 3000)}


@pytest.mark.parametrize("fragment", ["faces=999999999999", "&".join(["face=1-2"] * 1000)])
def test_there_are_never_more_than_20_faces(fragment):
    assert len(unseen(f"{URL}#{fragment}").faces) == 20


@pytest.mark.parametrize("duration_ms", [0, 1, 10, 1999, 10**12 - 1])
@pytest.mark.parametrize("faces", [0, 1, 20])
def test_any_duration_holds_any_number_of_faces(duration_ms, faces):
    video = unseen(f"{URL}#duration={duration_ms}&faces={faces}")
    assert len(video.faces) == faces
    assert all(0 <= face.start_ms <= face.end_ms <= duration_ms for face in video.faces.values())


@given(fragment=st.text(alphabet="facesdurtionwhgzlmp=&-0123456789", max_size=40))
def test_what_is_noted_chooses_nothing_and_what_chooses_is_not_noted(fragment):
    for part in fragment.split("&"):
        notes = notes_on(f"{URL}#{part}", "/video_url")
        assert not notes or choices_of(f"{URL}#{part}") == Choices()
        assert not notes or "=" in part


@pytest.mark.parametrize(
    "part", [f"{name}={value}" for name in NUMBERS for value in ("", "x", "-1", "1.5", "1e3", "٣", "1" * 13)]
)
def test_a_number_that_is_none_is_noted(part):
    (note,) = notes_on(f"{URL}#{part}", "/video_url")
    assert note.pointer == "/video_url"
    assert "takes a number" in note.message


def test_a_note_shows_the_beginning_of_a_long_value_only():
    (note,) = notes_on(f"{URL}#faces={'x' * 10_000}", "/video_url")
    assert len(note.message) < 200


# What can be looked at.


def test_a_video_that_is_there_is_measured_and_its_faces_are_made_up():
    film = still_video.mp4(8000, 1920, 1080)
    video = video_of(URL, film)
    assert (video.format, video.size_bytes, video.duration_ms) == ("mp4", len(film), 8000)
    assert (video.width_px, video.height_px) == (1920, 1080)
    assert video.faces
    assert all(face.end_ms <= 8000 for face in video.faces.values())


def test_the_fragment_is_laid_over_what_was_measured():
    film = still_video.mp4(8000)
    assert video_of(f"{URL}#duration=3000&width=600", film)[2:4] == (3000, 600)


def test_a_video_that_does_not_exist_is_not_made_up():
    gone = Absent("gone")
    assert video_of(f"{URL}#faces=3", gone) is gone


@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_video_are_of_no_good_format(data):
    assert video_of(URL, data).format not in ("mp4", "mov")


def test_an_unknown_video_is_judged_by_the_extension_that_it_is_named_by():
    assert [unseen(f"https://example.com/a{end}").format for end in (".mp4", ".mov", ".webm", ".avi", "", ".xyz")] == [
        "mp4",
        "mp4",
        "webm",
        "avi",
        "mp4",
        "mp4",
    ]


def test_the_fragment_is_no_part_of_the_extension():
    assert unseen("https://example.com/a.webm#b.mp4").format == "webm"

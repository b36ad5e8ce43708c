"""A world may be as large as an account, and no larger: it is read in less than a second, or refused at once."""

import pytest

from kling_mock_server.state.world_size import MAX_ENTRIES
from support.serving import SESSION
from support.workflow import Caller


@pytest.fixture(scope="module")
def mock():
    return Caller(pace="manual", fetch="none")


def put(mock, world):
    return mock.ask("PUT", "/_mock/world", world)


def table(count, entry):
    return {name: entry for name in names(count)}  # noqa: C420


def names(count):
    return [str(number) for number in range(count)]


OF_EACH_KIND = {
    "audios": lambda n: {"audios": table(n, {"duration_ms": 8000})},
    "faces": lambda n: {"sessions": {"1": {"video_ms": 9, "faces": table(n - 1, [0, 9])}}},
    "voices": lambda n: {"voices": table(n, "en")},
}


@pytest.mark.parametrize("kind", OF_EACH_KIND)
def test_a_world_of_the_most_entries_is_put(mock, kind):
    assert put(mock, OF_EACH_KIND[kind](MAX_ENTRIES)).status == 200


@pytest.mark.parametrize("kind", OF_EACH_KIND)
def test_one_entry_more_is_refused_with_both_numbers(mock, kind):
    answer = put(mock, OF_EACH_KIND[kind](MAX_ENTRIES + 1))
    assert (answer.status, answer.code) == (400, 1200)
    assert f"at most {MAX_ENTRIES} entries" in answer.message
    assert str(MAX_ENTRIES + 1) in answer.message


WRONG = {
    "audios": lambda: {"audios": table(100_000, 1)},
    "faces": lambda: {"sessions": {"1": {"video_ms": 9, "faces": table(100_000, [[]])}}},
    "members": lambda: table(100_000, 1),
    "members of an entry": lambda: {"audios": {"1": table(100_000, 1)}},
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_world_of_hundreds_of_thousands_of_entries_is_refused_before_it_is_judged(mock, monkeypatch, kind):
    monkeypatch.setattr("kling_contracts.facts.world.World.from_json", lambda _: pytest.fail("it was judged"))
    answer = put(mock, WRONG[kind]())
    assert answer.status == 400
    assert "entries" in answer.message


def test_ids_and_words_are_not_counted(mock):
    assert put(mock, {"external_task_ids": names(50_000), "flagged_words": names(50_000)}).status == 200


def test_a_session_of_too_many_faces_is_refused(mock):
    body = {"video_ms": 9, "faces": table(MAX_ENTRIES, [0, 9])}
    assert mock.ask("PUT", f"/_mock/sessions/{SESSION}", body).status == 400
    del body["faces"]["0"]
    assert mock.ask("PUT", f"/_mock/sessions/{SESSION}", body).status == 200

"""Named tuples of our own making are those of `typing`."""

import copy
import inspect
import pickle
import typing

import pytest

from kling_contracts import named_tuple

TYPING = typing.NamedTuple


class Ours(named_tuple.NamedTuple):
    """A span of ms."""

    start_ms: int
    end_ms: int = 2000
    label: str = ""

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


class Theirs(TYPING):
    """A span of ms."""

    start_ms: int
    end_ms: int = 2000
    label: str = ""


BOTH = pytest.mark.parametrize("kind", [Ours, Theirs], ids=["ours", "typing"])


@BOTH
def test_fields_are_given_in_order_by_name_or_by_default(kind):
    assert tuple(kind(1)) == (1, 2000, "")
    assert tuple(kind(1, label="clip")) == (1, 2000, "clip")
    assert kind(1, 2) == (1, 2, "") != kind(2, 1)
    assert (kind(1, 2).start_ms, kind(1, 2).end_ms) == (1, 2)
    assert hash(kind(1, 2)) == hash((1, 2, ""))


@BOTH
@pytest.mark.parametrize("given", [{}, {"end_ms": 1}, {"start_ms": 1, "until": 2}])
def test_a_field_that_is_missing_or_unknown_is_refused(kind, given):
    with pytest.raises(TypeError):
        kind(**given)


@BOTH
def test_nothing_is_assigned_or_added(kind):
    span = kind(1)
    for name in ("start_ms", "other"):
        with pytest.raises(AttributeError):
            setattr(span, name, 3)


@BOTH
def test_one_is_replaced_listed_and_made_of_values(kind):
    span = kind(1)
    assert span._replace(end_ms=5) == kind(1, 5)
    assert span._asdict() == {"start_ms": 1, "end_ms": 2000, "label": ""}
    assert kind._make([1, 2, "x"]) == kind(1, 2, "x")
    with pytest.raises((ValueError, TypeError), match="until"):
        span._replace(until=1)
    with pytest.raises(TypeError, match="Expected 3 arguments, got 2"):
        kind._make([1, 2])


@BOTH
def test_a_tuple_is_copied_pickled_and_matched(kind):
    span = kind(1, 2, "clip")
    for twin in (copy.copy(span), copy.deepcopy(span), pickle.loads(pickle.dumps(span))):
        assert (type(twin), twin) == (kind, span)
    match span:
        case kind(start, end):
            assert (start, end) == (1, 2)


def test_a_class_says_the_same_of_itself():
    for name in ("_fields", "_field_defaults", "__annotations__", "__match_args__", "__doc__", "__bases__"):
        assert getattr(Ours, name) == getattr(Theirs, name)
    assert list(inspect.signature(Ours).parameters) == ["start_ms", "end_ms", "label"]
    assert repr(Ours(1)) == repr(Theirs(1)).replace("Theirs", "Ours") == "Ours(start_ms=1, end_ms=2000, label='')"
    assert Ours(1).length_ms == 1999


def test_a_class_of_names_alone_has_no_limit():
    names = [f"field{index}" for index in range(300)]
    assert named_tuple.named_tuple("Many", names)(*range(300)).field299 == 299
    assert named_tuple.named_tuple("None_", [])() == ()

"""Results that are kept by a text: only of short texts."""

import pytest

from kling_mock_server.state.short_text_cache import MAX_LENGTH, cached_for_short


@pytest.mark.parametrize(("length", "times"), [(MAX_LENGTH, 1), (MAX_LENGTH + 1, 2)])
def test_the_result_of_a_long_text_is_not_kept(length, times):
    asked = []

    @cached_for_short(10)
    def length_of(text):
        asked.append(text)
        return len(text)

    assert [length_of("x" * length), length_of("x" * length)] == [length, length]
    assert len(asked) == times

"""The inspector page in a real browser: exchanges as they arrive, why each was refused, its times drawn."""

import json
import re
from itertools import pairwise

import pytest
import requests

from support.browser import Visitor
from support.page import TTS, client, create, until
from support.serving import PATH, PATIENCE_S, payload


def test_a_call_of_a_client_appears_as_it_is_made(visitor, page):
    visitor.visit()
    page.wait_for_selector("#live.on")
    create(visitor)
    page.wait_for_selector(".rows a")
    assert page.inner_text(".rows .what") == "create"
    assert page.inner_text(".rows .pill") == "200"


def test_the_page_asks_again_within_two_seconds(visitor, page):
    visitor.visit()
    asked = "performance.getEntriesByType('resource').filter(one => one.name.includes('/_mock/journal'))"
    until(page, f"{asked}.length > 2")
    times = page.evaluate(f"{asked}.map(one => [one.startTime, one.responseEnd])")
    # A busy machine may be late now and then, not every time.
    assert min(after - end for (_, end), (after, _) in pairwise(times)) < 2000


def test_a_refusal_says_why_with_the_vendors_sentence_and_its_meaning(visitor, page):
    create(visitor, sound_end_time=1999)
    visitor.visit()
    first = page.locator(".detail .violation").first
    first.wait_for()
    text = first.inner_text()
    assert "clip-too-short" in text
    assert "The cropped audio must last at least 2000 ms" in text
    assert "裁剪后音频不得短于2秒" in text
    assert "the cropped audio must not be shorter than 2 seconds" in text
    assert re.search(r"found\s+1999\s+wanted\s+at least 2000", text)


def test_the_field_is_marked_in_the_payload(visitor, page):
    create(visitor, sound_end_time=1999)
    visitor.visit()
    marked = page.locator(".detail .payload .marked")
    marked.first.wait_for()
    assert [line.split("◀")[0].strip() for line in marked.all_inner_texts()] == [
        '"sound_end_time": 1999,',
        '"sound_insert_time": 1000,',
    ]
    assert "clip-too-short" in marked.first.inner_text()


def test_the_timeline_is_drawn_to_scale(visitor, page):
    create(visitor, face_id="0", sound_insert_time=1000, sound_end_time=3000)
    visitor.visit()
    page.wait_for_selector("svg.timeline")
    widths = page.eval_on_selector_all(
        "svg.timeline g.bar",
        "all => Object.fromEntries(all.map(g => [g.dataset.bar, [+g.children[1].getAttribute('x'), "
        "+g.children[1].getAttribute('width')]]))",
    )
    scale = widths["video"][1] / 10_000
    start = widths["video"][0]
    expected = {
        "face": (2000, 5000),
        "inserted": (1000, 3000),
        "overlap": (2000, 2000),
        "audio": (0, 8000),
        "clip": (0, 3000),
    }
    for name, (begins_ms, lasts_ms) in expected.items():
        assert widths[name] == pytest.approx([start + begins_ms * scale, lasts_ms * scale], abs=0.01), name
    assert "overlap 2000–4000 ms" in page.get_attribute("svg.timeline", "aria-label")


def test_nothing_is_cut_at_any_width(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    # The columns stand side by side from 981 pixels on.
    for width in (390, 760, 980, 981, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        hidden = page.eval_on_selector(".scroll:has(svg.timeline)", "one => one.scrollWidth - one.clientWidth")
        # A telephone scrolls the drawing, whose letters would be too small to read.
        assert width < 760 or hidden == 0, width


@pytest.mark.parametrize("start_ms", [0, 12_345_678])
def test_the_times_of_a_bar_stand_beside_its_length_and_not_over_it(visitor, page, start_ms):
    create(visitor, sound_insert_time=start_ms)
    visitor.visit()
    page.wait_for_selector("svg.timeline")
    gaps = page.eval_on_selector_all(
        "svg.timeline .times",
        """all => all.map(text => {
            const length = text.querySelector(".length");
            const before = text.firstChild.length;
            return length.getStartPositionOfChar(0).x - text.getEndPositionOfChar(before - 1).x;
        })""",
    )
    assert min(gaps) > 5


def test_exchanges_are_filtered(visitor, page):
    create(visitor)
    create(visitor, sound_end_time=1999)
    client(visitor).post(visitor.url + TTS, json={}, timeout=PATIENCE_S)
    visitor.visit()
    page.wait_for_selector(".rows li >> nth=2")
    page.get_by_label("any status").select_option("refused")
    assert page.locator(".rows .what").all_inner_texts() == ["tts", "create"]
    page.get_by_label("any rule").select_option("clip-too-short")
    assert page.locator(".rows .what").all_inner_texts() == ["create"]


def test_requests_without_a_key_are_seen_without_a_key(chromium, page_mock):
    requests.post(page_mock.url + PATH, json=payload(), timeout=PATIENCE_S)
    visitor = Visitor(chromium, page_mock.url).visit()
    visitor.page.wait_for_selector(".rows a")
    assert "authorization-missing" in visitor.page.inner_text(".rows")
    visitor.leave()


def test_an_exchange_is_taken_to_the_playground(visitor, page):
    create(visitor, sound_end_time=1999)
    visitor.visit()
    page.get_by_role("button", name="Open in the playground").click()
    page.wait_for_selector(".verdict.bad")
    assert json.loads(page.get_by_label("Payload, judged as you type").input_value()) == payload(sound_end_time=1999)


def test_a_query_is_taken_to_the_playground_with_its_task(visitor, page):
    client(visitor).get(f"{visitor.url}{PATH}/order-1", timeout=PATIENCE_S)
    visitor.visit()
    page.get_by_role("button", name="Open in the playground").click()
    page.wait_for_selector(".verdict.bad")
    assert json.loads(page.get_by_label("Payload, judged as you type").input_value()) == {"task_id": "order-1"}

"""The inspector page in a real browser: by keyboard, for screen readers, and held by axe-core."""

import pytest

from support import axe
from support.browser import Visitor
from support.page import create, entries, until


def test_everything_is_reached_by_keyboard(visitor, page):
    create(visitor)
    create(visitor, sound_end_time=1999)
    page.goto(visitor.url)
    focus(page, "#key")
    page.keyboard.type(visitor.key)
    page.keyboard.press("Enter")
    page.wait_for_selector(".rows li >> nth=1")
    focus(page, ".rows a")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.detail .pill')?.innerText === '200'")
    assert page.evaluate("document.activeElement.matches('.rows a[aria-current]')")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.detail .pill')?.innerText.startsWith('400')")
    focus(page, 'nav a[href="#playground"]', "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict.good")
    focus(page, "textarea")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".answer .pill.good")
    focus(page, 'nav a[href="#account"]', "Shift+Tab")
    page.keyboard.press("Enter")
    focus(page, ".card.clock button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=advanced by")
    assert len(entries(visitor)) == 3


def focus(page, selector, press="Tab"):
    """Press a key until the element has the focus, as somebody without a mouse does; what has it can be seen."""
    for _ in range(60):
        page.keyboard.press(press)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"{selector} is never reached")


def test_the_page_says_to_screen_readers_what_came_in(visitor, page):
    visitor.visit()
    page.wait_for_selector("#live.on")
    create(visitor)
    until(page, "document.getElementById('status')?.textContent === '1 new: create 200'")


SERIOUS = ("serious", "critical")
READY = {
    "exchanges": ".violation",
    "tasks": ".task video",
    "playground": ".verdict.good",
    "account": ".scenarios li",
    "rules": ".rules li",
}


@pytest.mark.parametrize(("scheme", "options"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing_serious_in_any_view(chromium, page_mock, scheme, options):
    checker = axe.script()
    # The checker itself would break the page's policy.
    visitor = Visitor(chromium, page_mock.url, f"axe-{scheme}", color_scheme=scheme, bypass_csp=True)
    page = visitor.page
    create(visitor)
    create(visitor, sound_end_time=1999)
    visitor.visit()
    found = {}
    for view, selector in READY.items():
        visitor.see(view)
        page.wait_for_selector(selector)
        if view == "rules":
            page.get_by_label("Search").fill("sound-file")
        page.evaluate(checker)
        result = page.evaluate("options => axe.run(options)", options)
        found[view] = [
            f"{one['id']}: {node['html'][:100]} {node['failureSummary'][:200]}"
            for one in result["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]
    visitor.leave()
    assert found == {view: [] for view in READY}

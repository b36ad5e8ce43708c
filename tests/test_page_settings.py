"""The inspector page in a real browser: language, theme and key."""

import pytest

from support import serving
from support.browser import Visitor
from support.page import create


def test_the_language_is_switched_and_remembered(visitor, page):
    create(visitor, sound_end_time=1999)
    visitor.visit()
    page.wait_for_selector(".violation")
    page.click("#language")
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert "为何被拒绝" in page.inner_text(".detail")
    assert page.inner_text("nav").split() == ["请求", "任务", "试验台", "账户", "规则"]
    page.reload()
    page.wait_for_selector(".violation")
    assert "为何被拒绝" in page.inner_text(".detail")
    page.click("#language")
    assert "Why it was refused" in page.inner_text(".detail").replace("WHY IT WAS REFUSED", "Why it was refused")


def test_a_chinese_browser_gets_chinese(chromium, page_mock):
    context = chromium.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(page_mock.url)
    page.wait_for_selector("nav a")
    assert page.inner_text("nav a >> nth=0") == "请求"
    context.close()


def test_every_text_is_there_in_both_languages(page, visitor):
    visitor.visit()
    missing = page.evaluate(
        """async () => {
          const text = await (await fetch("_mock/page/i18n.js")).text();
          const names = new Set([...text.matchAll(/^  "?([\\w.-]+)"?: \\[/gm)].map(one => one[1]));
          const asked = new Set();
          for (const file of ["app", "account", "exchanges", "parts", "playground", "rules", "tasks", "timeline"]) {
            const source = await (await fetch(`_mock/page/${file}.js`)).text();
            for (const [, name] of source.matchAll(/\\bt\\("([\\w.-]+)"/g)) asked.add(name);
          }
          return [...asked].filter(name => !names.has(name));
        }"""
    )
    assert missing == []


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen_and_remembered(chromium, page_mock, system):
    visitor = Visitor(chromium, page_mock.url, color_scheme=system).visit()
    page = visitor.page
    page.wait_for_selector("nav a")
    as_system = background(page)
    page.click("#theme")
    light = background(page)
    page.click("#theme")
    dark = background(page)
    assert light != dark
    assert as_system == {"light": light, "dark": dark}[system]
    page.reload()
    page.wait_for_selector("nav a")
    assert background(page) == dark
    visitor.leave()


def test_the_key_lasts_as_long_as_the_tab(visitor, page):
    visitor.visit()
    page.reload()
    assert page.get_by_label("Key").input_value() == visitor.key
    assert visitor.key not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location.href")
    another = visitor.context.new_page()
    another.goto(visitor.url)
    assert another.get_by_label("Key").input_value() == ""


def test_another_key_shows_another_account(visitor, page):
    create(visitor)
    visitor.visit()
    page.wait_for_selector(".rows a")
    page.get_by_label("Key").fill(f"{visitor.key}-other")
    page.keyboard.press("Enter")
    page.wait_for_selector(".empty")
    assert page.locator(".rows a").count() == 0


def test_a_key_that_is_not_let_in_is_told(chromium):
    with serving.running("--token", "friend") as closed:
        visitor = Visitor(chromium, closed.url, "stranger").visit()
        visitor.page.wait_for_selector("#problem:visible")
        assert "The mock refuses this key" in visitor.page.inner_text("#problem")
        visitor.page.get_by_label("Key").fill("friend")
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_selector("#problem", state="hidden")
        visitor.leave()

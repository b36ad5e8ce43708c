"""The inspector page in a real browser: tasks, clock, scenario, limits, world and rules of an account."""

from support.page import control, create, entries, until
from support.serving import payload


def test_a_task_shows_its_callbacks_with_every_attempt(visitor, page):
    create(visitor, {**payload(), "external_task_id": "order-1", "callback_url": "http://127.0.0.1:9/nobody"})
    create(visitor, {**payload(), "callback_url": f"{visitor.url}/_mock/inbox/{visitor.key}"})
    visitor.visit("tasks")
    tasks = page.locator(".task")
    until(page, "document.querySelectorAll('.task')[0]?.querySelectorAll('.attempts li').length === 3")
    assert "submitted · attempt 1 200" in " ".join(tasks.nth(0).inner_text().split())
    assert "order-1" in tasks.nth(1).inner_text()
    assert "attempt 2" in tasks.nth(1).inner_text()


def test_a_result_goes_on_playing_while_the_page_asks_what_is_new(visitor, page):
    create(visitor)
    visitor.visit("tasks")
    page.wait_for_selector(".task video")
    page.eval_on_selector(".task video", "video => { window.mine = video; video.muted = true; return video.play(); }")
    create(visitor)
    page.wait_for_selector(".task >> nth=1")
    assert page.evaluate("window.mine.isConnected && !window.mine.paused")


def test_a_scenario_is_played_and_seen_on_the_next_call(visitor, page):
    visitor.visit("account")
    page.get_by_label("Search: Scenario").fill("rate-limited")
    page.get_by_role("button", name="Play: rate-limited", exact=True).click()
    page.wait_for_selector(".playing")
    assert "rate-limited" in page.inner_text("#state")
    create(visitor)
    visitor.see("exchanges")
    page.wait_for_selector(".detail .fault")
    assert page.inner_text(".detail .told .pill").startswith("429 / 1302")
    visitor.see("account")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(".playing", state="detached")
    assert control(visitor, "GET", "/scenario")["scenario"] is None


def test_after_25_hours_the_session_is_seen_to_expire(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    visitor.see("account")
    page.get_by_label("Amount").fill("25")
    page.get_by_label("Unit").select_option("hours")
    page.get_by_role("button", name="Advance").click()
    page.wait_for_selector("text=advanced by 1.04 d")
    visitor.see("playground")
    page.wait_for_selector(".verdict.bad")
    assert "session-expired" in page.inner_text(".report")


def test_the_number_of_tasks_at_once_is_limited(visitor, page):
    visitor.visit("account")
    page.get_by_label("Limit (empty: any number)").fill("0")
    page.get_by_role("button", name="Set", exact=True).click()
    until(page, "document.querySelector('.card.limits')?.innerText.includes('· 0')")
    assert create(visitor).status_code == 429


def test_a_world_is_replaced_and_a_mistake_in_it_is_told(visitor, page):
    visitor.visit("account")
    page.get_by_text("World as JSON").click()
    page.get_by_label("World as JSON").fill('{"sessions": {"mine": {"video_ms": "long", "faces": {}}}}')
    page.get_by_role("button", name="Replace the world").click()
    until(page, "document.querySelector('[role=alert].message')?.innerText.includes('/sessions/mine/video_ms')")
    page.get_by_label("World as JSON").fill('{"sessions": {"mine": {"video_ms": 5000, "faces": {"7": [0, 5000]}}}}')
    page.get_by_role("button", name="Replace the world").click()
    page.wait_for_selector(".card.world td:has-text('mine')")
    assert list(control(visitor, "GET", "/world")["sessions"]) == ["mine"]


def test_a_view_is_drawn_once_however_late_the_rules_come(visitor, page):
    held = []
    page.route("**/_mock/rules", lambda route: held.append(route))
    visitor.visit("account")
    while not held:
        page.evaluate("0")
    assert page.locator("main details").count() == 0
    held[0].continue_()
    page.get_by_text("World as JSON").click()
    assert page.get_by_label("World as JSON").is_visible()


def test_a_world_that_comes_late_replaces_nothing_that_was_typed(visitor, page):
    held = []
    page.route("**/_mock/world", lambda route: held.append(route))
    visitor.visit("account")
    page.get_by_text("World as JSON").click()
    page.get_by_label("World as JSON").fill("{}")
    while not held:
        page.evaluate("0")
    held[0].continue_()
    page.wait_for_selector(".card.world td")
    assert page.get_by_label("World as JSON").input_value() == "{}"


def test_all_columns_of_the_world_are_in_view(visitor, page):
    control(visitor, "PUT", "/sessions/made-now", {"video_ms": 14_400, "faces": {"0": [0, 14_400]}, "created_ms": 0})
    visitor.visit("account")
    page.wait_for_selector(".world table")
    # The cards stand side by side from 1221 pixels on.
    for width in (760, 1220, 1221):
        page.set_viewport_size({"width": width, "height": 900})
        hidden = page.eval_on_selector_all(".world .scroll", "all => all.map(one => one.scrollWidth - one.clientWidth)")
        assert max(hidden) == 0, width


def test_on_a_telephone_the_head_has_one_line_for_key_language_and_theme(visitor, page):
    page.set_viewport_size({"width": 375, "height": 800})
    visitor.visit()
    tops = page.eval_on_selector_all(".keyform, .top > button", "all => all.map(one => one.getBoundingClientRect())")
    assert len(tops) == 3
    assert max(one["top"] for one in tops) < min(one["bottom"] for one in tops)


def test_a_reset_asks_first(visitor, page):
    create(visitor)
    visitor.visit("account")
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    assert len(entries(visitor)) == 1
    page.get_by_role("button", name="Reset", exact=True).click()
    page.locator("dialog button", has_text="Reset").click()
    page.wait_for_selector("dialog[open]", state="detached")
    visitor.see("exchanges")
    page.wait_for_selector(".empty")
    assert entries(visitor) == []


def test_rules_are_found_by_any_word(visitor, page):
    visitor.visit("rules")
    page.get_by_label("Search").fill("裁剪后音频")
    until(page, "document.querySelectorAll('.rules li').length === 1")
    assert "clip-too-short" in page.inner_text(".rules")


def test_a_broken_rule_leads_to_the_rule(visitor, page):
    create(visitor, sound_end_time=1999)
    visitor.visit()
    page.locator(".violation a").first.click()
    page.wait_for_selector(".rules li")
    assert "clip-too-short" in page.inner_text(".rules li >> nth=0")

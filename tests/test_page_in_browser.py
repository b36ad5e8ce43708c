"""What a person does on the inspector page, in a real browser. One browser and one mock serve the whole module."""

import base64
import itertools
import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests

from kling_contracts.media import silent_audio
from support import axe, serving
from support.browser import Visitor, browser
from support.serving import PATH, payload

TTS = "/kling/v1/audio/tts"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def mock():
    with serving.running() as server:
        yield server


@pytest.fixture
def visitor(chromium, mock):
    visitor = Visitor(chromium, mock.url, f"visitor-{next(_numbers)}")
    yield visitor
    visitor.leave()
    assert visitor.complaints == []


@pytest.fixture
def page(visitor):
    return visitor.page


def client(visitor):
    """Return a client of the visitor's account, as another program would be."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {visitor.key}"
    return session


def create(visitor, body=None, **fields):
    body = payload(**fields) if body is None else body
    return client(visitor).post(visitor.url + PATH, json=body, timeout=10)


def control(visitor, method, path, body=None):
    answer = client(visitor).request(method, f"{visitor.url}/_mock{path}", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json().get("data")


def entries(visitor):
    return control(visitor, "GET", "/journal")["entries"]


def type_payload(page, text):
    page.get_by_label("Payload, judged as you type").fill(text)


def until(page, expression):
    """Wait until an expression holds; Playwright's own way to wait would need `unsafe-eval` of the page."""
    ends_at = time.monotonic() + serving.PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < ends_at, expression
        page.wait_for_timeout(30)


# Exchanges


def test_a_call_of_a_client_appears_within_two_seconds(visitor, page):
    visitor.visit()
    page.wait_for_selector("#live.on")
    create(visitor)
    page.wait_for_selector(".rows a", timeout=2000)
    assert page.inner_text(".rows .what") == "create"
    assert page.inner_text(".rows .pill") == "200"


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
    client(visitor).post(visitor.url + TTS, json={}, timeout=10)
    visitor.visit()
    page.wait_for_selector(".rows li >> nth=2")
    page.get_by_label("any status").select_option("refused")
    assert page.locator(".rows .what").all_inner_texts() == ["tts", "create"]
    page.get_by_label("any rule").select_option("clip-too-short")
    assert page.locator(".rows .what").all_inner_texts() == ["create"]


def test_requests_without_a_key_are_seen_without_a_key(chromium, mock):
    requests.post(mock.url + PATH, json=payload(), timeout=10)
    visitor = Visitor(chromium, mock.url).visit()
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
    client(visitor).get(f"{visitor.url}{PATH}/order-1", timeout=10)
    visitor.visit()
    page.get_by_role("button", name="Open in the playground").click()
    page.wait_for_selector(".verdict.bad")
    assert json.loads(page.get_by_label("Payload, judged as you type").input_value()) == {"task_id": "order-1"}


# Language, theme, key


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


def test_a_chinese_browser_gets_chinese(chromium, mock):
    context = chromium.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(mock.url)
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
def test_the_theme_is_the_systems_until_it_is_chosen_and_remembered(chromium, mock, system):
    visitor = Visitor(chromium, mock.url, color_scheme=system).visit()
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


# Playground


def test_the_vendors_example_is_judged_while_it_is_edited(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    editor = page.get_by_label("Payload, judged as you type")
    assert json.loads(editor.input_value()) == payload()
    editor.press("Control+f")
    text = editor.input_value()
    at = text.index("5000")
    editor.evaluate("(area, at) => { area.focus(); area.setSelectionRange(at, at + 4); }", at)
    page.keyboard.type("1999")
    page.wait_for_selector(".verdict.bad")
    assert "2 broken rules" in page.inner_text(".verdict")
    assert "裁剪后音频不得短于2秒" in page.inner_text(".report")
    assert "clip-too-short" in page.inner_text(".marks .marked >> nth=0")
    assert entries(visitor) == []


def test_a_payload_is_sent_as_it_was_typed(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    type_payload(page, json.dumps(payload(sound_end_time=1999)))
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector(".answer .pill")
    assert "400 / 1201" in page.inner_text(".answer")
    assert "clip-too-short" in page.inner_text(".answer")
    (entry,) = entries(visitor)
    assert entry["request"]["body"] == payload(sound_end_time=1999)


def test_what_is_not_json_is_told(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    type_payload(page, '{"session_id": ')
    page.wait_for_selector(".verdict.bad")
    assert "not valid JSON" in page.inner_text(".report")


def test_every_operation_can_be_tried(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    told = {}
    for operation in ("identify", "tts", "query", "list"):
        page.get_by_label("Operation").select_option(operation)
        page.get_by_role("button", name="Send").click()
        until(page, f"document.querySelector('.answer')?.dataset.operation === '{operation}'")
        told[operation] = page.inner_text(".answer .told")
    assert [entry["operation"] for entry in entries(visitor)] == list(told)
    assert [text.split()[0] for text in told.values()] == ["200", "200", told["query"].split()[0], "200"]
    assert "task" in told["query"].lower()


@pytest.fixture
def shared_clipboard(visitor):
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return visitor


AWKWARD = payload(audio_id='it\'s "quoted" $HOME `id` \\ 会话\n!')


@pytest.mark.parametrize(("language", "body"), [("curl", payload()), ("curl", AWKWARD), ("Python", AWKWARD)])
def test_what_is_copied_works(shared_clipboard, page, language, body):
    visitor = shared_clipboard.visit("playground")
    page.wait_for_selector(".verdict.good")
    type_payload(page, json.dumps(body, ensure_ascii=False, indent=2))
    page.get_by_role("button", name=f"Copy as {language}").click()
    page.wait_for_selector(".code:visible")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.inner_text(".code")
    command = ["sh", "-c", copied] if language == "curl" else [sys.executable, "-c", copied]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=serving.environment())
    assert "request_id" in done.stdout, done.stderr
    (entry,) = entries(visitor)
    assert entry["request"]["body"] == body


def test_the_whole_way_takes_three_clicks_and_the_result_plays(visitor, page):
    visitor.visit("playground")
    page.wait_for_selector(".verdict")
    for number, operation in enumerate(("identify", "tts", "create"), 1):
        page.get_by_role("button", name=re.compile(f"^{number} ·")).click()
        page.wait_for_selector(".answer .pill.good")
        assert page.get_by_label("Operation").input_value() == operation
    page.wait_for_selector(".answer video")
    assert "succeed" in page.inner_text(".answer .task")
    page.eval_on_selector(".answer video", "video => { video.muted = true; return video.play(); }")
    until(page, "document.querySelector('.answer video')?.currentTime > 0.2")
    assert [entry["operation"] for entry in entries(visitor) if entry["operation"] != "download"] == [
        "identify",
        "tts",
        "create",
    ]


VALUES = [
    payload(),
    {"": {"": [[], {}, [[{}]]]}, "a/b": {"~": 1, "m~n/o": [None, True, "x"]}},
    [1, [2, [3, {"k": [4]}]], "]", "{", '"', '\\"', ":", ","],
    {"long": "x" * 300, "会话": "\u2028\n", "e": [1.5e300, -0.0, 10**20]},
    "text",
    [],
]


def test_the_lines_of_a_text_are_those_at_which_its_values_are_printed(visitor, page):
    visitor.visit()
    for value in VALUES:
        text, lines, found = page.evaluate(
            """async value => {
              const { printed, linesOf } = await import("./_mock/page/json.js");
              const lines = printed(value), text = lines.map(line => line.text).join("\\n");
              return [text, lines.map(line => line.pointers), [...linesOf(text)]];
            }""",
            value,
        )
        assert json.loads(text) == value
        assert dict(found) == {pointer: line for line, pointers in enumerate(lines) for pointer in pointers}


def test_a_text_that_is_no_json_has_lines_all_the_same(visitor, page):
    visitor.visit()
    for text in ("", "{", '{"a"', '{"a": [1,, }', '"half', "]]]}}}", '{"a": "\\x"}', "{" * 500, "\x00"):
        assert page.evaluate(
            "async text => [...(await import('./_mock/page/json.js')).linesOf(text).values()].every(Number.isInteger)",
            text,
        )


def test_a_number_beyond_what_a_double_holds_keeps_its_digits(visitor, page):
    client(visitor).post(visitor.url + PATH, json={"session_id": 12345678901234567890}, timeout=10)
    visitor.visit()
    page.wait_for_selector(".detail .payload")
    assert "12345678901234567890" in page.inner_text(".detail .payload")


# Tasks and account


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


# By keyboard


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


# Large accounts, hostile texts, and nothing but the mock


LONGEST_BLOCK_MS = 1000


def test_a_large_world_and_a_full_journal_do_not_freeze_the_page(visitor, page):
    sessions = {f"{number:018}": {"video_ms": 10_000, "faces": {"0": [0, 10_000]}} for number in range(1000)}
    control(visitor, "PUT", "/world", {"sessions": sessions})
    with client(visitor) as session:
        for _ in range(1000):
            session.post(visitor.url + PATH, json=payload(), timeout=10)
    visitor.page.add_init_script(
        "window.blocks = [];"
        "new PerformanceObserver(list => blocks.push(...list.getEntries().map(one => one.duration)))"
        ".observe({type: 'longtask', buffered: true});"
    )
    visitor.visit()
    page.wait_for_selector(".rows li >> nth=99")
    page.get_by_role("button", name="Show older").click()
    until(page, "document.querySelectorAll('.rows li').length === 1000")
    visitor.see("account")
    page.wait_for_selector(".card.world tbody tr >> nth=49")
    assert "sessions: 1000" in page.inner_text(".card.world")
    page.get_by_label("Search: sessions").fill("000999")
    until(page, "document.querySelectorAll('.card.world tbody tr').length === 1")
    assert max(page.evaluate("blocks"), default=0) < LONGEST_BLOCK_MS


def test_an_upload_is_judged_as_it_is_pasted_and_shown_without_its_audio(visitor, page):
    audio = base64.b64encode(silent_audio.make("wav", 5000, 300_000)).decode()
    uploaded = payload(audio_id="", sound_file=audio, sound_end_time=1999)
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    type_payload(page, json.dumps(uploaded, indent=2))
    page.wait_for_selector(".verdict.bad")
    assert "clip-too-short" in page.inner_text(".marks")
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector(".answer .pill.bad")
    visitor.see("exchanges")
    page.wait_for_selector(".detail .payload .marked")
    shown = page.inner_text(".detail")
    assert '"format": "wav"' in shown
    assert audio[:100] not in shown
    assert "are not kept" in shown


def test_a_file_is_attached_as_base64(visitor, page, tmp_path):
    audio = silent_audio.make("mp3", 5000)
    (tmp_path / "voice.mp3").write_bytes(audio)
    visitor.visit("playground")
    page.wait_for_selector(".verdict.good")
    page.set_input_files("input[type=file]", tmp_path / "voice.mp3")
    until(page, f"document.querySelector('textarea')?.value.length > {len(audio)}")
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector(".answer .pill.good")
    (entry,) = entries(visitor)
    sent = base64.b64encode(audio)
    assert entry["request"]["body"]["face_choose"][0]["sound_file"]["length"] == len(sent)
    assert entry["request"]["body"]["face_choose"][0]["audio_id"] == ""


def test_choosing_an_exchange_leaves_the_list_where_it_is(visitor, page):
    with client(visitor) as session:
        for _ in range(30):
            session.post(visitor.url + PATH, json=payload(), timeout=10)
    visitor.visit()
    page.wait_for_selector(".rows li >> nth=29")
    page.eval_on_selector(".rows", "list => { list.scrollTop = 700; }")
    before = page.evaluate("document.querySelector('.rows').scrollTop")
    page.evaluate("document.querySelectorAll('.rows a')[18].click()")
    until(page, "document.querySelectorAll('.rows a')[18]?.getAttribute('aria-current') === 'true'")
    assert page.evaluate("document.querySelector('.rows').scrollTop") == before > 0


def test_a_clock_that_stands_still_is_told_where_tasks_wait(visitor, page):
    control(visitor, "PUT", "/world", {**control(visitor, "GET", "/world"), "now_ms": serving.NOW_MS})
    create(visitor)
    visitor.visit("tasks")
    page.wait_for_selector("text=The clock stands still")
    control(visitor, "POST", "/clock", {"advance_ms": 1000})
    page.wait_for_selector(".task video")
    page.wait_for_selector("text=The clock stands still", state="hidden")


MARKUP = [
    "<script>parent.hit=1</script>",
    "<img src=x onerror=hit=1>",
    "<svg onload=hit=1>",
    "<svg><script>hit=1</script></svg>",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "<iframe src=javascript:parent.hit=1>",
    "<body onload=hit=1>",
    "<details open ontoggle=hit=1>",
    "<video><source onerror=hit=1></video>",
    "<input autofocus onfocus=hit=1>",
    "<a href=javascript:hit=1>x</a>",
    "<math><mi xlink:href=javascript:hit=1>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example/a.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button>Send</button></form>",
    "<object data=//evil.example/>",
    "<template><script>hit=1</script></template>",
    "</pre></script><script>hit=1</script>",
    "</textarea><script>hit=1</script>",
    "</title><script>hit=1</script>",
    "--><script>hit=1</script>",
    "]]><script>hit=1</script>",
    "<![CDATA[<script>hit=1</script>]]>",
    "<ſcript>hit=1</ſcript>",
    "＜script＞hit=1＜/script＞",
    "&lt;script&gt;hit=1&lt;/script&gt;",
    "&#60;script&#62;",
    "\\u003cscript\\u003ehit=1",
]
OTHERS = [
    "javascript:hit=1",
    "data:text/html,<script>hit=1</script>",
    '" onmouseover="hit=1',
    "' onfocus='hit=1",
    "` onclick=`hit=1",
    "{{constructor.constructor('hit=1')()}}",
    "${hit=1}",
    "#{hit=1}",
    "<%= hit=1 %>",
    "__proto__",
    "constructor",
    "\u202e3991 :emit_dne_dnuos\u202c",
    "\u200bhidden\u2060\ufeff",
    "\x00\x07\x1b[31mred",
    "line\nbreak\r\ntab\t",
    "\ud83d\ude00👩‍👩‍👧",
    "Z̷̢̛͉a̵l̶g̷o̵",
    "x" * 900,
    "%3Cscript%3E",
    "../../../../etc/passwd",
]
HOSTILE = MARKUP + OTHERS


def test_hostile_texts_are_shown_as_text(visitor, page):
    assert len(HOSTILE) == 50
    world = {"sessions": {text: {"video_ms": 10_000, "faces": {"0": [0, 10_000]}} for text in HOSTILE}}
    with client(visitor) as session:
        for text in HOSTILE:
            body = payload(face_id=text, **{text: text})
            session.post(visitor.url + PATH, json={**body, text: text, "external_task_id": text}, timeout=10)
    control(visitor, "PUT", "/world", world)
    for text in ("<b>bold</b>", '" onerror="hit=1'):
        client(visitor).get(visitor.url + PATH + "?pageNum=" + text, headers={"X-Text": text}, timeout=10)
    visitor.visit()
    page.wait_for_selector(".rows li >> nth=51")
    allowed = page.evaluate("[...new Set([...document.querySelectorAll('*')].map(one => one.tagName))]")
    shown = page.evaluate(
        """async () => {
          const texts = [];
          for (const row of document.querySelectorAll(".rows a")) {
            row.click();
            await new Promise(resolve => setTimeout(resolve, 10));
            texts.push(document.querySelector(".detail").textContent);
          }
          return texts;
        }"""
    )
    assert len(shown) == 52
    assert [text for text in MARKUP if json.dumps(text, ensure_ascii=False) not in "".join(shown)] == []
    visitor.see("account")
    page.wait_for_selector(".card.world tbody tr >> nth=49")
    cells = page.locator(".card.world tbody code").all_text_contents()
    assert [text for text in MARKUP if text not in cells] == []
    # What cannot be seen is spelt out, so that no payload looks like another.
    assert [cell for cell in cells if set(cell) & set("\u202e\u200b\ufeff\x00\x1b")] == []
    visitor.see("playground")
    type_payload(page, json.dumps(payload(face_id=MARKUP[0], sound_file=MARKUP[1])))
    page.wait_for_selector(".verdict.bad")
    assert page.evaluate("typeof window.hit") == "undefined"
    tags = page.evaluate("[...new Set([...document.querySelectorAll('*')].map(one => one.tagName))]")
    assert not {"SCRIPT", "IFRAME", "OBJECT", "STYLE", "LINK", "MATH", "BASE"} & set(tags) - set(allowed)
    assert page.locator("main script, main iframe, main img, main style, main link, main object").count() == 0


def test_nothing_is_asked_of_anybody_but_the_mock(visitor, page):
    create(visitor)
    visitor.visit()
    for view in ("exchanges", "tasks", "playground", "account", "rules"):
        visitor.see(view)
        page.wait_for_timeout(200)
    assert [url for url in visitor.asked if not url.startswith(f"{visitor.url}/")] == []
    paths = {url.removeprefix(visitor.url) for url in visitor.asked}
    assert {path for path in paths if not path.startswith("/_mock/")} <= {"/", "/#"}


def test_no_inline_script_runs(visitor, page):
    visitor.visit()
    page.wait_for_selector("nav a")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          try { script.textContent = "window.hit = 1"; } catch { /* trusted types */ }
          document.body.append(script);
        }"""
    )
    assert page.evaluate("typeof window.hit") == "undefined"
    visitor.complaints.clear()


def test_the_page_asks_nothing_while_nobody_looks(visitor, page):
    visitor.visit()
    page.wait_for_selector("#live.on")
    look(page, "hidden")
    page.wait_for_timeout(300)
    visitor.asked.clear()
    page.wait_for_timeout(1500)
    assert visitor.asked == []
    create(visitor)
    look(page, "visible")
    page.wait_for_selector(".rows a", timeout=2000)


def look(page, state):
    page.evaluate(
        """state => {
          for (const [name, value] of [["visibilityState", state], ["hidden", state === "hidden"]])
            Object.defineProperty(document, name, { configurable: true, get: () => value });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


def test_a_mock_that_stops_is_told_and_found_again(chromium):
    with serving.running() as first:
        visitor = Visitor(chromium, first.url, "key").visit()
        visitor.page.wait_for_selector("#live.on")
        port = first.port
    visitor.page.wait_for_selector("#problem:visible")
    assert "does not answer" in visitor.page.inner_text("#problem")
    with serving.running("--port", str(port)):
        visitor.page.wait_for_selector("#problem", state="hidden")
    visitor.leave()


@contextmanager
def behind(prefix):
    """Serve a mock below a path of another application."""
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.serving import make_server

    app = serving.new_app()
    server = make_server("127.0.0.1", 0, DispatcherMiddleware(_nothing, {prefix: app}), threaded=True)
    try:
        with serving.in_thread(server):
            yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        app.responder.close()


def _nothing(environ, start_response):
    start_response("404 NOT FOUND", [("Content-Type", "text/plain")])
    return [b"nothing here"]


def test_the_page_works_below_a_path(chromium):
    with behind("/mocks/kling") as url:
        visitor = Visitor(chromium, url, "key").visit("playground")
        visitor.page.wait_for_selector(".verdict.good")
        visitor.page.get_by_role("button", name="Send").click()
        visitor.page.wait_for_selector(".answer video")
        assert [asked for asked in visitor.asked if not asked.startswith(f"{url}/")] == []
        visitor.leave()
    assert visitor.complaints == []


def test_a_call_is_shown_with_the_time_that_it_took(visitor, page):
    before = time.monotonic()
    create(visitor)
    at_most_ms = (time.monotonic() - before) * 1000
    visitor.visit()
    page.wait_for_selector(".detail .facts")
    took = float(re.search(r"took\s+([\d.]+) ms", page.inner_text(".detail .facts >> nth=0"))[1])
    assert 0 < took < at_most_ms


# For everybody

SERIOUS = ("serious", "critical")
READY = {
    "exchanges": ".violation",
    "tasks": ".task video",
    "playground": ".verdict.good",
    "account": ".scenarios li",
    "rules": ".rules li",
}


@pytest.mark.parametrize(("scheme", "options"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_nothing_serious_in_any_view(chromium, mock, scheme, options):
    checker = axe.script()
    # The checker itself would break the page's policy.
    visitor = Visitor(chromium, mock.url, f"axe-{scheme}", color_scheme=scheme, bypass_csp=True)
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

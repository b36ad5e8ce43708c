"""The inspector page in a real browser: large accounts, hostile texts, and nothing asked of anybody but the mock."""

import base64
import json
import re
import time
from contextlib import contextmanager

from kling_contracts.media import silent_audio
from support import serving
from support.browser import Visitor
from support.page import client, control, create, entries, type_payload, until
from support.serving import PATH, PATIENCE_S, payload

# The time in ms that this browser on this machine needs for 100,000 small objects through JSON.
ROUND_TRIP = """() => {
    const values = Array.from({length: 100_000}, (_, number) => ({number, text: `text ${number}`}));
    const began = performance.now();
    JSON.parse(JSON.stringify(values));
    return performance.now() - began;
}"""
POLL_MS = 1000


def test_a_large_world_and_a_full_journal_do_not_freeze_the_page(visitor, page):
    sessions = {f"{number:018}": {"video_ms": 10_000, "faces": {"0": [0, 10_000]}} for number in range(1000)}
    control(visitor, "PUT", "/world", {"sessions": sessions})
    with client(visitor) as session:
        for _ in range(1000):
            session.post(visitor.url + PATH, json=payload(), timeout=PATIENCE_S)
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
    longest_ms = max(page.evaluate("blocks"), default=0)
    # Two to three of them, on a busy machine and on a quiet one.
    assert longest_ms < 8 * max(page.evaluate(ROUND_TRIP) for _ in range(3))


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
            session.post(visitor.url + PATH, json=payload(), timeout=PATIENCE_S)
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
            session.post(visitor.url + PATH, json={**body, text: text, "external_task_id": text}, timeout=PATIENCE_S)
    control(visitor, "PUT", "/world", world)
    for text in ("<b>bold</b>", '" onerror="hit=1'):
        client(visitor).get(visitor.url + PATH + "?pageNum=" + text, headers={"X-Text": text}, timeout=PATIENCE_S)
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
    # What was asked before may still be answered, and lead to more. A page that is looked at is never so silent.
    for _ in range(PATIENCE_S):
        visitor.asked.clear()
        page.wait_for_timeout(1.5 * POLL_MS)
        if not visitor.asked:
            break
    assert visitor.asked == []
    create(visitor)
    look(page, "visible")
    page.wait_for_selector(".rows a")


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

"""The inspector page in a real browser: the playground judges, sends and copies."""

import json
import re
import subprocess
import sys

import pytest

from support import serving
from support.page import client, entries, type_payload, until
from support.serving import PATH, PATIENCE_S, payload


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
    client(visitor).post(visitor.url + PATH, json={"session_id": 12345678901234567890}, timeout=PATIENCE_S)
    visitor.visit()
    page.wait_for_selector(".detail .payload")
    assert "12345678901234567890" in page.inner_text(".detail .payload")

// A request of one's own: edited, judged as it is typed, sent, copied as code; or the whole way in three clicks.

import { control, key, operations, parsed, send } from "./api.js";
import { announce, copy, fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { linesOf, printed } from "./json.js";
import { isShortened, marked, payloadView, pill, remarks, section, violations } from "./parts.js";
import { curl, python } from "./snippets.js";
import { taskCard } from "./tasks.js";
import { timeline } from "./timeline.js";
import { filledIn, withAudio } from "./walk.js";

const JUDGE_AFTER_MS = 150;
// Audio in Base64 is one line of millions of characters: it is laid out once, in the editor.
const LONG_LINE = 400;
const state = { operation: "create", texts: {}, walked: {}, answer: null, task: "" };

const pretty = (value) =>
  printed(value)
    .map((line) => line.text)
    .join("\n");

/** Take an exchange of the journal into the editor. */
export async function open(entry) {
  const { path } = (await operations())[entry.operation];
  const inPath = path.match(/\{(\w+)\}$/);
  const parameters = Object.fromEntries(new URLSearchParams(entry.request.query));
  if (inPath) parameters[inPath[1]] = entry.request.path.split("/").pop();
  state.operation = entry.operation;
  state.texts[entry.operation] = pretty(entry.request.body ?? parameters);
  state.answer = null;
  if (isShortened(entry.request.body)) announce(t("redacted"));
  location.hash = "#playground";
}

/** The view. */
export function playground(root) {
  const page = {
    select: h("select", { "aria-label": t("operation"), onchange: (event) => choose(page, event.target.value) }),
    editor: h("textarea", {
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
      wrap: "off",
      "aria-label": t("editor"),
      "aria-describedby": "verdict",
    }),
    marks: h("pre", { class: "marks", "aria-hidden": "true" }),
    verdict: h("p", { id: "verdict", class: "verdict", role: "status" }),
    report: h("div", { class: "report" }),
    answer: h("div", { class: "answer" }),
    code: h("pre", { class: "code", tabindex: 0, "aria-label": t("asCode") }),
    file: h("input", {
      type: "file",
      accept: "audio/*",
      hidden: true,
      "aria-label": t("attach"),
      onchange: () => attach(page),
    }),
    card: null,
  };
  const button = (name, onclick, properties = {}) => h("button", { type: "button", onclick, ...properties }, t(name));
  fill(
    root,
    h("h1", { class: "hidden" }, t("playground")),
    h(
      "section",
      { class: "walk", "aria-label": t("walk") },
      h("span", {}, t("walk")),
      button("walk1", () => walk(page, "identify")),
      button("walk2", () => walk(page, "tts")),
      button("walk3", () => walk(page, "create")),
    ),
    h(
      "div",
      { class: "split even" },
      h(
        "div",
        { class: "side" },
        h(
          "div",
          { class: "actions" },
          page.select,
          button("send", () => sendIt(page), { class: "primary", id: "send" }),
          button("example", () => restore(page), { id: "example" }),
          button("format", () => format(page)),
          button("attach", () => page.file.click(), { id: "attach" }),
          page.file,
        ),
        h("div", { class: "editor" }, page.marks, page.editor),
        h(
          "div",
          { class: "actions" },
          button("copyCurl", () => copied(page, curl)),
          button("copyPython", () => copied(page, python)),
        ),
        page.code,
      ),
      h(
        "div",
        { class: "detail" },
        h("h2", { class: "hidden" }, t("judgement")),
        page.verdict,
        page.answer,
        page.report,
      ),
    ),
  );
  page.editor.addEventListener("input", () => edited(page));
  page.editor.addEventListener("scroll", () => {
    page.marks.scrollTop = page.editor.scrollTop;
    page.marks.scrollLeft = page.editor.scrollLeft;
  });
  page.editor.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      sendIt(page);
    }
  });
  start(page);
  return { refresh: () => follow(page) };
}

async function start(page) {
  page.operations = await operations();
  fill(
    page.select,
    Object.keys(page.operations).map((name) => h("option", { value: name, selected: name === state.operation }, name)),
  );
  choose(page, state.operation);
  showAnswer(page);
}

function choose(page, name) {
  state.operation = name;
  page.select.value = name;
  page.editor.value = state.texts[name] ?? pretty(page.operations[name].example);
  document.getElementById("attach").hidden = name !== "create";
  document.getElementById("example").textContent = t(name === "create" ? "example" : "exampleOf");
  edited(page);
}

function restore(page) {
  page.editor.value = pretty(page.operations[state.operation].example);
  edited(page);
  page.editor.focus();
}

function format(page) {
  const value = parsed(page.editor.value);
  if (value !== undefined) page.editor.value = pretty(value);
  edited(page);
}

async function attach(page) {
  const [file] = page.file.files,
    payload = parsed(page.editor.value);
  page.file.value = "";
  if (!file) return;
  if (payload === null || typeof payload !== "object") return void announce(t("notJson"));
  const reader = new FileReader();
  reader.onload = () => {
    page.editor.value = pretty(withAudio(payload, reader.result.split(",")[1] ?? ""));
    edited(page);
  };
  reader.onerror = () => announce(String(reader.error));
  reader.readAsDataURL(file);
}

function edited(page) {
  state.texts[state.operation] = page.editor.value;
  showMarks(page, new Map());
  page.code.hidden = true;
  clearTimeout(page.timer);
  page.timer = setTimeout(() => judge(page), JUDGE_AFTER_MS);
}

async function judge(page) {
  if (!key()) return void fill(page.verdict, t("keyNeeded"));
  const [operation, body] = [state.operation, page.editor.value];
  try {
    const report = await control("POST", `/check?operation=${operation}`, body);
    // What was typed in the meantime has a judgement of its own coming.
    if (operation === state.operation && body === page.editor.value) showReport(page, report);
  } catch (error) {
    page.verdict.className = "verdict";
    fill(page.verdict, error.message);
  }
}

function showReport(page, report) {
  const payload = parsed(page.editor.value),
    n = report.violations.length;
  const name = n ? (n === 1 ? "violation" : "violations") : report.unverified.length ? "validUnverified" : "valid";
  page.verdict.className = `verdict ${n ? "bad" : "good"}`;
  fill(page.verdict, t(name, { n }));
  showMarks(page, marked(report.violations, linesOf(page.editor.value)));
  fill(
    page.report,
    section(t("whyNot"), n ? violations(report, payload) : null),
    report.timelines.map((bars) => section(t("timeline"), timeline(bars, report.violations))),
    remarks(report),
  );
}

// Behind the text lies the same text, unseen but for the lines that are marked.
function showMarks(page, marks) {
  fill(
    page.marks,
    page.editor.value
      .split("\n")
      .map((line, number) =>
        h(
          "span",
          { class: marks.has(number) ? "line marked" : "line" },
          line.slice(0, LONG_LINE) || " ",
          marks.has(number) && line.length <= LONG_LINE
            ? h("span", { class: "mark" }, `  ◀ ${[...marks.get(number)].join(", ")}`)
            : null,
          "\n",
        ),
      ),
  );
  page.marks.scrollTop = page.editor.scrollTop;
}

/** The request that the editor stands for. */
function request(page) {
  const { method, path, parameters } = page.operations[state.operation];
  if (method !== "GET") return { method, path, body: page.editor.value };
  const values = { ...parsed(page.editor.value) };
  const place = (one) => one.in === "path";
  const full = parameters
    .filter(place)
    .reduce((made, one) => made.replace(`{${one.name}}`, encodeURIComponent(values[one.name] ?? "")), path);
  for (const one of parameters.filter(place)) delete values[one.name];
  const query = new URLSearchParams(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined),
  ).toString();
  return { method, path: query ? `${full}?${query}` : full };
}

async function copied(page, snippet) {
  fill(page.code, snippet(request(page), key()));
  page.code.hidden = false;
  announce(t((await copy(page.code.textContent, page.code)) ? "copied" : "notCopied"));
}

async function sendIt(page) {
  if (!key()) return void announce(t("keyNeeded"));
  const operation = state.operation;
  try {
    state.answer = await send(request(page));
  } catch (error) {
    state.answer = { broken: error.message };
  }
  const data = parsed(state.answer.text ?? "")?.data;
  if (state.answer.status === 200 && data && !Array.isArray(data)) state.walked[operation] = data;
  state.task = operation === "create" && state.answer.status === 200 ? (data?.task_id ?? "") : "";
  page.card = null;
  page.answer.dataset.operation = operation;
  showAnswer(page);
  await follow(page);
  judge(page);
}

// One step of the way: the example, filled in with what the steps before have given.
async function walk(page, operation) {
  if (!key()) return void announce(t("keyNeeded"));
  if (!page.operations) return;
  state.texts[operation] = pretty(filledIn(operation, page.operations[operation].example, state.walked));
  choose(page, operation);
  await sendIt(page);
}

function showAnswer(page) {
  const { answer } = state;
  if (!answer) return void fill(page.answer);
  if (answer.broken !== undefined)
    return void fill(
      page.answer,
      section(t("received"), h("p", { class: "message bad" }, t("noReceived", { why: answer.broken }))),
    );
  const body = parsed(answer.text),
    broken = answer.headers["x-contract-violations"];
  fill(
    page.answer,
    section(
      t("received"),
      h("p", { class: "told" }, pill(answer.status, body?.code), " ", body?.message ?? ""),
      broken ? h("p", { class: "dim" }, "X-Contract-Violations: ", h("code", {}, broken)) : null,
      h("div", { class: "result" }),
      h(
        "details",
        {},
        h("summary", {}, "JSON"),
        body === undefined
          ? h("pre", { class: "payload", tabindex: 0 }, answer.text)
          : payloadView(body, { violations: [] }),
      ),
    ),
  );
}

// The task that was created, until it has ended, and its result.
async function follow(page) {
  const place = page.answer.querySelector(".result");
  if (!state.task || !place) return;
  const row = (await control("GET", "/tasks?limit=50")).find((one) => one.task_id === state.task);
  if (!row) return;
  if (!page.card) {
    page.card = taskCard();
    fill(place, page.card.element);
  }
  page.card.render(row);
}

// The account: its clock, its limits, what is played on it, and its world.

import { control, key, once } from "./api.js";
import { announce, fill, h, update } from "./dom.js";
import { duration, moment, t, time } from "./i18n.js";

const ROWS = 50;
const UNITS = { seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 };
const found = { scenario: "", session: "" };

/** The view; `changed` is called after whatever may change what other views show. */
export function account(root, changed) {
  const parts = {
    clock: h("div"),
    limits: h("div"),
    scenario: h("div"),
    scenarios: h("ul", { class: "scenarios" }),
    world: h("div"),
    error: h("pre", { class: "message bad", role: "alert" }),
    json: h("textarea", { spellcheck: "false", rows: 14, "aria-label": t("worldJson") }),
    shown: "",
  };
  const act = (work, said) => async (event) => {
    event?.preventDefault();
    fill(parts.error);
    try {
      await work(event);
      if (said) announce(t(said));
    } catch (error) {
      fill(parts.error, error.message);
    }
    await changed();
    await refresh();
  };
  fill(
    root,
    h("h1", { class: "hidden" }, t("account")),
    key() ? null : h("p", { class: "empty" }, t("keyNeeded")),
    parts.error,
    h(
      "div",
      { class: "cards" },
      h("div", { class: "stack" }, clockCard(parts, act), limitsCard(parts, act), resetCard(act)),
      scenarioCard(parts, act),
      worldCard(parts, act),
    ),
  );

  async function refresh() {
    if (!key()) return;
    const [clock, limits, scenario] = await Promise.all(
      ["/clock", "/limits", "/scenario"].map((path) => control("GET", path)),
    );
    update(parts.clock, JSON.stringify([clock, time(clock.now_ms)]), () => clockFacts(clock));
    update(parts.limits, JSON.stringify(limits), () =>
      h("p", {}, t("running", { n: limits.running }), " · ", limits.concurrency ?? t("anyNumber")),
    );
    update(parts.scenario, JSON.stringify(scenario), () => playing(scenario, act));
  }
  async function start() {
    if (!key()) return;
    const rows = await once("/scenarios");
    showScenarios(parts.scenarios, rows, act);
    parts.showScenarios = () => showScenarios(parts.scenarios, rows, act);
    await showWorld(parts);
  }
  start().catch((error) => fill(parts.error, error.message));
  parts.showWorld = () => showWorld(parts);
  return { refresh };
}

const card = (name, title, ...content) =>
  h("section", { class: `card ${name}`, "aria-label": t(title) }, h("h2", {}, t(title)), content);

function clockCard(parts, act) {
  const amount = h("input", {
    type: "number",
    min: 0,
    step: "any",
    value: 25,
    name: "amount",
    required: true,
    "aria-label": t("amount"),
  });
  const unit = h(
    "select",
    { name: "unit", "aria-label": t("unit") },
    Object.keys(UNITS).map((name) => h("option", { value: name, selected: name === "hours" }, t(name))),
  );
  const advance = act(
    () => control("POST", "/clock", { advance_ms: Math.round(Number(amount.value) * UNITS[unit.value]) }),
    "advanced",
  );
  return card(
    "clock",
    "clock",
    parts.clock,
    h("form", { class: "actions", onsubmit: advance }, amount, unit, h("button", { class: "primary" }, t("advance"))),
  );
}

function clockFacts(clock) {
  return h(
    "p",
    {},
    h("strong", { class: "now" }, moment(clock.now_ms)),
    h("br"),
    clock.standing ? t("standsStill") : t("realTime"),
    clock.advanced_ms ? `, ${t("advancedBy", { time: duration(clock.advanced_ms) })}` : "",
  );
}

function limitsCard(parts, act) {
  const limit = h("input", {
    type: "number",
    min: 0,
    max: 10000,
    name: "concurrency",
    "aria-label": t("limit"),
    placeholder: t("anyNumber"),
  });
  const set = act(
    () => control("PUT", "/limits", { concurrency: limit.value === "" ? null : Number(limit.value) }),
    "saved",
  );
  return card(
    "limits",
    "concurrency",
    parts.limits,
    h("form", { class: "actions", onsubmit: set }, limit, h("button", {}, t("set"))),
  );
}

function scenarioCard(parts, act) {
  const search = h("input", {
    type: "search",
    value: found.scenario,
    placeholder: t("search"),
    "aria-label": `${t("search")}: ${t("scenario")}`,
    oninput: (event) => {
      found.scenario = event.target.value;
      parts.showScenarios?.();
    },
  });
  return card("scenario", "scenario", parts.scenario, search, parts.scenarios);
}

function playing({ scenario }, act) {
  if (!scenario) return h("p", { class: "dim" }, t("noScenario"));
  return h(
    "p",
    { class: "playing" },
    t("playing"),
    " ",
    h("code", {}, scenario.name),
    " ",
    h("button", { type: "button", onclick: act(() => control("DELETE", "/scenario")) }, t("stop")),
    h("br"),
    h("span", { class: "dim" }, scenario.about),
  );
}

function showScenarios(list, rows, act) {
  const words = found.scenario.toLowerCase();
  fill(
    list,
    rows
      .filter((row) => `${row.name} ${row.about}`.toLowerCase().includes(words))
      .map((row) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              "aria-label": `${t("play")}: ${row.name}`,
              onclick: act(() => control("PUT", "/scenario", { name: row.name })),
            },
            t("play"),
          ),
          h(
            "div",
            {},
            h("code", {}, row.name),
            h("p", {}, row.about),
            h("p", { class: "dim" }, t(`expects.${row.expects ?? "either"}`)),
          ),
        ),
      ),
  );
}

function worldCard(parts, act) {
  const search = h("input", {
    type: "search",
    value: found.session,
    placeholder: t("search"),
    "aria-label": `${t("search")}: ${t("sessions")}`,
    oninput: (event) => {
      found.session = event.target.value;
      renderWorld(parts);
    },
  });
  const replace = act(async () => {
    const typed = parts.json.value;
    await control("PUT", "/world", typed);
    parts.shown = typed;
    await parts.showWorld();
  }, "saved");
  return card(
    "world",
    "world",
    search,
    parts.world,
    h(
      "details",
      {},
      h("summary", {}, t("worldJson")),
      parts.json,
      h(
        "p",
        { class: "actions" },
        h("button", { type: "button", onclick: replace }, t("replaceWorld")),
        " ",
        h("span", { class: "dim" }, t("worldForgets")),
      ),
    ),
  );
}

async function showWorld(parts) {
  parts.value = await control("GET", "/world");
  // What a person has typed meanwhile is kept.
  if (parts.json.value === parts.shown) {
    parts.json.value = JSON.stringify(parts.value, null, 2);
    parts.shown = parts.json.value;
  }
  renderWorld(parts);
}

function renderWorld(parts) {
  const { sessions = {}, audios = {}, external_task_ids: ids = [] } = parts.value ?? {};
  const of = (entries) => Object.entries(entries).filter(([id]) => id.includes(found.session));
  const made = (entry) => (entry.created_ms === undefined ? "" : time(entry.created_ms));
  fill(
    parts.world,
    h(
      "p",
      {},
      `${t("sessions")}: ${Object.keys(sessions).length} · ${t("audios")}: ${Object.keys(audios).length} · ${t("externalIds")}: ${ids.length}`,
    ),
    table([t("session"), t("lasts"), t("faces"), t("made")], of(sessions), ([id, one]) => [
      h("code", {}, id),
      duration(one.video_ms),
      Object.entries(one.faces)
        .map(([face, [from, to]]) => `${face}: ${from}–${to} ms`)
        .join(", "),
      made(one),
    ]),
    table([t("bar.audio"), t("lasts"), "", t("made")], of(audios), ([id, one]) => [
      h("code", {}, id),
      duration(one.duration_ms),
      "",
      made(one),
    ]),
  );
}

function table(heads, rows, cells) {
  if (!rows.length) return null;
  return [
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": heads[0] },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((head) => (head ? h("th", { scope: "col" }, head) : h("td"))),
          ),
        ),
        h(
          "tbody",
          {},
          rows.slice(0, ROWS).map((row) =>
            h(
              "tr",
              {},
              cells(row).map((cell) => h("td", {}, cell)),
            ),
          ),
        ),
      ),
    ),
    rows.length > ROWS ? h("p", { class: "dim" }, t("more", { n: rows.length - ROWS })) : null,
  ];
}

function resetCard(act) {
  const dialog = h(
    "dialog",
    { "aria-label": t("reset") },
    h("p", {}, t("resetSure")),
    h(
      "form",
      { method: "dialog", class: "actions" },
      h("button", { value: "" }, t("cancel")),
      h("button", { value: "yes", class: "danger" }, t("reset")),
    ),
  );
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") reset();
  });
  const reset = act(async () => {
    await control("POST", "/reset");
    location.reload();
  }, "wasReset");
  return card(
    "reset",
    "reset",
    h("p", { class: "dim" }, t("resetAbout")),
    dialog,
    h(
      "button",
      {
        type: "button",
        class: "danger",
        onclick: () => {
          dialog.returnValue = "";
          dialog.showModal();
        },
      },
      t("reset"),
    ),
  );
}

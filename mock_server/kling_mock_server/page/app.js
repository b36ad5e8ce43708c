// The page: which view is shown, whose key, in which language and theme, and the one loop that asks what is new.

import { account } from "./account.js";
import { control, key, setKey } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { announceNew, exchanges } from "./exchanges.js";
import { language, moment, switchLanguage, t } from "./i18n.js";
import { journal } from "./journal.js";
import { loadRules } from "./parts.js";
import { playground } from "./playground.js";
import { rules } from "./rules.js";
import { tasks } from "./tasks.js";

const POLL_MS = 1000;
const THEME = "klingkit.theme";
const THEMES = ["auto", "light", "dark"];
const VIEWS = { exchanges, tasks, playground, account, rules };
const place = (id) => document.getElementById(id);
let view = {},
  viewed = "",
  isReady = false;

function theme() {
  const stored = localStorage.getItem(THEME);
  return THEMES.includes(stored) ? stored : "auto";
}

function shown() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    /* as it stands */
  }
  return name in VIEWS ? [name, id] : ["exchanges", ""];
}

/** Show what the address says; what is shown already stays, unless everything is to be written `anew`. */
function show({ anew = true } = {}) {
  // Every view names rules: drawn before they are there, it would be drawn again under the hands of a person.
  if (!isReady) return;
  const [name, id] = shown();
  if (!anew && name === viewed && view.select) return void view.select(id);
  viewed = name;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.documentElement.dataset.theme = theme();
  document.title = `${t(name)} · klingkit`;
  renderHead(name);
  renderStatus();
  const main = place("main");
  main.className = `view-${name}`;
  view = VIEWS[name](main, name === "account" ? status : id);
  view.refresh?.().catch(failed);
}

function renderHead(name) {
  fill(place("skip"), t("skip"));
  fill(place("tagline"), t("tagline"));
  place("views").setAttribute("aria-label", t("views"));
  fill(
    place("views"),
    Object.keys(VIEWS).map((one) => h("a", { href: `#${one}`, "aria-current": one === name ? "page" : null }, t(one))),
  );
  fill(place("keyName"), t("key"));
  place("key").placeholder = t("keyHint");
  fill(place("language"), t("language"));
  place("language").title = t("languageTitle");
  place("language").lang = language === "zh" ? "en" : "zh-CN";
  place("theme").title = t(`theme.${theme()}`);
  place("theme").setAttribute("aria-label", t(`theme.${theme()}`));
  fill(place("theme"), { auto: "◐", light: "☀", dark: "☾" }[theme()]);
  place("hint").hidden = Boolean(key());
  fill(
    place("hint"),
    t("keyNone"),
    " ",
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          place("key").value = "test";
          changeKey();
        },
      },
      t("useTest"),
    ),
  );
}

function changeKey() {
  if (place("key").value.trim() === key()) return;
  setKey(place("key").value);
  journal.clear();
  isFirst = true;
  known = null;
  show();
  poll();
}

let known = null;

// What is played and what time it is, for every view to see.
async function status() {
  known = key() ? await Promise.all([control("GET", "/scenario"), control("GET", "/clock")]) : null;
  renderStatus();
}

function renderStatus() {
  if (!known) return void fill(place("state"));
  const [{ scenario }, clock] = known;
  fill(
    place("state"),
    scenario ? h("a", { href: "#account", class: "pill warn" }, `${t("playing")}: ${scenario.name}`) : null,
    clock.advanced_ms || clock.standing ? h("a", { href: "#account", class: "pill" }, moment(clock.now_ms)) : null,
  );
}

function failed(error) {
  const problem = place("problem");
  problem.hidden = false;
  fill(problem, t(error.status ? "refusedKey" : "noAnswer", { why: error.message }));
  place("live").className = "off";
}

let timer,
  polling = false,
  isFirst = true;

async function poll() {
  clearTimeout(timer);
  // Nobody looks: nothing is asked.
  if (document.hidden || polling) return;
  polling = true;
  try {
    const fresh = await journal.poll();
    if (isFirst || fresh.length) await status();
    if (fresh.length && !isFirst) announceNew(fresh);
    isFirst = false;
    view.render?.();
    await view.refresh?.();
    place("problem").hidden = true;
    place("live").className = "on";
  } catch (error) {
    failed(error);
  }
  polling = false;
  if (!document.hidden) timer = setTimeout(poll, POLL_MS);
}

place("skip").addEventListener("click", (event) => {
  event.preventDefault();
  place("main").focus();
});
place("key").value = key();
place("key").addEventListener("change", changeKey);
place("keyForm").addEventListener("submit", (event) => {
  event.preventDefault();
  changeKey();
});
place("language").addEventListener("click", () => {
  switchLanguage();
  show();
  place("language").focus();
});
place("theme").addEventListener("click", () => {
  localStorage.setItem(THEME, THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  document.documentElement.dataset.theme = theme();
  renderHead(shown()[0]);
  announce(t(`theme.${theme()}`));
});
addEventListener("hashchange", () => show({ anew: false }));
document.addEventListener("visibilitychange", poll);
loadRules()
  .catch(failed)
  .finally(() => {
    isReady = true;
    show();
    poll();
  });

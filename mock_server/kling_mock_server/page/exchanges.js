// What was asked and answered: a list that grows as calls come in, and everything about one of them.

import { key } from "./api.js";
import { announce, copy, fill, h } from "./dom.js";
import { t, time } from "./i18n.js";
import { journal } from "./journal.js";
import { fact, isShortened, payloadView, pill, remarks, section, violations } from "./parts.js";
import { open } from "./playground.js";
import { curl, urlOf } from "./snippets.js";
import { timeline } from "./timeline.js";

const ROWS = 100;
const filter = { operation: "", status: "", rule: "" };
let rows = ROWS;

const idOf = (entry) => entry.response.request_id;
const nameOf = (entry) => entry.operation || t("elsewhere");
const isRefused = (entry) => entry.response.status < 200 || entry.response.status >= 400 || entry.response.code !== 0;

function passes(entry) {
  return (
    (!filter.operation || entry.operation === filter.operation) &&
    (!filter.status || isRefused(entry) === (filter.status === "refused")) &&
    (!filter.rule || entry.violations.some((one) => one.rule === filter.rule))
  );
}

/** The view; `id` is the request id of the exchange that is looked at, empty: the latest. */
export function exchanges(root, id) {
  const list = h("ul", { class: "rows", "aria-label": t("exchanges") });
  const foot = h("div", { class: "foot" });
  const filters = h("div", { class: "filters", role: "group", "aria-label": t("filter") });
  const detail = h("article", { class: "detail", "aria-label": t("exchanges") });
  list.addEventListener("keydown", moveFocus);
  fill(
    root,
    h("h1", { class: "hidden" }, t("exchanges")),
    h("div", { class: "split" }, h("div", { class: "side" }, filters, list, foot), detail),
  );

  let shownRows = new Map();
  function render() {
    const passing = journal.entries.filter(passes);
    const looked =
      passing.find((entry) => idOf(entry) === id) ?? (id ? undefined : (passing.findLast(isCall) ?? passing.at(-1)));
    renderFilters(filters, () => {
      rows = ROWS;
      render();
    });
    const wanted = passing.slice(-rows).reverse();
    // A row that is there stays there: it may have the focus.
    const next = new Map(wanted.map((entry) => [idOf(entry), shownRows.get(idOf(entry)) ?? row(entry)]));
    for (const [name, element] of next) {
      if (looked && name === idOf(looked)) element.firstChild.setAttribute("aria-current", "true");
      else element.firstChild.removeAttribute("aria-current");
    }
    for (const [name, element] of shownRows) if (!next.has(name)) element.remove();
    [...next.values()].forEach((element, at) => {
      if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
    });
    shownRows = next;
    renderFoot(foot, passing.length, () => {
      rows += 10 * ROWS;
      render();
    });
    renderDetail(detail, looked, id);
  }
  render();
  return {
    render,
    /** Look at another exchange; the list stays as it is, with its focus and where it was scrolled to. */
    select(other) {
      id = other;
      render();
      if (detail.getBoundingClientRect().top < 0) detail.scrollIntoView();
    },
  };
}

const isCall = (entry) => !["callback", "download", "note"].includes(entry.operation);

function row(entry) {
  const first = entry.violations[0]?.rule ?? (entry.scenario || (isRefused(entry) ? entry.response.message : ""));
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#exchanges/${idOf(entry)}`, class: isRefused(entry) ? "refused" : "" },
      h("span", { class: "when" }, time(entry.at_ms)),
      h("span", { class: "what" }, nameOf(entry)),
      pill(entry.response.status, entry.response.code),
      h("span", { class: "first" }, first || entry.request.path || entry.response.message),
    ),
  );
}

function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [...event.currentTarget.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  links[at + step]?.focus();
}

function renderFilters(element, changed) {
  const known = (values) => [...new Set(values)].filter(Boolean).sort();
  const chosen = {
    operation: [t("anyOperation"), known(journal.entries.map((entry) => entry.operation)).map((name) => [name, name])],
    status: [
      t("anyStatus"),
      [
        ["accepted", t("accepted")],
        ["refused", t("refused")],
      ],
    ],
    rule: [
      t("anyRule"),
      known(journal.entries.flatMap((entry) => entry.violations.map((one) => one.rule))).map((rule) => [rule, rule]),
    ],
  };
  const look = JSON.stringify([chosen, filter]);
  if (element.dataset.look === look) return;
  element.dataset.look = look;
  const focused = element.contains(document.activeElement) ? document.activeElement.name : "";
  fill(
    element,
    Object.entries(chosen).map(([name, [any, options]]) =>
      h(
        "select",
        {
          name,
          "aria-label": any,
          onchange: (event) => {
            filter[name] = event.target.value;
            changed();
          },
        },
        h("option", { value: "" }, any),
        options.map(([value, text]) => h("option", { value, selected: filter[name] === value }, text)),
      ),
    ),
  );
  if (focused) element.querySelector(`[name=${focused}]`)?.focus();
}

function renderFoot(element, count, more) {
  fill(
    element,
    count > rows || journal.hasOlder
      ? h(
          "button",
          {
            type: "button",
            onclick: async () => {
              await journal.loadOlder();
              more();
            },
          },
          t("older"),
        )
      : null,
    !count
      ? h(
          "p",
          { class: "empty" },
          t(journal.entries.length ? "noMatch" : key() ? "noExchanges" : "noKeyless", { url: urlOf("/") }),
        )
      : null,
    journal.dropped ? h("p", { class: "dim" }, t("dropped", { n: journal.dropped })) : null,
  );
}

function renderDetail(element, entry, id) {
  const look = entry ? idOf(entry) : "";
  if (element.dataset.look === look && look) return;
  element.dataset.look = look;
  fill(element, entry ? detail(entry, id) : null);
}

function detail(entry, id) {
  const { request, response } = entry;
  const path = request.path + (request.query ? `?${request.query}` : "");
  const asked = {
    method: request.method,
    path,
    body: request.body === null ? undefined : JSON.stringify(request.body),
  };
  const isOurs = isCall(entry) && entry.operation;
  return [
    h(
      "header",
      { class: "title" },
      h("h2", {}, h("span", { class: "method" }, request.method), " ", h("span", { class: "path" }, path)),
      h("p", { class: "told" }, pill(response.status, response.code), " ", response.message),
      h(
        "div",
        { class: "actions" },
        isOurs ? h("button", { type: "button", onclick: () => open(entry) }, t("toPlayground")) : null,
        isCall(entry)
          ? h(
              "button",
              {
                type: "button",
                onclick: async () => announce(t((await copy(curl(asked, key()), null)) ? "copied" : "notCopied")),
              },
              t("copyCurl"),
            )
          : null,
        id ? h("a", { class: "button", href: "#exchanges" }, t("latest")) : null,
      ),
    ),
    h(
      "dl",
      { class: "facts" },
      fact(t("time"), time(entry.at_ms)),
      fact(t("took"), `${Number(entry.elapsed_ms)} ms`),
      fact(t("requestId"), h("code", {}, response.request_id)),
      entry.scenario ? fact(t("scenarioPlayed"), h("code", { class: "fault" }, entry.scenario)) : null,
    ),
    section(t("why"), entry.violations.length ? violations(entry, request.body) : null),
    entry.timelines.map((bars) => section(t("timeline"), timeline(bars, entry.violations))),
    section(
      t("payload"),
      request.body === null
        ? h("p", { class: "dim" }, t("noBody"))
        : [
            payloadView(request.body, entry),
            isShortened(request.body) ? h("p", { class: "dim" }, t("redacted")) : null,
          ],
    ),
    remarks(entry),
    section(
      t("headers"),
      Object.keys(request.headers).length
        ? h(
            "table",
            { class: "headers" },
            h(
              "tbody",
              {},
              Object.entries(request.headers).map(([name, value]) =>
                h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)),
              ),
            ),
          )
        : null,
    ),
    section(
      t("answer"),
      Object.keys(response.details).length ? payloadView(response.details, { violations: [] }) : null,
    ),
  ];
}

/** A line for screen readers on what has come in. */
export function announceNew(entries) {
  const calls = entries.filter(isCall),
    last = calls.at(-1);
  if (last)
    announce(t("newCalls", { n: calls.length, what: `${nameOf(last)} ${last.response.status}` }), { quiet: true });
}

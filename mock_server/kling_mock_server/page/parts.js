// What several views show alike: broken rules, payloads with marked lines, badges.

import { once } from "./api.js";
import { h } from "./dom.js";
import { has, language, t } from "./i18n.js";
import { lineOf, printed, valueAt } from "./json.js";

/** A status as a pill: what the caller was told. */
export function pill(status, code) {
  const kind = status >= 200 && status < 300 ? (code ? "warn" : "good") : status ? "bad" : "none";
  return h("span", { class: `pill ${kind}` }, code ? `${status} / ${code}` : status || "–");
}

/** A short fact with its name. */
export const fact = (name, value) => h("div", { class: "fact" }, h("dt", {}, name), h("dd", {}, value));

/** A section with a heading; null where there is nothing in it. */
export function section(title, ...content) {
  const there = content.flat().filter(Boolean);
  return there.length ? h("section", { class: "block" }, h("h3", {}, title), there) : null;
}

/** The sentence of a vendor, then its meaning; both marked as what language they are in. */
export function quote({ text, en }) {
  return h(
    "blockquote",
    {},
    h("p", { lang: "zh", class: "said", title: t("vendor") }, `“${text}”`),
    h("p", { lang: "en", class: "meant", title: t("meaning") }, en),
  );
}

let rules = new Map();

/** Read the rule table, once: evidence stands there. */
export async function loadRules() {
  rules = new Map((await once("/rules")).map((rule) => [rule.id, rule]));
}

/** How well a rule is founded (quoted, documented, observed, ours), and by how many reports. */
export function evidence(rule) {
  const { grade, reports, latest, seen } = rule.evidence ?? rules.get(rule.rule ?? rule.id)?.evidence ?? {};
  if (!grade) return null;
  const counted = reports ? t(reports === 1 ? "report" : "reports", { n: reports }) : "";
  return h(
    "span",
    { class: `badge ${grade}`, title: seen },
    [t(`evidence.${grade}`), counted, latest].filter(Boolean).join(" · "),
  );
}

/** Every broken rule of a report: where, why, the vendor's sentence, found and wanted. */
export function violations(report, payload) {
  return h(
    "ul",
    { class: "violations" },
    report.violations.map((one) => violation(one, payload)),
  );
}

function violation(one, payload) {
  const inBody = one.found ?? shortened(valueAt(payload, one.pointer));
  return h(
    "li",
    { class: "violation" },
    h(
      "div",
      { class: "rule" },
      h("a", { href: `#rules/${encodeURIComponent(one.rule)}` }, h("code", {}, one.rule)),
      evidence(one),
      h("span", { class: "where" }, t("at"), " ", h("code", {}, one.pointer || t("theRequest"))),
    ),
    h("p", { class: "message" }, one.message),
    h(
      "dl",
      { class: "facts" },
      inBody ? fact(t("found"), h("code", {}, inBody)) : null,
      one.wanted ? fact(t("wanted"), h("code", {}, one.wanted)) : null,
    ),
    one.quotes.length
      ? one.quotes.map(quote)
      : h("p", { class: "source" }, has(`source.${one.source}`) ? t(`source.${one.source}`) : one.source),
  );
}

function shortened(value) {
  if (value === undefined) return "";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** What could not be verified, by reason, and notes. */
export function remarks(report) {
  const reasons = Map.groupBy
    ? Map.groupBy(report.unverified, (one) => one.because)
    : new Map(report.unverified.map((one) => [one.because, [one]]));
  return [
    section(
      t("unverified"),
      [...reasons].map(([because, rows]) =>
        h("p", { class: "remark" }, because, ": ", h("code", {}, [...new Set(rows.map((row) => row.rule))].join(", "))),
      ),
    ),
    section(
      t("notes"),
      report.notes.map((note) => h("p", { class: "remark" }, h("code", {}, note.pointer), " ", note.message)),
    ),
  ];
}

/** Whether the journal has left out long texts of a body. */
export const isShortened = (body) => /"redacted":"sha256:[0-9a-f]{64}"/.test(JSON.stringify(body));

/** A payload as text, the lines that broken rules speak of marked. */
export function payloadView(payload, report) {
  const lines = printed(payload);
  const numbers = new Map(lines.flatMap((line, number) => line.pointers.map((pointer) => [pointer, number])));
  const marks = marked(report.violations, numbers);
  return h(
    "pre",
    { class: "payload", tabindex: 0, "aria-label": t("payload"), lang: language === "zh" ? "zh" : "en" },
    lines.map((line, number) =>
      h(
        "span",
        { class: `line${marks.has(number) ? " marked" : ""}` },
        line.text,
        marks.has(number) ? h("span", { class: "mark" }, ` ◀ ${[...marks.get(number)].join(", ")}`) : null,
        "\n",
      ),
    ),
  );
}

/** Return the ids of broken rules by line. */
export function marked(broken, lines) {
  const marks = new Map();
  for (const one of broken) {
    const line = lineOf(lines, one.pointer);
    if (line !== undefined) marks.set(line, (marks.get(line) ?? new Set()).add(one.rule));
  }
  return marks;
}

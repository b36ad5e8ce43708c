// The rule table, with the vendor's sentences.

import { once } from "./api.js";
import { fill, h } from "./dom.js";
import { has, t } from "./i18n.js";
import { evidence, pill, quote } from "./parts.js";

let found = "";

/** The view; `id` is the rule that is looked for. */
export function rules(root, id) {
  if (id) found = id;
  const list = h("ul", { class: "rules" });
  const search = h("input", {
    type: "search",
    value: found,
    placeholder: t("search"),
    "aria-label": t("search"),
    oninput: (event) => {
      found = event.target.value;
      show();
    },
  });
  fill(
    root,
    h("div", { class: "head" }, h("h1", {}, t("rules")), h("p", { class: "dim" }, t("rulesAbout")), search),
    list,
  );
  let rows = [];
  function show() {
    const words = found.toLowerCase();
    fill(list, rows.filter((row) => JSON.stringify(row).toLowerCase().includes(words)).map(rule));
  }
  once("/rules").then(
    (read) => {
      rows = read;
      show();
    },
    (error) => fill(list, h("li", { class: "message bad" }, error.message)),
  );
  return {};
}

function rule(row) {
  return h(
    "li",
    { class: "violation quiet" },
    h(
      "div",
      { class: "rule" },
      h("code", {}, row.id),
      evidence(row),
      h("span", { class: "where" }, row.operation || t("anyRequest"), " ", pill(row.status, row.code)),
    ),
    h("p", { class: "message" }, row.message),
    row.evidence?.message
      ? h("p", { class: "dim" }, t("wording"), ": ", t(`evidence.${row.evidence.message.grade}`))
      : null,
    row.evidence?.seen ? h("p", { class: "dim" }, row.evidence.seen) : null,
    row.kind === "request" ? null : h("p", { class: "dim" }, t("holds"), " ", h("code", {}, row.statement)),
    row.quotes.length
      ? row.quotes.map(quote)
      : h("p", { class: "source" }, has(`source.${row.source}`) ? t(`source.${row.source}`) : row.source),
  );
}

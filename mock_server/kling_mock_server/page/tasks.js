// Tasks as they are at this moment: status, callbacks with every attempt, and the result as soon as there is one.
// A result is downloaded when it is played: a download is an exchange of the account, and may be a step of a scenario.

import { control, key, ownFile } from "./api.js";
import { fill, h, update } from "./dom.js";
import { t, time } from "./i18n.js";
import { fact, pill } from "./parts.js";

const LISTED = 50;

/** The view of all tasks. */
export function tasks(root) {
  const list = h("div", { class: "tasks" }),
    hint = h("p", { class: "hint", hidden: true }, t("standing"));
  const cards = new Map();
  fill(root, h("h1", { class: "hidden" }, t("tasks")), hint, list);
  const refresh = async () => {
    const [rows, clock] = key()
      ? await Promise.all([control("GET", `/tasks?limit=${LISTED}`), control("GET", "/clock")])
      : [[], {}];
    hint.hidden = !clock.standing || !rows.some(isRunning);
    show(list, cards, rows);
  };
  return { refresh };
}

const isRunning = (row) => row.task_status === "submitted" || row.task_status === "processing";

function show(list, cards, rows) {
  const known = new Set(rows.map((row) => row.task_id));
  for (const [id, card] of cards) {
    if (!known.has(id)) {
      card.element.remove();
      cards.delete(id);
    }
  }
  rows.forEach((row, at) => {
    const card = cards.get(row.task_id) ?? taskCard();
    cards.set(row.task_id, card);
    card.render(row);
    if (list.children[at] !== card.element) list.insertBefore(card.element, list.children[at] ?? null);
  });
  list.querySelector(".empty")?.remove();
  if (!rows.length) list.append(h("p", { class: "empty" }, t("noTasks")));
}

/** One task; `render` takes it as `GET /_mock/tasks` has it. What did not change is left alone: a video goes on playing. */
export function taskCard() {
  const [head, video, callbacks] = [h("div"), h("div", { class: "video" }), h("div")];
  const element = h("article", { class: "task" }, head, video, callbacks);
  return {
    element,
    render(row) {
      element.setAttribute("aria-label", row.task_id);
      update(head, JSON.stringify([row.task_status, row.task_status_msg]), () => headOf(row));
      const urls = (row.task_result?.videos ?? []).map((one) => ownFile(one.url)).filter(Boolean);
      update(video, JSON.stringify(urls), () =>
        urls.map((url) =>
          h("video", {
            controls: true,
            preload: "none",
            poster: "_mock/page/poster.svg",
            playsinline: true,
            src: url,
            "aria-label": `${t("result")} ${row.task_id}`,
          }),
        ),
      );
      update(callbacks, JSON.stringify(row.callbacks), () => callbacksOf(row.callbacks));
    },
  };
}

function headOf(row) {
  const kind = { succeed: "good", failed: "bad" }[row.task_status] ?? "busy";
  return [
    h("h2", {}, h("code", {}, row.task_id), " ", h("span", { class: `pill ${kind}` }, t(`task.${row.task_status}`))),
    row.task_status_msg ? h("p", { class: "message" }, row.task_status_msg) : null,
    h(
      "dl",
      { class: "facts" },
      fact(t("created"), time(row.created_at)),
      row.task_info.external_task_id ? fact(t("externalId"), h("code", {}, row.task_info.external_task_id)) : null,
      fact(t("bar.video"), `${row.task_info.parent_video.duration} s`),
      row.final_unit_deduction ? fact(t("units"), row.final_unit_deduction) : null,
    ),
  ];
}

function callbacksOf({ attempts, next }) {
  if (!attempts.length && !next) return null;
  return h(
    "section",
    { class: "block" },
    h("h3", {}, t("callbacks")),
    h(
      "ol",
      { class: "attempts" },
      attempts.map((one) =>
        h(
          "li",
          {},
          h("span", { class: "when" }, time(one.at_ms)),
          " ",
          t(`task.${one.task_status}`),
          " · ",
          t("attempt"),
          ` ${one.attempt} `,
          pill(one.status),
          " ",
          h("span", { class: "dim" }, one.error || (one.status ? "" : t("noReply"))),
          " ",
          h("code", {}, one.url),
        ),
      ),
      next
        ? h(
            "li",
            { class: "dim" },
            t("nextAttempt", { status: t(`task.${next.task_status}`), n: next.attempt, time: time(next.due_ms) }),
          )
        : null,
    ),
  );
}

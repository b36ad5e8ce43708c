// The times of one item of face_choose, drawn: the video's clock above, the audio's below, to one scale.

import { h, svg } from "./dom.js";
import { t } from "./i18n.js";

const ROWS = ["video", "face", "overlap", "inserted", "clip", "audio"];
const WIDTH = 640,
  LEFT = 76,
  // The widest letter of the fonts that style.css names, at its size.
  LETTER = 7.3,
  TOP = 26,
  ROW = 28,
  BAR = 16;

// Which bar a field is about, so that the bar of a broken rule can be marked.
const BAR_OF = {
  session_id: "video",
  face_id: "face",
  sound_insert_time: "inserted",
  sound_start_time: "clip",
  sound_end_time: "clip",
  audio_id: "audio",
  sound_file: "audio",
};

const digits = (ms) => String(ms).replace(/\B(?=(\d{3})+$)/g, "\u2009");

/** Return a drawing of bars `{label, start_ms, end_ms}`; null where there are none. */
export function timeline(bars, violations = []) {
  if (!bars?.length) return null;
  const rank = ({ label }) => (ROWS.includes(label) ? ROWS.indexOf(label) : ROWS.length);
  const shown = [...bars].sort((one, other) => rank(one) - rank(other));
  const longest = Math.max(...shown.map((bar) => bar.end_ms)) || 1;
  const right = WIDTH - columnOfTimes(shown);
  const at = (ms) => LEFT + ((right - LEFT) * ms) / longest;
  const broken = new Set(violations.map((one) => BAR_OF[one.pointer.split("/").pop()]));
  if (violations.some((one) => one.rule.includes("overlap"))) broken.add("overlap");
  const height = TOP + ROW * shown.length + 6;
  const spoken = shown.map((bar) => `${t(`bar.${bar.label}`)} ${bar.start_ms}–${bar.end_ms} ms`).join(", ");
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": t("timeline") },
    svg(
      "svg",
      {
        class: "timeline",
        viewBox: `0 0 ${WIDTH} ${height}`,
        role: "img",
        "aria-label": `${t("timeline")}: ${spoken}`,
      },
      ticks(longest).map((ms) => tick(ms, at(ms), height)),
      link(shown, at),
      shown.map((bar, row) => drawn(bar, row, at, right, broken.has(bar.label))),
    ),
  );
}

const times = (bar) => `${digits(bar.start_ms)} – ${digits(bar.end_ms)}`;
const length = (bar) => `${digits(bar.end_ms - bar.start_ms)} ms`;

// Beside the bars: from when to when, and how long, with a gap before each.
function columnOfTimes(bars) {
  const letters = (text) => Math.max(...bars.map((bar) => text(bar).length));
  return 12 + LETTER * (letters(times) + 2 + letters(length));
}

function drawn(bar, row, at, right, isBroken) {
  const y = TOP + row * ROW,
    start = at(bar.start_ms),
    width = at(bar.end_ms) - start;
  return svg(
    "g",
    { class: `bar ${bar.label}${isBroken ? " broken" : ""}`, "data-bar": bar.label },
    svg("text", { class: "name", x: LEFT - 12, y: y + BAR - 3, "text-anchor": "end" }, t(`bar.${bar.label}`)),
    svg("rect", { x: start, y, width: Math.max(width, 2), height: BAR, rx: 4 }),
    svg(
      "text",
      { class: "times", x: right + 12, y: y + BAR - 3 },
      times(bar),
      svg("tspan", { class: "length", x: WIDTH, "text-anchor": "end" }, length(bar)),
    ),
  );
}

// The clip lies where it is inserted: one shape connects both.
function link(shown, at) {
  const of = (label) => shown.findIndex((bar) => bar.label === label);
  const [above, below] = [of("inserted"), of("clip")];
  if (above < 0 || below !== above + 1) return null;
  const y = TOP + above * ROW + BAR,
    to = TOP + below * ROW;
  const [inserted, clip] = [shown[above], shown[below]];
  const points = [
    [inserted.start_ms, y],
    [inserted.end_ms, y],
    [clip.end_ms, to],
    [clip.start_ms, to],
  ];
  return svg("polygon", { class: "link", points: points.map(([ms, height]) => `${at(ms)},${height}`).join(" ") });
}

function tick(ms, x, height) {
  return svg(
    "g",
    { class: "tick" },
    svg("line", { x1: x, x2: x, y1: TOP - 6, y2: height - 4 }),
    svg("text", { x, y: TOP - 12, "text-anchor": "middle" }, `${ms / 1000} s`),
  );
}

function ticks(longest) {
  const step =
    [100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 300000, 3600000].find((one) => longest / one <= 8) ??
    10 ** Math.ceil(Math.log10(longest / 8));
  return Array.from({ length: Math.floor(longest / step) + 1 }, (_, number) => number * step);
}

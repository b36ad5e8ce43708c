// The journal as far as the page has read it. It is asked for what is new, like any other client asks.

import { control } from "./api.js";

const FIRST = 200;
const MAX = 2000;

export const journal = {
  entries: [],
  dropped: 0,
  /** Whether the mock may have entries older than those read. */
  hasOlder: false,

  /** Forget what was read: another key was typed. */
  clear() {
    Object.assign(this, { entries: [], dropped: 0, hasOlder: false });
  },

  /** Read what is new; returns those entries. Throws `CallError`. */
  async poll() {
    const before = this.entries,
      last = before.at(-1)?.response.request_id;
    const read = await control("GET", last ? `/journal?after=${encodeURIComponent(last)}` : `/journal?limit=${FIRST}`);
    // Another key may have been typed, or older entries read, in the meantime.
    if (this.entries !== before) return [];
    this.dropped = read.dropped;
    if (!last || read.gap) {
      this.hasOlder = !last && read.entries.length === FIRST;
      this.entries = read.entries;
      return last ? [] : read.entries;
    }
    this.entries = [...this.entries, ...read.entries].slice(-MAX);
    return read.entries;
  },

  /** Read everything that the mock still has. */
  async loadOlder() {
    if (!this.hasOlder) return;
    this.hasOlder = false;
    const read = await control("GET", "/journal");
    const known = new Set(this.entries.map((entry) => entry.response.request_id));
    const older = read.entries.filter(
      (entry) => !known.has(entry.response.request_id) && entry.at_ms <= (this.entries[0]?.at_ms ?? Infinity),
    );
    this.entries = [...older, ...this.entries];
  },
};

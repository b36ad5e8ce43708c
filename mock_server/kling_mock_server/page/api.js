// The control surface, called like any other client calls it, and the API itself for what the playground sends.
// Addresses are relative to the page: it works behind a prefix.

const KEY = "klingkit.key";

/** The key that the person typed; empty where there is none. It lasts as long as the tab. */
export const key = () => sessionStorage.getItem(KEY) ?? "";
export const setKey = (value) => sessionStorage.setItem(KEY, value.trim());

/** An answer that is a refusal, or none at all (`status` 0). */
export class CallError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Numbers beyond 2^53 keep their digits, where the browser can do that.
const exact = (_, value, context) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && context && JSON.rawJSON
    ? JSON.rawJSON(context.source)
    : value;

/** Read JSON; undefined where a text is none. */
export function parsed(text) {
  try {
    return JSON.parse(text, exact);
  } catch {
    return undefined;
  }
}

// As curl and most clients send a key that is not ASCII: the bytes of its UTF-8.
function bearer() {
  const bytes = String.fromCharCode(...new TextEncoder().encode(key()));
  return key() ? { Authorization: `Bearer ${bytes}` } : {};
}

async function fetched(path, options) {
  try {
    const answer = await fetch(path, { ...options, cache: "no-store", credentials: "omit" });
    return { answer, text: await answer.text() };
  } catch (error) {
    throw new CallError(0, String(error.message ?? error));
  }
}

/** Call the control surface; returns `data` of its answer. Throws `CallError`. */
export async function control(method, path, body) {
  const headers = { ...bearer(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const { answer, text: said } = await fetched(`_mock${path}`, { method, headers, body: text });
  const envelope = parsed(said);
  if (!answer.ok) throw new CallError(answer.status, envelope?.message ?? said.slice(0, 200));
  return envelope && "code" in envelope ? envelope.data : envelope;
}

/** Send a request to the API as a client would; returns status, headers and text of whatever comes back. */
export async function send({ method, path, body }) {
  const headers = { ...bearer(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const { answer, text } = await fetched(path.slice(1), { method, headers, body });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), text };
}

const remembered = new Map();

/** Ask for what does not change while the mock runs: once. */
export function once(path) {
  if (!remembered.has(path)) {
    const asked = control("GET", path);
    remembered.set(path, asked);
    asked.catch(() => remembered.delete(path));
  }
  return remembered.get(path);
}

/** The operations of the contract by short name: method, path, example, parameters. */
export async function operations() {
  const found = {};
  for (const [path, item] of Object.entries((await once("/openapi.json")).paths)) {
    for (const [method, body] of Object.entries(item)) {
      if (!body["x-name"]) continue;
      const content = Object.values(body.requestBody?.content ?? {})[0];
      const parameters = content ? [] : (body.parameters ?? []);
      found[body["x-name"]] = {
        name: body["x-name"],
        method: method.toUpperCase(),
        path,
        parameters,
        example: content
          ? (content.example ?? {})
          : Object.fromEntries(parameters.map((one) => [one.name, one.example ?? one.schema.default])),
      };
    }
  }
  return found;
}

/** The part of a URL of one of the mock's files that is the same under whatever name the mock is reached. */
export function ownFile(url) {
  const at = String(url ?? "").indexOf("/_mock/files/");
  return at < 0 ? "" : String(url).slice(at + 1);
}

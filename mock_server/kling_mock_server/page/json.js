// JSON as people read it: printed with the line of every pointer, and the lines of a text that is being edited.

const step = (pointer, name) => `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
const isRaw = (value) => JSON.isRawJSON?.(value) ?? false;

/** Print a value; returns its lines, each with the JSON Pointers of what begins there. */
export function printed(value) {
  const lines = [];
  const put = (indent, text, pointer) => lines.push({ text: "  ".repeat(indent) + text, pointers: [pointer] });
  const walk = (one, indent, pointer, before, after) => {
    const isArray = Array.isArray(one);
    const entries = one && typeof one === "object" && !isRaw(one) ? Object.entries(one) : null;
    if (!entries?.length) {
      put(indent, before + (entries ? (isArray ? "[]" : "{}") : JSON.stringify(one)) + after, pointer);
      return;
    }
    put(indent, before + (isArray ? "[" : "{"), pointer);
    entries.forEach(([name, member], number) =>
      walk(
        member,
        indent + 1,
        step(pointer, name),
        isArray ? "" : `${JSON.stringify(name)}: `,
        number < entries.length - 1 ? "," : "",
      ),
    );
    lines.push({ text: "  ".repeat(indent) + (isArray ? "]" : "}") + after, pointers: [] });
  };
  walk(value, 0, "", "", "");
  return lines;
}

/** Return the value at a JSON Pointer; undefined where nothing is. */
export function valueAt(value, pointer) {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce(
      (one, part) => (one !== null && typeof one === "object" && Object.hasOwn(one, part) ? one[part] : undefined),
      value,
    );
}

/** Return the line (from 0) of every pointer of a text, as far as it is JSON. */
export function linesOf(text) {
  const found = new Map();
  const tokens = text.matchAll(/\n|"(?:[^"\\\n]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+|"/g);
  const open = [];
  let line = 0,
    name = null,
    awaited = null;
  const pointer = () =>
    open.length ? step(open.at(-1).pointer, open.at(-1).isArray ? open.at(-1).index : (name ?? "")) : "";
  for (const [token] of tokens) {
    if (token === "\n") line += 1;
    else if (token === "{" || token === "[") {
      const here = pointer();
      if (!found.has(here)) found.set(here, awaited ?? line);
      open.push({ pointer: here, isArray: token === "[", index: 0, isKey: token === "{" });
      awaited = null;
    } else if (token === "}" || token === "]") open.pop();
    else if (token === ",") {
      const parent = open.at(-1);
      if (parent) parent.isArray ? (parent.index += 1) : (parent.isKey = true);
      awaited = null;
    } else if (token === ":") {
      /* what follows is the value */
    } else if (open.at(-1)?.isKey && token.startsWith('"')) {
      open.at(-1).isKey = false;
      awaited = line;
      try {
        name = JSON.parse(token);
      } catch {
        name = token;
      }
    } else if (!found.has(pointer())) found.set(pointer(), awaited ?? line);
  }
  return found;
}

/** Return the line of a pointer, or of what it would be in; undefined where there is neither. */
export function lineOf(lines, pointer) {
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf("/"))) {
    if (lines.has(at)) return lines.get(at);
    if (at === "") return undefined;
  }
}

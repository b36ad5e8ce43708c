// A request as a command for a shell and as Python.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return the absolute URL of a path of the API. */
export const urlOf = (path) => new URL(path.slice(1), document.baseURI).href;

/** Return a curl command that sends the request. */
export function curl({ method, path, body }, key) {
  const parts = ["curl -i", method === "POST" || method === "GET" ? "" : `-X ${method}`, quoted(urlOf(path))];
  if (method === "POST" && body === undefined) parts.push("-X POST");
  if (key) parts.push(`-H ${quoted(`Authorization: Bearer ${key}`)}`);
  if (body !== undefined) parts.push("-H 'Content-Type: application/json'", `--data-raw ${quoted(body)}`);
  return parts.filter(Boolean).join(" ");
}

/** Return a Python program that sends the request. */
export function python({ method, path, body }, key) {
  const lines = [
    "import requests",
    "",
    "answer = requests.request(",
    `    ${text(method)},`,
    `    ${text(urlOf(path))},`,
  ];
  const headers = [
    key && `"Authorization": ${text(`Bearer ${key}`)}`,
    body !== undefined && '"Content-Type": "application/json"',
  ].filter(Boolean);
  if (headers.length) lines.push(`    headers={${headers.join(", ")}},`);
  // The very text that was typed: the numbers and the order of a dict would be Python's.
  if (body !== undefined) lines.push(`    data=${text(body)}.encode(),`);
  return [...lines, ")", "print(answer.status_code, answer.text)", ""].join("\n");
}

// JSON's escapes are Python's, but for half a surrogate pair, which no request can hold.
const text = (value) => JSON.stringify(value);

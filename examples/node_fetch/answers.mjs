import { NoAnswer, Refused } from './errors.mjs';

const DAY_MS = 86_400_000;

/** Returns the `data` of a good answer; throws Refused or NoAnswer. */
export function dataOf(response, text) {
  const body = parse(text);
  const code = codeOf(body.code);
  if (!response.ok || body.error || (code !== 0 && code !== null)) {
    throw new Refused(response.status, code || null, messageOf(response, body), retryAfterMs(response.headers));
  }
  if (code === null || typeof body.data !== 'object' || body.data === null) {
    throw new NoAnswer(`HTTP ${response.status} without a readable answer`);
  }
  return body.data;
}

/** Returns an id as a string; throws NoAnswer where there is none. */
export function idOf(value) {
  if ((typeof value !== 'string' && typeof value !== 'number') || value === '') throw new NoAnswer('an id is missing');
  return String(value);
}

/** Returns what Retry-After asks for, given in seconds or as a date; 0 without it. */
export function retryAfterMs(headers) {
  const value = headers.get('retry-after') ?? '';
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return wait > 0 ? Math.min(wait, DAY_MS) : 0;
}

function parse(text) {
  try {
    const body = JSON.parse(quoteLongNumbers(text));
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    return {};
  }
}

// Ids have 18 digits, which no JavaScript number holds: where a gateway sends them unquoted, quote them before parsing.
function quoteLongNumbers(text) {
  return text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\w.+-])\d{16,}(?![\w.])/gs, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
}

function codeOf(value) {
  return /^\d{1,9}$/.test(String(value)) ? Number(value) : null;
}

function messageOf(response, body) {
  const said = body.error?.message ?? body.error ?? body.message ?? response.statusText;
  const text = typeof said === 'string' ? said : JSON.stringify(said);
  return text.replace(/\s+/g, ' ').trim().slice(0, 300) || 'refused';
}

/** Reads the KLING_* variables; durations become milliseconds. Throws an Error with one line for a human. */
export function configFrom(env) {
  const baseUrl = (env.KLING_BASE_URL ?? '').replace(/\/+$/, '');
  if (!/^https?:\/\/[^/\s]+/.test(baseUrl)) throw new Error('set KLING_BASE_URL to the http(s) address of the API');
  const apiKey = (env.KLING_API_KEY ?? '').trim();
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new Error('set KLING_API_KEY to the key of the account');
  return {
    baseUrl,
    apiKey,
    pollMs: milliseconds(env, 'KLING_POLL_S', 3),
    retryMs: milliseconds(env, 'KLING_RETRY_S', 1),
    timeoutMs: milliseconds(env, 'KLING_TIMEOUT_S', 60),
    deadlineMs: milliseconds(env, 'KLING_DEADLINE_S', 900),
  };
}

function milliseconds(env, name, fallback) {
  const seconds = Number(env[name] ?? fallback);
  if (!(seconds > 0 && seconds <= 1_000_000)) throw new Error(`${name} must be a number of seconds above 0`);
  return Math.ceil(seconds * 1000);
}

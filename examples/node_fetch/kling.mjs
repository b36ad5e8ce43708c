import { rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { dataOf, idOf, retryAfterMs } from './answers.mjs';
import { NoAnswer, Refused } from './errors.mjs';

const TASKS = '/v1/videos/advanced-lip-sync';
const TRIES = 6; // of one call; waiting for a free slot does not count
export const FEW = 5; // so often a task may be unknown after its creation, or finished without a video
const LONGEST_PAUSE_MS = 30_000;

/** The API behind one key: a method a call, retried where that is safe and of use. */
export class Kling {
  #config;
  #say;
  #endsAt;

  constructor(config, say = console.log) {
    this.#config = config;
    this.#say = say;
    this.#endsAt = Date.now() + config.deadlineMs;
  }

  /** The session and the faces of a video. Asking twice costs a little and does no harm. */
  identifyFace(videoUrl) {
    return this.#patiently('identify-face', () =>
      this.#call('POST', '/v1/videos/identify-face', { video_url: videoUrl }),
    );
  }

  /** The text as audio. Asking twice costs a little and does no harm. */
  tts(text, voiceId, language) {
    const body = { text, voice_id: voiceId, voice_language: language, voice_speed: 1 };
    return this.#patiently('tts', () => this.#call('POST', '/v1/audio/tts', body));
  }

  /**
   * Creates a task and returns its id. All attempts carry the payload's external_task_id, so there is never a second
   * task: if an earlier attempt got through unseen, the next is refused, and the task is looked up by that id.
   */
  create(payload) {
    let inDoubt = false;
    return this.#patiently('create', async () => {
      try {
        return idOf((await this.#call('POST', TASKS, payload)).task_id);
      } catch (error) {
        if (inDoubt && (error.code === 1200 || error.code === 1201)) {
          return await this.#existing(payload.external_task_id, error);
        }
        inDoubt ||= Boolean(error.undecided);
        throw error;
      }
    });
  }

  async #existing(externalId, refusal) {
    for (let lookups = 0; lookups < FEW; lookups++) {
      try {
        return idOf((await this.query(externalId)).task_id);
      } catch (error) {
        if (!error.unknown) throw error;
        await this.pause(this.#config.pollMs);
      }
    }
    throw refusal;
  }

  /** The task as it is now; by its id or its external id. */
  query(taskId) {
    return this.#patiently('query', () => this.#call('GET', `${TASKS}/${encodeURIComponent(taskId)}`));
  }

  /** Saves an mp4, whole or not at all; returns its bytes. */
  download(url, target) {
    return this.#patiently('download', () => this.#download(url, target));
  }

  /** Sleeps, but not beyond the deadline. */
  async pause(ms) {
    await sleep(Math.min(ms, this.#left()));
  }

  #left() {
    const left = this.#endsAt - Date.now();
    if (left <= 0) throw new Error(`no video within ${this.#config.deadlineMs / 1000} s`);
    return left;
  }

  async #call(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#config.apiKey}` };
    if (body) headers['Content-Type'] = 'application/json';
    const { response, text } = await this.#answered(this.#config.timeoutMs, async (signal) => {
      const response = await fetch(this.#config.baseUrl + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        redirect: 'manual',
        signal,
      });
      return { response, text: await response.text() };
    });
    return dataOf(response, text);
  }

  // Another host, so the key stays here; and a video takes longer than an answer.
  async #download(url, target) {
    const part = `${target}.part`;
    try {
      const { response, bytes } = await this.#answered(this.#config.timeoutMs * 10, async (signal) => {
        const response = await fetch(url, { signal });
        return { response, bytes: Buffer.from(await response.arrayBuffer()) };
      });
      if (!response.ok) {
        throw new Refused(response.status, null, response.statusText || 'refused', retryAfterMs(response.headers));
      }
      if (bytes.toString('latin1', 4, 8) !== 'ftyp') throw new NoAnswer('what came is no mp4');
      await writeFile(part, bytes);
      await rename(part, target);
      return bytes.length;
    } finally {
      await rm(part, { force: true });
    }
  }

  async #patiently(call, attempt) {
    let tries = 0;
    for (let pauses = 0; ; pauses++) {
      try {
        return await attempt();
      } catch (error) {
        if (error.undecided) tries++;
        if (!(error.busy || error.undecided) || tries >= TRIES) throw error;
        const backoff = Math.min(this.#config.retryMs * 2 ** pauses, LONGEST_PAUSE_MS) * (1 + Math.random() / 2);
        const wait = Math.max(backoff, error.retryAfterMs);
        this.#say(`${call}: ${error.message}; again in ${(wait / 1000).toFixed(1)} s`);
        await this.pause(wait);
      }
    }
  }

  // Bounds a whole exchange, its body included. AbortSignal.timeout alone would not do: its timer does not keep the
  // process alive, and Node 20 can leave a body that fails to decompress pending for ever, aborted or not.
  async #answered(ms, exchange) {
    const limit = Math.min(ms, this.#left());
    const aborting = new AbortController();
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new NoAnswer('no answer in time')), limit);
    });
    try {
      return await Promise.race([exchange(aborting.signal), late]);
    } catch (error) {
      // fetch fails with a TypeError that keeps the reason in its cause.
      throw error instanceof NoAnswer ? error : new NoAnswer(error.cause?.message || error.cause?.code || error.message);
    } finally {
      clearTimeout(timer);
      aborting.abort();
    }
  }
}

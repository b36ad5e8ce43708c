import { randomUUID } from 'node:crypto';
import { idOf } from './answers.mjs';
import { FEW } from './kling.mjs';

const SHORTEST_MS = 2000;
const LONGEST_MS = 60_000;
const AUDIO_MARGIN_MS = 50; // the service finds audios a little shorter than it says they are
const FACE_MARGIN_MS = 100; // and faces gone a little earlier
const EXPIRED = new Set([401, 403, 404, 410]);

/** From a video and a text to a file; returns the id of the task. */
export async function make(kling, { videoUrl, text, voice, language, output, pollMs }, say) {
  say(`looking for faces in ${videoUrl}`);
  const found = await kling.identifyFace(videoUrl);
  const sessionId = idOf(found.session_id);
  say(`session ${sessionId}`);

  const audio = (await kling.tts(text, voice, language)).task_result?.audios?.[0];
  const audioId = idOf(audio?.id);
  const audioMs = Math.floor(Number(audio.duration) * 1000 + 0.001);
  say(`audio ${audioId} lasts ${audioMs} ms`);

  const face = place(found.face_data, audioMs);
  say(`face ${face.face_id} says ${face.sound_end_time} ms of it from ${face.sound_insert_time} ms`);
  const externalId = `talking-head-${randomUUID()}`;
  say(`creating the task as ${externalId}`);
  const taskId = await kling.create({
    session_id: sessionId,
    face_choose: [{ ...face, audio_id: audioId }],
    external_task_id: externalId,
  });

  await save(kling, taskId, output, pollMs, say);
  return taskId;
}

/** Lets the face that is seen longest speak as much of the audio as fits, from the moment it appears. */
export function place(faces, audioMs) {
  const sound = audioMs - AUDIO_MARGIN_MS;
  if (!(sound >= SHORTEST_MS)) {
    throw new Error(`the audio lasts ${audioMs} ms and must last ${SHORTEST_MS + AUDIO_MARGIN_MS}: use a longer text`);
  }
  const seen = (Array.isArray(faces) ? faces : []).filter(usable);
  if (seen.length === 0) throw new Error('no face was found in the video');
  const face = seen.reduce((best, one) => (length(one) > length(best) ? one : best));
  const room = length(face) - FACE_MARGIN_MS;
  if (room < SHORTEST_MS) throw new Error(`no face is seen for ${SHORTEST_MS + FACE_MARGIN_MS} ms at a stretch`);
  return {
    face_id: String(face.face_id),
    sound_start_time: 0,
    sound_end_time: Math.min(sound, room, LONGEST_MS),
    sound_insert_time: face.start_time,
    sound_volume: 1,
    original_audio_volume: 0,
  };
}

// A face id may be "0", or even 0.
function usable(face) {
  return (face?.face_id ?? null) !== null && Number.isInteger(face.start_time) && Number.isInteger(face.end_time);
}

function length(face) {
  return face.end_time - face.start_time;
}

async function save(kling, taskId, output, pollMs, say) {
  for (let links = 1; ; links++) {
    const url = await videoUrl(kling, taskId, pollMs, say);
    say(`downloading ${url}`);
    try {
      const bytes = await kling.download(url, output);
      say(`saved ${output}, ${bytes} bytes`);
      return;
    } catch (error) {
      // The link may have expired; the task knows a fresh one.
      if (!EXPIRED.has(error.status) || links >= FEW) throw error;
      say(`${error.message}; asking for the link again`);
      await kling.pause(pollMs);
    }
  }
}

/** Polls until the task ends; returns where its video is. */
async function videoUrl(kling, taskId, pollMs, say) {
  let wait = pollMs;
  let gaps = 0;
  let said = '';
  for (;;) {
    const task = await look(kling, taskId, gaps);
    const status = task.task_status;
    if (status === 'failed') {
      throw new Error(`task ${taskId} failed: ${task.task_status_msg || 'no reason was given'}`);
    }
    const url = status === 'succeed' && task.task_result?.videos?.[0]?.url;
    if (url) return String(url);
    // A status we do not know is one that has not ended.
    if (!status || status === 'succeed') gaps++;
    if (gaps >= FEW) throw new Error(`task ${taskId} ended without a video`);
    const state = `task ${taskId} is ${status ?? 'not visible yet'}`;
    if (state !== said) say(state);
    said = state;
    await kling.pause(wait);
    wait = Math.min(wait * 1.3, pollMs * 5);
  }
}

// A task may take a moment until it can be queried.
async function look(kling, taskId, gaps) {
  try {
    return await kling.query(taskId);
  } catch (error) {
    if (!error.unknown || gaps + 1 >= FEW) throw error;
    return {};
  }
}

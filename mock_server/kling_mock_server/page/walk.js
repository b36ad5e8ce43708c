// What one call of the way takes from the answers to the calls before it.

const longest = (faces) =>
  faces.reduce((one, other) => (other.end_time - other.start_time > one.end_time - one.start_time ? other : one));

/** Return a payload whose audio is a file, in Base64. */
export function withAudio(payload, base64) {
  const item = { ...payload.face_choose?.[0], audio_id: "", sound_file: base64 };
  return { ...payload, face_choose: [item, ...(payload.face_choose ?? []).slice(1)] };
}

/** Return an example with the ids and times of earlier answers (`data` by operation) in place of its own. */
export function filledIn(operation, example, { identify, tts }) {
  if (operation !== "create") return example;
  const item = { ...example.face_choose[0] },
    payload = { ...example, face_choose: [item] };
  if (identify) {
    const face = longest(identify.face_data);
    payload.session_id = identify.session_id;
    Object.assign(item, { face_id: face.face_id, sound_insert_time: face.start_time });
  }
  if (tts) {
    const audio = tts.task_result.audios[0];
    Object.assign(item, {
      audio_id: audio.id,
      sound_start_time: 0,
      sound_end_time: Math.floor(Number(audio.duration) * 1000 + 1e-6),
    });
  }
  return payload;
}

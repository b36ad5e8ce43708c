"""A client with the mistakes that integrators make: see docs/drill.md."""

import json
import os
import sys
import time
import urllib.request

KEY = {"Authorization": f"Bearer {os.environ['KLING_API_KEY']}", "Content-Type": "application/json"}
TASKS = "/v1/videos/advanced-lip-sync"


def fetch(url, body=None):
    """Whatever goes wrong, try again."""
    data = None if body is None else json.dumps(body).encode()
    for _ in range(3):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, KEY), timeout=10) as answer:
                return answer.read()
        except OSError as error:
            print(f"{error}; trying again", flush=True)
            time.sleep(0.1)
    sys.exit("giving up")


def call(path, body=None):
    return json.loads(fetch(os.environ["KLING_BASE_URL"] + path, body))["data"]


def main():
    found = call("/v1/videos/identify-face", {"video_url": "https://cdn.example.com/talk.mp4"})
    spoken = call(
        "/v1/audio/tts",
        {
            "text": "Welcome back to the show, and thank you for watching.",
            "voice_id": "oversea_male1",
            "voice_language": "en",
            "voice_speed": 1,
        },
    )
    face = {
        "face_id": found["face_data"][0]["face_id"],
        "audio_id": spoken["task_result"]["audios"][0]["id"],
        "sound_start_time": 0,
        "sound_end_time": 2000,
        "sound_insert_time": found["face_data"][0]["start_time"],
        "sound_volume": 1,
        "original_audio_volume": 1,
    }
    task = call(TASKS, {"session_id": found["session_id"], "face_choose": [face]})
    while task["task_status"] != "succeed":
        time.sleep(0.1)
        task = call(f"{TASKS}/{task['task_id']}")
    fetch(task["task_result"]["videos"][0]["url"])


main()

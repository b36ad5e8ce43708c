"""Three clients as integrators write them get their video from `klingkit serve`, and know nothing of it."""

import base64
import json
import shutil
import subprocess
import sys
import urllib.request
import wave
from pathlib import Path

import pytest

from kling_contracts.media import still_video
from support.serving import PATH, environment, file_server, running

EXAMPLES = Path(__file__).parents[1] / "examples"
TEXT = "Welcome back to the show, and thank you for watching it with us."
SECRET = "whsec_" + base64.b64encode(b"known to both sides only").decode()

# Only a hanging client takes this long.
DEADLINE_S = 60

QUICKLY = {"KLING_POLL_S": "0.1", "KLING_RETRY_S": "0.1", "KLING_DEADLINE_S": str(DEADLINE_S)}
PATIENTLY = {**QUICKLY, "KLING_POLL_S": str(10 * DEADLINE_S)}
"""So patient that only a callback can end its wait in time."""

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
POLLING = [
    pytest.param("polling_httpx", [sys.executable, "-m", "lipdub"], id="polling_httpx"),
    pytest.param("node_fetch", ["node", "index.mjs"], id="node_fetch", marks=needs_node),
]


@pytest.fixture(scope="module")
def mock():
    with running() as served:
        yield served


@pytest.fixture(scope="module")
def video_url():
    with file_server(still_video.mp4(10_000, 1280, 720)) as port:
        yield f"http://127.0.0.1:{port}/talk.mp4"


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(2 * 8000 * 3))
    return str(path)


def run(project, command, mock, key, **variables):
    """Run a client in its own directory; returns the completed process."""
    access = {"KLING_BASE_URL": mock.url, "KLING_API_KEY": key, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=EXAMPLES / project,
        env=environment(**{**access, **QUICKLY, **variables}),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE_S,
        check=False,
    )


def run_receiving(mock, video_url, voice, target, key, **variables):
    command = [sys.executable, "-m", "hookdub", video_url, voice, "-o", str(target)]
    return run("callbacks_requests", command, mock, key, **variables)


def states(mock, key):
    """Return the status of every task of this account."""
    request = urllib.request.Request(mock.url + PATH, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as answer:
        return [task["task_status"] for task in json.load(answer)["data"]]


def assert_made(completed, target, mock, key):
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert target.read_bytes()[4:8] == b"ftyp"
    assert [path.name for path in target.parent.glob("*.mp4*")] == [target.name]
    assert completed.stdout.splitlines()[-1].endswith("succeeded")
    assert states(mock, key) == ["succeed"]


@pytest.mark.parametrize(("project", "command"), POLLING)
def test_a_polling_client_gets_its_video(project, command, mock, video_url, tmp_path):
    target = tmp_path / "out.mp4"

    completed = run(project, [*command, video_url, TEXT, "-o", str(target)], mock, key=project)

    assert_made(completed, target, mock, project)


@pytest.mark.parametrize(("project", "command"), POLLING)
def test_a_polling_client_says_in_one_line_what_was_refused(project, command, video_url, tmp_path):
    target = tmp_path / "out.mp4"
    with running("--token", "known") as closed:
        completed = run(project, [*command, video_url, TEXT, "-o", str(target)], closed, key="unknown")

    assert completed.returncode == 1
    assert "1002" in completed.stderr
    assert completed.stderr.count("\n") == 1
    assert not target.exists()


def test_a_client_is_called_back_and_gets_its_video(mock, video_url, voice, tmp_path):
    target = tmp_path / "out.mp4"

    completed = run_receiving(mock, video_url, voice, target, "called", **PATIENTLY)

    assert_made(completed, target, mock, "called")
    assert "is said to be succeed" in completed.stdout


def test_a_client_believes_a_signed_callback_without_asking(video_url, voice, tmp_path):
    target = tmp_path / "out.mp4"
    patiently = {**PATIENTLY, "KLING_WEBHOOK_SECRET": SECRET}
    with running("--webhook-secret", SECRET) as signing:
        completed = run_receiving(signing, video_url, voice, target, "signed", **patiently)

        assert_made(completed, target, signing, "signed")
    assert "asking for" not in completed.stdout


def test_a_client_that_no_callback_reaches_asks(mock, video_url, voice, tmp_path):
    target = tmp_path / "out.mp4"
    nobody = {"KLING_CALLBACK_URL": "http://127.0.0.1:1/kling/callback"}

    completed = run_receiving(mock, video_url, voice, target, "unreached", **nobody)

    assert_made(completed, target, mock, "unreached")
    assert "callback:" not in completed.stdout


def test_a_receiving_client_says_in_one_line_what_was_refused(video_url, voice, tmp_path):
    target = tmp_path / "out.mp4"
    with running("--token", "known") as closed:
        completed = run_receiving(closed, video_url, voice, target, "unknown")

    assert completed.returncode == 1
    assert "1002" in completed.stderr
    assert completed.stderr.count("\n") == 1
    assert not target.exists()

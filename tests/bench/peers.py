"""`make bench-peers`: other mock servers under the same payload, one after the other, by the time a call takes.

They are installed by npm into build/peers; what could not be got is named.
"""

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import kling_openapi
from bench.servers import BARE_SERVE, BODY, HEADERS, PATH, SERVE, serving
from kling_contracts.documents.loading import VENDOR_DOCUMENT
from support.ports import free_port

FOLDER = Path(__file__).parents[2] / "build" / "peers"
PACKAGES = {"Steady": "@stdy/cli", "Prism": "@stoplight/prism-cli", "WireMock": "wiremock"}
DOCUMENT = str(kling_openapi.FOLDER / VENDOR_DOCUMENT)
CALLS, ROUNDS = 300, 5


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("| server | ms per accepted call, sequential client | first answer after |\n| --- | --- | --- |", flush=True)
    with serving(BARE_SERVE) as (_, port):
        _print("bare Flask echo on waitress", port, 0)
    start = time.perf_counter()
    with serving(SERVE) as (_, port):
        _first(port)
        _print("klingkit serve", port, time.perf_counter() - start)
    for name, package in PACKAGES.items():
        try:
            _peer(name, package)
        except (OSError, subprocess.SubprocessError, AssertionError, http.client.HTTPException) as error:
            print(f"| {name} | not measured: {str(error)[:120]} | |", flush=True)


def _peer(name, package):
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(FOLDER), package]
    if not shutil.which("npm"):
        raise OSError("npm is missing here")
    subprocess.run(install, check=True, capture_output=True, timeout=240)
    port = free_port()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, _running(_command(name, port, folder)):
        _first(port)
        _print(f"{name} {_version(package)}", port, time.perf_counter() - start)


def _version(package):
    return json.loads((FOLDER / "node_modules" / package / "package.json").read_text())["version"]


def _command(name, port, folder):
    binary = FOLDER / "node_modules" / ".bin"
    if name == "Steady":
        return [binary / "steady", "--port", str(port), "--host", "127.0.0.1", "--quiet", DOCUMENT]
    if name == "Prism":
        return [
            binary / "prism",
            "mock",
            "--port",
            str(port),
            "--host",
            "127.0.0.1",
            "--verboseLevel",
            "silent",
            DOCUMENT,
        ]
    mappings = Path(folder, "mappings")
    mappings.mkdir()
    request = {"method": "POST", "urlPath": PATH, "bodyPatterns": [{"matchesJsonPath": "$.session_id"}]}
    stub = {"request": request, "response": {"status": 200, "jsonBody": {"code": 0}}}
    (mappings / "create.json").write_text(json.dumps(stub))
    return [binary / "wiremock", "--port", str(port), "--root-dir", folder, "--no-request-journal"]


@contextmanager
def _running(command):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first(port):
    for _ in range(600):
        try:
            return _call(http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        except OSError:
            time.sleep(0.05)
    raise OSError("it never answered")


def _call(connection):
    connection.request("POST", PATH, BODY, HEADERS)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, f"it answers {answer.status}: {body[:80]!r}"


def _print(name, port, started_s):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    rounds = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        for _ in range(CALLS):
            _call(connection)
        rounds.append((time.perf_counter() - start) * 1000 / CALLS)
    # The first round warms up what compiles as it runs.
    print(f"| {name} | {statistics.median(rounds[1:]):.2f} | {f'{started_s:.1f} s' if started_s else ''} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

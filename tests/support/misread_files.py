"""Servers that misread a file inside a payload: what they take its bytes for, and the cases that show it."""

import base64
import json

from kling_contracts.facts.file_content import base64_bytes
from kling_contracts.media import audio, silent_audio

NO_AUDIO = b"no audio"


def items_with_files(payload):
    """Yield each object of a payload that may hold a file."""
    items = payload.get("face_choose") if isinstance(payload, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("sound_file"), str):
            yield item


def as_read(request, read):
    """Return a request as a server takes it that reads another text where `read` returns one."""
    try:
        payload = json.loads(request.body)
    except ValueError:
        return request
    changes = [(item, read(item["sound_file"])) for item in items_with_files(payload)]
    for item, text in changes:
        if text is not None:
            item["sound_file"] = text
    if all(text is None for _, text in changes):
        return request
    return request._replace(body=json.dumps(payload).encode())


def misreading(take):
    """Return what reads files as those that `take` makes of their bytes, and all others as they are."""

    def read(text):
        data = base64_bytes(text)
        try:
            other = take(data) if data else None
        except audio.AudioError:
            return None
        return None if other is None else base64.b64encode(other).decode()

    return read


def lasting(duration_ms):
    """Return a file that lasts so long."""
    return silent_audio.m4a(max(1, int(duration_ms)))


def duration_of(data):
    """Return how long a file lasts, in ms."""
    return audio.measure(data, audio.identify(data))


def sees_through(contract, rows, read):
    """Return the rows that a server answers wrongly which keeps the contract but for what it reads."""
    wrong = []
    for row in rows:
        read_as = as_read(row.request, read)
        if read_as is not row.request and bool(contract.report(read_as, row.world).broken) is not bool(row.breaks):
            wrong.append(row)
    return wrong

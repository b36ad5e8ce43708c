"""Trials: cases made fit for one server, with the label that holds there."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice, product
from typing import Any, Final, NamedTuple

from kling_contracts import Contract, World
from kling_contracts.cases.case import Case
from kling_contracts.cases.requests import TOKEN
from kling_contracts.jsonio.numbers import whole

MAX_COMBINATIONS: Final = 400
"""How many ways of carrying one case over to a given world are tried."""


class AdaptedCase(NamedTuple):
    """A case as it is sent to one server."""

    case: Case
    certain: bool = True
    """Whether a refusal can only be due to what the case breaks: the server knows the case's world."""


WorldMapper = Callable[[Case], AdaptedCase | None]
"""Makes a case fit for a server; None where it cannot be judged there."""


def with_token(case: Case, token: str) -> Case:
    """Return the case with another bearer token, and what is wrong about its header left as it is."""
    header = case.request.headers.get("authorization", "")
    if not token or is_jwt(case):
        return case
    headers = {**case.request.headers, "authorization": header.replace(TOKEN, token)}
    request = replace(case.request, headers=headers if header else case.request.headers)
    return replace(case, request=request)


def is_jwt(case: Case) -> bool:
    """Return whether a case carries a token that names its issuer."""
    return case.request.headers.get("authorization", "").count(".") == 2


def as_it_is(case: Case) -> AdaptedCase:
    """Adapt a case for a server that its world is loaded into."""
    return AdaptedCase(case)


def without_world(contract: Contract) -> WorldMapper:
    """Adapt cases for a server whose ids nobody knows: only what is wrong in any world can be judged."""
    at_the_request = contract.request_rules.rules.keys()

    def fit(case: Case) -> AdaptedCase | None:
        known = case.breaks & set(contract.report(case.request).broken)
        return AdaptedCase(replace(case, breaks=known), certain=bool(known & at_the_request)) if known else None

    return fit


def within(world: World, contract: Contract) -> WorldMapper:
    """Adapt cases for a server that holds a given world: its ids in place of theirs, times moved along."""
    numbers = count(1)

    def fit(case: Case) -> AdaptedCase | None:
        candidates = islice(_candidates(case, world, numbers), MAX_COMBINATIONS)
        return next((AdaptedCase(one) for one in candidates if _holds(one, contract)), None)

    return fit


def _holds(case: Case, contract: Contract) -> bool:
    """Whether a case breaks in the given world what it broke in its own, and nothing is left open."""
    report = contract.report(case.request, case.world)
    return frozenset(report.broken) == case.breaks and not (report.unverified and not case.breaks)


def _candidates(case: Case, world: World, numbers: "count[int]") -> Iterator[Case]:
    asked = _asked(case)
    task = _task(case, world, numbers)
    for names in _names(case.world, world, asked):
        for times in _times(case.world, world, asked, names):
            body = _rewritten(case.request.body, {**names, **times, **task})
            yield replace(case, world=world, request=replace(case.request, body=body))


def _asked(case: Case) -> dict[str, Any]:
    """The members of the payload and of its first item, as far as there are any."""
    try:
        payload = case.payload
    except (ValueError, RecursionError):
        return {}
    members = payload if isinstance(payload, dict) else {}
    chosen = members.get("face_choose")
    item = chosen[0] if isinstance(chosen, list) and chosen else None
    return {**members, **item} if isinstance(item, dict) else members


def _task(case: Case, world: World, numbers: "count[int]") -> dict[str, Any]:
    """A server keeps every external id, so each is sent once."""
    name = _asked(case).get("external_task_id")
    if not isinstance(name, str) or not name.strip():
        return {}
    if name in case.world.external_task_ids:
        return {"external_task_id": next(iter(sorted(world.external_task_ids)), name)}
    return {"external_task_id": f"klingkit-fuzz-{next(numbers)}"}


def _names(own: World, world: World, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each choice of ids of the world for those that the case's own world knows."""
    session_id, face_id, audio_id, url = (_text(asked, name) for name in _IDS)
    audios = list(world.audios) if audio_id in own.audios else [audio_id]
    urls = list(world.files or ()) if url in (own.files or ()) else [url]
    known = own.sessions.get(session_id)
    for session in world.sessions if known else [session_id]:
        faces = world.sessions[session].faces if known and face_id in known.faces else [face_id]
        for face, audio, file in product(faces, audios, urls):
            yield {"session_id": session, "face_id": face, "audio_id": audio, "sound_file": file}


_IDS: Final = ("session_id", "face_id", "audio_id", "sound_file")
_TIMES: Final = ("sound_start_time", "sound_end_time", "sound_insert_time")


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    return value if isinstance(value, str) else ""


def _times(own: World, world: World, asked: dict[str, Any], names: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the times as they are, then moved along with the ends of audio, video and face, then cut to what fits."""
    start, end, insert = (whole(asked.get(name)) for name in _TIMES)
    if start is None or end is None or insert is None:
        yield {}
        return
    before, after = _ends(own, asked), _ends(world, names)
    moved = {name: after[name] - before[name] for name in after}
    length = end - start
    room = min(length, after["audio"], after["video"], after["face_end"] - after["face_start"])
    for size in dict.fromkeys([length, room] if room > 0 else [length]):
        cut = length - size
        clips = _nearest(start, 0, start + cut + moved["audio"])
        inserts = _nearest(
            insert,
            # The distances of the case to the begin and end of the face, and to the end of the video.
            insert + cut + moved["face_start"],
            insert + moved["face_end"],
            insert + cut + moved["video"],
            # In a shorter world there may be no room for those: at the begin or the end of the face.
            after["face_start"],
            after["face_end"] - size,
        )
        for clip, begin in product(clips, inserts):
            yield dict(zip(_TIMES, (clip, clip + size, begin), strict=True))


def _nearest(own: int, *others: int) -> list[int]:
    """Return the times in ms without repetition, those nearest to the case's own first."""
    return sorted({own, *others}, key=lambda time: abs(time - own))


def _ends(world: World, names: dict[str, Any]) -> dict[str, int]:
    """The begin and end of audio, video and face; 0 for what the world does not know."""
    session = world.sessions.get(_text(names, "session_id"))
    face = session.faces.get(_text(names, "face_id")) if session else None
    audio = world.audios.get(_text(names, "audio_id")) or (world.files or {}).get(_text(names, "sound_file"))
    return {
        "audio": (audio.duration_ms or 0) if audio else 0,
        "video": session.video_ms if session else 0,
        "face_start": face.start_ms if face else 0,
        "face_end": face.end_ms if face else 0,
    }


def _rewritten(body: bytes, members: dict[str, Any]) -> bytes:
    """Put values in place of those of the same kind, in the text: the rest of the bytes may be what a case is about."""
    for name, value in members.items():
        kind = rb'"[^"\\]*"' if isinstance(value, str) else rb"-?[0-9]+"
        pattern = rb'("%s"\s*:\s*)%s' % (name.encode(), kind)
        body = re.sub(pattern, partial(_put, json.dumps(value).encode()), body)
    return body


def _put(value: bytes, match: re.Match[bytes]) -> bytes:
    return match[1] + value


def only_broken(fit: WorldMapper) -> WorldMapper:
    """Leave out what a server that keeps the contract would accept."""

    def fitted(case: Case) -> AdaptedCase | None:
        trial = fit(case) if case.breaks else None
        return trial if trial and trial.case.breaks else None

    return fitted

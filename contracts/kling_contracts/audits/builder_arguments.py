"""The arguments of a payload builder, filled from what a case wants done: this face, this clip, this start."""

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from kling_contracts.cases.case import Case
from kling_contracts.facts.world import Audio, Face, World
from kling_contracts.jsonio.numbers import whole

_TEXTS: Final = {
    "session_id": ("session",),
    "face_id": ("face",),
    "audio_id": (),
    "sound_file": ("audio_url", "audio_file", "audio_base64", "sound_url"),
    "external_task_id": ("external_id",),
    "callback_url": ("callback",),
}
_TIMES: Final = {
    "sound_start_time": ("start", "clip_start", "audio_start", "sound_start"),
    "sound_end_time": ("end", "clip_end", "sound_end"),
    "sound_insert_time": ("insert", "insert_at", "sound_insert", "at"),
    "clip_duration": ("clip_length",),
    "video_duration": ("video_length",),
    "audio_duration": ("audio_length",),
    "face_start": (),
    "face_end": (),
}
_VOLUMES: Final = {
    "sound_volume": ("volume", "audio_volume"),
    "original_audio_volume": ("original_volume", "video_volume"),
}
_PAIRS: Final = {
    "clip": ("sound_start_time", "sound_end_time"),
    "face_window": ("face_start", "face_end"),
}
_WORLD: Final = ("world", "world_json")

_TELLS: Final = {
    "video_duration": ("facts.video",),
    "audio_duration": ("facts.audio.duration_ms", "facts.audio.end_ms"),
    "face_window": ("facts.face.start_ms", "facts.face.end_ms"),
    "face_end": ("facts.face.end_ms",),
    "face_start": ("facts.face.start_ms",),
    "world": ("facts.",),
}
"""The facts that a builder knows by each of its parameters."""

_UNITS: Final = {"ms": 1, "s": 1000, "sec": 1000, "secs": 1000, "seconds": 1000}
_SUFFIX: Final = re.compile(r"_(ms|s|secs?|seconds)$")

Convert = Callable[[Any], Any]


class Meaning(NamedTuple):
    """The meaning of one parameter: a quantity of the intent, and how it is written."""

    quantity: str
    write: Convert


class BuilderArguments(NamedTuple):
    """Turns cases into arguments of one builder."""

    signature: inspect.Signature
    meanings: Mapping[str, Meaning]
    """By parameter."""

    @classmethod
    def of(cls, builder: Callable[..., Any]) -> "BuilderArguments":
        """Read a signature. Raises `ValueError` where a required parameter is not understood."""
        signature = inspect.signature(builder, eval_str=True)
        parameters = [one for one in signature.parameters.values() if one.kind not in _VARIADIC]
        found = {one.name: meaning_of(one) for one in parameters}
        strange = [one.name for one in parameters if not found[one.name] and one.default is one.empty]
        meanings = {name: meaning for name, meaning in found.items() if meaning}
        if strange or not meanings:
            raise ValueError(_not_understood(strange))
        return cls(signature, meanings)

    def arguments(self, case: Case) -> inspect.BoundArguments | None:
        """Return the arguments that ask for what a case asks for; None where they cannot say it."""
        quantities = quantities_of(case)
        if quantities is None or not self._sayable(quantities):
            return None
        try:
            return self._bound(quantities)
        except OverflowError:
            # A timedelta cannot be as long as a number can be large.
            return None

    def tells(self, fact: str) -> bool:
        """Return whether the builder is told a fact, as in `facts.video.duration_ms`."""
        told = [_TELLS.get(meaning.quantity, ()) for meaning in self.meanings.values()]
        return any(fact.startswith(prefix) for prefixes in told for prefix in prefixes)

    def _bound(self, quantities: Mapping[str, Any]) -> inspect.BoundArguments:
        bound = self.signature.bind_partial()
        for name, meaning in self.meanings.items():
            value = quantities.get(meaning.quantity)
            if value is not None:
                bound.arguments[name] = meaning.write(value)
            elif self.signature.parameters[name].default is inspect.Parameter.empty:
                bound.arguments[name] = ""
        return bound

    def _sayable(self, quantities: Mapping[str, Any]) -> bool:
        known = {meaning.quantity for meaning in self.meanings.values()}
        sources = {name for name in ("audio_id", "sound_file") if quantities.get(name)}
        required = [name for name in known & _ALWAYS if quantities.get(name) is None]
        return not required and sources <= known


_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_ALWAYS: Final = frozenset([*_TIMES, *_PAIRS, *_VOLUMES, "session_id", "face_id"])
"""Quantities that every feasible intent has."""


def meaning_of(parameter: inspect.Parameter) -> Meaning | None:
    """Return what a parameter means, by its name and annotation; None where it is not understood."""
    name = parameter.name.lower()
    unit = _SUFFIX.search(name)
    stem = _SUFFIX.sub("", name)
    if name in _WORLD:
        return Meaning("world", _as_it_is)
    for table in (_TEXTS, _VOLUMES):
        if quantity := _named(table, name):
            return Meaning(quantity, float if parameter.annotation is float else _as_it_is)
    time = _named(_TIMES, stem) or _named(_TIMES, stem.removesuffix("_time")) or _measured(stem, unit)
    if time:
        return Meaning(time, _time_writer(unit, parameter.annotation))
    return Meaning(stem, _pair_writer(unit)) if stem in _PAIRS else None


def _named(table: Mapping[str, tuple[str, ...]], name: str) -> str | None:
    return next((quantity for quantity, others in table.items() if name == quantity or name in others), None)


def _measured(stem: str, unit: re.Match[str] | None) -> str | None:
    """`video_ms` is a duration, `video` might be anything."""
    return f"{stem}_duration" if unit and stem in ("clip", "video", "audio") else None


def _time_writer(unit: re.Match[str] | None, annotation: Any) -> Convert:
    if annotation is timedelta:
        return lambda ms: timedelta(milliseconds=ms)
    size = _UNITS[unit[1]] if unit else 1000 if annotation is float else 1
    return _as_it_is if size == 1 else lambda ms: ms / size


def _pair_writer(unit: re.Match[str] | None) -> Convert:
    write = _time_writer(unit, None)
    return lambda pair: (write(pair[0]), write(pair[1]))


def _as_it_is(value: Any) -> Any:
    return value


def _not_understood(strange: list[str]) -> str:
    named = f"not understood: {', '.join(strange)}; " if strange else ""
    names = [*_TEXTS, *_VOLUMES, *_TIMES, *_PAIRS, "world"]
    return (
        f"{named}a payload builder's parameters are called {', '.join(names)} "
        "(or shorter: session, start, insert, volume). "
        "Times are ms; _s at the end of the name or the annotation float makes them seconds, timedelta works too"
    )


def quantities_of(case: Case) -> dict[str, Any] | None:
    """Return what a case's payload asks for and what its world holds; None where it is not one sound item."""
    payload = case.payload
    try:
        (item,) = payload["face_choose"]
        fields = {**payload, **item}
    except (KeyError, TypeError, ValueError):
        return None
    texts = {name: fields.get(name) for name in _TEXTS}
    numbers = {name: whole(fields.get(name)) for name in ("sound_start_time", "sound_end_time", "sound_insert_time")}
    volumes = {name: fields.get(name) for name in _VOLUMES}
    if not all(value is None or isinstance(value, str) for value in texts.values()) or None in numbers.values():
        return None
    return {**texts, **numbers, **_volumes(volumes), **_clip(numbers), **_of_world(case.world, texts)}


def _volumes(volumes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in volumes.items() if type(value) in (int, float)}


def _clip(numbers: Mapping[str, Any]) -> dict[str, Any]:
    start, end = numbers["sound_start_time"], numbers["sound_end_time"]
    return {"clip": (start, end), "clip_duration": end - start}


def _of_world(world: World, texts: Mapping[str, str | None]) -> dict[str, Any]:
    session = world.sessions.get(texts["session_id"] or "")
    found: dict[str, Any] = {"world": world.to_json()}
    if session:
        found["video_duration"] = session.video_ms
        found |= _window(session.faces.get(texts["face_id"] or ""))
    return found | _length(world.audios.get(texts["audio_id"] or ""), world.audio_slack_ms)


def _window(face: Face | None) -> dict[str, Any]:
    return {"face_start": face.start_ms, "face_end": face.end_ms, "face_window": tuple(face)} if face else {}


def _length(audio: Audio | None, slack_ms: int) -> dict[str, Any]:
    return {"audio_duration": audio.duration_ms - slack_ms} if audio else {}

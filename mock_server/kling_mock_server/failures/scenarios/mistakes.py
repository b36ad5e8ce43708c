"""Mistakes in a scenario that a schema cannot express: fields that exclude each other, steps never reached."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from kling_contracts.jsonio.json_pointer import pointer
from kling_mock_server.failures.scenarios.records import ALWAYS, Delivery, Fate, Scenario, Step
from kling_mock_server.failures.wire import Wire
from kling_mock_server.protocol.names import CREATE, DOWNLOAD

Mistake = tuple[str, str]
"""JSON Pointer and sentence."""


def mistakes(scenario: Scenario) -> Iterator[Mistake]:
    """Yield what is wrong with a scenario that its schema admits."""
    for index, step in enumerate(scenario.steps):
        for place, says in _of_step(step):
            yield f"/steps/{index}{place}", says
    yield from _never_reached(scenario.steps)


def _never_reached(steps: tuple[Step, ...]) -> Iterator[Mistake]:
    closed: dict[str, int] = {}
    for index, step in enumerate(steps):
        if step.call in closed:
            yield f"/steps/{index}", f"is never reached: steps[{closed[step.call]}] takes every {step.call} call"
        elif step.times == ALWAYS and step.chance == 1 and not step.while_running:
            closed[step.call] = index


def _of_step(step: Step) -> Iterator[Mistake]:
    yield from _told_apart(step)
    yield from _of_answer(step)
    yield from _of_headers(step.headers)
    yield from _below("/wire", _of_wire(step.wire) if step.wire else ())
    yield from _below("/task", _of_fate(step.task) if step.task else ())
    for index, delivery in enumerate(step.callbacks or ()):
        yield from _below(f"/callbacks/{index}", _of_delivery(delivery))


def _below(pointer: str, found: Iterable[Mistake]) -> Iterator[Mistake]:
    return ((pointer + place, says) for place, says in found)


def _told_apart(step: Step) -> Iterator[Mistake]:
    changed = [name for name in ("change", "numeric") if getattr(step, name)]
    about_task = [name for name in ("task", "callbacks") if getattr(step, name) is not None]
    if not (step.replaces or changed or about_task or step.headers or step.wire):
        yield "", f"says nothing that happens; give at least one of {_HAPPENINGS}"
    for name in changed:
        if step.replaces:
            yield f"/{name}", "is about the good answer, which refuse, status and body replace"
        if step.call == DOWNLOAD:
            yield f"/{name}", "is about JSON, and a download is a file"
    for name in about_task:
        if step.call != CREATE:
            yield f"/{name}", "belongs to the create call, which makes the task"
        elif step.replaces and not step.done:
            yield f"/{name}", "is about a task that is never made, unless the step says done: true"


def _of_answer(step: Step) -> Iterator[Mistake]:
    if step.refuse is not None and step.body is not None:
        yield "/body", "is given as it is, and refuse writes one; keep one of the two"
    if step.message and step.refuse is None:
        yield "/message", "is that of a refusal; add refuse, or put it into body"
    if step.done and not step.replaces:
        yield "/done", "goes without saying: nothing replaces the good answer"
    if step.status in _BODILESS and (step.body or step.refuse is not None):
        yield "/status", f"{step.status} has no body"


def _of_headers(headers: Iterable[str]) -> Iterator[Mistake]:
    for name in headers:
        place = pointer(("headers", name))
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            yield place, "is no name of a header"
        elif name.lower() in _FRAMING:
            yield place, "is the server's own; wire can bend length and connection"


def _of_wire(wire: Wire) -> Iterator[Mistake]:
    if bool(wire.drip_ms) != bool(wire.drip_bytes):
        yield "", "drips only with both drip_bytes and drip_ms"
    if not wire.head and (wire.drip_bytes or wire.percent < 100 or wire.extra_length):
        yield "/head", "false leaves no body that could be cut or drip, and no length"
    if wire == Wire():
        yield "", "says nothing that is not so anyway"


def _of_fate(fate: Fate) -> Iterator[Mistake]:
    if fate.message and fate.ends != "failed":
        yield "/message", "is the reason of a failed task; add ends: failed"
    if fate.after_ms is not None and fate.ends == "never":
        yield "/after_ms", "is when it ends, and it never does"


def _of_delivery(delivery: Delivery) -> Iterator[Mistake]:
    if delivery.body is not None and delivery.change is not None:
        yield "/change", "is about the usual body, which body replaces"


_HAPPENINGS: Final = "refuse, status, body, headers, change, numeric, wire, task, callbacks"
_BODILESS: Final = (204, 304)
_FRAMING: Final = {
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
}

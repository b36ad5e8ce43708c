"""The calls between the product's own functions while something is done."""

import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_ROOTS = tuple(f"{ROOT / name}/" for name in ("openapi", "contracts", "mock_server"))


class Call(NamedTuple):
    """One call: the file that calls, the file that is called, and the name of the function."""

    by: str
    file: str
    function: str


def calls_of(work):
    """The calls of functions of the product while `work` is done, by the nearest of its functions that is active."""
    found = []

    def note(frame, event, _):
        file = _file_of(frame) if event == "call" else ""
        if file:
            found.append(Call(_caller_of(frame), file, frame.f_code.co_name))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def _caller_of(frame):
    while frame := frame.f_back:
        if file := _file_of(frame):
            return file
    return ""


def _file_of(frame):
    """The file of a function, below its source root; empty where it is none of the product's."""
    path = frame.f_code.co_filename
    return next((path.removeprefix(root) for root in _ROOTS if path.startswith(root)), "")

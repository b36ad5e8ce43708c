"""JSON Pointer (RFC 6901): one place in a JSON value, as text."""

from collections.abc import Iterable


def pointer(path: Iterable[str | int]) -> str:
    """Return the pointer of a path of keys and indexes; the empty path is the whole value, `""`."""
    return "".join(["/" + str(token).replace("~", "~0").replace("/", "~1") for token in path])


def tokens(pointer: str) -> list[str]:
    """Return the keys and indexes of a pointer, as text."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]

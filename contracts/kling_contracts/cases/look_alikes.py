"""Look-alikes: values that come near a right one and are another. Tables of data by JSON type and by provider.

A row knows no field: it is applied to every field of its type or provider, in every operation. The documents decide
which rules it breaks.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from kling_contracts.cases.keywords import Schema

Spell = Callable[[Any, Schema], str | None]
"""Takes the right value, a text or a number, and the schema of its field; returns another value as JSON, or None."""


class LookAlike(NamedTuple):
    """One way to come near a right value."""

    says: str
    """Completes "the field …"."""
    spell: Spell
    type: str = "string"
    """The JSON type of what it makes."""
    is_alone: bool = False
    """Whether the world holds nothing but the right entry: what counts entries, or takes any, then finds it."""
    right: Callable[[str], str] | None = None
    """How the right text is written, in the world, too; None: as usual."""


def _text(change: Callable[[str], str]) -> Spell:
    def spell(right: Any, schema: Schema) -> str | None:
        changed = change(str(right))
        return json.dumps(changed) if changed != right else None

    return spell


def _of_digits(change: Callable[[int], object]) -> Spell:
    """Return what changes a text that is a whole number of 0 or more."""

    def spell(right: Any, schema: Schema) -> str | None:
        is_number = right.isascii() and right.isdecimal()
        return json.dumps(str(change(int(right)))) if is_number else None

    return spell


def _as_number(right: Any, schema: Schema) -> str | None:
    """Return a text that is a whole number as that number."""
    try:
        number = int(right)
    except ValueError:
        return None
    return str(number) if str(number) == right else None


def as_it_is(right: Any, schema: Schema) -> str | None:
    """Return the right text itself."""
    return json.dumps(right)


def _percent_encoded(text: str) -> str:
    """Return a text whose first character is percent-encoded (RFC 3986, section 2.1)."""
    return "".join(f"%{byte:02X}" for byte in text[:1].encode()) + text[1:]


def _snake_case(name: str) -> str:
    return re.sub("(?<=.)([A-Z])", r"_\1", name).lower()


def _long(text: str) -> str:
    return text.ljust(_LONG, "x")


_LONG: Final = 300
"""Characters of a text that is longer than what is cut to fit into 255."""


def _full_width(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text)


def _other_case_of_path(url: str) -> str:
    before, slash, name = url.rpartition("/")
    return f"{before}{slash}{name.swapcase()}"


def _same_double(number: int) -> int:
    """Return a neighbour: of large numbers, one that a server which reads floats takes for the same."""
    return number + 1 if float(number) == float(number + 1) else number - 1


def _beside(right: Any, schema: Schema) -> str | None:
    """Return a number just beside a whole one, within the bounds of the field."""
    high, low = schema.get("maximum"), schema.get("minimum")
    if high is None or right < high:
        return str(Decimal(right) + _HARDLY)
    return str(Decimal(right) - _HARDLY) if low is None or right > low else None


_HARDLY: Final = Decimal("0.0000001")

TEXTS: Final = (
    LookAlike("has a space in front", _text(lambda text: f" {text}")),
    LookAlike("has a space behind it", _text(lambda text: f"{text} ")),
    LookAlike("ends with a line break", _text(lambda text: f"{text}\n")),
    LookAlike("ends with NUL", _text(lambda text: f"{text}\0")),
    LookAlike("holds a zero-width space", _text(lambda text: f"{text[:1]}\u200b{text[1:]}")),
    LookAlike("is written in full width", _text(_full_width)),
    LookAlike("is in the other case", _text(str.swapcase)),
    LookAlike("is a number", _as_number, "integer"),
)
"""For a text that names something: an id, a value of a list."""
IDS: Final = (
    LookAlike("has a zero in front", _text(lambda text: f"0{text}")),
    LookAlike("is 256 characters long", _text(lambda text: text.ljust(256, "0"))),
    LookAlike("has 20 digits", _of_digits(lambda number: number + 2**64 if number >= 2**57 else f"{number:020}")),
    LookAlike("is the same double", _of_digits(_same_double)),
    LookAlike("is a fraction of .0", _of_digits(lambda number: f"{number}.0")),
    LookAlike("is -1", _text(lambda text: "-1"), is_alone=True),
    LookAlike("is 0", _text(lambda text: "0"), is_alone=True),
    LookAlike(f"is right and {_LONG} characters long", as_it_is, right=_long),
    LookAlike(f"has another {_LONG}th character", _text(lambda text: f"{text[:-1]}y"), right=_long),
)
"""For a text that is the id of an entry, besides those for every text."""
PATH_IDS: Final = (
    LookAlike("is percent-encoded twice", _text(_percent_encoded)),
    LookAlike("is right and holds % and two digits", as_it_is, right=lambda text: f"{text}%41"),
    LookAlike("is right and holds a plus sign", as_it_is, right=lambda text: f"{text}+1"),
    LookAlike("is right and holds a space", as_it_is, right=lambda text: f"{text} 1"),
    LookAlike(
        "has a plus sign for a space", _text(lambda text: text.replace(" ", "+")), right=lambda text: f"{text} 1"
    ),
    LookAlike("is right and holds ? and #", as_it_is, right=lambda text: f"{text}?a=1#b"),
    LookAlike("is right and is in Chinese", as_it_is, right=lambda text: f"{text}-声音"),
)
"""For an id in a path, where it is percent-encoded."""
URLS: Final = (
    LookAlike("has a slash behind it", _text(lambda text: f"{text}/")),
    LookAlike("is in the other case behind its last slash", _text(_other_case_of_path)),
    LookAlike("asks something", _text(lambda text: f"{text}&v=2" if "?" in text else f"{text}?v=2")),
    LookAlike("leads to another port", _text(lambda text: text.replace(".example/", ".example:8443/", 1))),
)
"""For a URL of a file."""
NUMBERS: Final = (
    LookAlike("is in quotes", lambda right, schema: f'"{right}"'),
    LookAlike("is in quotes, in full width", lambda right, schema: json.dumps(_full_width(str(right)))),
    LookAlike("is just beside a whole number", _beside, "number"),
    LookAlike("is alone in an array", lambda right, schema: f"[{right}]", "array"),
)
"""For a number."""
PARAMETERS: Final = (
    LookAlike("has a plus sign", _text(lambda text: f"+{text}")),
    LookAlike("has a space in front", _text(lambda text: f" {text}")),
    LookAlike("ends with a line break", _text(lambda text: f"{text}\n")),
    LookAlike("is a fraction of .0", _text(lambda text: f"{text}.0")),
    LookAlike("has an exponent", _text(lambda text: f"{text}e0")),
    LookAlike("holds an underscore", _text(lambda text: f"0_{text}")),
    LookAlike("is written in full width", _text(_full_width)),
)
"""For a number in a query, where everything is a text."""
NAMES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("in camel case", lambda name: name[:1] + name.title().replace("_", "")[1:] if "_" in name else name),
    ("in snake case", _snake_case),
    ("in small letters", str.lower),
    ("in capitals", str.upper),
)
"""For the name of a field: how it is written, and what makes it of the right one."""
FREE: Final = (
    LookAlike("is in Chinese", _text(lambda text: f"{text}-声音-克隆")),
    LookAlike("holds a character beyond 16 bits", _text(lambda text: f"{text}🎤")),
    LookAlike(f"is {_LONG} characters long", _text(_long)),
    LookAlike("begins and ends with spaces", _text(lambda text: f"  {text} x ")),
    LookAlike("holds line breaks and a tab", _text(lambda text: f"{text}\r\n\tx\n")),
    LookAlike("holds NUL", _text(lambda text: f"{text[:1]}\0{text[1:]}")),
    LookAlike("holds quotes", _text(lambda text: f"{text}'\"\\;--")),
)
"""For a text that may be anything: all of them are right."""
CALLBACKS: Final = (
    LookAlike("leads to this machine", _text(lambda text: f"http://127.0.0.1:9/{text}")),
    LookAlike("has a port and a query", _text(lambda text: f"https://hooks.example:8443/{text}?a=1&b=%20#c")),
    LookAlike("has a Chinese path", _text(lambda text: f"https://hooks.example/回调/{text}")),
)
"""For a URL that is called back: all of them are right."""

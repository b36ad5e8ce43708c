"""Compiles what finds the entries of the world that the declared facts of a payload depend on."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from kling_contracts.facts.declaration import Fact, Provider
from kling_contracts.facts.file_content import URL
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.media import Media
from kling_contracts.facts.provider import indented
from kling_contracts.jsonio.keywords import MAX_ITEMS

Naming = Callable[[Mapping[str, Any]], list[tuple[str, str]]]
"""Takes a payload; returns the table and the key of every entry."""


def compiled_naming(facts: tuple[Fact, ...]) -> Naming:
    """Return what names the entries for the facts of one operation. Every request asks: a loop would cost thrice."""
    names: dict[str, Any] = {
        "is_url": URL.match,
        "isinstance": isinstance,
        "dict": dict,
        "list": list,
        "str": str,
        "tuple": tuple,
        "__builtins__": {},
    }
    body = "\n".join(indented(_code(facts)))
    exec(compile(f"def named(payload):\n{body}", "<facts>", "exec"), names)
    found: Naming = names["named"]
    return found


def _code(facts: tuple[Fact, ...]) -> Iterator[str]:
    keys = [provider for provider in (fact.provider for fact in facts) if _names_entry(provider)]
    yield "found = []"
    yield from _named_in("payload", [one for one in keys if not one.field.array])
    for array in dict.fromkeys(one.field.array for one in keys if one.field.array):
        yield f"items = payload.get({array!r})"
        yield f"for item in items[:{MAX_ITEMS}] if isinstance(items, (list, tuple)) else ():"
        yield "    if isinstance(item, dict):"
        yield from indented(indented(_named_in("item", [one for one in keys if one.field.array == array])))
    yield "return found"


def _names_entry(provider: Provider) -> TypeGuard[Lookup | Media]:
    return isinstance(provider, Media) or (isinstance(provider, Lookup) and not provider.inside)


def _named_in(fields: str, keys: list[Lookup | Media]) -> Iterator[str]:
    for key in keys:
        yield f"key = {fields}.get({key.field.name!r})"
        # A text that is no URL is the file itself, and may be megabytes long.
        yield f"if isinstance(key, str){' and is_url(key)' if isinstance(key, Media) else ''}:"
        yield f"    found.append(({key.table!r}, key))"

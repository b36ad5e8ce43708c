"""From the documents on disk to the effective document of a profile."""

import hashlib
import json
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import kling_openapi
from kling_contracts.documents import overlay, vocabulary
from kling_contracts.documents.vocabulary import Source
from kling_contracts.errors import DocumentError

VENDOR_DOCUMENT = "advanced-lip-sync.openapi.yaml"

COMPANIONS = "companions.openapi.yaml"
"""The operations around the vendor's, merged in after the overlays."""

PROFILES = {
    "documented": ("advanced-lip-sync.overlay.yaml",),
    "upstream": ("advanced-lip-sync.overlay.yaml", "upstream.overlay.yaml"),
}
"""A profile is a list of overlays, applied in order."""

STATELESS = "stateless.overlay.yaml"
"""Drops the rules on the account's state that only upstream documents."""

Document = dict[str, Any]


def effective(profile: str = "documented", *, upstream_state: bool = True, folder: Path | None = None) -> Document:
    """Return the vendor's document with the overlays of `profile` applied.

    `folder` holds the documents; by default the ones that are installed. Raises `ValueError` for an unknown
    profile, `DocumentError` where a document cannot be read or an overlay does not fit.
    """
    if profile not in PROFILES:
        raise ValueError(f"unknown profile {profile!r}; there are: {', '.join(PROFILES)}")
    names = [VENDOR_DOCUMENT, *PROFILES[profile], *([] if upstream_state else [STATELESS]), COMPANIONS]
    home = folder or kling_openapi.FOLDER
    sources = {name: _source(home / name) for name in names}
    return _cached(sources, home / "__pycache__")


def vendor() -> Document:
    """Return the vendor's document as it was published."""
    return parse((kling_openapi.FOLDER / VENDOR_DOCUMENT).read_bytes(), VENDOR_DOCUMENT)


def dump(document: Document, form: str) -> str:
    """Return a document as text, `yaml` or `json`, members in their order."""
    if form == "json":
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    import yaml

    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)
    return text


def _source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path.name}: {error}") from None


def parse(source: bytes, name: str) -> Document:
    """Return the YAML or JSON object that `source` holds; raises `DocumentError` naming `name`."""
    import yaml

    try:
        document = yaml.load(source, _loader())
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: not YAML: {error}") from None
    _refuse_unsayable(document, name)
    if not isinstance(document, dict):
        raise DocumentError(f"{name}: not a YAML object")
    return document


@cache
def _loader() -> Any:
    """YAML's safe loader, which lets the last of two equal keys win; this one refuses them."""
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(safe):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[tuple[str, Any]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"a second key {key.value!r}", key.start_mark)
                seen.add((key.tag, str(key.value)))
            return super().construct_mapping(node, deep)

    return Loader


def _refuse_unsayable(node: object, name: str) -> None:
    """YAML says more than JSON: dates, binary, keys that are numbers. An OpenAPI document may not."""
    if isinstance(node, dict):
        for key, member in node.items():
            if not isinstance(key, str):
                raise DocumentError(f"{name}: the key {key!r} must be quoted")
            _refuse_unsayable(member, name)
    elif isinstance(node, list):
        for entry in node:
            _refuse_unsayable(entry, name)
    elif node is not None and not isinstance(node, str | int | float):
        raise DocumentError(f"{name}: {node!r} must be quoted")


def _compile(sources: dict[str, bytes]) -> Document:
    vendor, *overlays, companions = [Source(name, text, parse(text, name)) for name, text in sources.items()]
    document: Document = vendor.content
    for one in (*overlays, companions):
        vocabulary.refuse_unfit(one)
    for one in overlays:
        document = overlay.apply(document, one.content, one.name)
    document = overlay.merged(document, companions.content, companions.name)
    vocabulary.refuse_unfit_result(document, [*overlays, companions])
    return document


def _cached(sources: dict[str, bytes], folder: Path) -> Document:
    """Keep the effective document beside the byte code, under the digest of all that it is made from.

    Parsing YAML and applying overlays costs as much as starting the server; like Python's own byte code the
    result is written where possible, and never trusted once a source has changed.
    """
    code = [Path(__file__).with_name(name).read_bytes() for name in _COMPILING]
    digest = hashlib.sha256(b"\0".join([*code, *sources.values()])).hexdigest()[:32]
    cache = folder / f"effective.{digest}.json"
    with suppress(OSError, ValueError):
        document: Document = json.loads(cache.read_bytes())
        return document
    document = _compile(sources)
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            _write(cache, json.dumps(document, ensure_ascii=False))
    return document


_COMPILING: Final = ("overlay.py", "vocabulary.py", vocabulary.SCHEMA_FILE.name)
"""The files beside this one that decide what is made of the documents."""


def _write(path: Path, text: str) -> None:
    from os import getpid

    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(f".{getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)

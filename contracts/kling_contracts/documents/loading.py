"""From the documents on disk to the effective document of a profile."""

import json
import sys
from binascii import crc32
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import kling_openapi
from kling_contracts.documents.folders import DOCUMENT_SUFFIX, DOCUMENTED, DocumentFiles, files_of
from kling_contracts.errors import DocumentError

if TYPE_CHECKING:
    from kling_contracts.documents.vocabulary import SourceDocument

_INSTALLED: Final = files_of(kling_openapi.FOLDER)
VENDOR_DOCUMENT: Final = _INSTALLED.vendor
PROFILES: Final = _INSTALLED.profiles
"""The overlays of each profile of the installed documents, applied in order."""
COMPANIONS: Final = _INSTALLED.companions[0]
"""The operations around the vendor's, merged in after the overlays."""
OWN_DOCUMENTS: Final = _INSTALLED.own
"""The installed files of ours, which a patch may change."""

Document = dict[str, Any]


def effective(profile: str = DOCUMENTED, *, upstream_state: bool = True, folder: Path | None = None) -> Document:
    """Return the vendor's document with the overlays of `profile` applied; arguments and errors as in `load`."""
    return load(profile, upstream_state=upstream_state, folder=folder).document


class EffectiveDocument(NamedTuple):
    """An effective document, and whether it is the one that comes with the package: that one has no mistake."""

    document: Document
    is_shipped: bool


def load(profile: str = DOCUMENTED, *, upstream_state: bool = True, folder: Path | None = None) -> EffectiveDocument:
    """Return the effective document of a profile.

    `folder` holds the documents and the patches of them, by default those that are installed; see `folders`. Raises
    `ValueError` for an unknown profile, `DocumentError` where a document cannot be read or an overlay does not fit.
    """
    home = folder or kling_openapi.FOLDER
    files = files_of(home)
    sources = {name: _source(home / name) for name in files.chosen(profile, upstream_state=upstream_state)}
    digest = _digest(sources)
    if not folder and (shipped := _shipped(digest)):
        return EffectiveDocument(shipped, is_shipped=True)
    cache = home / "__pycache__" / f"effective.{digest}.json"
    return EffectiveDocument(_cached(files, sources, cache), is_shipped=False)


def ship() -> None:
    """Write the effective document of the installed documents to `SHIPPED`."""
    files = files_of(kling_openapi.FOLDER)
    sources = {name: _source(kling_openapi.FOLDER / name) for name in files.chosen(DOCUMENTED, upstream_state=True)}
    text = json.dumps({"digest": _digest(sources), "document": _compile(files, sources)}, ensure_ascii=False, indent=1)
    SHIPPED.write_text(text + "\n", encoding="utf-8")


def place_of_rule(rule_id: str, folder: Path | None = None) -> str:
    """Return file, line and JSON Pointer of a rule; empty where no document of ours holds it.

    `folder` as in `effective`; patches are not looked into.
    """
    from kling_contracts.documents import vocabulary
    from kling_contracts.documents.vocabulary import SourceDocument

    home = folder or kling_openapi.FOLDER
    texts = {name: _source(home / name) for name in sorted(files_of(home).own)}
    return vocabulary.place_of_rule(
        rule_id, [SourceDocument(name, texts[name], parse(texts[name], name)) for name in texts]
    )


def vendor(folder: Path | None = None) -> Document:
    """Return the vendor's document as it was published; `folder` as in `effective`."""
    home = folder or kling_openapi.FOLDER
    name = files_of(home).vendor
    return parse(_source(home / name), name)


def own_documents(folder: Path | None = None) -> dict[str, Document]:
    """Return every document of ours by the name of its file, patches applied; `folder` as in `effective`.

    Raises `DocumentError` where one cannot be read.
    """
    from kling_contracts.documents.patches import patched

    home = folder or kling_openapi.FOLDER
    files = files_of(home)
    documents = {name: parse(_source(home / name), name) for name in sorted(files.own)}
    for name in files.patches:
        documents = patched(documents, parse(_source(home / name), name), name, files.own)
    return documents


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
                why = ": YAML reads on, yes, off and no as true or false" if isinstance(key, bool) else ""
                raise DocumentError(f"{name}: the key {key!r} must be quoted{why}")
            if member is None and " " in key:
                raise DocumentError(f"{name}: {key!r} has no value: quote the text before it, a comma ends it")
            _refuse_unsayable(member, name)
    elif isinstance(node, list):
        for entry in node:
            _refuse_unsayable(entry, name)
    elif node is not None and not isinstance(node, str | int | float):
        raise DocumentError(f"{name}: {node!r} must be quoted")


def assemble(vendor: Document, sources: "list[SourceDocument]") -> Document:
    """Return the effective document of a vendor's document under overlays, with the other sources merged in.

    Raises `DocumentError` where one of them does not fit.
    """
    from kling_contracts.documents import overlay, vocabulary

    for one in sources:
        vocabulary.refuse_unfit(one)
    document = vendor
    for one in sources:
        layer = overlay.merged if one.name.endswith(DOCUMENT_SUFFIX) else overlay.apply
        document = layer(document, one.content, one.name)
    vocabulary.refuse_unfit_result(document, sources)
    return document


def _compile(files: DocumentFiles, sources: dict[str, bytes]) -> Document:
    from kling_contracts.documents.patches import patched
    from kling_contracts.documents.vocabulary import SourceDocument

    parsed = {name: parse(text, name) for name, text in sources.items()}
    patches = {name: parsed.pop(name) for name in files.patches}
    vendor = parsed.pop(files.vendor)
    ours = dict(parsed)
    for name, patch in patches.items():
        ours = patched(ours, patch, name, files.own)
    # A patched document has other lines than its file.
    texts = {name: sources[name] if ours[name] is parsed[name] else b"" for name in ours}
    return assemble(vendor, [SourceDocument(name, texts[name], content) for name, content in ours.items()])


def _digest(sources: dict[str, bytes]) -> str:
    """Return size and CRC-32 of all that an effective document is made from, our own code included.

    A cryptographic digest would take longer to import than the document to read.
    """
    code = [Path(__file__).with_name(name).read_bytes() for name in _COMPILING]
    text = b"\0".join([*code, *sources.values()])
    return f"{len(text):x}-{crc32(text):08x}"


def _shipped(digest: str) -> Document | None:
    """Return the effective document that comes with the package; None where it was made from anything else.

    Parsing YAML and applying overlays costs as much as starting the server, and an installation may be read-only.
    """
    with suppress(OSError, ValueError, KeyError):
        kept = json.loads(SHIPPED.read_bytes())
        if kept["digest"] == digest:
            document: Document = kept["document"]
            return document
    return None


def _cached(files: DocumentFiles, sources: dict[str, bytes], cache: Path) -> Document:
    """Keep the effective document of other documents, or of another profile, beside the byte code.

    Like Python's own byte code it is written where possible, and never trusted once a source has changed.
    """
    with suppress(OSError, ValueError):
        document: Document = json.loads(cache.read_bytes())
        return document
    document = _compile(files, sources)
    if not sys.dont_write_bytecode:
        with suppress(OSError):
            _write(cache, json.dumps(document, ensure_ascii=False))
    return document


SHIPPED: Final = Path(__file__).with_name("effective-document.json")
"""The effective document of the installed documents, for the profile `documented`; `make cases` renews it."""
_COMPILING: Final = ("overlay.py", "patches.py", "vocabulary.py", "overlay-vocabulary.schema.json")
"""The files beside this one that decide what is made of the documents."""


def _write(path: Path, text: str) -> None:
    from os import getpid

    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(f".{getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)

"""Edits of a vendor's document, by kind, from a seed: what a newer document may change, and what drift must call it."""

import random
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import kling_openapi
from kling_contracts.documents.prose_coverage import coverage
from kling_contracts.documents.quotes import find_quote
from kling_contracts.drift.baseline import Baseline
from kling_contracts.drift.wording import quantities_of
from support.published import FULL_WIDTH

FOLDERS = (kling_openapi.FOLDER, Path(__file__).with_name("dubbing"))
"""The seed, and a document of our own: other fields, English sentences beside Chinese ones."""

NEW_SENTENCES = (
    "建议使用单声道音频",
    "采样率不低于16kHz",
    "A job is kept for 7 days",
    "返回结果以接口为准",
    "不支持加密文件",
)
SYNONYMS = (
    ("音频", "声音素材"),
    ("视频", "影片"),
    ("人脸", "面部"),
    ("时间", "时刻"),
    ("video", "clip"),
    ("segment", "passage"),
    ("files", "containers"),
    ("片段", "分段"),
    ("取值范围", "有效值区间"),
    ("优先级", "优先级别"),
)
NEGATIONS = (
    ("不短于", "不长于"),
    ("不得", "可以"),
    ("不超过", "超过"),
    ("不能", "能"),
    ("仅支持", "不仅支持"),
    ("支持", "不支持"),
    ("确保", "不确保"),
    ("至少", "至多"),
    ("最多", "最少"),
    ("会", "不会"),
    ("must not be", "must be"),
    ("cannot", "can"),
    ("not more than", "more than"),
    ("at least", "at most"),
)


class Clause(NamedTuple):
    pointer: str
    text: str
    answers: tuple[str, ...]


class Edited(NamedTuple):
    """One newer document: what was done to it, and what a comparison must say of it."""

    kind: str
    what: str
    document: Any
    folder: Path
    clause: Clause | None = None
    limit: int | float | None = None


class Original:
    """A vendor's document with its clauses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.baseline = Baseline.load(folder)
        self.vendor = self.baseline.vendor
        described = coverage(self.vendor, self.baseline.effective)
        self.texts = {one.pointer: one.description for one in described}
        self.clauses = [
            Clause(one.pointer, passage.text, passage.answers if passage.enforced else ())
            for one in described
            for passage in one.passages
        ]

    @property
    def fields(self):
        return [pointer for pointer in pointers(self.vendor) if pointer.split("/")[-2:-1] == ["properties"]]


def pointers(node, pointer=""):
    yield pointer
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from pointers(child, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")


def at(document, pointer):
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        document = document[int(name) if isinstance(document, list) else name]
    return document


def changed(original, pointer, change):
    """A copy of the document with one description changed."""
    document = deepcopy(original.vendor)
    node = at(document, pointer)
    node["description"] = change(node["description"])
    return document


def replaced(original, clause, text):
    def change(description):
        start, end = find_quote(description, clause.text)
        return description[:start] + text + description[end:]

    return changed(original, clause.pointer, change)


# Cosmetic.


def spaced(original, rng):
    clause = rng.choice(original.clauses)
    text = "".join(one + rng.choice(["", "", " ", "\n"]) for one in clause.text)
    return "reworded", f"{clause.text} spaced", replaced(original, clause, text), None


def widened(original, rng):
    clause = rng.choice(original.clauses)
    text = "".join(FULL_WIDTH.get(one, one) for one in clause.text)
    return "reworded", f"{clause.text} widened", replaced(original, clause, text), None


def punctuated(original, rng):
    pointer = rng.choice(list(original.texts))
    signs = {",": "\u3001", ";": "\u3002", "\uff1b": "\u3002", "\uff0c": "\u3001"}
    return (
        "reworded",
        f"{pointer} punctuated",
        changed(
            original, pointer, lambda text: re.sub(r"(?<!\d)[,;\uff0c\uff1b](?! ?\d)", lambda m: signs[m[0]], text)
        ),
        None,
    )


def in_another_unit(original, rng):
    pairs = (("2秒", "2000毫秒"), ("60秒", "1分钟"), ("5MB", "5120KB"), ("30天", "720小时"), ("3 seconds", "3000 ms"))
    clause, (one, other) = rng.choice([(c, pair) for c in original.clauses for pair in pairs if pair[0] in c.text])
    return (
        "reworded",
        f"{clause.text}: {one} as {other}",
        replaced(original, clause, clause.text.replace(one, other)),
        None,
    )


# Sentences.


def limited(original, rng):
    clauses = [clause for clause in original.clauses if re.search(r"(?<![\w.])\d", clause.text) and clause.answers]
    clause = rng.choice(clauses)
    numbers = list(re.finditer(r"(?<![A-Za-z_.\d])\d+(?:\.\d+)?", clause.text))
    number = rng.choice(numbers)
    new = str(int(float(number[0])) + rng.choice([1, 3, 10]))
    text = clause.text[: number.start()] + new + clause.text[number.end() :]
    if len(quantities_of(clause.text)) != len(quantities_of(text)):
        return limited(original, rng)
    return "limit-changed", f"{clause.text} -> {text}", replaced(original, clause, text), clause


def negated(original, rng):
    clause, (one, other) = rng.choice([(c, pair) for c in original.clauses for pair in NEGATIONS if pair[0] in c.text])
    text = clause.text.replace(one, other, 1)
    return "negation-changed", f"{clause.text} -> {text}", replaced(original, clause, text), clause


def listed(original, rng):
    clause = rng.choice([c for c in original.clauses if "/." in c.text])
    items = re.findall(r"\.(\w+)", clause.text)
    new = items[:-1] if rng.random() < 0.4 else [*items, rng.choice(["aac", "ogg", "flac", "mkv"])]
    rng.shuffle(new)
    text = clause.text[: clause.text.index(f".{items[0]}")] + "/".join(f".{one}" for one in new)
    return "list-changed", f"{clause.text} -> {text}", replaced(original, clause, text), clause


def paraphrased(original, rng):
    clause, (one, other) = rng.choice([(c, pair) for c in original.clauses for pair in SYNONYMS if pair[0] in c.text])
    text = clause.text.replace(one, other)
    return "meaning-unclear", f"{clause.text} -> {text}", replaced(original, clause, text), clause


def opened(original, rng):
    clause = rng.choice([c for c in original.clauses if re.search(r"\[\d", c.text)])
    text = rng.choice([clause.text.replace("[", "("), clause.text.replace("]", ")")])
    return "meaning-unclear", f"{clause.text} -> {text}", replaced(original, clause, text), clause


def added(original, rng):
    pointer, sentence = rng.choice(list(original.texts)), rng.choice(NEW_SENTENCES)
    join = rng.choice(
        [lambda text: f"{text};{sentence}", lambda text: f"{sentence}。{text}", lambda text: f"{text} {sentence}"]
    )
    return "clause-new", f"{sentence} at {pointer}", changed(original, pointer, join), None


def first_described(original, rng):
    pointer = rng.choice(
        [p for p in original.fields if not at(original.vendor, p).get("description")] or original.fields
    )
    document = deepcopy(original.vendor)
    node = at(document, pointer)
    node["description"] = ";".join(filter(None, [node.get("description"), rng.choice(NEW_SENTENCES)]))
    return "clause-new", f"{pointer} described", document, None


def cut(text, clause):
    start, end = find_quote(text, clause.text)
    rest = re.sub(r"^[,;。,;. ]+", "", text[end:])
    return text[:start] + rest


def dropped(original, rng):
    clause = rng.choice(original.clauses)
    # Only where nothing else of the description holds the same words.
    if original.texts[clause.pointer].count(clause.text) != 1:
        return dropped(original, rng)
    return (
        "clause-dropped",
        f"{clause.text} dropped",
        changed(original, clause.pointer, lambda t: cut(t, clause)),
        clause,
    )


def moved(original, rng):
    clause = rng.choice([c for c in original.clauses if len(c.text) > 5])
    source = original.texts[clause.pointer]
    if rng.random() < 0.5:
        target = rng.choice([p for p in original.texts if p != clause.pointer and clause.text not in original.texts[p]])
        document = changed(original, clause.pointer, lambda text: cut(text, clause))
        node = at(document, target)
        node["description"] += f";{clause.text}"
    else:
        if cut(source, clause).strip(" ,;。.") == "" or source.rstrip("。. ").endswith(clause.text):
            return moved(original, rng)
        document = changed(original, clause.pointer, lambda text: f"{cut(text, clause)};{clause.text}")
    return "clause-moved", f"{clause.text} moved", document, clause


# Schemas.


def field_added(original, rng):
    document = deepcopy(original.vendor)
    parent = rng.choice([p for p in pointers(document) if p.endswith("/properties") and at(document, p)])
    at(document, parent)[rng.choice(["watermark_info", "seed", "output_format"])] = {"type": "string"}
    return "field-added", f"a field at {parent}", document, None


def without(document, name):
    """Drop a field everywhere: its schema, what is required, the example."""
    if isinstance(document, dict):
        return {key: without(child, name) for key, child in document.items() if key != name}
    if isinstance(document, list):
        return [without(child, name) for child in document if child != name]
    return document


def with_name(document, name, new):
    if isinstance(document, dict):
        return {new if key == name else key: with_name(child, name, new) for key, child in document.items()}
    if isinstance(document, list):
        return [new if child == name else with_name(child, name, new) for child in document]
    return document


def leaves(original):
    return [p for p in original.fields if "properties" not in str(at(original.vendor, p))]


def field_dropped(original, rng):
    name = rng.choice(leaves(original)).rpartition("/")[2]
    return "field-dropped", f"{name} dropped", without(original.vendor, name), None


def field_renamed(original, rng):
    name = rng.choice(leaves(original)).rpartition("/")[2]
    new = rng.choice([name.replace("_", ""), f"{name}s", f"{name}_v2", name.title().replace("_", "")])
    new = f"{name}s" if new == name else new
    return "field-renamed", f"{name} renamed {new}", with_name(original.vendor, name, new), None


def retyped(original, rng):
    document = deepcopy(original.vendor)
    node = at(document, rng.choice(leaves(original)))
    old = node["type"]
    node["type"] = rng.choice([one for one in ("string", "integer", "number", "boolean") if one != old])
    return "type-changed", f"{old} -> {node['type']}", document, None


def required(original, rng):
    document = deepcopy(original.vendor)
    pointer = rng.choice(
        [p for p in pointers(document) if p.endswith("/required") and isinstance(at(document, p), list)]
    )
    names, fields = at(document, pointer), at(document, f"{pointer.rpartition('/')[0]}/properties")
    optional = [name for name in fields if name not in names]
    if optional and rng.random() < 0.5:
        names.append(rng.choice(optional))
    else:
        names.remove(rng.choice(names))
    return "required-changed", f"required: {names}", document, None


def enumerated(original, rng):
    document = deepcopy(original.vendor)
    node = at(document, rng.choice([p for p in leaves(original) if at(document, p)["type"] == "string"]))
    node["enum"] = [*node["enum"], "de"] if "enum" in node else ["a", "b"]
    return "enum-changed", f"enum {node['enum']}", document, None


def constrained(original, rng):
    document = deepcopy(original.vendor)
    node = at(document, rng.choice([p for p in leaves(original) if at(document, p)["type"] == "string"]))
    node["minLength"] = rng.choice([1, 2])
    return "keyword-changed", "minLength", document, None


def operation(document):
    (path,) = document["paths"]
    return path, document["paths"][path]


def path_changed(original, rng):
    document = deepcopy(original.vendor)
    path, item = operation(document)
    new = rng.choice(
        [path.replace("/v", "/api/v", 1), f"{path}-v2", path.removeprefix("/kling"), path.replace("s/", "/")]
    )
    document["paths"] = {new if new != path else f"{path}x": item}
    return "path-changed", f"{path} -> {new}", document, None


def method_changed(original, rng):
    document = deepcopy(original.vendor)
    _, item = operation(document)
    item[rng.choice(["put", "patch"])] = item.pop("post")
    return "method-changed", "another method", document, None


def path_added(original, rng):
    document = deepcopy(original.vendor)
    document["paths"][rng.choice(["/v3/images", "/v3/music"])] = {"get": {"responses": {"200": {"description": ""}}}}
    return "path-added", "a path", document, None


def served(original, rng):
    document = deepcopy(original.vendor)
    document["servers"][0]["url"] = rng.choice(["https://api.other.example", "https://www.anyapi.vip/v2"])
    return "server-changed", "another server", document, None


COSMETIC: tuple[Callable[..., Any], ...] = (spaced, widened, punctuated, in_another_unit)
PROSE: tuple[Callable[..., Any], ...] = (
    *(limited, negated, listed, paraphrased, opened, added, first_described, dropped, moved),
)
SCHEMA: tuple[Callable[..., Any], ...] = (
    *(field_added, field_dropped, field_renamed, retyped, required, enumerated, constrained),
    *(path_changed, method_changed, path_added, served),
)
KINDS = (*COSMETIC, *PROSE, *SCHEMA)


def edits(n, seed=0):
    """Yield `n` edits, every kind in turn, in the seed and in the other document."""
    rng = random.Random(seed)
    originals = [Original(folder) for folder in FOLDERS]
    for number in range(n):
        make = KINDS[number % len(KINDS)]
        original = originals[(number // len(KINDS)) % len(originals)]
        kind, what, document, clause = make(original, rng)
        yield original, Edited(kind, what, document, original.folder, clause)

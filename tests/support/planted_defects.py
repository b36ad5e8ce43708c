"""Defects of servers, each as what a careless server takes a case for: another request, or another world.

A server with one of them answers the case as a right one answers what it is taken for, or breaks on it.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlencode

from kling_contracts.cases.requests import TOKEN
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.world import Face
from kling_contracts.jsonio import strict_json
from support.serving import documented

EVERY = ("create", "list", "query", "identify", "tts")
WITH_BODY = ("create", "identify", "tts")
WITH_IDS = ("create", "query", "identify", "tts")
HOUR = 3_600_000


class RefusedError(Exception):
    """The server refuses what it should accept."""


class CrashedError(Exception):
    """The server breaks on a request."""


# What a case is, and what it becomes.


def payload_of(case, **how):
    """The payload, read without care; None where there is none."""
    if case.operation == "query":
        return {"task_id": case.request.path.rpartition("/")[2]}
    if case.operation == "list":
        return dict(parse_qsl(case.request.query, keep_blank_values=True))
    try:
        payload = json.loads(case.request.body, **how) if how else strict_json.decode(case.request.body)
    except (ValueError, RecursionError, strict_json.BodyError):
        return None
    return payload if isinstance(payload, dict) else None


def with_payload(case, payload):
    request = case.request
    if case.operation == "query":
        return replace(case, request=request._replace(path=f"{request.path.rpartition('/')[0]}/{payload['task_id']}"))
    if case.operation == "list":
        return replace(case, request=request._replace(query=urlencode(payload)))
    return replace(case, request=request._replace(body=json.dumps(payload).encode()))


def with_header(case, name, value):
    return replace(case, request=case.request._replace(headers={**case.request.headers, name: value}))


def with_body(case, body):
    return replace(case, request=case.request._replace(body=body))


def with_world(case, **tables):
    return replace(case, world=replace(case.world, **tables))


def items(payload):
    """The payload and the items of its arrays: what has fields."""
    yield payload
    for value in payload.values() if isinstance(payload, dict) else ():
        yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def reread(**how):
    """A server whose JSON reader has these habits."""

    def see(case):
        payload = payload_of(case, **how) if case.request.body else None
        return case if payload is None else with_payload(case, payload)

    return see


def changed_values(change):
    """A server that takes each value of a payload for another."""

    def walked(value):
        if isinstance(value, dict):
            return {name: walked(child) for name, child in value.items()}
        return change([walked(item) for item in value] if isinstance(value, list) else value)

    def see(case):
        payload = payload_of(case)
        seen = walked(payload)
        return case if payload is None or repr(seen) == repr(payload) else with_payload(case, seen)

    return see


def refusing(*patterns):
    """A server that breaks on a body, a path or a query that one of these occurs in."""

    def see(case):
        text = case.request.body.decode("utf-8", "replace")
        try:
            text += repr(json.loads(text)) + json.dumps(json.loads(text), ensure_ascii=False)
        except (ValueError, RecursionError):
            return case
        if any(re.search(pattern, text) for pattern in patterns):
            raise RefusedError
        return case

    return see


def refusing_header(name, pattern):
    def see(case):
        if re.search(pattern, case.request.headers.get(name, "")):
            raise RefusedError
        return case

    return see


# Ids.


def lookups(case):
    """Holder, name of the field, and the ids that the world knows, of each field that names an entry."""
    payload = payload_of(case) or {}
    entries = {}
    for fact in documented().by_name[case.operation].facts.declared:
        provider = fact.provider
        if not isinstance(provider, Lookup):
            continue
        table = getattr(case.world, provider.table, None)
        if provider.inside:
            table = getattr(entries.get(provider.inside), provider.table, None)
        for holder in items(payload):
            if table is not None and provider.field.name in holder:
                key = holder[provider.field.name]
                if isinstance(key, str | int) and isinstance(table, Mapping):
                    entries[fact.name] = table.get(key)
                yield payload, holder, provider.field.name, table, entries, fact.name


def found_otherwise(find):
    """A server that takes an id which it does not know for one that `find` chooses among those that it knows."""

    def see(case):
        changed = None
        for payload, holder, name, table, entries, fact in lookups(case):
            value = holder[name]
            if isinstance(value, str) and value not in table:
                try:
                    key = find(value, [*table])
                except (ValueError, ArithmeticError, LookupError):
                    key = None
                if key is not None:
                    holder[name], changed = key, payload
                    entries[fact] = table[key] if isinstance(table, Mapping) else None
        return case if changed is None else with_payload(case, changed)

    return see


def alike_by(spell):
    """A server that compares what `spell` makes of ids."""

    def find(value, known):
        wanted = spell(value)
        return next((key for key in known if _tried(spell, key) == wanted), None)

    return found_otherwise(find)


def _tried(spell, key):
    try:
        return spell(key)
    except (ValueError, ArithmeticError):
        return None


def ids_from_numbers(case):
    payload = payload_of(case)
    names = {(id(holder), name) for _, holder, name, *_ in lookups(case)} if payload else ()
    if not names:
        return case
    own = next(lookups(case))[0]
    seen = json.loads(json.dumps(own))
    for fact in documented().by_name[case.operation].facts.declared:
        for holder in items(seen):
            name = fact.provider.field.name if isinstance(fact.provider, Lookup) else ""
            if type(holder.get(name)) is int:
                holder[name] = str(holder[name])
    return case if seen == own else with_payload(case, seen)


def shared_by_all_accounts(case):
    """A server that looks up ids without asking whose they are."""
    if not case.others:
        return case
    seen = {}
    for name in ("sessions", "audios", "videos", "voices", "tasks"):
        tables = [getattr(world, name) for world in (*case.others.values(), case.world)]
        if any(table is not None for table in tables):
            seen[name] = {key: entry for table in tables for key, entry in (table or {}).items()}
    ids = frozenset().union(*(world.external_task_ids for world in (case.world, *case.others.values())))
    return with_world(case, **seen, external_task_ids=ids)


def of_one_account(table):
    """A server that shares one table among all accounts."""

    def see(case):
        tables = [getattr(world, table) for world in (*case.others.values(), case.world)]
        if not case.others or all(one is None for one in tables):
            return case
        if table == "external_task_ids":
            return with_world(case, external_task_ids=frozenset().union(*tables))
        return with_world(case, **{table: {key: entry for one in tables for key, entry in (one or {}).items()}})

    return see


# Numbers and rules.


def each_face(change):
    """A server that judges with another interval of each face; `change` takes the item and the face."""

    def see(case):
        payload = payload_of(case) or {}
        chosen = payload.get("face_choose")
        if case.operation != "create" or not isinstance(chosen, list) or not chosen or not isinstance(chosen[0], dict):
            return case
        sessions = {
            key: session._replace(
                faces={name: change(payload, chosen[0], face) for name, face in session.faces.items()}
            )
            for key, session in case.world.sessions.items()
        }
        return case if sessions == case.world.sessions else with_world(case, sessions=sessions)

    return see


def _times(item):
    times = [item.get(f"sound_{name}_time") for name in ("start", "end", "insert")]
    return times if all(type(one) is int for one in times) else None


def _gap_as_overlap(payload, item, face):
    times = _times(item)
    if times is None:
        return face
    start, end, insert = times
    gap = max(insert - face.end_ms, face.start_ms - (insert + end - start))
    return Face(0, HOUR * 10**4) if gap >= 2000 else face


def _not_with_callback(payload, item, face):
    return Face(0, HOUR * 10**4) if payload.get("callback_url") else face


def long_videos_never_end(case):
    sessions = {
        key: one._replace(video_ms=10**15) if one.video_ms > 60_000 else one for key, one in case.world.sessions.items()
    }
    return with_world(case, sessions=sessions)


def length_without_sign(case):
    payload = payload_of(case) or {}
    for item in items(payload):
        start, end = item.get("sound_start_time"), item.get("sound_end_time")
        if type(start) is int and type(end) is int and start > end:
            item["sound_start_time"], item["sound_end_time"] = end, start
            return with_payload(case, payload)
    return case


def file_where_the_id_is_of_no_use(is_of_no_use):
    def see(case):
        payload = payload_of(case) or {}
        for item in items(payload):
            audio = case.world.audios.get(item.get("audio_id")) if isinstance(item.get("audio_id"), str) else None
            if item.get("sound_file") and item.get("audio_id") and is_of_no_use(audio, case.world):
                del item["audio_id"]
                return with_payload(case, payload)
        return case

    return see


def _expired(audio, world):
    return audio is not None and audio.created_ms is not None and world.now_ms - audio.created_ms > 2_592_000_000


def ids_in_the_path_by(change):
    """A server that reads an id out of the path in its own way."""

    def see(case):
        payload = payload_of(case)
        return with_payload(case, {"task_id": change(payload["task_id"])})

    return see


def by_a_parameter(is_first):
    """A server that looks a task up by a parameter of the query: before the id in the path, or after it."""

    def see(case):
        known = {name for task in (case.world.tasks or {}).values() for name in (task.id, task.external_task_id)}
        asked = dict(parse_qsl(case.request.query)).get("external_task_id")
        if asked and (is_first or payload_of(case)["task_id"] not in known):
            return with_payload(case, {"task_id": asked})
        return case

    return see


def filtered_list(case):
    """A server that lists the tasks of one external id where a parameter asks for it."""
    asked = dict(parse_qsl(case.request.query)).get("external_task_id")
    if asked is None:
        return case
    return with_world(
        case, tasks={name: one for name, one in case.world.tasks.items() if one.external_task_id == asked}
    )


def taken_for(table, name, wanted):
    """A server that takes files of one format for those of another."""

    def see(case):
        files = getattr(case.world, table) or {}
        seen = {url: one._replace(format=wanted) if one.format == name else one for url, one in files.items()}
        return case if seen == files else with_world(case, **{table: seen})

    return see


def chosen_face(choose):
    """A server that takes some face of the session for the chosen one."""

    def see(case):
        payload = payload_of(case) or {}
        session = (
            case.world.sessions.get(payload.get("session_id"))
            if case.operation == "create" and isinstance(payload.get("session_id"), str)
            else None
        )
        for item in items(payload):
            if session and isinstance(item.get("face_id"), str) and item["face_id"] in session.faces:
                item["face_id"] = choose([*session.faces])
                return with_payload(case, payload)
        return case

    return see


def wrapped(bits):
    def change(value):
        if type(value) is int and abs(value) >= 2 ** (bits - 1):
            return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        return value

    return changed_values(change)


def _breaks_on_large(value):
    if type(value) is int and abs(value) >= 2**31:
        raise CrashedError
    return value


NUMBER_FIELDS = re.compile("_time$|volume$|_speed$|^page")


def numbers_by(change):
    """A server that takes what stands in a field of a number for what `change` makes of it."""

    def see(case):
        payload = payload_of(case)
        if payload is None:
            return case
        seen = json.loads(json.dumps(payload))
        for item in items(seen):
            for name, value in item.items():
                if NUMBER_FIELDS.search(name):
                    try:
                        item[name] = change(value)
                    except (TypeError, ValueError):
                        continue
        return case if repr(seen) == repr(payload) else with_payload(case, seen)

    return see


def _from_text(value):
    return (float(value) if "." in value else int(value)) if isinstance(value, str) else value


def volumes_of_floats_unchecked(case):
    payload = payload_of(case)
    seen = json.loads(json.dumps(payload)) if payload else {}
    for item in items(seen):
        for name, value in item.items():
            if name.endswith("volume") and type(value) is float and value.is_integer():
                item[name] = 1
    return case if repr(seen) == repr(payload) or not payload else with_payload(case, seen)


def duplicates_below(case):
    """A JSON reader that refuses a duplicate key at the top level alone."""
    try:
        pairs = json.loads(case.request.body, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return case
    names = (
        [pair[0] for pair in pairs] if isinstance(pairs, list) and all(isinstance(one, tuple) for one in pairs) else []
    )
    return reread(object_pairs_hook=dict)(case) if len(names) == len(set(names)) else case


def duplicates_of_one_value(case):
    """A JSON reader that minds a duplicate key only where the values differ."""

    def checked(pairs):
        for name, value in pairs:
            if any(other == name and one != value for other, one in pairs):
                raise ValueError(name)
        return dict(pairs)

    return reread(object_pairs_hook=checked)(case)


def _snake(name):
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)


def _camel(name):
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def names_by(spell):
    def renamed(value):
        if isinstance(value, dict):
            return {spell(name): renamed(child) for name, child in value.items()}
        return [renamed(item) for item in value] if isinstance(value, list) else value

    def see(case):
        payload = payload_of(case)
        if payload is None or case.operation == "query":
            return case
        return case if renamed(payload) == payload else with_payload(case, renamed(payload))

    return see


def half_pairs(place):
    """A server that minds half of a surrogate pair nowhere, or in unknown members alone."""

    def see(case):
        body = case.request.body
        if place == "ids" and b'"text":"\\ud83d"' in body:
            return case
        return with_body(case, re.sub(rb"\\ud83d(?!\\u)", b"", body))

    return see


def authorized_by(scheme):
    def see(case):
        sent = case.request.headers.get("authorization", "")
        if re.fullmatch(rf"{scheme} ?\"?{TOKEN}\"?.*", sent):
            return with_header(case, "authorization", f"Bearer {TOKEN}")
        return case

    return see


def urls_by(change):
    """A server whose files are found by what `change` makes of a URL."""
    names = ("sound_file", "video_url")

    def see(case):
        payload = payload_of(case)
        known = [*(case.world.files or {}), *(case.world.videos or {})]
        for item in items(payload) if payload else ():
            for name in names:
                url = item.get(name)
                if isinstance(url, str) and "://" in url and url not in known:
                    item[name] = next((one for one in known if change(one) == change(url)), url)
        return case if payload is None or payload == payload_of(case) else with_payload(case, payload)

    return see


def refusing_field(name, pattern):
    """A server that refuses a text in one field."""

    def see(case):
        for item in items(payload_of(case) or {}):
            for key, value in item.items():
                if key == name and isinstance(value, str) and re.search(pattern, value):
                    raise RefusedError
        return case

    return see


def _digits_before_exponent(text):
    return int(re.match("-?[0-9]+", text)[0])


def _index(value, known):
    place = int(value)
    return known[place] if str(place) == value else None


DEFECTS = {
    # Ids that only look alike.
    "ids are read as numbers": (("create", "query"), alike_by(int)),
    "ids are stripped": (WITH_IDS, alike_by(str.strip)),
    "ids are normalised (NFKC)": (WITH_IDS, alike_by(lambda text: unicodedata.normalize("NFKC", text))),
    "zero-width characters are dropped": (WITH_IDS, alike_by(lambda text: text.replace("\u200b", ""))),
    "ids end at NUL": (WITH_IDS, alike_by(lambda text: text.partition("\0")[0])),
    "ids are compared without case": (("identify", "tts"), alike_by(str.casefold)),
    "leading zeros are dropped": (WITH_IDS, alike_by(lambda text: text.lstrip("0"))),
    "ids are floats": (("create", "query"), alike_by(float)),
    "ids have 64 bits": (("create", "query"), alike_by(lambda text: int(text) % 2**64)),
    "ids are cut after 18 characters": (("create", "query"), alike_by(lambda text: text[:18])),
    "an id may be a fraction of .0": (("create", "query"), alike_by(lambda text: text.removesuffix(".0"))),
    "line breaks at the end are dropped": (WITH_IDS, alike_by(lambda text: text.rstrip("\n"))),
    "an index is an id": (("create", "query", "identify"), found_otherwise(_index)),
    "the last one is taken for -1": (
        WITH_IDS,
        found_otherwise(lambda text, known: known[-1] if text == "-1" else None),
    ),
    "the first one is taken for 0": (WITH_IDS, found_otherwise(lambda text, known: known[0] if text == "0" else None)),
    "ids may be numbers": (("create",), ids_from_numbers),
    "ids of 256 characters break it": (WITH_IDS, lambda case: _breaks_on_long(case)),
    "ids are cut after 255 characters": (WITH_IDS, alike_by(lambda text: text[:255])),
    # Ids in a path.
    "a path is decoded twice": (("query",), ids_in_the_path_by(unquote)),
    "a path is decoded like a form": (("query",), ids_in_the_path_by(lambda text: text.replace("+", " "))),
    "a path is cut after 64 characters": (("query",), ids_in_the_path_by(lambda text: text[:64])),
    "a path ends at ? once it is decoded": (("query",), ids_in_the_path_by(lambda text: text.partition("?")[0])),
    "a path has no Chinese": (("query",), ids_in_the_path_by(lambda text: re.sub("[\u4e00-\u9fff]", "?", text))),
    "a parameter goes before the path": (("query",), by_a_parameter(is_first=True)),
    "a parameter stands in for the path": (("query",), by_a_parameter(is_first=False)),
    "a list goes by external id": (("list",), filtered_list),
    "the last face is taken": (("create",), chosen_face(lambda known: known[-1])),
    "the first face is taken": (("create",), chosen_face(lambda known: known[0])),
    # Accounts.
    "everything is shared by all accounts": (EVERY, shared_by_all_accounts),
    "sessions are shared by all accounts": (("create",), of_one_account("sessions")),
    "audios are shared by all accounts": (("create",), of_one_account("audios")),
    "external ids are shared by all accounts": (("create",), of_one_account("external_task_ids")),
    "tasks are shared by all accounts": (("query", "list"), of_one_account("tasks")),
    "videos are shared by all accounts": (("identify",), of_one_account("videos")),
    # Headers.
    "a good token is a good password": (EVERY, authorized_by("Basic")),
    "any scheme will do": (EVERY, authorized_by("[A-Za-z]+")),
    "a colon behind the scheme will do": (EVERY, authorized_by("Bearer:")),
    "a token may stand in quotes": (EVERY, authorized_by("Bearer")),
    "the scheme has one case": (WITH_BODY, refusing_header("authorization", "^(bearer|BEARER)")),
    "a charset has one case": (WITH_BODY, refusing_header("content-type", "UTF-8")),
    "a charset has no quotes": (WITH_BODY, refusing_header("content-type", '"')),
    "a content type has one case": (WITH_BODY, refusing_header("content-type", "APPLICATION")),
    # JSON.
    "half a surrogate pair is dropped": (WITH_BODY, half_pairs("everywhere")),
    "half a surrogate pair is dropped in ids": (WITH_BODY, half_pairs("ids")),
    "the last of two keys counts": (WITH_BODY, reread(object_pairs_hook=dict)),
    "duplicate keys are minded at the top alone": (("create",), duplicates_below),
    "duplicate keys of one value are not minded": (WITH_BODY, duplicates_of_one_value),
    "names may be in camel case": (WITH_BODY, names_by(_snake)),
    "names have no case": (WITH_BODY, names_by(str.lower)),
    "parameters may be in snake case": (("list",), names_by(_camel)),
    # Numbers.
    "digits before an exponent count": (("create",), reread(parse_float=_digits_before_exponent)),
    "exponents break it": (("create", "tts"), refusing("[0-9]e-?[0-9]")),
    "-0 breaks it": (("create",), refusing(r"(?<![0-9e])-0(?![0-9.])")),
    "fractions of .0 break it": (("create",), refusing(r": [0-9]+\.0[,}]")),
    "fractions are rounded": (("create",), numbers_by(lambda value: round(value) if type(value) is float else value)),
    "fractions near a whole number are rounded": (
        ("create",),
        numbers_by(lambda value: round(value) if type(value) is float and abs(value - round(value)) < 1e-6 else value),
    ),
    "numbers may be texts": (("create", "tts"), numbers_by(_from_text)),
    "numbers may be alone in an array": (
        ("create", "tts"),
        numbers_by(lambda value: value[0] if isinstance(value, list) and len(value) == 1 else value),
    ),
    "volumes that are floats are not looked at": (("create",), volumes_of_floats_unchecked),
    "numbers have 32 bits": (("create",), wrapped(32)),
    "numbers from 2^31 on break it": (("create",), changed_values(_breaks_on_large)),
    "a number in a query may be anything that int() takes": (("list",), numbers_by(_from_text)),
    "a number in a query may have an exponent": (("list",), numbers_by(lambda value: int(float(value)))),
    # Rules.
    "a clip may be turned around": (("create",), length_without_sign),
    "a gap is taken for overlap": (("create",), each_face(_gap_as_overlap)),
    "a video over 60 s has no end": (("create",), long_videos_never_end),
    "with a callback_url the overlap is not checked": (("create",), each_face(_not_with_callback)),
    "an expired id beside a file is not minded": (("create",), file_where_the_id_is_of_no_use(_expired)),
    "an unknown id beside a file is not minded": (
        ("create",),
        file_where_the_id_is_of_no_use(lambda audio, world: audio is None),
    ),
    # Texts that are free.
    "external ids have no Chinese": (("create",), refusing_field("external_task_id", "[\u4e00-\u9fff]")),
    "external ids have no character beyond 16 bits": (
        ("create",),
        refusing_field("external_task_id", "[\U00010000-\U0010ffff]"),
    ),
    "external ids have 255 characters": (("create",), refusing_field("external_task_id", "(?s).{256}")),
    "external ids have no NUL": (("create",), refusing_field("external_task_id", "\0")),
    "external ids have no quotes": (("create",), refusing_field("external_task_id", "'")),
    "nothing is called back on this machine": (("create",), refusing_field("callback_url", "127[.]0[.]0[.]1")),
    "a callback has no port": (("create",), refusing_field("callback_url", ":[0-9]+/")),
    "a callback has no Chinese": (("create",), refusing_field("callback_url", "[\u4e00-\u9fff]")),
    "texts have no spaces around them": (("tts",), refusing_field("text", r"^\s|\s$")),
    "texts have no character beyond 16 bits": (("tts",), refusing_field("text", "[\U00010000-\U0010ffff]")),
    "texts have no line breaks": (("tts",), refusing_field("text", "[\r\n]")),
    "texts have no tabs": (("tts",), refusing_field("text", "\t")),
    "texts have no quotes": (("tts",), refusing_field("text", "'")),
    # Formats of files that a URL leads to.
    "webm is a video": (("identify",), taken_for("videos", "webm", "mp4")),
    "avi is a video": (("identify",), taken_for("videos", "avi", "mp4")),
    "ogg is a voice": (("create",), taken_for("files", "ogg", "mp3")),
    "flac is a voice": (("create",), taken_for("files", "flac", "mp3")),
    # URLs.
    "URLs have no Chinese": (("create",), refusing_field("sound_file", "[\u4e00-\u9fff]")),
    "a video's URL has no Chinese": (("identify",), refusing_field("video_url", "[\u4e00-\u9fff]")),
    "URLs have no port": (("create",), refusing_field("sound_file", "://[^/]*:[0-9]")),
    "a video's URL has no port": (("identify",), refusing_field("video_url", "://[^/]*:[0-9]")),
    "a name ends with .mp3 in lower case": (("create",), refusing_field("sound_file", "[.]MP3$")),
    "https is in lower case": (("create",), refusing_field("sound_file", "^HTTPS")),
    "https of a video is in lower case": (("identify",), refusing_field("video_url", "^HTTPS")),
    "URLs are compared without case": (("create", "identify"), urls_by(str.casefold)),
    "a query of a URL is dropped": (("create", "identify"), urls_by(lambda url: url.partition("?")[0])),
    "a port of a URL is dropped": (("create", "identify"), urls_by(lambda url: re.sub(":[0-9]+/", "/", url))),
    "a slash behind a URL is dropped": (("create", "identify"), urls_by(lambda url: url.rstrip("/"))),
}
"""By name: the operations that it makes sense in, and what a server with it takes a case for."""


def _breaks_on_long(case):
    if any(isinstance(holder[name], str) and len(holder[name]) > 255 for _, holder, name, *_ in lookups(case)):
        raise CrashedError
    return case

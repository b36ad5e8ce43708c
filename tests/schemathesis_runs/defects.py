"""Planted defects: each changes the document that a mock is made from, so that it answers otherwise than it should."""

import copy
import itertools

from kling_contracts.documents.loading import effective


def mutated(defect):
    """Return the effective document with one defect."""
    document = copy.deepcopy(effective())
    defect(document)
    return document


def shorten_the_clip(document):
    replace(document, "clip-too-short", "2000", "1999")


def lengthen_the_audio(document):
    replace(document, "audio-too-long", "60000", "60001")


def ask_for_more_overlap(document):
    replace(document, "face-overlap-too-short", "2000", "2001")


def forget_the_faces(document):
    item(document)["properties"]["face_id"]["x-validations"].clear()


def forget_a_required_field(document):
    item(document)["required"].remove("sound_volume")


def answer_moderation_with_another_code(document):
    rule(document, "audio-content")["code"] = 1300


def answer_a_missing_key_as_an_unknown_path(document):
    rule(document, "authorization-missing")["code"] = 1202


def name_another_rule(document):
    rule(document, "insert-past-video-end")["id"] = "insert-after-video-end"


def payload(document):
    path = next(iter(document["paths"].values()))
    return path["post"]["requestBody"]["content"]["application/json"]["schema"]


def item(document):
    return payload(document)["properties"]["face_choose"]["items"]


def rule(document, rule_id):
    nodes = [payload(document), item(document)]
    fields = itertools.chain.from_iterable(node["properties"].values() for node in nodes)
    entries = itertools.chain.from_iterable(node.get("x-validations", ()) for node in (*nodes, *fields))
    return next(entry for entry in (*document["x-request-rules"], *entries) if entry["id"] == rule_id)


def replace(document, rule_id, number, by):
    entry = rule(document, rule_id)
    entry["rule"] = entry["rule"].replace(number, by)

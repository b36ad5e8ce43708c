"""Servers with one defect each, made mechanically from the contract."""

import json
import re
from functools import cache
from itertools import chain
from typing import NamedTuple

from kling_contracts import Contract, DocumentError
from kling_contracts.documents import loading
from support.catalogues import rows
from support.serving import documented

CONTRACT = documented()
EFFECTIVE = loading.effective()

EQUIVALENT = {
    "create: sound-file-unreachable without || facts.file.kind != 'url'": (
        "`facts.file.reachable` is true for Base64, and for what is neither Base64 nor a URL nobody can know it: "
        "the rule then stays unverified instead of held, and `sound-file-unreadable` refuses either way."
    ),
    "query: task_id.type is string or null": "What stands in a path is always a text.",
}
"""The defects that no case can find, each with the reason."""


class Mutant(NamedTuple):
    """A document with one defect."""

    name: str
    kind: str
    operation: str
    rule: str
    """The id of the spoilt rule."""
    body: str
    """The spoilt operation, as JSON."""


def compiled(mutant):
    """The server with that defect, which knows the paths of its operation alone; None where the loader refuses it."""
    path, method = place(mutant.operation)
    item = {**EFFECTIVE["paths"][path], method: json.loads(mutant.body)}
    try:
        return Contract.compile({**EFFECTIVE, "paths": {path: item}})
    except DocumentError:
        return None


def place(operation):
    one = CONTRACT.by_name[operation]
    return one.paths[0], one.method.lower()


def roots(body):
    """The schemas of an operation's payload, each with the name of the parameter that it is of."""
    if "requestBody" in body:
        return [(body["requestBody"]["content"]["application/json"]["schema"], "")]
    return [(one["schema"], one["name"]) for one in body["parameters"]]


def nodes(schema, name=""):
    """Every node of a schema, with the prefix of its keywords' ids."""
    yield schema, name or "body"
    for child, body in schema.get("properties", {}).items():
        yield from nodes(body, child)
    if "items" in schema:
        yield from nodes(schema["items"], f"{name}.items")


def every_node(body):
    return [node for schema, name in roots(body) for node in nodes(schema, name)]


def spoilt(kind, defects_of, operation):
    """Every mutant that a way to spoil one node of an operation's schema leads to.

    `defects_of` yields, for a node and its name, what is spoilt, the rule's id, and a function that does it.
    """
    path, method = place(operation)
    original = EFFECTIVE["paths"][path][method]
    for index, (node, name) in enumerate(every_node(original)):
        for what, rule, spoil in defects_of(node, name):
            body = json.loads(json.dumps(original))
            spoil(every_node(body)[index][0])
            yield Mutant(f"{operation}: {what}", kind, operation, rule, json.dumps(body))


# Schema keywords.


def dropped_keywords(node, name):
    for keyword in ("type", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "enum"):
        if keyword in node and not (keyword == "type" and {"properties", "items"} & node.keys()):
            yield f"{name}.{keyword} dropped", f"{name}.{keyword}", lambda node, keyword=keyword: node.pop(keyword)
    for missing in node.get("required", ()):
        yield (
            f"{missing}.required dropped",
            f"{missing}.required",
            lambda node, missing=missing: node["required"].remove(missing),
        )


def moved_keywords(node, name):
    for keyword in ("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"):
        for by in (-1, 1) if keyword in node else ():
            yield (
                f"{name}.{keyword} {by:+}",
                f"{name}.{keyword}",
                lambda node, keyword=keyword, by=by: node.update({keyword: node[keyword] + by}),
            )


def strict_keywords(node, name):
    for keyword in ("minimum", "maximum"):
        if keyword in node:
            yield (
                f"{name}.{keyword} exclusive",
                f"{name}.{keyword}",
                lambda node, keyword=keyword: exclude(node, keyword),
            )


def exclude(node, keyword):
    node.get("x-prose", {}).pop(keyword, None)
    node[f"exclusive{keyword.capitalize()}"] = node.pop(keyword)


def wider_types(node, name):
    if "type" in node:
        wider = ["number"] if node["type"] == "integer" else [node["type"], "null"]
        yield f"{name}.type is {' or '.join(wider)}", f"{name}.type", lambda node: node.update(type=wider)


# Rules.


def dropped_rules(node, name):
    for index, rule in enumerate(node.get("x-validations", ())):
        yield f"{rule['id']} dropped", rule["id"], lambda node, index=index: node["x-validations"].pop(index)


def rewritten(rewrite):
    """The defects of every rule that `rewrite` makes: what is changed, and the tokens afterwards."""

    def defects_of(node, name):
        for index, rule in enumerate(node.get("x-validations", ())):
            for what, tokens in rewrite(TOKEN.findall(rule["rule"]), node):
                text = " ".join(tokens)
                yield (
                    f"{rule['id']} {what}",
                    rule["id"],
                    lambda node, index=index, text=text: node["x-validations"][index].update(rule=text),
                )

    return defects_of


TOKEN = re.compile(r"\d+|'[^']*'|[A-Za-z_][\w.]*|&&|\|\||[=!<>]=|[<>!()+-]")
FACTS = [schema["properties"] for name, schema in EFFECTIVE["components"]["schemas"].items() if name.endswith("Facts")]
STRICTER = {">=": ">", "<=": "<", "==": "!=", "!=": "=="}
OTHERWISE = {"&&": "||", "||": "&&", "+": "-", "-": "+"}


def replaced(tokens, index, by):
    return [*tokens[:index], by, *tokens[index + 1 :]]


def literals(tokens, node):
    for index, token in enumerate(tokens):
        if token.isdigit():
            for by in (-1, 1):
                yield f"{token} {by:+} at {index}", replaced(tokens, index, str(int(token) + by))
        elif token.startswith("'") and len(token) > 2:
            yield f"{token} misspelt at {index}", replaced(tokens, index, f"{token[:-1]}x'")


def comparisons(tokens, node):
    for index, token in enumerate(tokens):
        if token in STRICTER:
            yield f"{token} for {STRICTER[token]} at {index}", replaced(tokens, index, STRICTER[token])


def signs(tokens, node):
    for index, token in enumerate(tokens):
        if token in OTHERWISE:
            yield f"{token} for {OTHERWISE[token]} at {index}", replaced(tokens, index, OTHERWISE[token])
        elif token == "!":
            yield f"without ! at {index}", [*tokens[:index], *tokens[index + 1 :]]


def operands(tokens, node):
    """Leave out one operand of && or ||, whether it stands to the left or to the right."""
    for index, token in enumerate(tokens):
        if token in ("&&", "||"):
            end = index + 1 + width(tokens[index + 1 :], token)
            yield f"without {' '.join(tokens[index:end])}", [*tokens[:index], *tokens[end:]]
            start = index - width(mirrored(tokens[:index]), token)
            yield f"without {' '.join(tokens[start : index + 1])}", [*tokens[:start], *tokens[index + 1 :]]


def mirrored(tokens):
    return [{"(": ")", ")": "("}.get(token, token) for token in reversed(tokens)]


def width(tokens, sign):
    """How many tokens belong to the operand that comes first; && binds more tightly than ||."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth < 0 or (depth == 0 and token in ("&&", "||") and (sign == "&&" or token == "||")):
            return index
    return len(tokens)


def siblings(tokens, node):
    """Read another member of the same object and type."""
    for index, token in enumerate(tokens):
        root, _, name = token.rpartition(".")
        members = node.get("properties", {}) if root == "self" else members_of(root)
        for other in of_the_type_of(name, members):
            yield f"{token} for {other} at {index}", replaced(tokens, index, f"{root}.{other}")


def clocks(tokens, node):
    """Read the time, length or age of another thing."""
    for index, token in enumerate(tokens):
        root, _, name = token.rpartition(".")
        if name.endswith("_ms") and members_of(root):
            for other in (other for other in siblings_of(root) if f"facts.{other}" != root):
                for member in members_of(f"facts.{other}"):
                    if member.endswith("_ms"):
                        yield (
                            f"{token} for {other}.{member} at {index}",
                            replaced(tokens, index, f"facts.{other}.{member}"),
                        )


def siblings_of(root):
    """The facts of the operation that has this one."""
    return next((facts for facts in FACTS if root.removeprefix("facts.") in facts), {})


def members_of(root):
    if root == "facts":
        return {}
    name = root.removeprefix("facts.")
    return siblings_of(root).get(name, {}).get("properties", {}) if root.startswith("facts.") else {}


def of_the_type_of(name, members):
    if name in members:
        yield from (other for other in members if other != name and members[other]["type"] == members[name]["type"])


KINDS = {
    "a rule dropped": dropped_rules,
    "a keyword dropped": dropped_keywords,
    "a keyword off by one": moved_keywords,
    "a keyword made strict": strict_keywords,
    "a type made wider": wider_types,
    "a literal changed": rewritten(literals),
    "a comparison flipped": rewritten(comparisons),
    "a sign flipped": rewritten(signs),
    "an operand dropped": rewritten(operands),
    "a sibling read": rewritten(siblings),
    "another clock read": rewritten(clocks),
}


@cache
def servers(operation):
    """Every mutant of an operation that loads, each body once, with the server that it makes."""
    made = {}
    for mutant in chain.from_iterable(spoilt(kind, defects, operation) for kind, defects in KINDS.items()):
        made.setdefault(mutant.body, mutant)
    return [(mutant, server) for mutant in made.values() if (server := compiled(mutant))]


@cache
def survivors_of_the_catalogue(operation):
    return [(mutant, server) for mutant, server in servers(operation) if not found_by(server, sorted_for(mutant))]


def sorted_for(mutant):
    """What breaks the rule first: it is the likeliest to tell."""
    return sorted(rows(mutant.operation), key=lambda row: mutant.rule not in row.breaks)


def found_by(server, cases):
    return any(differs(server, case, case.world) for case in cases)


def differs(server, case, world):
    try:
        report = server.report(case.request, world)
    except KeyError:
        return True
    return frozenset(report.broken) != case.breaks or (bool(report.unverified) and not case.breaks)

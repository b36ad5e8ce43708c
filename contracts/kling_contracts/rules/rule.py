"""Rules: every documented constraint of an operation, in document order."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.documents.quotes import holds_quote
from kling_contracts.errors import RuleError
from kling_contracts.jsonio.keywords import message
from kling_contracts.rules.cel_compiler import Condition, Expression, compile_rule
from kling_contracts.rules.evidence import Evidence
from kling_contracts.rules.service_codes import Statuses

KEYWORDS: Final = (
    "type",
    "enum",
    "const",
    "required",
    "additionalProperties",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
)
"""The schema keywords that are rules, in the order in which one node's are reported."""

Schema = Mapping[str, Any]

OURS: Final = Evidence("ours")


SOME_ID: Final = "<id>"
"""The words of a message that is shown without a payload."""
MAX_ID_LENGTH: Final = 256
"""Characters of an id that a message repeats."""


class Quote(NamedTuple):
    """The vendor's own words: to the letter, what they mean, and the field whose description holds them."""

    text: str
    meaning: str
    at: str
    """Dotted path of the field within the payload, `face_choose[].audio_id`; empty for the payload itself."""

    def to_json(self) -> dict[str, str]:
        """Return the quote as JSON."""
        return {"at": self.at, "text": self.text, "en": self.meaning}


class Rule(NamedTuple):
    """One documented constraint."""

    id: str
    kind: str
    """`request` (judged before there is a payload), `keyword` (of the schema) or `cel`."""
    statement: str
    """The condition: the CEL expression, or the keyword and its value."""
    message: str
    """Template of the sentence that a refusal says; see `sentence`."""
    code: int
    """Service code of a refusal, as a response of the operation declares it."""
    status: int
    """HTTP status of a refusal."""
    source: str
    """`prose` (quoted), `schema` (the vendor's own keywords), `upstream` or `mock`."""
    quotes: tuple[Quote, ...] = ()
    node: str = ""
    """Dotted path of the node that the rule sits on, as in `Quote.at`."""
    blame: tuple[str, ...] = ()
    """Names of the fields below that node to blame, the first one given; empty: the node itself."""
    expression: Expression | None = None
    keyword: str = ""
    """The schema keyword, `maximum`; empty where the rule is not one."""
    value: Any = None
    """The value of the keyword, as in the schema: 2. For `required`, the name of the one field; for a rule of the mock
    that has limits, these by the name of a field."""
    path: tuple[str, ...] = ()
    """Steps from the payload to `node`: names of fields, and `[]` for the item of an array."""
    evidence: Evidence = OURS
    """The evidence for the rule."""
    message_evidence: Evidence = OURS
    """The evidence for its message."""

    def __repr__(self) -> str:
        """Leave out the expression, which is longer than all else together."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "expression")
        return f"Rule({', '.join(shown)})"

    def sentence(self, condition: Condition | None = None, given: object = SOME_ID) -> str:
        """Return the message with the literals of `condition`, by default of the rule's first one.

        `given` is what stands in the field to blame: some messages name the id.
        """
        if self.expression is None:
            return self.message
        chosen = condition or self.expression.conditions[0]
        limit = Quantity(chosen.limits[0]) if chosen.limits else ""
        return self.message.format(limit=limit, choices=_either(chosen.choices), id=str(given)[:MAX_ID_LENGTH])


class Quantity(int):
    """A limit that can be written as an age (`{limit:age}`, from ms) or a size (`{limit:size}`, from bytes)."""

    def __format__(self, unit: str) -> str:
        """Use the largest unit of which it is a whole number, two at least: 24 hours, 30 days."""
        for name, size in _UNITS.get(unit, ()):
            if self % size == 0 and self >= 2 * size:
                return f"{self // size} {name}"
        return str(int(self))


_UNITS: Final = {
    "age": (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1000), ("ms", 1)),
    "size": (("MB", 1024 * 1024), ("KB", 1024), ("bytes", 1)),
}


def _either(choices: tuple[str, ...]) -> str:
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]])) if choices else ""


class Advice(NamedTuple):
    """A note on a payload that no rule refuses, declared by `x-notes`."""

    when: Expression
    """The condition under which it is given."""
    field: str
    """Name of the field below the node that it is about; empty: the node itself."""
    says: str


class Compiler(NamedTuple):
    """Turns the extensions of one operation into rules."""

    facts: Schema
    """The JSON Schema of the facts that a rule may name."""
    default_code: int
    statuses: Statuses
    source: str = "schema"
    """The source of a keyword without a quote, as in `Rule.source`."""

    def request_rules(self, entries: list[Mapping[str, Any]]) -> Iterator[Rule]:
        """Yield the rules that are judged before there is a payload."""
        for entry in entries:
            yield Rule(
                id=entry["id"],
                kind="request",
                statement=entry["message"],
                message=entry["message"],
                code=entry["code"],
                status=entry.get("status") or self._status(entry["code"], entry["id"]),
                source=entry["source"],
                value=entry.get("limits"),
                evidence=_evidence(entry.get("evidence"), entry["source"]),
                message_evidence=_evidence(entry.get("messageEvidence"), "mock"),
            )

    def keyword_rules(self, schema: Schema, node: str) -> Iterator[tuple[str, str | None, Rule]]:
        """Yield keyword, missing name (for `required`) and rule of every keyword of one node."""
        name = node.rpartition(".")[2].replace("[]", ".items") or "body"
        for entry in schema.get("x-not-enforced", ()):
            if not holds_quote(schema.get("description"), entry["text"]):
                raise RuleError(f"the vendor does not say {entry['text']!r} at {node or 'the payload'}")
        for keyword in schema.get("x-prose", {}):
            if keyword not in KEYWORDS or keyword not in schema:
                raise RuleError(f"{name} quotes a sentence for the keyword {keyword!r}, which it does not have")
        for keyword in filter(schema.__contains__, KEYWORDS):
            if keyword == "required":
                for missing in schema["required"]:
                    says = message(keyword, None, (missing,), "")
                    rule = self._keyword_rule(f"{missing}.required", keyword, missing, says, schema, node)
                    yield keyword, missing, rule
            else:
                value = schema[keyword]
                says = message(keyword, value, (name,) if node else (), "")
                yield keyword, None, self._keyword_rule(f"{name}.{keyword}", keyword, value, says, schema, node)

    def cel_rules(self, schema: Schema, node: str) -> Iterator[Rule]:
        """Yield the rules that sit on one node."""
        for entry in schema.get("x-validations", ()):
            try:
                yield self._cel_rule(entry, schema, node)
            except (LookupError, TypeError, ValueError) as error:
                raise RuleError(f"rule {entry.get('id')!r}: {error}", entry.get("id", "")) from None

    def advice(self, schema: Schema) -> Iterator[Advice]:
        """Yield the notes that one node declares. Raises `RuleError` where a condition cannot be compiled."""
        for entry in schema.get("x-notes", ()):
            try:
                when = compile_rule(entry["when"], schema, self.facts)
            except RuleError as error:
                raise RuleError(f"note {entry['id']!r}: {error}", entry["id"]) from None
            yield Advice(when, entry.get("fieldPath", "").lstrip("."), entry["message"])

    def _keyword_rule(self, rule_id: str, keyword: str, value: Any, says: str, schema: Schema, node: str) -> Rule:
        quotes = _quotes(schema.get("x-prose", {}).get(keyword, ()), schema, node)
        source = "prose" if quotes else self.source
        return Rule(
            id=rule_id,
            kind="keyword",
            statement=keyword if keyword == "required" else f"{keyword}: {value}",
            message=says,
            code=self.default_code,
            status=self._status(self.default_code, rule_id),
            source=source,
            quotes=quotes,
            node=node,
            keyword=keyword,
            value=value,
            path=_path(node),
            evidence=_evidence(_beside(schema, keyword), source),
        )

    def _cel_rule(self, entry: Mapping[str, Any], schema: Schema, node: str) -> Rule:
        code = entry.get("code", self.default_code)
        quotes = _quotes(entry.get("prose", ()), schema, node)
        if not quotes and "source" not in entry:
            raise RuleError("it quotes no sentence and names no source")
        blame = entry.get("fieldPath", [])
        source = "prose" if quotes else entry["source"]
        rule = Rule(
            id=entry["id"],
            kind="cel",
            statement=entry["rule"],
            message=entry["message"],
            code=code,
            status=self._status(code, entry["id"]),
            source=source,
            quotes=quotes,
            node=node,
            blame=tuple(path.lstrip(".") for path in ([blame] if isinstance(blame, str) else blame)),
            expression=compile_rule(entry["rule"], schema, self.facts),
            path=_path(node),
            evidence=_evidence(entry.get("evidence"), source),
            message_evidence=_evidence(entry.get("messageEvidence"), "mock"),
        )
        if not isinstance(rule.message, str):
            raise RuleError(
                f"its message is {rule.message!r}, which is no text; YAML reads no, yes, on and off as booleans"
            )
        try:
            rule.sentence()
        except (LookupError, ValueError) as error:
            raise RuleError(f"the message names {error}; it may name limit, choices and id") from None
        return rule

    def _status(self, code: int, rule_id: str) -> int:
        if code not in self.statuses.by_code:
            raise RuleError(f"no response of the operation declares code {code}, which {rule_id} refuses with", rule_id)
        return self.statuses.by_code[code]


def _evidence(declared: Any, source: str) -> Evidence:
    return Evidence.from_json(declared) if declared else Evidence.of_source(source)


def _beside(schema: Schema, keyword: str) -> Any:
    """Return the evidence that stands beside a keyword; `x-evidence` is of all keywords of a node, or by keyword."""
    beside = schema.get("x-evidence")
    return beside.get(keyword) if isinstance(beside, Mapping) and "grade" not in beside else beside


def _path(node: str) -> tuple[str, ...]:
    return tuple(node.replace("[]", ".[]").split(".")) if node else ()


def _quotes(entries: Any, schema: Schema, node: str) -> tuple[Quote, ...]:
    return tuple(_quote(entry, schema, node) for entry in entries)


def _quote(entry: Mapping[str, str], schema: Schema, node: str) -> Quote:
    name = entry.get("at", "").lstrip(".")
    at = ".".join(filter(None, [node, name]))
    holder = schema["properties"][name] if name else schema
    if not holds_quote(holder.get("description"), entry["text"]):
        raise RuleError(f"the vendor does not say {entry['text']!r} at {at or 'the payload'}")
    return Quote(entry["text"], entry["en"], at)

"""Operations: a method on a path, with the compiled rules of its payload."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from kling_contracts.errors import DocumentError
from kling_contracts.facts.declaration import declared_facts
from kling_contracts.facts.measuring import CompiledFacts
from kling_contracts.facts.sources import FactSources
from kling_contracts.facts.world import World
from kling_contracts.judging.compiled_schema import CompiledSchema
from kling_contracts.judging.judge import Judge
from kling_contracts.judging.reading import NULL_IS_ABSENT, PayloadReader
from kling_contracts.judging.report import Report, Violation
from kling_contracts.rules.rule import Compiler, Rule
from kling_contracts.rules.service_codes import Statuses

Document = Mapping[str, Any]

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Parameter(NamedTuple):
    """One parameter: `place` is path or query, `type` the JSON type that its text is read as."""

    place: str
    type: str
    default: Any
    """Its value where it is not given; None where the document says nothing."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One method on one path, with the rules of its payload in document order."""

    id: str
    name: str
    """One word."""
    method: str
    paths: tuple[str, ...]
    """The documented path first, then the others that it also answers at."""
    media_types: tuple[str, ...]
    """The media types of its body; empty where it has none."""
    parameters: Mapping[str, Parameter]
    """The parameters of an operation without a body, by name: together they are its payload."""
    secured: bool
    """Whether it needs a bearer token."""
    example: Any
    """The document's own example of a payload, None where it has none; for parameters, of those that have one."""
    example_world_json: Any
    """The world in which that example is valid."""
    answer_example: Any
    """The document's own example of a good answer; None where it has none."""
    statuses: Statuses
    payload_schema: Document
    facts_name: str
    """The name of the schema that declares the facts which its rules read; empty where they read none."""
    facts_schema: Document
    compiler: Compiler
    drops_null: bool
    """Whether null counts as absent."""
    is_right: bool
    """Whether the document is known to have no mistake."""

    @cached_property
    def tree(self) -> CompiledSchema:
        """The compiled schema of its payload. Raises `RuleError` where a rule is wrong."""
        return CompiledSchema.compile(self.payload_schema, self.compiler)

    @cached_property
    def facts(self) -> CompiledFacts:
        """The facts that its rules name. Raises `DocumentError` where one is declared wrong."""
        try:
            return CompiledFacts(declared_facts(self.facts_schema, self.payload_schema), self.limit_on)
        except DocumentError as error:
            raise DocumentError(f"components.schemas.{self.facts_name}: {error}") from None

    @cached_property
    def judge(self) -> Judge:
        """The judge of its payloads. Raises `RuleError` and `DocumentError` as `tree` and `facts` do."""
        return Judge(self.tree, self.facts)

    @cached_property
    def reader(self) -> PayloadReader:
        """Reads what is judged of a payload: the documents may let null count as absent, and cut fractions."""
        return PayloadReader.compile(self.payload_schema, drops_null=self.drops_null)

    @property
    def example_world(self) -> World:
        """The world in which the example is valid. Raises `ValueError` where the document's is wrong."""
        return World.from_json(self.example_world_json, is_right=self.is_right)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule on the payload."""
        return self.tree.rules

    def report(self, payload: Any, sources: FactSources) -> Report:
        """Judge one payload by the facts that are measured from the sources."""
        read = self.reader.read(payload)
        report = self.judge.report(read.payload, self.facts.measure(read.payload, sources))
        return report.noted(read.notes) if read.notes else report

    def violations(self, payload: Any, sources: FactSources) -> tuple[Violation, ...]:
        """Return the violations of `report` alone."""
        return self.judge.violations(self.reader.payload(payload), sources)

    def limit_on(self, fact: str) -> int | None:
        """Return the most that a rule allows a fact, as in `facts.file.size_bytes`; None where no rule does."""
        conditions = [condition for rule in self.rules if rule.expression for condition in rule.expression.conditions]
        return max((limit for one in conditions if fact in one.reads for limit in one.limits), default=None)


def operations_of(document: Document, *, is_right: bool = False) -> Iterator[Operation]:
    """Yield every operation of an effective document; `is_right` as in `Operation`.

    Its rules are compiled at their first use, which raises `RuleError` where one is wrong.
    """
    for path, item in document["paths"].items():
        for method in filter(_METHODS.__contains__, item):
            yield _operation(document, path, method, item[method], is_right)


def _operation(document: Document, path: str, method: str, body: Document, is_right: bool) -> Operation:
    components = document["components"]
    statuses = Statuses.of(body["responses"], components.get("responses", {}))
    facts_name = body.get("x-facts", "")
    facts = components["schemas"][facts_name] if facts_name else {}
    contents: Document = body.get("requestBody", {}).get("content", {})
    content: Document = next(iter(contents.values()), {})
    parameters = {} if contents else {one["name"]: one for one in body.get("parameters", ())}
    schema = content["schema"] if contents else _as_object(parameters)
    compiler = Compiler(facts, body["x-violation-code"], statuses, body.get("x-source", "schema"))

    return Operation(
        id=body["operationId"],
        name=body["x-name"],
        method=method.upper(),
        paths=(path, *body.get("x-also-at", ())),
        media_types=tuple(contents),
        parameters={name: _parameter(one) for name, one in parameters.items()},
        secured=bool(body.get("security", document.get("security"))),
        example=content.get("example") if contents else _examples(parameters),
        example_world_json=content.get("x-world", body.get("x-world", {})),
        answer_example=_answer_example(body["responses"]),
        statuses=statuses,
        payload_schema=schema,
        facts_name=facts_name,
        facts_schema=facts,
        compiler=compiler,
        drops_null=bool(document.get(NULL_IS_ABSENT)),
        is_right=is_right,
    )


def _answer_example(responses: Document) -> Any:
    good: Document = next((response for status, response in responses.items() if status.startswith("2")), {})
    content: Document = next(iter(good.get("content", {}).values()), {})
    return content.get("example")


def _parameter(declared: Document) -> Parameter:
    return Parameter(declared["in"], declared["schema"]["type"], declared["schema"].get("default"))


def _examples(parameters: Mapping[str, Document]) -> Document:
    return {name: one["example"] for name, one in parameters.items() if "example" in one}


def _as_object(parameters: Mapping[str, Document]) -> Document:
    """Parameters are judged like the fields of a payload; those of a path are never missing."""
    required = [name for name, one in parameters.items() if one.get("required") and one["in"] != "path"]
    properties = {name: one["schema"] for name, one in parameters.items()}
    return {"properties": properties, **({"required": required} if required else {})}

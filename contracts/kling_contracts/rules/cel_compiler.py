"""The core profile of CEL in which rules are written, compiled to Python closures.

Fields, `has`, comparison, `+ -`, `&& || !`, parentheses, integer and string literals; nothing else, so that an
engine for any language can evaluate the published document. Names and types are checked while compiling, against
the schema of `self` and of `facts`.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.rules.cel_code import python
from kling_contracts.rules.cel_parser import COMPARISONS, Roots, Term, parse
from kling_contracts.unknown import UnknownFactError, present

Judge = Callable[[Any, Any], bool]
"""The verdict on a `self` and its facts; raises `UnknownFactError` where there is none."""
Measure = Callable[[Any, Any], int]


class Comparison(NamedTuple):
    """`left operator right` over integers, kept apart so that the nearest value that would do can be computed."""

    operator: str
    gap: Measure
    """left - right, for a `self` and its facts."""


class Condition(NamedTuple):
    """One conjunct of a rule: it alone can break the rule, and its literals are one boundary."""

    holds: Judge
    reads: frozenset[str]
    """Dotted names, as in `self.sound_end_time` and `facts.audio.end_ms`."""
    limits: tuple[int, ...]
    choices: tuple[str, ...]
    comparison: Comparison | None
    fields: tuple[str, ...]
    """The fields that it reads, as in `Expression`."""
    absorbs: bool
    """As in `Expression`."""


class Span(NamedTuple):
    """Two integer expressions, compiled as one, and the dotted names that they read."""

    of: Callable[[Any, Any], tuple[int, int]]
    reads: frozenset[str]


class Expression(NamedTuple):
    """A compiled rule: `holds` answers for all conditions at once, as CEL does.

    An unknown is an error to CEL: `false && unknown` is false and `true || unknown` true in any order,
    everything else that meets an unknown raises `UnknownFactError`.
    """

    source: str
    holds: Judge
    conditions: tuple[Condition, ...]
    fields: tuple[str, ...]
    """The fields that it reads, as JSON Pointers from `self`; an empty one is `self`."""
    roots: Roots
    term: Term

    def code(self) -> ast.expr:
        """Return the expression as Python."""
        return ast.parse(python(self.term), mode="eval").body

    @property
    def absorbs(self) -> bool:
        """Whether it can be settled though a part of it is unknown."""
        return self.term.absorbs

    @property
    def reads(self) -> frozenset[str]:
        """Every dotted name that the rule reads."""
        return frozenset().union(*(condition.reads for condition in self.conditions))


def compile_rule(source: str, self_schema: Mapping[str, Any], facts_schema: Mapping[str, Any]) -> Expression:
    """Compile `source`; `self` and `facts` have the types that the two JSON Schemas give.

    Raises `RuleError` as `parse` does.
    """
    roots = {"self": self_schema, "facts": facts_schema}
    term = parse(source, roots)
    parts = list(_conjuncts(term))
    conditions = tuple(_condition(part) for part in parts)
    return Expression(source, _Verdict(term), conditions, _fields(term), roots, term)


def compile_span(start: str, end: str, self_schema: Mapping[str, Any], facts_schema: Mapping[str, Any]) -> Span:
    """Compile two integer expressions; reading what is not there raises `KeyError` or `UnknownFactError`.

    Raises `RuleError` as `parse` does.
    """
    roots = {"self": self_schema, "facts": facts_schema}
    terms = [parse(source, roots, wanted="int") for source in (start, end)]
    return Span(_Late(*terms), terms[0].reads | terms[1].reads)


def _fields(term: Term) -> tuple[str, ...]:
    read = [name for name in term.reads if name.partition(".")[0] == "self"]
    return tuple(sorted(name.removeprefix("self").replace(".", "/") for name in read))


def _conjuncts(term: Term) -> Iterator[Term]:
    if term.operator != "&&":
        yield term
        return
    for part in term.parts:
        yield from _conjuncts(part)


def _condition(term: Term) -> Condition:
    limits = tuple(dict.fromkeys(literal for literal in term.literals if isinstance(literal, int)))
    choices = tuple(dict.fromkeys(literal for literal in term.literals if isinstance(literal, str) and literal))
    return Condition(_Verdict(term), term.reads, limits, choices, _comparison(term), _fields(term), term.absorbs)


def _comparison(term: Term) -> Comparison | None:
    if term.operator not in COMPARISONS or term.parts[0].type != "int":
        return None
    gap = Term("-", "int", parts=term.parts)
    return Comparison(term.operator, _Late(gap))


_NAMES: Final = {"present": present, "__builtins__": {}}


class _Late:
    """A closure that is compiled when it is first called: a rule's own is needed only once it is broken.

    It returns a tuple where there are several terms.
    """

    __slots__ = ("_closure", "_terms")

    def __init__(self, *terms: Term) -> None:
        self._terms = terms
        self._closure: Any = None

    def __call__(self, value: Any, facts: Any) -> Any:
        if self._closure is None:
            self._closure = eval(f"lambda self, facts: ({', '.join(map(python, self._terms))})", _NAMES)
        return self._closure(value, facts)


class _Verdict:
    """CEL's verdict: Python's at first, whose `and` and `or` know no unknown; by parts where it meets one."""

    __slots__ = ("_fast", "_slow", "_term")

    def __init__(self, term: Term) -> None:
        self._term = term
        self._fast = _Late(term)
        self._slow: Judge | None = None

    def __call__(self, value: Any, facts: Any) -> bool:
        try:
            return bool(self._fast(value, facts))
        except UnknownFactError:
            if not self._term.absorbs:
                raise
        if self._slow is None:
            self._slow = _by_parts(self._term)
        return self._slow(value, facts)


def _by_parts(term: Term) -> Judge:
    if term.operator in ("&&", "||"):
        return _absorbing([_by_parts(part) for part in term.parts], term.operator == "||")
    if term.operator == "!":
        negated = _by_parts(term.parts[0])
        return lambda value, facts: not negated(value, facts)
    if term.absorbs:
        left, right = map(_by_parts, term.parts)
        alike = term.operator == "=="
        return lambda value, facts: (left(value, facts) == right(value, facts)) == alike
    leaf = _Late(term)
    return lambda value, facts: bool(leaf(value, facts))


def _absorbing(parts: list[Judge], absorber: bool) -> Judge:
    def verdict(value: Any, facts: Any) -> bool:
        unknown = None
        for part in parts:
            try:
                if part(value, facts) is absorber:
                    return absorber
            except UnknownFactError as error:
                unknown = unknown or error
        if unknown:
            raise unknown
        return not absorber

    return verdict

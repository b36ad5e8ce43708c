"""The core profile of CEL in which rules are written, compiled to Python closures.

Fields, `has`, comparison, `+ -`, `&& || !`, parentheses, integer and string literals; nothing else, so that an
engine for any language can evaluate the published document. Names and types are checked while compiling, against
the schema of `self` and of `facts`.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import RuleError
from kling_contracts.facts import present

Judge = Callable[[Any, Any], bool]
Measure = Callable[[Any, Any], int]

SCALARS: Final = {"integer": "int", "string": "string", "boolean": "bool"}
LARGEST: Final = 2**63 - 1
"""CEL integers have 64 bits."""


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


class Expression(NamedTuple):
    """A compiled rule: `holds` answers for all conditions at once."""

    source: str
    holds: Judge
    conditions: tuple[Condition, ...]
    fields: tuple[str, ...]
    """The fields that it reads, as JSON Pointers from `self`; an empty one is `self`."""
    roots: Mapping[str, Mapping[str, Any]]
    """The schemas of `self` and `facts`."""

    def code(self, *field: str) -> ast.expr:
        """Return the expression as Python; with `field`, for a `self` that is this field of an object."""
        return _Parser(self.source, self.roots, field).parse().code

    @property
    def reads(self) -> frozenset[str]:
        """Every dotted name that the rule reads."""
        return frozenset().union(*(condition.reads for condition in self.conditions))


def compile_rule(source: str, self_schema: Mapping[str, Any], facts_schema: Mapping[str, Any]) -> Expression:
    """Compile `source`; `self` and `facts` have the types that the two JSON Schemas give.

    Raises `RuleError` for anything outside the profile, an undeclared name, types that do not fit, or an optional
    field that no `has` guards.
    """
    roots = {"self": self_schema, "facts": facts_schema}
    term = _Parser(source, roots).parse()
    parts = list(_conjuncts(term))
    fields = tuple(sorted(_pointer(name) for name in term.reads if name.partition(".")[0] == "self"))
    return Expression(source, _Late(term.code), tuple(_condition(part) for part in parts), fields, roots)


def all_hold(own: Iterable[Expression], of_fields: Mapping[str, Iterable[Expression]]) -> Judge:
    """Return one closure for the rules of an object and those of its fields, where they are given.

    A valid payload is then judged by one call an object instead of one call a rule.
    """
    codes = [expression.code() for expression in own]
    for name, expressions in of_fields.items():
        missing = ast.Compare(ast.Constant(name), [ast.NotIn()], [_access("self", [])])
        held = [expression.code(name) for expression in expressions]
        codes.append(ast.BoolOp(ast.Or(), [missing, ast.BoolOp(ast.And(), [_TRUE, *held])]))
    judge: Judge = _closure(ast.BoolOp(ast.And(), [_TRUE, _TRUE, *codes]))
    return judge


_PARAMETERS: Final = ast.arguments([], [ast.arg("self"), ast.arg("facts")], None, [], [], None, [])
_TRUE: Final = ast.Constant(True)


class _Term(NamedTuple):
    code: ast.expr
    type: str
    reads: frozenset[str] = frozenset()
    literals: tuple[int | str, ...] = ()
    parts: tuple["_Term", ...] = ()
    operator: str = ""


_TOKEN = re.compile(
    r"""\s*(?:(?P<int>\d+)|(?P<string>'[^'\\\n]*'|"[^"\\\n]*")|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<sign>&&|\|\||[=!<>]=|[<>!()+.-])|(?P<end>$))"""
)
_COMPARE: Final[dict[str, type[ast.cmpop]]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_ADD: Final[dict[str, type[ast.operator]]] = {"+": ast.Add, "-": ast.Sub}


class _Parser:
    """Recursive descent, one method a level of binding, loosest first."""

    def __init__(self, source: str, roots: Mapping[str, Mapping[str, Any]], field: tuple[str, ...] = ()) -> None:
        self._source = source
        self._field = field
        self._roots = roots
        self._guarded: set[str] = set()
        self._optional: set[str] = set()
        self._tokens = list(_tokens(source))
        self._next = 0

    def parse(self) -> _Term:
        term = self._or()
        if self._kind != "end":
            raise self._error(f"unexpected {self._text!r}")
        if term.type != "bool":
            raise self._error(f"a rule must be bool, this is {term.type}")
        for name in sorted(self._optional - self._guarded):
            raise self._error(f"{name} is optional; guard it with has({name})")
        return term

    def _or(self) -> _Term:
        return self._logic("||", ast.Or(), self._and)

    def _and(self) -> _Term:
        return self._logic("&&", ast.And(), self._comparison)

    def _logic(self, sign: str, operator: ast.boolop, operand: Callable[[], _Term]) -> _Term:
        terms = [operand()]
        while self._take(sign):
            terms.append(operand())
        if len(terms) == 1:
            return terms[0]
        for term in terms:
            self._expect_type(term, "bool", sign)
        return _join(ast.BoolOp(operator, [term.code for term in terms]), "bool", terms, sign)

    def _comparison(self) -> _Term:
        left = self._sum()
        sign = self._text
        if self._kind != "sign" or sign not in _COMPARE:
            return left
        self._next += 1
        right = self._sum()
        if self._kind == "sign" and self._text in _COMPARE:
            raise self._error("comparisons cannot be chained")
        if left.type != right.type or left.type not in ("int", "string", "bool"):
            raise self._error(f"{left.type} {sign} {right.type} cannot be compared")
        if sign not in ("==", "!="):
            self._expect_type(left, "int", sign)
        code = ast.Compare(left.code, [_COMPARE[sign]()], [right.code])
        return _join(code, "bool", [left, right], sign)

    def _sum(self) -> _Term:
        term = self._not()
        while self._kind == "sign" and self._text in _ADD:
            sign = self._text
            self._next += 1
            right = self._not()
            for side in (term, right):
                self._expect_type(side, "int", sign)
            term = _join(ast.BinOp(term.code, _ADD[sign](), right.code), "int", [term, right])
        return term

    def _not(self) -> _Term:
        if not self._take("!"):
            return self._primary()
        term = self._not()
        self._expect_type(term, "bool", "!")
        return _join(ast.UnaryOp(ast.Not(), term.code), "bool", [term])

    def _primary(self) -> _Term:
        kind, text = self._kind, self._text
        self._next += 1
        if kind == "int":
            if int(text) > LARGEST:
                raise self._error(f"{text} does not fit into 64 bits")
            return _Term(ast.Constant(int(text)), "int", literals=(int(text),))
        if kind == "string":
            return _Term(ast.Constant(text[1:-1]), "string", literals=(text[1:-1],))
        if kind == "name" and text == "has":
            return self._has()
        if kind == "name":
            return self._read(text)
        if (kind, text) == ("sign", "("):
            term = self._or()
            self._expect(")")
            return term
        raise self._error(f"unexpected {text!r}" if text else "unexpected end")

    def _has(self) -> _Term:
        self._expect("(")
        root, members, _ = self._path(self._name())
        self._expect(")")
        if not members:
            raise self._error(f"has({root}) needs a field")
        name = ".".join([root, *members])
        self._guarded.add(name)
        if root == "self":
            code: ast.expr = ast.Compare(ast.Constant(members[-1]), [ast.In()], [self._access(root, members[:-1])])
        else:
            code = ast.Call(ast.Name("present", ast.Load()), [self._access(root, members)], [])
        return _Term(code, "bool", frozenset([name]))

    def _read(self, root: str) -> _Term:
        root, members, schema = self._path(root)
        name = ".".join([root, *members])
        kind = str(schema.get("type"))
        return _Term(self._access(root, members), SCALARS.get(kind, kind), frozenset([name]))

    def _path(self, root: str) -> tuple[str, list[str], Mapping[str, Any]]:
        if root not in self._roots:
            raise self._error(f"{root} is not declared; a rule may name {' and '.join(self._roots)}")
        schema, members = self._roots[root], list[str]()
        while self._take("."):
            member = self._name()
            if member not in schema.get("properties", {}):
                raise self._error(f"{'.'.join([root, *members])} has no field {member}")
            members.append(member)
            if root == "self" and member not in schema.get("required", ()):
                self._optional.add(".".join([root, *members]))
            schema = schema["properties"][member]
        return root, members, schema

    def _access(self, root: str, members: list[str]) -> ast.expr:
        return _access(root, [*self._field, *members] if root == "self" else members)

    @property
    def _kind(self) -> str:
        return self._tokens[self._next][0]

    @property
    def _text(self) -> str:
        return self._tokens[self._next][1]

    def _take(self, sign: str) -> bool:
        taken = self._tokens[self._next] == ("sign", sign)
        self._next += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._error(f"expected {sign!r}, found {self._text!r}")

    def _name(self) -> str:
        if self._kind != "name":
            raise self._error(f"expected a name, found {self._text!r}")
        self._next += 1
        return self._tokens[self._next - 1][1]

    def _expect_type(self, term: _Term, wanted: str, sign: str) -> None:
        if term.type != wanted:
            raise self._error(f"{sign} takes {wanted}, not {term.type}")

    def _error(self, problem: str) -> RuleError:
        return RuleError(f"{problem} in: {self._source}")


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    position = 0
    while True:
        match = _TOKEN.match(source, position)
        if match is None:
            raise RuleError(f"{source[position:].strip()[:1]!r} is outside the profile in: {source}")
        kind = str(match.lastgroup)
        yield kind, match[kind]
        if kind == "end":
            return
        position = match.end()


def _join(code: ast.expr, kind: str, parts: list[_Term], operator: str = "") -> _Term:
    reads = frozenset[str]().union(*(part.reads for part in parts))
    literals = tuple(literal for part in parts for literal in part.literals)
    return _Term(code, kind, reads, literals, tuple(parts), operator)


def _pointer(name: str) -> str:
    return name.removeprefix("self").replace(".", "/")


def _access(root: str, members: list[str]) -> ast.expr:
    """`self` is a decoded JSON value, `facts` an object with attributes."""
    code: ast.expr = ast.Name(root, ast.Load())
    for member in members:
        if root == "self":
            code = ast.Subscript(code, ast.Constant(member), ast.Load())
        else:
            code = ast.Attribute(code, member, ast.Load())
    return code


def _conjuncts(term: _Term) -> Iterator[_Term]:
    if term.operator != "&&":
        yield term
        return
    for part in term.parts:
        yield from _conjuncts(part)


def _condition(term: _Term) -> Condition:
    limits = tuple(dict.fromkeys(literal for literal in term.literals if isinstance(literal, int)))
    choices = tuple(dict.fromkeys(literal for literal in term.literals if isinstance(literal, str) and literal))
    return Condition(_Late(term.code), term.reads, limits, choices, _comparison(term))


def _comparison(term: _Term) -> Comparison | None:
    if term.operator not in _COMPARE or term.parts[0].type != "int":
        return None
    left, right = term.parts
    return Comparison(term.operator, _Late(ast.BinOp(left.code, ast.Sub(), right.code)))


class _Late:
    """A closure that is compiled when it is first called: a rule's own is needed only once it is broken."""

    __slots__ = ("_closure", "_code")

    def __init__(self, code: ast.expr) -> None:
        self._code = code
        self._closure: Any = None

    def __call__(self, value: Any, facts: Any) -> Any:
        if self._closure is None:
            self._closure = _closure(self._code)
        return self._closure(value, facts)


def _closure(code: ast.expr) -> Any:
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(_PARAMETERS, code)))
    return eval(compile(tree, "<rule>", "eval"), {"present": present, "__builtins__": {}})

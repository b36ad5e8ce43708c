"""The core profile of CEL, parsed: recursive descent from text to typed terms."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kling_contracts.errors import RuleError

Roots = Mapping[str, Mapping[str, Any]]
"""The JSON Schemas of the names that an expression may start from, `self` and `facts`."""

SCALARS: Final = {"integer": "int", "string": "string", "boolean": "bool"}
MAX_INT: Final = 2**63 - 1
"""CEL integers have 64 bits."""
MAX_RULE_LENGTH: Final = 4000
"""Characters of a rule."""
MAX_NESTING: Final = 40
"""Levels of parentheses: Python, in which rules are written out, reads no more than 200."""


def parse(source: str, roots: Roots, wanted: str = "bool") -> "Term":
    """Return `source` as a typed term; `wanted` is its type.

    Raises `RuleError` for anything outside the profile, an undeclared name, types that do not
    fit, or an optional field that a rule reads where no `has` proves that it is there.
    """
    if len(source) > MAX_RULE_LENGTH:
        raise RuleError(f"longer than {MAX_RULE_LENGTH} characters: {source[:40]}…")
    return Parser(source, roots).parse(wanted)


class Term(NamedTuple):
    """A parsed part of an expression, and what is known of it."""

    operator: str
    """A sign of the language, or `literal`, `read` or `has`, which have no parts."""
    type: str
    reads: frozenset[str] = frozenset()
    """Dotted names, as in `self.sound_end_time`; a `read` and a `has` have one."""
    literals: tuple[int | str, ...] = ()
    parts: tuple["Term", ...] = ()
    unguarded: frozenset[str] = frozenset()
    """Optional fields that are read though nothing says that they are there."""

    if_true: frozenset[str] = frozenset()
    """Fields that are there when it holds."""
    if_false: frozenset[str] = frozenset()
    """Fields that are there when it does not."""
    absorbs: bool = False
    """Whether a part can settle it though another one is unknown: it holds `&&` or `||`."""


_TOKEN = re.compile(
    r"""[ \t\n\f\r]*(?:(?P<int>[0-9]+)|(?P<string>'[^'\\\n\r]*'|"[^"\\\n\r]*")|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>&&|\|\||[=!<>]=|[<>!()+.-])|(?P<end>\Z))"""
)
COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
SUMS: Final = ("+", "-")
_RESERVED: Final = frozenset(["in", "true", "false", "null"])


class Parser:
    """Recursive descent, one method a level of binding, loosest first."""

    def __init__(self, source: str, roots: Roots) -> None:
        self._source = source
        self._roots = roots
        self._tokens = list(_tokens(source))
        self._next = 0
        self._nesting = 0

    def parse(self, wanted: str = "bool") -> Term:
        """Return the whole expression, which must be of the type that is wanted."""
        term = self._or()
        if self._kind != "end":
            raise self._error(f"unexpected {self._text!r}")
        if term.type != wanted:
            raise self._error(f"{'a rule' if wanted == 'bool' else 'this'} must be {wanted}, this is {term.type}")
        for name in sorted(term.unguarded) if wanted == "bool" else ():
            raise self._error(f"{name} is optional; guard it with has({name})")
        return term

    def _or(self) -> Term:
        return self._logic("||", self._and)

    def _and(self) -> Term:
        return self._logic("&&", self._comparison)

    def _logic(self, sign: str, operand: Callable[[], Term]) -> Term:
        terms = [operand()]
        while self._take(sign):
            terms.append(operand())
        if len(terms) == 1:
            return terms[0]
        for term in terms:
            self._expect_type(term, "bool", sign)
        return _guards(_join(sign, "bool", terms), terms, sign)

    def _comparison(self) -> Term:
        left = self._sum()
        sign = self._text
        if self._kind != "sign" or sign not in COMPARISONS:
            return left
        self._next += 1
        right = self._sum()
        if self._kind == "sign" and self._text in COMPARISONS:
            raise self._error("comparisons cannot be chained")
        if left.type != right.type or left.type not in ("int", "string", "bool"):
            raise self._error(f"{left.type} {sign} {right.type} cannot be compared")
        if sign not in ("==", "!="):
            self._expect_type(left, "int", sign)
        return _join(sign, "bool", [left, right])

    def _sum(self) -> Term:
        term = self._not()
        while self._kind == "sign" and self._text in SUMS:
            sign = self._text
            self._next += 1
            right = self._not()
            for side in (term, right):
                self._expect_type(side, "int", sign)
            term = _join(sign, "int", [term, right])
        return term

    def _not(self) -> Term:
        negations = 0
        while self._take("!"):
            negations += 1
        term = self._primary()
        if negations:
            self._expect_type(term, "bool", "!")
        if negations % 2 == 0:
            return term
        negated = _join("!", "bool", [term])
        return negated._replace(if_true=term.if_false, if_false=term.if_true)

    def _primary(self) -> Term:
        kind, text = self._kind, self._text
        self._next += 1
        if kind == "int":
            if len(text.lstrip("0")) > 19 or int(text) > MAX_INT:
                raise self._error(f"{text} does not fit into 64 bits")
            return Term("literal", "int", literals=(int(text),))
        if kind == "string":
            return Term("literal", "string", literals=(text[1:-1],))
        if kind == "name" and text == "has":
            return self._has()
        if kind == "name":
            return self._read(text)
        if (kind, text) == ("sign", "("):
            return self._parenthesised()
        raise self._error(f"unexpected {text!r}" if text else "unexpected end")

    def _parenthesised(self) -> Term:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise self._error("nested too deeply")
        term = self._or()
        self._expect(")")
        self._nesting -= 1
        return term

    def _has(self) -> Term:
        self._expect("(")
        root, members, _, optional = self._path(self._name())
        self._expect(")")
        if not members:
            raise self._error(f"has({root}) needs a field")
        there = frozenset([".".join([root, *members])])
        return Term("has", "bool", there, unguarded=frozenset(optional) - there, if_true=there)

    def _read(self, root: str) -> Term:
        root, members, schema, optional = self._path(root)
        kind = str(schema.get("type"))
        reads = frozenset([".".join([root, *members])])
        return Term("read", SCALARS.get(kind, kind), reads, unguarded=frozenset(optional))

    def _path(self, root: str) -> tuple[str, list[str], Mapping[str, Any], list[str]]:
        if root not in self._roots:
            raise self._error(f"{root} is not declared; a rule may name {' and '.join(self._roots)}")
        schema, members, optional = self._roots[root], list[str](), list[str]()
        while self._take("."):
            member = self._name()
            if member in _RESERVED:
                raise self._error(f"{member} is a keyword")
            if member not in schema.get("properties", {}):
                raise self._error(f"{'.'.join([root, *members])} has no field {member}")
            members.append(member)
            if root == "self" and member not in schema.get("required", ()):
                optional.append(".".join([root, *members]))
            schema = schema["properties"][member]
        return root, members, schema, optional

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

    def _expect_type(self, term: Term, wanted: str, sign: str) -> None:
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


def _join(operator: str, kind: str, parts: list[Term]) -> Term:
    reads = frozenset[str]().union(*(part.reads for part in parts))
    literals = tuple(literal for part in parts for literal in part.literals)
    unguarded = frozenset[str]().union(*(part.unguarded for part in parts))
    absorbs = operator in ("&&", "||") or any(part.absorbs for part in parts)
    return Term(operator, kind, reads, literals, tuple(parts), unguarded, absorbs=absorbs)


def _guards(joined: Term, terms: list[Term], sign: str) -> Term:
    """The conditions that operands of a chain prove to those after them, and the whole chain to what follows it."""
    conjunction = sign == "&&"
    there, unguarded = frozenset[str](), frozenset[str]()
    for term in terms:
        unguarded |= term.unguarded - there
        there |= term.if_true if conjunction else term.if_false
    other = [term.if_false if conjunction else term.if_true for term in terms]
    either = frozenset.intersection(*other)
    if_true, if_false = (there, either) if conjunction else (either, there)
    return joined._replace(unguarded=unguarded, if_true=if_true, if_false=if_false)

"""The solver's reading of every atom of every rule, held against the official CEL engine around its limits."""

import ast
from random import Random
from typing import NamedTuple

import pytest
from cel_expr_python import cel

from kling_contracts.cases.formulas import FALSE, NOT_KNOWN, TRUE, verdict
from kling_contracts.cases.linear import variable
from kling_contracts.facts.provider import NO_SUCH_ID as ABSENT
from kling_contracts.facts.provider import UNKNOWN
from kling_contracts.unknown import Unknown
from support.serving import documented

CONTRACT = documented()
ENGINE = cel.NewEnv(variables=dict.fromkeys(("self", "facts"), cel.Type.DYN))
RULES = [(operation.name, rule) for operation in CONTRACT.operations for rule in operation.rules if rule.expression]
SAMPLES = 60
FAR = 2**53


class Atom(NamedTuple):
    """A rule, or an expression within it that is true or false."""

    code: ast.expr
    source: str
    """The same in CEL."""


class Values(NamedTuple):
    """A value for every name that a rule reads, `facts.audio.end_ms`; `ABSENT` and `UNKNOWN` are among them."""

    of: dict

    def read(self, root, members):
        """Read as the solver does: every number is open."""
        name = ".".join((root, *members))
        value = self.of.get(name, UNKNOWN)
        if isinstance(value, Unknown):
            return UNKNOWN
        return variable(name) if type(value) is int else value

    def has(self, root, members):
        value = self.of[".".join((root, *members))]
        return FALSE if value is ABSENT else NOT_KNOWN if value is UNKNOWN else TRUE

    def as_cel(self):
        """Return `self` and `facts`, which lack what is absent or unknown."""
        data = {"self": {}, "facts": {}}
        for name, value in self.of.items():
            if isinstance(value, Unknown):
                continue
            *holders, last = name.split(".")
            place = data
            for holder in holders:
                place = place.setdefault(holder, {})
            place.setdefault(last, value) if value == {} else place.update({last: value})
        return data


def in_cel(code):
    """Write an expression of the solver as CEL, with every parenthesis."""
    return WRITERS[type(code)](code)


def _logic(code):
    return f"({(' && ' if isinstance(code.op, ast.And) else ' || ').join(map(in_cel, code.values))})"


def _comparison(code):
    (operator,), (right,) = code.ops, code.comparators
    if isinstance(operator, ast.In):
        return f"has({in_cel(right)}.{code.left.value})"
    return f"{in_cel(code.left)} {SIGNS[type(operator)]} {in_cel(right)}"


SIGNS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
WRITERS = {
    ast.BoolOp: _logic,
    ast.UnaryOp: lambda code: f"!({in_cel(code.operand)})",
    ast.BinOp: lambda code: (
        f"({in_cel(code.left)} {'+' if isinstance(code.op, ast.Add) else '-'} {in_cel(code.right)})"
    ),
    ast.Compare: _comparison,
    ast.Call: lambda code: f"has({in_cel(code.args[0])})",
    ast.Attribute: lambda code: f"{in_cel(code.value)}.{code.attr}",
    ast.Subscript: lambda code: f"{in_cel(code.value)}.{code.slice.value}",
    ast.Name: lambda code: code.id,
    ast.Constant: lambda code: str(code.value) if type(code.value) is int else f"'{code.value}'",
}


def atoms_of(rule):
    """The whole rule as it is published, and each expression in it that is true or false."""
    code = rule.expression.code()
    yield Atom(code, rule.statement)
    yield from (Atom(part, in_cel(part)) for part in _parts(code))


def _parts(code):
    inner = code.values if isinstance(code, ast.BoolOp) else [code.operand] if isinstance(code, ast.UnaryOp) else []
    if not inner:
        yield code
    for part in inner:
        yield from _parts(part)


def type_of(name, roots):
    schema = roots[name.partition(".")[0]]
    for member in name.split(".")[1:]:
        schema = schema["properties"][member]
    return schema.get("type", "object")


def is_optional(name, roots):
    holder, _, member = name.rpartition(".")
    return holder == "self" and member not in roots["self"].get("required", ())


def samples(rule, atom):
    """Values for all that a rule reads: around its literals, and such as put the atom's inequalities at their limit."""
    random = Random(f"{rule.id}{atom.source}")
    for _ in range(SAMPLES):
        values = _sample(rule, random)
        yield values
        for branch in [*verdict(atom.code, values).true, *verdict(atom.code, values).false]:
            for row in branch:
                yield from _at_the_limit(row, values, random)


def _sample(rule, random):
    roots, found = rule.expression.roots, {}
    states = {}
    for name in sorted(rule.expression.reads):
        root, *members = name.split(".")
        if root == "facts":
            fact = f"facts.{members[0]}"
            state = states.setdefault(fact, random.choice([None, None, None, ABSENT, UNKNOWN]))
            found[fact] = {} if state is None else state
            if len(members) > 1:
                found[name] = _value(type_of(name, roots), rule, random) if state is None else UNKNOWN
        else:
            is_left_out = is_optional(name, roots) and random.random() < 0.3
            found[name] = ABSENT if is_left_out else _value(type_of(name, roots), rule, random)
    return Values(found)


def _value(kind, rule, random):
    conditions = rule.expression.conditions
    limits = [limit + by for condition in conditions for limit in condition.limits for by in (-1, 0, 1)]
    choices = [choice for condition in conditions for choice in condition.choices]
    return {
        "integer": random.choice([*limits, 0, -1, 10_000, FAR, -FAR, random.randrange(100_000)]),
        "string": random.choice([*choices, "", "x", "文本"]),
        "boolean": random.random() < 0.5,
        "object": {},
    }[kind]


def _at_the_limit(row, values, random):
    """Change one number so that the row is exactly kept, and missed by one."""
    terms = dict(row.terms)
    units = [name for name, factor in terms.items() if abs(factor) == 1]
    if units:
        name = random.choice(units)
        rest = row.constant + sum(factor * values.of[one] for one, factor in terms.items() if one != name)
        for gap in (0, -1):
            yield Values({**values.of, name: (gap - rest) * terms[name]})


def solver_reading(code, values):
    """The solver's verdict at these numbers; None where it has none."""
    read = verdict(code, values)
    found = [
        outcome
        for outcome, formula in ((True, read.true), (False, read.false))
        if any(all(_holds(row, values.of) for row in branch) for branch in formula)
    ]
    assert len(found) < 2, "it is both true and false"
    return found[0] if found else None


def _holds(row, numbers):
    return row.constant + sum(factor * numbers[name] for name, factor in row.terms) >= 0


def official_reading(program, values):
    answer = program.eval(data=values.as_cel()).plain_value()
    return answer if isinstance(answer, bool) else None


@pytest.mark.parametrize("rule", [pytest.param(rule, id=f"{name}: {rule.id}") for name, rule in RULES])
def test_the_solver_reads_every_atom_as_the_official_engine_does(rule):
    for atom in atoms_of(rule):
        program = ENGINE.compile(atom.source)
        met = set()
        for values in samples(rule, atom):
            read, official = solver_reading(atom.code, values), official_reading(program, values)
            # To the engine, that of which nobody knows whether it is there is not there.
            if read is not None or not asks_of_the_unknown(atom.code, values):
                assert read is official, (atom.source, values.of)
            met.add(read)
        assert {True, False} <= met, f"{atom.source} was never both true and false"


def asks_of_the_unknown(code, values):
    asked = [in_cel(one)[4:-1] for one in ast.walk(code) if isinstance(one, ast.Call)]
    return any(values.of[name] is UNKNOWN for name in asked)


def test_a_limit_that_the_solver_read_off_by_one_would_be_found():
    rule = CONTRACT.rules["clip-too-short"]
    atom = next(atoms_of(rule))
    program = ENGINE.compile(atom.source.replace(">=", ">"))
    assert any(solver_reading(atom.code, one) is not official_reading(program, one) for one in samples(rule, atom))

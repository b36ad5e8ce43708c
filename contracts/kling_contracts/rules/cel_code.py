"""Parsed rules written as Python: an expression, or the statements that settle a rule whatever is unknown."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from kling_contracts.rules.cel_parser import SUMS, Term
from kling_contracts.unknown import Absent, Unknown


class Names(NamedTuple):
    """How Python reads what a rule reads."""

    value: str = "self"
    """The expression that is `self`: a decoded JSON value."""
    fact: str = "facts.{}"
    """The expression that is a fact, by its name."""
    member: str = "facts.{}.{}"
    """The expression that is a member of a fact, by both names."""
    has_fact: str = "present(facts.{})"
    """The expression that says whether the world has a fact, by its name."""

    def read(self, name: str) -> str:
        """Return the reading of a dotted name."""
        root, *members = name.split(".")
        if root == "self":
            return self.value + "".join([f"[{member!r}]" for member in members])
        return (self.member if members[1:] else self.fact).format(*members)

    def has(self, name: str) -> str:
        """Return the question whether there is what a dotted name reads."""
        outer, _, member = name.rpartition(".")
        if name.startswith("self."):
            return f"({member!r} in {self.read(outer)})"
        return self.has_fact.format(member) if outer == "facts" else f"present({self.read(name)})"


PLAIN: Final = Names()
_LOGIC: Final = {"&&": " and ", "||": " or "}


def python(term: Term, names: Names = PLAIN) -> str:
    """Return a term as a Python expression, which raises `UnknownFactError` where it meets an unknown."""
    if term.operator == "literal":
        return repr(term.literals[0])
    if term.operator in ("read", "has"):
        (name,) = term.reads
        return names.read(name) if term.operator == "read" else names.has(name)
    if term.operator == "!":
        return f"not {_operand(term.parts[0], names)}"
    if term.operator in SUMS:
        return _sum(term, names)
    joint = _LOGIC.get(term.operator, f" {term.operator} ")
    return joint.join([_operand(part, names) for part in term.parts])


def _operand(term: Term, names: Names) -> str:
    code = python(term, names)
    return f"({code})" if term.parts else code


def _sum(term: Term, names: Names) -> str:
    """A sum of a thousand numbers is a chain, and no thousand pairs of parentheses."""
    code = ""
    while term.operator in SUMS:
        term, right = term.parts[0], f" {term.operator} {_operand(term.parts[1], names)}"
        code = right + code
    return _operand(term, names) + code


def leaves(term: Term) -> Iterator[Term]:
    """Yield the parts without parts of a term in the order in which Python reads them."""
    waiting = [term]
    while waiting:
        one = waiting.pop()
        waiting += reversed(one.parts)
        if not one.parts:
            yield one


class AskedFact(NamedTuple):
    """A fact, or a member of one, that a rule reads."""

    path: tuple[str, ...]
    """Its name, and the members down to what is read."""
    presence: bool
    """Whether the rule only asks if it is there."""

    def reason(self, facts: Any) -> str | None:
        """Return why the rule cannot know it; None where it can."""
        value = facts
        for step in self.path:
            value = getattr(value, step)
            if isinstance(value, Unknown):
                there = self.presence and type(value) is Absent and step is self.path[-1]
                return None if there else value.reason
        return None


def asked_facts(term: Term) -> tuple[AskedFact, ...]:
    """Return the facts that a term reads, each once."""
    asked = (
        AskedFact(tuple(name.split(".")[1:]), leaf.operator == "has")
        for leaf in leaves(term)
        for name in leaf.reads
        if name.startswith("facts.")
    )
    return tuple(dict.fromkeys(asked))


class Doubts(NamedTuple):
    """The things that can be unknown to a rule beside a fact as a whole."""

    refusable: bool
    """Whether a field may be among `refused`."""
    partly: Callable[[str, str], bool]
    """Whether a member of a known fact may be unknown, by both names."""


ANY_DOUBT: Final = Doubts(True, lambda fact, member: True)


class Settling(NamedTuple):
    """Writes the statements that settle rules of one `self`: each holds, is broken, or cannot be known.

    The variable `unknown_<name>` says whether a fact is unknown or absent.
    """

    names: Names
    pointer: str
    """The JSON Pointer of `self` from the value that `refused` speaks of."""
    doubts: Doubts

    def statements(self, term: Term, if_broken: str, if_unknown: str) -> Iterator[str]:
        """Yield what settles one rule, with a statement for each case but that it holds; `if_unknown` may be empty."""
        doubts = self._doubts(term)
        if not doubts:
            yield f"if not ({python(term, self.names)}): {if_broken}"
        elif not if_unknown:
            yield f"if {self.false(term)}: {if_broken}"
        elif not term.absorbs:
            yield f"if {doubts}: {if_unknown}"
            yield f"elif not ({python(term, self.names)}): {if_broken}"
        else:
            yield f"if {self.true(term)}: pass"
            yield f"elif {self.false(term)}: {if_broken}"
            yield f"else: {if_unknown}"

    def true(self, term: Term) -> str:
        """Return the expression that says whether a term is true for certain."""
        if not term.absorbs:
            return self._known(term, "")
        if term.operator == "!":
            return self.false(term.parts[0])
        if term.operator in _LOGIC:
            return self._each(term, self.true, _LOGIC[term.operator])
        return self._alike(term, term.operator == "==")

    def false(self, term: Term) -> str:
        """Return the expression that says whether a term is false for certain."""
        if not term.absorbs:
            return self._known(term, "not ")
        if term.operator == "!":
            return self.true(term.parts[0])
        if term.operator in _LOGIC:
            return self._each(term, self.false, _LOGIC["||" if term.operator == "&&" else "&&"])
        return self._alike(term, term.operator == "!=")

    def _known(self, term: Term, negation: str) -> str:
        doubts = self._doubts(term)
        verdict = f"{negation}({python(term, self.names)})"
        return f"(not ({doubts}) and {verdict})" if doubts else f"({verdict})"

    def _each(self, term: Term, of: Callable[[Term], str], joint: str) -> str:
        return f"({joint.join([of(part) for part in term.parts])})"

    def _alike(self, term: Term, alike: bool) -> str:
        left, right = term.parts
        other = (self.true, self.false) if alike else (self.false, self.true)
        return f"({self.true(left)} and {other[0](right)} or {self.false(left)} and {other[1](right)})"

    def _doubts(self, term: Term) -> str:
        """Return the expression that says whether anything that a term reads is unknown; empty where nothing can be."""
        return " or ".join(dict.fromkeys(doubt for leaf in leaves(term) for doubt in self._doubts_on(leaf)))

    def _doubts_on(self, leaf: Term) -> Iterator[str]:
        for name in leaf.reads:
            root, *members = name.split(".")
            but_absent = f" and type({self.names.read(name)}) is not Absent" if leaf.operator == "has" else ""
            if root == "self":
                yield from self._refusals(members)
            elif len(members) == 1:
                yield f"unknown_{members[0]}{but_absent}"
            else:
                yield f"unknown_{members[0]}"
                if self.doubts.partly(*members):
                    yield f"isinstance({self.names.read(name)}, Unknown){but_absent}"

    def _refusals(self, members: list[str]) -> Iterator[str]:
        for depth in range(len(members) + 1) if self.doubts.refusable else ():
            yield f"{''.join([self.pointer, *[f'/{member}' for member in members[:depth]]])!r} in refused"


OF_RECORDS: Final = Names("self", "fact_{}", "fact_{}.{}", "(not unknown_{})")
"""Names for facts that are records, after `records_kept`."""


def records_kept(facts: Iterable[str]) -> Iterator[str]:
    """Yield the statements that keep facts, and whether they are unknown, in the variables that rules read."""
    for name in facts:
        yield f"fact_{name} = facts.{name}"
        yield f"unknown_{name} = isinstance(fact_{name}, Unknown)"

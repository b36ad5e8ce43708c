"""The factory of one operation's cases: goals and plans on one side, a source of choices on the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from itertools import islice, product
from typing import Final, NamedTuple

from kling_contracts.cases.alike_goals import AlikeGoals
from kling_contracts.cases.case import Case
from kling_contracts.cases.choosers import Chooser
from kling_contracts.cases.drawing import Values
from kling_contracts.cases.fields import Choice
from kling_contracts.cases.goals import VALID, Goal, goals_of
from kling_contracts.cases.items import OtherItems, alike
from kling_contracts.cases.linear import Form
from kling_contracts.cases.mixes import (
    Mix,
    Mixes,
    Numbers,
    Outfit,
    ReadyPlan,
    flavours,
    indexes,
    is_padded,
    mix_of,
    mixed,
)
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.plans import BEYOND, Plan, Planner
from kling_contracts.cases.realising import Realised, Realiser
from kling_contracts.cases.requests import SERVER_RULES, RequestGoal, harmless_requests, request_goals
from kling_contracts.cases.shapes import Shape, Shapes, grouped
from kling_contracts.cases.variants import VARIANTS
from kling_contracts.cases.written_code import quick
from kling_contracts.contract import Contract
from kling_contracts.errors import DocumentError
from kling_contracts.facts.ways import OwnText
from kling_contracts.judging.operation import Operation
from kling_contracts.rules.lookup import refuse_unknown_rules
from kling_contracts.rules.rule import Rule

_new_case: Final = quick(Case)
MAX_MIXES: Final = 64
"""Combinations of groups that one goal is planned for."""
_FAULT_MIXES: Final = 2
"""Combinations that a value of a wrong type is planned for."""
_VALID_OUTFITS: Final = 24
_BROKEN_OUTFITS: Final = 2
"""Ways of an unconstrained field that are kept for each combination of a goal."""


class Drawn(NamedTuple):
    """The decisions of one draw."""

    goal: Goal
    mix: Mix
    plan: Plan
    outfit: Outfit
    values: Values


_new_drawn: Final = tuple.__new__
"""The same as the named tuple's own constructor, without its cost."""


class CaseFactory:
    """Makes the cases of one operation. It may be shared by threads.

    Raises `DocumentError` where a rule or keyword cannot be solved, or rules contradict each other; it names them.
    """

    def __init__(self, contract: Contract, operation: Operation) -> None:
        self.contract = contract
        self.operation = operation
        self._name = operation.name
        self.model = Model(contract, operation)
        self.shapes = Shapes(self.model)
        self._items = OtherItems(self.model, self.shapes)
        self._planner = Planner(self.model)
        self._realiser = Realiser(self.model)
        is_closed = any(field.schema.get("additionalProperties") is False for field in self.model.fields.values())
        self._variants = [
            one
            for one in VARIANTS
            if not (is_closed and one.adds_fields) and not ((one.is_float or one.spell) and not operation.media_types)
        ]
        self._numbers: dict[tuple[int, ...], Numbers] = {}
        self._places: dict[tuple[tuple[str, ...], int], tuple[Goal | RequestGoal, ...]] = {}
        self._harmless: list[Goal] = []
        self._mixes: dict[int, Mixes] = {id(VALID): self._valid_mixes()}
        self._begun: dict[int, tuple[list[Mix], Iterator[Mix]]] = {}

    @cached_property
    def goals(self) -> Mapping[str, tuple[Goal | RequestGoal, ...]]:
        """The goals of every rule of a request to this operation, none where nothing breaks it."""
        found: dict[str, tuple[Goal | RequestGoal, ...]] = dict.fromkeys(self.contract.request_rules.rules, ())
        methods, _ = self.contract.request_rules.routes.find(self.operation.paths[0])
        for goal in request_goals(self.operation, frozenset(methods or ())):
            if goal.rule in found:
                found[goal.rule] = (*found[goal.rule], goal)
        found |= goals_of(self.model)
        for look_alike, mixes in AlikeGoals(self.model, self.first_mixes, found, self._realiser).goals():
            self._mixes[id(look_alike)] = mixes
            if look_alike.rule:
                found[look_alike.rule] = (*found[look_alike.rule], look_alike)
            else:
                self._harmless.append(look_alike)
        return found

    @cached_property
    def harmless(self) -> tuple[Goal, ...]:
        """The goals of what looks wrong and breaks nothing."""
        return tuple(self._harmless) if self.goals else ()

    def looks_wrong(self, http: bool) -> tuple[Goal | RequestGoal, ...]:
        """Return the goals of what looks wrong and breaks nothing; with `http` those of the request itself, too."""
        goals = tuple(goal for goal in self.harmless if self.first_mixes(goal, 1))
        return (*goals, *self.harmless_requests) if http else goals

    @cached_property
    def harmless_requests(self) -> tuple[RequestGoal, ...]:
        """The changes of a request that break nothing."""
        return tuple(harmless_requests(self.operation, self.model.fields[""].schema, self.model.names_shown))

    @cached_property
    def breakable(self) -> tuple[str, ...]:
        """The rules to choose from where none is asked for: those that `Contract.report` judges."""
        return tuple(rule for rule in self.goals if rule not in SERVER_RULES and self.reachable(rule))

    @cached_property
    def about(self) -> frozenset[str]:
        """The rules that a request to this operation can break, as a server judges it."""
        of_servers = {rule for rule in SERVER_RULES if self.operation.media_types or "body" not in rule}
        return frozenset({*self.breakable, *of_servers} & {*self.contract.request_rules.rules, *self.goals})

    def reachable(self, rule: str) -> tuple[Goal | RequestGoal, ...]:
        """Return the goals of a rule that can be reached."""
        return tuple(goal for goal in self.goals[rule] if isinstance(goal, RequestGoal) or self.first_mixes(goal, 1))

    def keyword(self, rule: str) -> str:
        """Return the keyword of the schema that a rule is; empty where it is none."""
        return self._rules[rule].keyword if rule in self._rules else ""

    def rules(self, rule: str | None, http: bool) -> tuple[str, ...]:
        """Return the rules to break: the one that is asked for, or all; those of the request only with `http`.

        Raises `ValueError` where there is no such rule or no way to break it.
        """
        if rule is None:
            own = {one.id for one in self.operation.rules}
            return tuple(one for one in self.breakable if http or one in own)
        refuse_unknown_rules((rule,), self.goals)
        if not self.reachable(rule):
            raise ValueError(f"no case can break {rule!r}")
        return (rule,)

    def places(self, rules: tuple[str, ...], sound: int = 0) -> tuple[Goal | RequestGoal, ...]:
        """Return goals to choose from evenly: as many for each of the rules, and `sound` times as many valid ones."""
        if (rules, sound) not in self._places:
            every = [self.reachable(rule) for rule in rules]
            most = max(map(len, every), default=1)
            evenly = (goals[place % len(goals)] for goals in every for place in range(most))
            self._places[rules, sound] = (*[VALID] * (sound * most), *evenly)
        return self._places[rules, sound]

    # Mixes.

    def mixes(self, goal: Goal) -> Mixes:
        """Return the solved combinations of a goal; empty where it is out of reach."""
        found = self._mixes.get(id(goal))
        if found is None:
            first, others = self._solving(goal)
            found = self._mixes[id(goal)] = mixed([*first, *others])
        return found

    def first_mixes(self, goal: Goal, most: int) -> Sequence[Mix]:
        """Return the first solved combinations of a goal, at most so many: to solve all takes ten times as long."""
        solved = self._mixes.get(id(goal))
        if solved:
            return solved.every[:most]
        first, others = self._solving(goal)
        first.extend(islice(others, max(0, most - len(first))))
        self._begun[id(goal)] = first, others
        return first[:most]

    def _solving(self, goal: Goal) -> tuple[list[Mix], Iterator[Mix]]:
        """Return the combinations of a goal that are solved, and what solves the others, which one thread may do."""
        return self._begun.pop(id(goal), None) or ([], self._solved(goal))

    def _mix(
        self, fixed: Mapping[str, Sequence[Choice]], shapes: Sequence[Sequence[Shape]], plans: Sequence[Plan], most: int
    ) -> Mix:
        every = [
            Outfit(
                self._assignment(fixed, [some[pick] for some, pick in zip(shapes, picks, strict=True)]),
                self._variants[last],
            )
            for *picks, last in indexes([*map(len, shapes), len(self._variants)], most)
        ]
        first = every[0].assignment
        outfits = (one for one in every if alike(self.model, one.assignment, first))
        return mix_of(outfits, map(self._ready, plans))

    def _ready(self, plan: Plan) -> ReadyPlan:
        # Parts are solved once each, so the same parts are the same objects, which is quicker to see.
        numbers = self._numbers.setdefault(tuple(map(id, plan.parts)), Numbers(plan.parts))
        return ReadyPlan(plan, numbers, self._realiser.texts)

    def _valid_mixes(self) -> Mixes:
        found, rules = [], frozenset[str]()
        for shapes in product(*(grouped(some) for some in self.shapes.valid)):
            assignment = self._assignment({}, [group[0] for group in shapes])
            items, plans = self._with_items(assignment, self._planner.valid)
            if plans:
                found.append(self._mix(items, shapes, plans, _VALID_OUTFITS))
            elif not found:
                rules = self._planner.contradiction(assignment)
        if not found:
            rules = rules or self._rules_without_shape()
            raise DocumentError(f"no payload of {self.operation.name} can be valid: {', '.join(sorted(rules))}")
        return mixed(found)

    def _rules_without_shape(self) -> frozenset[str]:
        empty = [one for one, shapes in zip(self.shapes.components, self.shapes.valid, strict=True) if not shapes]
        return frozenset(self.model.rules[index].rule.id for component in empty for index in component.rules)

    def _solved(self, goal: Goal) -> Iterator[Mix]:
        options = [self._options(goal, place) for place in range(len(self.shapes.components))]
        fixed = {node: choices for node, choices in goal.fixed.items() if node not in self.shapes.of_node}
        mixes, most = list(islice(product(*map(grouped, options)), MAX_MIXES)), MAX_MIXES
        if not goal.target and not goal.limit:
            # A value of a wrong type is one whatever stands beside it: the simplest, and another for each value.
            numbers = sum(choice.number for choices in goal.fixed.values() for choice in choices)
            start = 1 + numbers % max(1, len(mixes) - 1)
            mixes, most = [*mixes[:1], *mixes[start:], *mixes[1:start]], _FAULT_MIXES
        return islice(self._each_solved(goal, fixed, mixes), most)

    def _each_solved(
        self, goal: Goal, fixed: Mapping[str, Sequence[Choice]], mixes: Sequence[Sequence[Sequence[Shape]]]
    ) -> Iterator[Mix]:
        for shapes in mixes:
            assignment = self._assignment(fixed, [group[0] for group in shapes])
            items, plans = self._with_items(assignment, partial(self._planner.broken, goal))
            if plans:
                yield self._mix({**fixed, **items}, shapes, plans, _BROKEN_OUTFITS)

    def _with_items(
        self, assignment: Assignment, solved: Callable[[Assignment], Sequence[Plan]]
    ) -> tuple[Mapping[str, Sequence[Choice]], Sequence[Plan]]:
        """Return the choices of further items and the plans with them; no plans where there are none."""
        for items in self._items.around(assignment):
            plans = solved({**assignment, **items})
            if plans:
                return {node: (choice,) for node, choice in items.items()}, plans
        return {}, ()

    def _options(self, goal: Goal, place: int) -> Sequence[Shape]:
        component = self.shapes.components[place]
        fixed = {node: choices for node, choices in goal.fixed.items() if node in component.nodes}
        aimed = goal.target if goal.target and goal.target.rule in component.rules else None
        if fixed or aimed:
            return self.shapes.of(place, fixed, aimed, goal.more)
        if self.shapes.touches(place, goal.fixed):
            base = {**self.model.usual, **{node: choices[0] for node, choices in goal.fixed.items()}}
            return self.shapes.regrouped(place, base)
        return self.shapes.valid[place]

    def _assignment(self, fixed: Mapping[str, Sequence[Choice]], shapes: Sequence[Shape]) -> Assignment:
        chosen = {choice.node: choice for shape in shapes for choice in shape.choices}
        return {**self.model.usual, **{node: choices[0] for node, choices in fixed.items()}, **chosen}

    def exact(self, goal: Goal) -> Iterator[Mix]:
        """Yield the combinations under which everything holds and a goal is only just not reached."""
        for mix in self.mixes(VALID).every:
            plans = self._planner.exact(goal, mix.outfits[0].assignment)
            for plan in plans:
                padded = is_padded(plan, mix.outfits[0].assignment)
                outfits = [Outfit(one.assignment, one.variant) for one in mix.outfits] if padded else mix.outfits
                yield mix_of(outfits, [self._ready(plan)])

    def limits(self, assignment: Assignment) -> list[tuple[Goal, Form]]:
        """Return the numbers that are 0 where a goal is only just not reached, for all goals of a valid payload."""
        return [
            (goal, form)
            for goals in self.goals.values()
            for goal in goals
            if isinstance(goal, Goal)
            for form in self._planner.limits(goal, assignment)
        ]

    def huge(self, chooser: Chooser) -> Iterator[Case]:
        """Yield a file in Base64 at each limit of its size, and one past it: rows of megabytes."""
        for node, choices in self.model.huge.items():
            for goals in self.goals.values():
                for goal in goals:
                    if isinstance(goal, Goal) and goal.target and choices and not goal.more:
                        yield from self._at_size(goal, node, choices, chooser)

    def _at_size(self, goal: Goal, node: str, choices: Sequence[Choice], chooser: Chooser) -> Iterator[Case]:
        beyond = goal._replace(fixed={node: tuple(choices)})
        size = f"{node}.size_bytes"
        for mix in islice(self._solved(beyond), 1):
            if any(size in dict(row.terms) and BEYOND in dict(row.terms) for row in mix.plans[0].plan.rows):
                yield self.case(self.drawn(beyond, mix, mix.plans[0], mix.outfits[0], chooser))
                for exact in self.exact(goal):
                    if exact.is_bulky and exact.is_padded:
                        yield self.case(self.drawn(VALID, exact, exact.plans[0], exact.outfits[0], chooser))
                        return

    # Draws.

    def draw(self, goal: Goal, chooser: Chooser) -> Drawn:
        """Draw a case that reaches a goal."""
        _, weighted, most = self._mixes.get(id(goal)) or self.mixes(goal)
        # One draw for both: each costs Hypothesis as much as a number of the case.
        picked, rest = divmod(chooser.below(len(weighted) * most), most)
        mix = weighted[picked]
        ready, outfit = mix.pairs[rest % len(mix.pairs)]
        # A look-alike takes at least as many draws as what is plainly wrong: Hypothesis shrinks to the fewest.
        is_drawn = goal is VALID or goal.target or goal.limit or (outfit.substitute and chooser.shrinks)
        values = ready.values(chooser) if is_drawn else ready.prepared(chooser)
        return _new_drawn(Drawn, (goal, mix, ready.plan, outfit, values))

    def drawn(self, goal: Goal, mix: Mix, ready: ReadyPlan, outfit: Outfit, chooser: Chooser) -> Drawn:
        """Draw the numbers of a plan."""
        return Drawn(goal, mix, ready.plan, outfit, ready.values(chooser))

    def case(self, drawn: Drawn) -> Case:
        """Return the case that was drawn."""
        goal, mix, plan, outfit, values = drawn
        realised = outfit.realised or self._realise(goal, outfit, mix.is_padded)
        request, world, others = self._realiser.made(realised, values)
        why = outfit.why
        if plan.first or mix.is_bulky:
            distance = f" by {plan.first + plan.step * values[BEYOND]}" if plan.first else ""
            flavour = flavours(outfit.assignment, values["n"]) if mix.is_bulky else ""
            why = f"{goal.says}{distance}{outfit.shown}{flavour}."
        made: Case = _new_case(request, world, plan.breaks, why, outfit.quote, self._name, others)
        return made

    def _realise(self, goal: Goal, outfit: Outfit, is_padded: bool) -> Realised:
        assignment, usual = outfit.assignment, self.mixes(VALID).every[0].outfits[0].assignment
        ghost = self._planner.ghost(assignment)
        said = [
            f"{node.rpartition('.')[2]} {choice.says}"
            for node, choice in assignment.items()
            if choice.sound and node in usual and choice.number != usual[node].number
        ]
        said += [f"the payload {outfit.variant.says}"] if outfit.variant.says else []
        outfit.shown = f" ({'; '.join(said)})" if said else ""
        outfit.why = f"{goal.says}{outfit.shown}."
        outfit.quote = self._quote(goal.rule, assignment)
        outfit.realised = self._realiser.realised(assignment, ghost, outfit.variant, is_padded, outfit.substitute)
        return outfit.realised

    def plain(self, chooser: Chooser) -> Case:
        """Draw a valid case that looks right."""
        return self.case(self.draw(VALID, chooser))

    def asked(self, goal: RequestGoal, sound: Case) -> Case:
        """Return a valid case whose request is changed."""
        request, quote = goal.change(sound.request), self._quote(goal.rule, {})
        made: Case = _new_case(request, sound.world, goal.breaks, goal.says, quote, sound.operation, {})
        return made

    def _quote(self, rule: str, assignment: Assignment) -> str:
        """The vendor's words about a field that is given, where a rule quotes several."""
        quotes = self._rules[rule].quotes if rule else ()
        for quote in quotes:
            choice = assignment.get(quote.at)
            if choice is not None and isinstance(choice.value, OwnText):
                return quote.text
        return quotes[0].text if quotes else ""

    @cached_property
    def _rules(self) -> Mapping[str, Rule]:
        return {rule.id: rule for rule in (*self.contract.request_rules.rules.values(), *self.operation.rules)}


def factory_of(contract: Contract | None, operation: str = "") -> CaseFactory:
    """Return the factory of an operation, by its short name, by default the contract's first; kept with the contract.

    Raises `ValueError` where the contract has no such operation.
    """
    contract = contract or _documented()
    found = contract.by_name.get(operation) if operation else contract.operation
    if found is None:
        raise ValueError(f"the contract has no operation {operation!r}; it has: {', '.join(contract.by_name)}")
    # A solved factory has tens of megabytes: it must not outlive its contract.
    key = f"cases of {found.name}"
    if key not in contract.derived:
        contract.derived[key] = CaseFactory(contract, found)
    factory: CaseFactory = contract.derived[key]
    return factory


@cache
def _documented() -> Contract:
    return Contract.load()

"""Goals of look-alikes: a valid case in which one value comes near the right one, or is right for another account.

Such a value counts as a choice of its field: an id that is not known, a value of a wrong type. The rules that then
fall are the label. There is no such goal where a rule would hang on numbers in another way than before.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from kling_contracts.cases.fields import LEFT_OUT, Choice, Field, Items, OpenNumber
from kling_contracts.cases.file_alikes import FILE_ALIKES
from kling_contracts.cases.formulas import NEVER, Verdict
from kling_contracts.cases.goals import VALID, Goal
from kling_contracts.cases.look_alikes import (
    CALLBACKS,
    FREE,
    IDS,
    NAMES,
    NUMBERS,
    PARAMETERS,
    PATH_IDS,
    TEXTS,
    URLS,
    LookAlike,
    as_it_is,
)
from kling_contracts.cases.mixes import Mix, Mixes, Outfit, ReadyPlan, mix_of
from kling_contracts.cases.model import Assignment, Model
from kling_contracts.cases.payloads import Substitute
from kling_contracts.cases.plans import Plan
from kling_contracts.cases.realising import Realiser
from kling_contracts.cases.requests import RequestGoal
from kling_contracts.cases.shapes import falls
from kling_contracts.cases.shown_members import callback_fields, tables_shown
from kling_contracts.cases.texts import URLS as SPELLINGS
from kling_contracts.cases.texts import flavours_of
from kling_contracts.cases.variants import PLAIN
from kling_contracts.facts.lookup import Lookup
from kling_contracts.facts.made_files import MADE_FORMATS
from kling_contracts.facts.media import Media
from kling_contracts.facts.ways import OwnText
from kling_contracts.jsonio.keywords import readable
from kling_contracts.unknown import Absent

MAX_MIXES: Final = 64
"""Combinations of a valid payload in which a right value is looked for."""
_NUMBERS: Final = (1, 2)
"""The numbers that tell cases of look-alikes apart: 0 stands for the documents' own example."""

MAX_KEPT_FILES: Final = 16
"""Spellings of files that are kept for each look-alike: to find one takes longer than all the rest of a case."""

FirstMixes = Callable[[Goal, int], Sequence[Mix]]


class AlikeGoals:
    """Makes the goals of look-alikes of one operation.

    `first_mixes` returns so many mixes of a goal at the most, `goals` are those of each rule.
    """

    def __init__(
        self,
        model: Model,
        first_mixes: FirstMixes,
        goals: Mapping[str, tuple[Goal | RequestGoal, ...]],
        realiser: Realiser,
    ) -> None:
        self._model = model
        self._first_mixes = first_mixes
        self._mixes = sorted(first_mixes(VALID, MAX_MIXES), key=_bulk)
        self._rules = list(goals)
        self._aimed = [goal for some in goals.values() for goal in some if isinstance(goal, Goal) and goal.target]
        self._realiser = realiser
        self._text = realiser.text
        self._named = [json.dumps(one) for one in model.literals]
        operation = model.operation
        self._called_back = callback_fields(operation, model.contract.document)
        self._in_path = frozenset(name for name, one in operation.parameters.items() if one.place == "path")

    def goals(self) -> Iterator[tuple[Goal, Mixes]]:
        """Yield each goal with its mixes; that of a look-alike which breaks nothing has no rule."""
        for field in self._model.fields.values():
            name = readable(field.path)
            for mix, outfit in self._bases(field):
                right = outfit.assignment[field.node]
                for says, substitute in self._substitutes(field, right):
                    yield from self._goal(f"{name} {says}", mix, outfit, substitute)
                for number, says in enumerate(SPELLINGS if self._is_url(right) else (), len(SPELLINGS)):
                    spelt = Substitute(field.node, None)
                    yield from self._goal(f"{name} {says}", mix, outfit, spelt, (number, number))
            for says, substitute in (*self._misspelt(field), *_bare_item(field)):
                for mix, outfit in islice(self._valid(field, lambda choice: choice.value is not LEFT_OUT), 1):
                    yield from self._goal(f"{name} {says}", mix, outfit, substitute)
        if tables_shown(self._model.contract, self._model.operation):
            mix = self._mixes[0]
            substitute = Substitute("", None, is_elsewhere=True)
            yield from self._goal("Another account has some of its own", mix, mix.outfits[0], substitute)

    def _goal(
        self, says: str, mix: Mix, outfit: Outfit, substitute: Substitute, numbers: tuple[int, int] = _NUMBERS
    ) -> Iterator[tuple[Goal, Mixes]]:
        plan, drawn_from = mix.plans[0].plan, mix.plans[0].numbers
        label = self._label(plan, outfit.assignment, substitute)
        if label is not None:
            rule = min(label, key=self._place, default="")
            dressed = Outfit(outfit.assignment, PLAIN, substitute)
            ready = ReadyPlan(plan._replace(breaks=label, first=0), drawn_from, self._realiser.texts, numbers)
            made = mix_of([dressed], [ready])._replace(is_padded=False)
            # Drawn with the number of choices of any other case: Hypothesis shrinks to a case with the fewest.
            yield Goal(rule, says), Mixes((made,), (made._replace(pairs=made.pairs * 2),) * 2, 2)

    def _place(self, rule: str) -> int:
        return self._rules.index(rule) if rule in self._rules else len(self._rules)

    def _label(self, plan: Plan, right: Assignment, substitute: Substitute) -> frozenset[str] | None:
        """Return the rules that fall.

        None where one hangs on numbers in a way that the plan does not settle, or where none falls and one is unknown.
        """
        if substitute.choice is None:
            return plan.breaks
        counted = {**right, substitute.node: substitute.choice}
        broken, is_known = set(substitute.choice.breaks), True
        for index, parsed in enumerate(self._model.rules):
            verdict = self._model.whole(index, counted)
            if falls(verdict):
                broken.add(parsed.rule.id)
            elif verdict.false != NEVER and not self._stays(index, verdict, plan, right):
                return None
            else:
                is_known = is_known and verdict.true != NEVER
        return frozenset(broken) if broken or is_known else None

    def _stays(self, index: int, verdict: Verdict, plan: Plan, right: Assignment) -> bool:
        """Return whether a rule does not fall: it falls in no other way than before, and it did not."""
        before = self._model.whole(index, right)
        return set(verdict.false) <= set(before.false) and self._model.rules[index].rule.id not in plan.breaks

    # Right values.

    def _bases(self, field: Field) -> Iterator[tuple[Mix, Outfit]]:
        """Yield cases in which the field has a right value: valid ones, else such as break a rule on the value alone.

        An id that may be used once is right as what a look-alike comes near when it is taken.
        """
        found: dict[object, tuple[Mix, Outfit]] = {}
        # To solve a goal takes long: most fields name nothing that a world holds.
        aimed = self._aimed if any(map(self._is_known, field.sound)) else ()
        for goal in (VALID, *(goal for goal in aimed if field.node in self._read(goal))):
            for mix in self._mixes if goal is VALID else self._first_mixes(goal, 1):
                plan = mix.plans[0].plan
                for outfit in mix.outfits if len(plan.breaks) <= 1 and not plan.first else ():
                    choice = outfit.assignment[field.node]
                    if choice.sound and self._is_right(choice, is_valid=goal is VALID):
                        found.setdefault(self._kind(choice), (mix, outfit))
            if found:
                break
        yield from found.values()
        if not found or goal is not VALID:
            free = self._valid(field, lambda choice: isinstance(choice.value, OwnText) and self._text(choice, 1))
            yield from islice(free, 1)

    def _read(self, goal: Goal) -> tuple[str, ...]:
        """Return the nodes that the rule of a goal hangs on."""
        return self._model.rules[goal.target.rule].nodes if goal.target else ()

    def _valid(self, field: Field, is_wanted: Callable[[Choice], object]) -> Iterator[tuple[Mix, Outfit]]:
        """Yield the valid cases in which a field has a choice that is wanted."""
        for mix in self._mixes:
            yield from ((mix, outfit) for outfit in mix.outfits if is_wanted(outfit.assignment[field.node]))

    def _is_right(self, choice: Choice, *, is_valid: bool) -> bool:
        if isinstance(choice.value, OpenNumber):
            return is_valid
        return self._is_known(choice) or (is_valid and self._is_listed(choice))

    def _kind(self, choice: Choice) -> object:
        """Return what tells right values of one field apart: how they are written, and by which name an entry goes."""
        if not isinstance(choice.value, OwnText) or not choice.way:
            return type(choice.value)
        return choice.value.kind, any(choice.value in entry.values() for entry in self._entries(choice))

    def _is_known(self, choice: Choice) -> bool:
        """Return whether a text names something that the world holds."""
        return isinstance(choice.value, OwnText) and any(one.get("reachable", True) for one in self._entries(choice))

    def _is_url(self, choice: Choice) -> bool:
        """Return whether a text is the URL of a file that can be reached."""
        return isinstance(choice.value, OwnText) and choice.value.kind == "url" and self._is_known(choice)

    def _entries(self, choice: Choice) -> Iterator[Mapping[str, Any]]:
        for name, entry in choice.way.entries.items() if choice.way else ():
            if isinstance(self._model.facts.declared[name].provider, Lookup | Media) and isinstance(entry, Mapping):
                yield entry

    def _is_listed(self, choice: Choice) -> bool:
        return isinstance(choice.value, str) and "enum" in self._model.fields[choice.node].schema

    # Look-alikes of a right value.

    def _substitutes(self, field: Field, right: Choice) -> Iterator[tuple[str, Substitute]]:
        if isinstance(right.value, OwnText) and flavours_of(right.value):
            yield from _other_files(field)
            return
        for alike, counted in self._near(field, right):
            spell = _spelling(alike, field)
            sample = 1 if isinstance(right.value, OpenNumber) else self._text(right, _NUMBERS[0])
            if alike.right and isinstance(sample, str):
                sample = alike.right(sample)
            spelt = None if sample is None else spell(sample)
            # A rule says more about a text that it names than about any other.
            if spelt is not None and spelt not in self._named and _has_room(field, spelt):
                yield alike.says, Substitute(field.node, counted, spell, is_alone=alike.is_alone, right=alike.right)
        absent = _absent(field)
        for name in self._names_beside(field) if absent and self._is_known(right) else ():
            yield f"is not known, and {name} in the query is", Substitute(field.node, absent, _unknown, beside=name)
        if absent and self._is_of_an_account(field) and self._is_known(right):
            yield "is known to another account alone", Substitute(field.node, absent, is_elsewhere=True)

    def _near(self, field: Field, right: Choice) -> Iterator[tuple[LookAlike, Choice | None]]:
        """Yield the look-alikes of a right value, and what each counts as; None: as any other right value."""
        if isinstance(right.value, OpenNumber):
            table = NUMBERS if self._model.operation.media_types else PARAMETERS
            yield from _typed(table, field, None)
        elif self._is_listed(right):
            yield from _typed(TEXTS, field, _fault(field, "string"))
        elif self._is_url(right):
            yield from _typed(URLS, field, _unreachable(field))
        elif isinstance(right.value, OwnText) and self._is_known(right):
            table = (*TEXTS, *IDS, *(PATH_IDS if field.node in self._in_path else ()))
            wrong = [alike for alike in table if alike.spell is not as_it_is]
            yield from _typed(wrong, field, _absent(field))
            yield from ((alike, None) for alike in table if alike.spell is as_it_is)
        elif isinstance(right.value, OwnText):
            yield from ((alike, None) for alike in FREE)
            if field.node in self._called_back:
                yield from ((alike, None) for alike in CALLBACKS)

    def _is_of_an_account(self, field: Field) -> bool:
        facts = self._model.facts
        providers = [facts.declared[name].provider for name in facts.fields().get(field.node, ())]
        return any(isinstance(provider, Lookup) and not provider.inside for provider in providers)

    def _names_beside(self, field: Field) -> list[str]:
        """Return the names under which an id might stand in the query, where it stands in the path."""
        facts = self._model.facts
        providers = [facts.declared[name].provider for name in facts.fields().get(field.node, ())]
        names = [one.also for one in providers if isinstance(one, Lookup) and one.also]
        return names if field.node in self._in_path else []

    def _misspelt(self, field: Field) -> Iterator[tuple[str, Substitute]]:
        name = field.path[-1] if field.path else 0
        if not isinstance(name, str) or field.node in self._in_path:
            return
        left_out = next((one for one in (*field.sound, *field.faults) if one.value is LEFT_OUT), None)
        holder = self._model.fields[field.node.rpartition(".")[0]]
        if left_out and holder.schema.get("additionalProperties") is not False:
            for says, change in NAMES:
                if change(name) != name:
                    yield f"has its name {says}", Substitute(field.node, left_out, name=change(name))


def _bulk(mix: Mix) -> int:
    """Return how much of a file stands in a payload: none, one of a few seconds, or any."""
    chosen = [one.value for one in mix.outfits[0].assignment.values() if isinstance(one.value, OwnText)]
    longest = [MADE_FORMATS[text.detail][1] for text in chosen if flavours_of(text)]
    return 0 if not mix.is_bulky else 2 if None in longest else 1


def _other_files(field: Field) -> Iterator[tuple[str, Substitute]]:
    """Yield the look-alikes of a file in Base64, and what each counts as."""
    made = {(one.value.kind, one.value.detail): one for one in field.sound if isinstance(one.value, OwnText)}
    for alike in FILE_ALIKES:
        if alike.counts_as is None or alike.counts_as in made:
            counted = made[alike.counts_as] if alike.counts_as else None
            yield alike.says, Substitute(field.node, counted, lru_cache(MAX_KEPT_FILES)(alike.spell))


def _bare_item(field: Field) -> Iterator[tuple[str, Substitute]]:
    """Yield the item of an array without the array around it."""
    counted = _fault(field, "object")
    if counted and any(isinstance(one.value, Items) and one.value.size > 0 for one in field.sound):
        yield "is its item without the array", Substitute(field.node, counted, is_bare=True)


def _unknown(right: Any) -> str:
    """Return a text that is not the right one."""
    return json.dumps(f"{right}0")


def _has_room(field: Field, spelt: str) -> bool:
    """Return whether a text is as long as its field asks for; what is no text has no length."""
    text = json.loads(spelt)
    least, most = field.schema.get("minLength", 0), field.schema.get("maxLength")
    return not isinstance(text, str) or (least <= len(text) and (most is None or len(text) <= most))


def _spelling(alike: LookAlike, field: Field) -> Callable[[Any], str | None]:
    return lambda right: alike.spell(right, field.schema)


def _typed(
    table: Iterable[LookAlike], field: Field, counted: Choice | None
) -> Iterator[tuple[LookAlike, Choice | None]]:
    """Yield look-alikes with what they count as: a text as `counted`, another type as a value of that type."""
    is_text = counted is not None
    for alike in table:
        choice = counted if is_text and alike.type == "string" else _fault(field, alike.type)
        if choice is not None:
            yield alike, choice


def _fault(field: Field, kind: str) -> Choice | None:
    """Return a value of a JSON type that breaks keywords of the field."""
    values = (one for one in field.faults if type(one.value) is _TYPES[kind])
    return next((one for one in values if one.value or kind in ("array", "object")), None)


_TYPES: Final[Mapping[str, type]] = {"string": str, "integer": int, "number": float, "array": list, "object": dict}


def _absent(field: Field) -> Choice | None:
    """Return an id that is not known."""
    for choice in field.sound:
        entries = choice.way.entries.values() if choice.way and isinstance(choice.value, OwnText) else ()
        if entries and all(isinstance(entry, Absent) for entry in entries):
            return choice
    return None


def _unreachable(field: Field) -> Choice | None:
    """Return a URL that does not answer, and that no rule names."""
    for choice in field.sound:
        for entry in choice.way.entries.values() if choice.way and isinstance(choice.value, OwnText) else ():
            if isinstance(entry, Mapping) and entry.get("kind") == "url" and not entry.get("reachable"):
                return choice
    return None

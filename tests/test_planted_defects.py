"""Planted defects of servers are found by what `klingkit fuzz` sends: the catalogue and some generated cases."""

import ast
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from kling_contracts import Response, World, cases
from kling_contracts.cases.answers import ExpectedAnswers
from kling_contracts.cases.case import Case
from kling_contracts.cases.catalogue import catalogue
from kling_contracts.cases.factory import factory_of
from kling_contracts.cases.generator import SeededChooser, generate
from kling_contracts.cases.goals import Goal
from kling_mock_server.testing.fuzzing import Options, fuzz_server
from support.planted_defects import DEFECTS, EVERY, CrashedError, RefusedError
from support.serving import documented
from support.spoilt_servers import serving_with

GENERATED = 600
PLANTED = [(name, operation) for name, (operations, _) in DEFECTS.items() for operation in operations]


@cache
def sent(operation):
    return (*catalogue(documented(), operation=operation), *generate(5, GENERATED, documented(), operation=operation))


@cache
def right_answers():
    return ExpectedAnswers(documented())


def tells(see, case):
    """Whether a server with a defect answers a case otherwise than a right one."""
    try:
        seen = see(case)
    except CrashedError:
        return True
    except RefusedError:
        return not case.breaks
    if (seen.request, seen.world) == (case.request, case.world):
        return False
    broken = frozenset(documented().report(seen.request, seen.world).broken)
    if broken or case.breaks:
        return bool(broken) != bool(case.breaks)
    return right_answers().of(replace(seen, breaks=broken)).data != right_answers().of(case).data


@pytest.mark.parametrize(("name", "operation"), PLANTED)
def test_a_planted_defect_is_found(name, operation):
    assert any(tells(DEFECTS[name][1], case) for case in sent(operation))


@pytest.mark.parametrize("operation", EVERY)
def test_what_comes_near_a_right_value_breaks_what_its_label_says(operation):
    factory, chooser = factory_of(documented(), operation), SeededChooser(3)
    goals = [goal for some in factory.goals.values() for goal in some if isinstance(goal, Goal)]
    near = [goal for goal in goals for mix in factory.mixes(goal).every if mix.outfits[0].substitute]
    for goal in (*near, *factory.harmless):
        case = factory.case(factory.draw(goal, chooser))
        assert frozenset(documented().report(case.request, case.world).broken) == case.breaks, case.why


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        ("create", "session-unknown"),
        ("create", "audio-id-unknown"),
        ("query", "task-unknown"),
        ("identify", "video-id-unknown"),
    ],
)
def test_what_another_account_has_is_unknown_to_the_caller(operation, rule):
    rows = [row for row in catalogue(documented(), operation=operation) if row.others and row.breaks]

    row, *_ = (row for row in rows if row.breaks == {rule})
    (other,) = row.others.values()
    assert not documented().report(row.request, other).broken


def test_a_row_carries_the_worlds_of_other_accounts():
    row = next(row for row in catalogue(documented(), operation="query") if row.others)

    again = Case.from_json(json.loads(json.dumps(row.to_json())))

    assert again.others == row.others
    assert again.request == row.request


class Careless:
    """A mock with a defect: worlds go through to it, and each call in the world that the defect takes it for."""

    def __init__(self, see, operation):
        self.see = see
        self.operation = operation
        self.worlds = {}

    def __call__(self, request, answer):
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.path == "/_mock/world":
            self.worlds[token] = World.from_json(json.loads(request.body))
        elif request.path == "/_mock/reset":
            self.worlds.pop(token, None)
        elif token in self.worlds:
            return self._judged(request, answer, token)
        return answer(request)

    def _judged(self, request, answer, token):
        others = {one: world for one, world in self.worlds.items() if one != token}
        case = Case(request, self.worlds[token], frozenset(), "", operation=self.operation, others=others)
        try:
            seen = self.see(case)
        except CrashedError:
            return Response(500, {}, b"Internal Server Error")
        if seen.world != case.world:
            body = json.dumps(seen.world.to_json()).encode()
            answer(request._replace(method="PUT", path="/_mock/world", query="", body=body))
        return answer(seen.request)


@pytest.mark.parametrize(
    ("name", "operation", "rules"),
    [
        ("tasks are shared by all accounts", "query", {"task-unknown"}),
        ("tasks are shared by all accounts", "list", {"list /data"}),
        ("ids are stripped", "query", {"task-unknown"}),
        ("a path is decoded like a form", "query", {"task-unknown"}),
        ("ids of 256 characters break it", "tts", {"", "voice-unknown"}),
    ],
)
def test_fuzzing_finds_the_defect_over_a_socket(name, operation, rules):
    with serving_with(Careless(DEFECTS[name][1], operation)) as url:
        result = fuzz_server(url, Options(n=0, operations=(operation,)), contract=documented())

    assert {finding.rule for finding in result.findings} == rules


def test_no_code_that_makes_cases_names_a_field_or_a_rule():
    named = {rule.id for operation in documented().operations for rule in operation.rules}
    nodes = (node for operation in EVERY for node in factory_of(documented(), operation).model.fields)
    # A short word, such as the text of a preview, is a word of the code, too.
    named |= {name for node in nodes if "_" in (name := node.rpartition(".")[2].removesuffix("[]"))}
    for module in Path(cases.__file__).parent.glob("*.py"):
        tree = ast.parse(module.read_text())
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        assert not [node.value for node in texts if id(node) not in said and named & set(_words(node.value))], module


def _words(text):
    return re.findall(r"[\w-]+(?:[.][\w-]+)*|\w+", text)

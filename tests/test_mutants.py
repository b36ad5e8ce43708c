"""How good the cases are: servers with one defect each, made mechanically from the contract, and who finds them.

A server stands here for a contract whose document was spoilt in one place. It is found by the first case that it
answers otherwise than the case's label says, or that it could not judge although the case is valid.
"""

from dataclasses import replace

import pytest

from kling_contracts.cases.generator import generate
from support.mutants import CONTRACT, EQUIVALENT, KINDS, differs, found_by, rows, servers, survivors_of_the_catalogue

AROUND = ("list", "query", "identify", "tts")


def test_there_are_enough_defects_of_every_kind():
    assert len(servers("create")) >= 200
    assert {mutant.kind for mutant, _ in servers("create")} == KINDS.keys()
    assert sum(len(servers(operation)) for operation in AROUND) >= 100


@pytest.mark.parametrize("operation", CONTRACT.by_name)
def test_every_rule_of_the_documents_is_spoilt(operation):
    rules = {rule.id for rule in CONTRACT.by_name[operation].rules if rule.kind == "cel"}
    assert rules <= {mutant.rule for mutant, _ in servers(operation)}


@pytest.mark.parametrize("operation", CONTRACT.by_name)
def test_the_contract_itself_is_not_found(operation):
    assert not found_by(CONTRACT, rows(operation))


def test_the_catalogue_alone_finds_nine_in_ten():
    survivors = sum(len(survivors_of_the_catalogue(operation)) for operation in CONTRACT.by_name)
    assert survivors <= sum(len(servers(operation)) for operation in CONTRACT.by_name) / 10


def test_with_1000_generated_cases_all_are_found_but_the_equivalent_ones():
    survivors = set()
    for operation in CONTRACT.by_name:
        left = survivors_of_the_catalogue(operation)
        cases = list(generate(0, 1000, operation=operation)) if left else []
        survivors |= {mutant.name for mutant, server in left if not found_by(server, cases)}
    assert survivors == EQUIVALENT.keys()
    assert len(EQUIVALENT) <= 3


def everywhere(entries, value):
    return dict.fromkeys(entries, value)


def sessions_with(world, change):
    return {name: session._replace(**change(session)) for name, session in world.sessions.items()}


MISTAKEN = {
    "the machine's clock": lambda world: replace(world, now_ms=None),
    "no ages": lambda world: replace(world, sessions=sessions_with(world, lambda session: {"created_ms": None})),
    "the first session": lambda world: replace(
        world, sessions=everywhere(world.sessions, next(iter(world.sessions.values())))
    ),
    "the first face": lambda world: replace(
        world,
        sessions=sessions_with(
            world, lambda session: {"faces": everywhere(session.faces, next(iter(session.faces.values())))}
        ),
    ),
    "the faces of all sessions": lambda world: replace(
        world,
        sessions=sessions_with(
            world,
            lambda session: {
                "faces": {**{n: f for s in world.sessions.values() for n, f in s.faces.items()}, **session.faces}
            },
        ),
    ),
    "the first audio": lambda world: replace(world, audios=everywhere(world.audios, next(iter(world.audios.values())))),
    "the first file": lambda world: replace(world, files=everywhere(world.files, next(iter(world.files.values())))),
    "no slack": lambda world: replace(world, audio_slack_ms=0),
    "no earlier tasks": lambda world: replace(world, external_task_ids=frozenset()),
}


@pytest.mark.parametrize("mistaken", MISTAKEN.values(), ids=MISTAKEN)
def test_a_server_that_looks_in_the_wrong_place_is_found(mistaken):
    assert any(differs(CONTRACT, case, mistaken(case.world)) for case in rows("create"))

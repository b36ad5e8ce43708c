"""The documented contract and its catalogue, solved once for all test modules of a process."""

from functools import cache

import pytest

from kling_contracts import Contract
from kling_contracts.cases.catalogue import catalogue
from support.serving import documented


@cache
def rows(operation=""):
    """Return the catalogue of an operation, by default of create."""
    return catalogue(documented(), operation=operation)


def variant(**options):
    """Return the contract that `Contract.load` makes of these options, the same one in every test."""
    return _variant(tuple(sorted(options.items())))


@cache
def _variant(options):
    return Contract.load(**dict(options))


@pytest.fixture
def one_contract(monkeypatch):
    """Give commands that run in this process the documented contract that is there: to solve another takes seconds."""
    known, load = documented(), Contract.load
    usual = {"upstream_state": True, "null_is_absent": False, "folder": None}

    def loaded(profile="documented", **options):
        is_usual = (profile, {**usual, **options}) == ("documented", usual)
        return known if is_usual else load(profile, **options)

    monkeypatch.setattr(Contract, "load", loaded)

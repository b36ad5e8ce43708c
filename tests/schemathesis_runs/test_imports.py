"""The hooks run beside any server: a fresh interpreter that loads them holds no part of the mock at work."""

import pytest

from support.interpreter import modules_loaded_by

pytest.importorskip("schemathesis")

SERVER = ("core", "adapters", "assets", "failures", "outgoing", "page")


def test_the_hooks_need_no_part_of_the_server():
    loaded = modules_loaded_by("from kling_mock_server.testing import schemathesis_hooks")

    assert "kling_mock_server.testing.schemathesis_hooks.verdict" in loaded
    assert [module for module in loaded if module.startswith(tuple(f"kling_mock_server.{x}" for x in SERVER))] == []

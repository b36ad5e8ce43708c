"""The names that users import: whoever renames one, or takes one away, does it here and in the changelog."""

from importlib import import_module
from pathlib import Path

import pytest

CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
PUBLIC = {
    "kling_contracts": "Audit Case Contract ContractViolation DocumentError Note Operation OverlayError Quote "
    "Report Request Response Rule RuleError Unverified Violation World audit audit_builder catalogue generate",
    "kling_contracts.audits": "Audit AuditFinding InterruptedAuditError Kind Row audit audit_builder is_builder",
    "kling_contracts.strategies": "broken cases valid worlds",
    "kling_mock_server": "create_app",
    "kling_mock_server.adapters.handle": "Handle InProcess WorldHandle",
    "kling_mock_server.adapters.live_server": "live",
    "kling_mock_server.adapters.respx_router": "mount",
    "kling_mock_server.testing.drill": "LIMIT_S NO_FAULT SCENARIOS Drill DrillFailure DrillVerdict",
    "kling_mock_server.testing.receivers": "ReceiverAudit ReceiverError ReceiverOptions WrongAnswer fuzz_receiver",
}

each_module = pytest.mark.parametrize("module", PUBLIC)


@each_module
def test_a_module_offers_what_is_promised_and_no_more(module):
    assert sorted(import_module(module).__all__) == sorted(PUBLIC[module].split())


@each_module
def test_every_promised_name_is_there(module):
    assert [name for name in PUBLIC[module].split() if not hasattr(import_module(module), name)] == []


@each_module
def test_the_changelog_names_the_module(module):
    assert f"`{module}`" in CHANGELOG


def test_the_entry_points_keep_their_modules():
    # `pytest -p` and a conftest.py name the plugin by it, and klingkit_hooks.py the hooks.
    assert import_module("kling_mock_server.pytest_plugin").kling_mock
    files = Path(import_module("kling_mock_server.testing").__file__).parent / "schemathesis_files"
    hooks = (files / "klingkit_hooks.py").read_text(encoding="utf-8")
    assert "from kling_mock_server.testing import schemathesis_hooks" in hooks

"""Hooks of this project's Schemathesis runs: klingkit's, and below them your own."""

from kling_mock_server.testing import schemathesis_hooks  # noqa: F401

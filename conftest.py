"""Settings of our own suite: Hypothesis profiles, chosen with `--hypothesis-profile`."""

from hypothesis import HealthCheck, settings

# A checkout that is not installed has no entry point to load it by.
pytest_plugins = ["kling_mock_server.pytest_plugin"]

# Another process on a busy machine must not make a test fail: no deadlines.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=100_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dev")

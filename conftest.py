"""Settings of our own suite: Hypothesis profiles, chosen with `--hypothesis-profile`."""

import gc

from hypothesis import HealthCheck, settings

# A checkout that is not installed has no entry point to load it by.
pytest_plugins = ["kling_mock_server.pytest_plugin"]

# Another process on a busy machine must not make a test fail: neither a deadline nor a health check reads the clock.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples in every run, so that a change is judged by what it changed; `nightly` looks for new ones.
settings.register_profile("dev", untimed, max_examples=50, derandomize=True)
settings.register_profile("ci", untimed, max_examples=200, derandomize=True, print_blob=True)
settings.register_profile("nightly", untimed, max_examples=100_000)
settings.load_profile("dev")


def pytest_collection_finish() -> None:
    """Leave all that was imported and collected out of the garbage collector's walks, and let it walk more rarely.

    Contracts and cases are large and hold no cycles: to walk through them took an eighth of the suite's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)

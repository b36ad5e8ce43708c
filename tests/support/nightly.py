"""Sweeps that are too long for every run: CI takes a share of them, `make nightly` all."""

import os


def share(whole, part):
    """Return how many of a sweep are run: `part` in CI, `whole` in `make nightly`."""
    return whole if os.environ.get("KLINGKIT_NIGHTLY") else part

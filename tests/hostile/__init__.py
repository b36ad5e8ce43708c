"""Hostile traffic, by the hour: run by `make hostile` and `make soak`; a short seeded run of each is a test."""

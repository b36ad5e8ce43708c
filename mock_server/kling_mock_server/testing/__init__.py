"""Judges of clients and servers: drill, fuzzing, Schemathesis hooks, rule coverage."""

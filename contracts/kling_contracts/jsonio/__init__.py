"""Strict JSON, and the schema keywords that judge it."""

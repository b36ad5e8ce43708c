"""Recorded traffic: read and redacted, its world rebuilt, every answer predicted and compared."""

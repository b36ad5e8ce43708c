"""Drift: a newer document of the vendor compared clause by clause, and the patch that lets our overlays fit it."""

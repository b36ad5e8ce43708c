"""Judging: request rules, operations, the evaluator, and its report."""

"""Failure on purpose: scenarios, playback, answers bent below HTTP."""

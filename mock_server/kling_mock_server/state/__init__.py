"""Accounts and their records."""

"""Rows into the platform's tables, in one transaction."""

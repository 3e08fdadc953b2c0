"""Tests of the report on a class, and of the signs that answers are worse than predicted."""

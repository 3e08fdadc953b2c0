"""Tests of predict.py as a process, and of its callers."""

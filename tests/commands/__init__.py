"""Tests of scripts/*.py."""

"""Tests of ml."""

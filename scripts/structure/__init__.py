"""Objectives with their names, courses and prerequisites, from CSV files into the platform's tables."""

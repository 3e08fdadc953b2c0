"""Tests of scripts/monitoring: what counts, and when an alert arises."""

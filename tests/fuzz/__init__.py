"""Fuzzers and injected faults: commands that search, and short runs of them as tests."""

"""The kinds of files that people in this field have: how each is recognised, and what its columns mean."""

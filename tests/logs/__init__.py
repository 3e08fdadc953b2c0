"""Tests of answer logs and structures on their way in, out, and through a trial."""

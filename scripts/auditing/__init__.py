"""The audit log: who ran which command on learners' rows or models, when, and how it ended."""

"""Why an answer rests on default features, in sentences that a learner may read: they contain no host, path or name."""

from __future__ import annotations

SENTENCES = {
    "database_unreachable": "The database cannot be reached.",
    "database_late": "The database did not answer in time.",
    "database_broke_off": "The connection to the database broke off.",
    "database_locked": "The database is locked by another program.",
    "database_unreadable": "The database cannot be read.",
    "deadline": "The deadline passed before the study records were read.",
    "tracking_off": "This learner has switched performance tracking off.",
    "extraction_failed": "The features cannot be extracted from the study records.",
}
"""Sentences by code. An answer carries both; what happened in detail, with host and path, goes to stderr or the log."""


def code_of(sentence: str) -> str:
    """The code that belongs to one of the sentences above; "other" for any other sentence."""
    return next((code for code, known in SENTENCES.items() if known == sentence), "other")

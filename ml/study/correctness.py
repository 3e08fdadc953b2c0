"""Which ratings count as a correct answer: one setting for a whole deployment, and the functions that apply it.

GOOD (the platform's own rule): GOOD and EASY are correct, AGAIN and HARD are not. HARD (for platforms that schedule by
recall, such as FSRS and Anki, which count it as a pass): every grade but AGAIN is correct. The setting is read once,
when a command or a service starts, and is passed on from there; a history, the estimates and a difficulty table each
store the setting under which they were made.
"""

from __future__ import annotations

from ml.errors import InvalidSetting
from ml.places import setting

GOOD, HARD = "GOOD", "HARD"
ANY = "ANY"
"""A model's setting only: all answers it was trained on were right or wrong under either rule, so it serves both."""
SETTINGS = (GOOD, HARD)
VARIABLE = "STRUGGLE_CORRECT_FROM"

_CORRECT = {GOOD: frozenset(("GOOD", "EASY")), HARD: frozenset(("HARD", "GOOD", "EASY"))}
IN_WORDS = {
    GOOD: "Correct: GOOD and EASY. It answers only where STRUGGLE_CORRECT_FROM is GOOD.",
    HARD: "Correct: every grade but AGAIN. It answers only where STRUGGLE_CORRECT_FROM is HARD.",
    ANY: "Correct: the answers that the logs mark as right. No answer was rated HARD, so it serves both values of"
    " STRUGGLE_CORRECT_FROM, GOOD and HARD.",
}
"""What a model trained under each setting counted as a correct answer, as a sentence."""


def correct_ratings(correct_from: str = GOOD) -> frozenset[str]:
    """The ratings that count as correct under a setting, GOOD or HARD."""
    return _CORRECT[correct_from]


def is_correct(rating: str, correct_from: str = GOOD) -> bool:
    """Whether an answer counts as correct under a setting, GOOD or HARD."""
    return rating in _CORRECT[correct_from]


def correct_setting(given: str | None = None) -> str:
    """The deployment's setting: the given one, else $STRUGGLE_CORRECT_FROM, else GOOD. Raises InvalidSetting."""
    found = given or setting(VARIABLE) or GOOD
    if found.upper() not in _CORRECT:
        raise InvalidSetting(f"{VARIABLE} and --correct-from are GOOD or HARD, not {found[:40]!r}")
    return found.upper()


def suits(trained_under: str, correct_from: str) -> bool:
    """Whether a model trained under one setting (or ANY) may answer under another."""
    return trained_under in (ANY, correct_from)

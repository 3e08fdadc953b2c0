"""Golden sentences: every text that an answer can show, for every feature, at the values where words go wrong.

`python -m tests.golden_sentences` prints them; tests/golden_sentences.txt is what they have to be. Where words are
changed on purpose, accept them with `python -m tests.golden_sentences > tests/golden_sentences.txt`, and read the
whole difference as a stranger would: each line must be true, grammatical, and make sense as a reason that raises or
lowers the risk, whatever one would expect of that value. Imports the standard library alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ml.advice.advise import SAID
from ml.advice.changes import KINDS
from ml.features.feature import (
    EXAM_HORIZON_DAYS,
    FULL_BETWEEN,
    FULL_HISTORY,
    FULL_PAUSE_HOURS,
    FULL_PRACTICE,
    FULL_STREAK,
    FULL_SUPPORT,
    FULL_VISITS,
    FULL_WORKLOAD,
    MONTH_DAYS,
    Feature,
    grows,
)
from ml.features.vector import FEATURES
from ml.language import ENGLISH, Language
from ml.scoring.change import in_words
from ml.scoring.prediction import Factor, reasoning_of
from ml.study.degraded import SENTENCES
from ml.study.objective_names import Unmastered
from ml.wording.choice import AUDIENCES, LANGUAGES, language
from ml.wording.learner import encouragement
from ml.wording.rewording import advice_text, next_step

GOLDEN = Path(__file__).with_name("golden_sentences.txt")
SHARES = (0.0, 0.004, 0.01, 0.24, 0.5, 0.64, 0.9, 0.996, 1.0)
LOGARITHMIC = {
    "objective_support": FULL_SUPPORT,
    "objective_answers": FULL_PRACTICE,
    "objective_visits": FULL_VISITS,
    "answers_since_objective": FULL_BETWEEN,
    "answers_of_history": FULL_HISTORY,
    "time_since_objective": FULL_PAUSE_HOURS,
    "time_since_any": FULL_PAUSE_HOURS,
}
LINEAR = {"workload_level": FULL_WORKLOAD, "objective_wrong_streak": FULL_STREAK, "days_since_last_study": MONTH_DAYS}
AMOUNTS = (1, 2, 4, 9, 10, 47, 71, 250, 1200)
"""Besides 0, 1 and the middle of the scale: where the plural sets in, where "only" ends, where hours become days."""
PROBABILITIES = (0.003, 0.01, 0.12, 0.399, 0.4, 0.6999, 0.7, 0.96, 0.99, 0.998)
NAMED = (1, 2, 3, 4, 12)
"""Prerequisites by name: one, two, and one or several more."""
PREREQUISITES = {
    "en": ("membrane transport", 'Explain the "resting" potential'),
    "de": ("Membrantransport", 'Das "Ruhepotential" erklären können'),
}
REASONS = {
    "en": ("the first reason", "the second reason", "the third reason", "the fourth reason"),
    "de": ("der erste Grund", "der zweite Grund", "der dritte Grund", "der vierte Grund"),
}


def values_of(feature: Feature) -> list[float]:
    """The values at which the feature's clause is on record."""
    if feature.name == "days_until_exam":
        amounts = [1 - days / EXAM_HORIZON_DAYS for days in (EXAM_HORIZON_DAYS, 89.9, 45, 2, 1, 0.5, 0)]
    elif full := LOGARITHMIC.get(feature.name):
        amounts = [0.0, 0.5, 1.0, *(grows(amount, full) for amount in AMOUNTS if amount < full)]
    elif full := LINEAR.get(feature.name):
        amounts = [0.0, 0.5, 1.0, *(amount / full for amount in AMOUNTS if amount < full)]
    else:
        amounts = [*SHARES, feature.neutral]
    return sorted(set(amounts))


def unmastered(count: int, code: str = "en") -> tuple[Unmastered, ...]:
    """So many prerequisites that are not mastered."""
    names = (*PREREQUISITES[code], *map("N{}".format, range(3, count + 1)))
    return tuple(Unmastered(name, name, min(0.69, place / 4)) for place, name in enumerate(names[:count]))


def lines() -> Iterator[str]:
    """The whole file, line by line: English for teachers, then every other language and reader."""
    yield from lines_in(ENGLISH)
    for code in LANGUAGES:
        for audience in AUDIENCES:
            if language(code, audience) is not ENGLISH:
                yield ""
                yield f"== {code}, {audience}"
                yield ""
                yield from lines_in(language(code, audience))


def lines_in(words: Language) -> Iterator[str]:
    """One language's lines. "raises" and "lowers": said where the contribution raises or lowers the risk."""
    for feature in FEATURES:
        yield f"{feature.name}: {feature.meaning}"
        for value in values_of(feature):
            raises, lowers = feature.clause(value, True, words), feature.clause(value, False, words)
            if raises == lowers:
                yield f"  {value:<6.4g} either   {raises}"
            else:
                yield f"  {value:<6.4g} raises   {raises}"
                yield f"  {value:<6.4g} lowers   {lowers}"
        for count in NAMED:
            if feature.names(unmastered(count)):
                yield f"  0.5    raises   {feature.clause_naming(0.5, unmastered(count, words.code), words)}"
        yield f"  none   either   {feature.absence(words)}"
        yield ""
    yield "general sentences"
    sentences = general(words) if words.audience == "teacher" else encouragements(words)
    yield from (f"  {sentence}" for sentence in sentences)
    yield from (f"  {sentence}" for sentence in changes(words))
    if words is not ENGLISH:
        yield from (f"  {sentence}" for sentence in advice(words))


def changes(words: Language) -> Iterator[str]:
    """How an answer differs from the one before, with and without the strongest reason."""
    for difference in (0.2, 0.006, 0.0, -0.004, -0.01, -0.2):
        for reason in ("", FEATURES[0].clause(0.4, difference > 0, words)):
            yield in_words(difference, "2025-10-09T09:00:00.000Z", reason, words)


def advice(words: Language) -> Iterator[str]:
    """Every kind of advice on every basis, and as the next step of a learner."""
    for kind in KINDS:
        for basis in SAID:
            told = {"kind": kind, "basis": basis, "objective_name": "Ionen", "probability": 0.404}
            yield advice_text(told, words)
        if words.audience == "learner":
            yield encouragement([], "", next_step([told], words), words)


def general(words: Language) -> Iterator[str]:
    """The answer's sentence for every level, for every number of reasons, and for every cause of default features."""
    for probability in PROBABILITIES:
        yield reasoning_of(probability, [], "", words)
    for sign in (+1, -1):
        for count in range(1, 5):
            factors = [
                Factor(reason, 0.5, sign * (2 - place / 10), reason)
                for place, reason in enumerate(REASONS[words.code][:count])
            ]
            for probability in (0.12, 0.45, 0.96):
                yield reasoning_of(probability, factors, "", words)
    yield reasoning_of(0.45, [Factor("ability", 0.5, 0.01, "not worth a word")], "", words)
    for degraded in (*SENTENCES.values(), "A caller's own words. Said twice!"):
        yield reasoning_of(0.49, [], degraded, words)


def encouragements(words: Language) -> Iterator[str]:
    """A learner's sentence: for every step, for whatever goes well, and for every cause of default features."""
    for feature in FEATURES:
        yield encouragement([Factor(feature.name, 0.5, 1.0, feature.clause(0.5, True, words))], "", "", words)
    for feature in FEATURES:
        for value in (0.0, 1.0):
            factors = [Factor(feature.name, value, -1.0, feature.clause(value, False, words))]
            yield encouragement(factors, "", "", words)
    yield encouragement([], "", "", words)
    for degraded in (*SENTENCES.values(), "A caller's own words. Said twice!"):
        yield encouragement([], degraded, "", words)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())

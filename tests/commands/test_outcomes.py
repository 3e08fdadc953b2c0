"""Outcomes by the platform's definition, the learner's word above it, and the right to be forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from db.writing.open import open_writer
from ml.places import HOUSE

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
PREDICTED = 1_750_000_000_000
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def platform(database: str) -> str:
    """A learner, an objective with cards, and one pending prediction of 0.8 named p."""
    with open_writer(database) as writer:
        writer.insert("User", ("id", "email"), [("u", "u@example.org")])
        writer.insert("Course", ("id", "userId", "name"), [("c", "u", "Course")])
        writer.insert("Lecture", ("id", "userId", "courseId", "title"), [("l", "u", "c", "Lecture")])
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), [("o", "l", "Objective")])
        writer.insert("Card", ("id", "courseId", "objectiveId"), [("k", "c", "o")])
    predicted(database, "p", 0.8)
    return database


def predicted(database: str, identifier: str, probability: float, at_ms: int = PREDICTED) -> None:
    fields = (
        "id",
        "userId",
        "learningObjectiveId",
        "predictedStruggleProbability",
        "predictionConfidence",
        "predictionDate",
        "predictedAt",
    )
    with open_writer(database) as writer:
        writer.insert("StrugglePrediction", fields, [(identifier, "u", "o", probability, 0.5, at_ms, at_ms)])


def answered(database: str, ratings: str, start_ms: int = PREDICTED, apart_ms: int = MINUTE) -> None:
    """One answer per letter: g for GOOD, a for AGAIN."""
    names = {"g": "GOOD", "a": "AGAIN", "h": "HARD"}
    rows = [(f"r{start_ms}-{n}", "u", "k", names[letter], start_ms + n * apart_ms) for n, letter in enumerate(ratings)]
    with open_writer(database) as writer:
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), rows)


def validated(database: str, score: float, at_ms: int) -> None:
    with open_writer(database) as writer:
        writer.insert("ValidationPrompt", ("id", "objectiveId", "conceptName"), [("q", "o", "Concept")])
        fields = ("id", "promptId", "userId", "score", "respondedAt")
        writer.insert("ValidationResponse", fields, [("v", "q", "u", score, at_ms)])


def said(database: str, prediction: str, struggled: bool, at_ms: int = PREDICTED) -> None:
    with open_writer(database) as writer:
        fields = ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt")
        writer.insert("PredictionFeedback", fields, [(f"f{at_ms}", prediction, "u", "HELPFUL", struggled, at_ms)])


def run(script: str, *arguments: str) -> dict[str, object]:
    command = [sys.executable, os.path.join(HOUSE, "scripts", script), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def record(database: str, *arguments: str) -> dict[str, object]:
    return run("record_outcomes.py", "--database-url", database, "--as-of", NOW, *arguments)


def stored(database: str, identifier: str = "p") -> tuple[object, ...]:
    with open_writer(database) as writer:
        fields = ("predictionStatus", "actualOutcome", "actualOutcomeRecordedAt")
        return writer.select("StrugglePrediction", fields, "id", [identifier])[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ratings", "probability", "status", "outcome"),
    [
        ("gga", 0.8, "FALSE_POSITIVE", False),  # 67 %
        ("gaa", 0.8, "CONFIRMED", True),
        ("ggaag", 0.3, "MISSED", True),  # 60 %
        ("gggag", 0.3, "RESOLVED", False),
        ("ggggg" + "a" * 5, 0.3, "RESOLVED", False),  # the first five are judged
        ("hgh", 0.5, "CONFIRMED", True),  # HARD is not correct, and 0.5 is "said"
        ("ggh", 0.5, "FALSE_POSITIVE", False),
    ],
)
def test_the_platform_s_definition_decides(
    platform: str, ratings: str, probability: float, status: str, outcome: bool
) -> None:
    predicted(platform, "other", probability)
    answered(platform, ratings)
    counts = record(platform)
    assert stored(platform, "other")[:2] == (status, outcome)
    assert counts["by_answers"] == 2
    assert record(platform)["still_open"] == 0, "a second run finds nothing left"
    assert stored(platform, "other")[:2] == (status, outcome)


@pytest.mark.slow
@pytest.mark.parametrize("apart_ms", [MINUTE, DAY], ids=["one visit", "short visits"])
def test_where_hard_is_a_pass_it_is_no_struggle(platform: str, apart_ms: int) -> None:
    answered(platform, "hgh", apart_ms=apart_ms)
    assert record(platform, "--correct-from", "HARD", "--dry-run")["false_positive"] == 1
    assert record(platform, "--dry-run")["confirmed"] == 1


def mark_of(database: str, identifier: str = "p") -> object:
    with open_writer(database) as writer:
        ((features,),) = writer.select("StrugglePrediction", ("featureVector",), "id", [identifier])
    return features.get("outcome") if isinstance(features, dict) else None


def decided_before(database: str, struggled: bool, recorded_ms: int = PREDICTED + DAY, **also: object) -> None:
    """As an earlier version, or the app, left p decided: without a mark."""
    status = "CONFIRMED" if struggled else "FALSE_POSITIVE"
    values = {"actualOutcome": struggled, "actualOutcomeRecordedAt": recorded_ms, "predictionStatus": status, **also}
    with open_writer(database) as writer:
        writer.update("StrugglePrediction", "p", **values)


@pytest.mark.slow
def test_an_outcome_says_by_whom_and_by_what_rule_it_was_decided(platform: str) -> None:
    with open_writer(platform) as writer:
        writer.update("StrugglePrediction", "p", featureVector={"retention_score": 0.3})
    answered(platform, "hgh")
    record(platform, "--correct-from", "HARD")
    assert mark_of(platform) == {"by": "answers", "correct_from": "HARD", "struggled": False}
    with open_writer(platform) as writer:
        ((features,),) = writer.select("StrugglePrediction", ("featureVector",), "id", ["p"])
    assert features["retention_score"] == 0.3  # type: ignore[index]
    said(platform, "p", True)
    record(platform)
    assert mark_of(platform) == {"by": "learner", "correct_from": "GOOD", "struggled": True}


@pytest.mark.slow
def test_again_decides_by_today_s_rule_what_the_earlier_one_decided(platform: str) -> None:
    answered(platform, "hgh")
    decided_before(platform, False)
    assert record(platform)["confirmed"] == 0, "what is decided stays"
    assert record(platform, "--again", "--dry-run")["changed"] == 1
    assert stored(platform)[:2] == ("FALSE_POSITIVE", False)
    counts = record(platform, "--again")
    assert (counts["judged_again"], counts["changed"]) == (1, 1)
    assert stored(platform) == ("CONFIRMED", True, PREDICTED + DAY)
    assert mark_of(platform) == {"by": "answers", "correct_from": "GOOD", "struggled": True}
    assert record(platform, "--again")["judged_again"] == 0


@pytest.mark.slow
def test_again_follows_the_setting_to_and_fro(platform: str) -> None:
    answered(platform, "hgh")
    record(platform)
    assert stored(platform)[:2] == ("CONFIRMED", True)
    for setting, outcome in (("HARD", False), ("GOOD", True)):
        assert record(platform, "--again", "--correct-from", setting)["changed"] == 1
        assert stored(platform)[1] is outcome


@pytest.mark.slow
def test_a_word_that_the_app_wrote_over_a_decided_outcome_stays(platform: str) -> None:
    answered(platform, "hgh")
    record(platform)
    with open_writer(platform) as writer:
        writer.update("StrugglePrediction", "p", actualOutcome=False, predictionStatus="FALSE_POSITIVE")
    for setting in ("HARD", "GOOD"):
        record(platform, "--again", "--correct-from", setting)
        assert stored(platform)[:2] == ("FALSE_POSITIVE", False)


@pytest.mark.slow
def test_again_leaves_learners_words_as_they_are(platform: str) -> None:
    """Said in the feedback table, or, where the app has none, in actualOutcome alone, against the answers."""
    answered(platform, "hgh")
    said(platform, "p", False)
    record(platform)
    assert record(platform, "--again")["judged_again"] == 0
    assert stored(platform)[1] is False
    with open_writer(platform) as writer:
        writer.delete("PredictionFeedback", "predictionId", ["p"])
        writer.update("StrugglePrediction", "p", featureVector=None)
    decided_before(platform, True)  # by the rule of then no struggle: these are the learner's own words
    assert record(platform, "--again")["changed"] == 0
    assert stored(platform)[1] is True
    assert mark_of(platform) == {"by": "app", "correct_from": "GOOD", "struggled": True}


@pytest.mark.slow
def test_again_sees_no_more_than_the_first_decision_saw(platform: str) -> None:
    """Answers given after an outcome was recorded cannot have made it, nor may they change it."""
    answered(platform, "ggg")
    answered(platform, "aaaaa", PREDICTED + 2 * DAY)
    decided_before(platform, False)
    assert record(platform, "--again")["changed"] == 0
    assert stored(platform) == ("FALSE_POSITIVE", False, PREDICTED + DAY)


@pytest.mark.slow
def test_an_outcome_whose_answers_are_gone_stays_unjudged(platform: str) -> None:
    answered(platform, "hgh")
    record(platform, "--correct-from", "HARD")
    with open_writer(platform) as writer:
        writer.delete("Review", "userId", ["u"])
    assert record(platform, "--again")["judged_again"] == 0
    assert mark_of(platform) == {"by": "answers", "correct_from": "HARD", "struggled": False}


@pytest.mark.slow
def test_a_validation_score_stands_under_either_setting(platform: str) -> None:
    validated(platform, 0.4, PREDICTED + DAY)
    record(platform)
    assert mark_of(platform) == {"by": "validation", "correct_from": "GOOD", "struggled": True}
    assert record(platform, "--again", "--correct-from", "HARD")["judged_again"] == 0


@pytest.mark.slow
def test_two_answers_leave_a_prediction_open_and_earlier_answers_decide_nothing(platform: str) -> None:
    answered(platform, "aaaa", PREDICTED - DAY)
    answered(platform, "aa")
    assert record(platform)["still_open"] == 1
    assert stored(platform) == ("PENDING", None, None)


@pytest.mark.slow
def test_answers_that_trickle_in_over_short_visits_are_judged_together(platform: str) -> None:
    answered(platform, "aga", apart_ms=DAY)
    record(platform)
    assert stored(platform)[:2] == ("CONFIRMED", True)


@pytest.mark.slow
def test_a_validation_score_decides(platform: str) -> None:
    validated(platform, 0.59, PREDICTED + DAY)
    assert record(platform)["by_validation"] == 1
    assert stored(platform)[:2] == ("CONFIRMED", True)


@pytest.mark.slow
def test_the_learner_s_word_outranks_the_answers_also_after_the_fact(platform: str) -> None:
    answered(platform, "aaa")
    record(platform)
    assert stored(platform)[:2] == ("CONFIRMED", True)
    said(platform, "p", False)
    assert record(platform)["by_learner"] == 1
    assert stored(platform)[:2] == ("FALSE_POSITIVE", False)
    assert record(platform)["by_learner"] == 0


@pytest.mark.slow
def test_of_two_words_the_later_counts_and_one_from_after_as_of_does_not(platform: str) -> None:
    said(platform, "p", True, PREDICTED + 2 * DAY)
    said(platform, "p", False, PREDICTED + DAY)
    said(platform, "p", False, PREDICTED + 1000 * DAY)
    record(platform)
    assert stored(platform)[:2] == ("CONFIRMED", True)


@pytest.mark.slow
@pytest.mark.parametrize("known_ms", [PREDICTED + 2 * DAY, None])
def test_what_the_app_has_set_decides_a_prediction_that_it_left_open(platform: str, known_ms: int | None) -> None:
    with open_writer(platform) as writer:
        writer.update("StrugglePrediction", "p", actualOutcome=False, actualOutcomeRecordedAt=known_ms)
    answered(platform, "aaa")
    assert record(platform)["by_app"] == 1
    status, outcome, recorded_ms = stored(platform)
    assert (status, outcome) == ("FALSE_POSITIVE", False)
    assert recorded_ms == known_ms or (known_ms is None and recorded_ms is not None)
    assert mark_of(platform) == {"by": "app", "correct_from": "GOOD", "struggled": False}
    assert record(platform, "--again")["changed"] == 0
    assert stored(platform)[:2] == ("FALSE_POSITIVE", False)


@pytest.mark.slow
def test_a_dry_run_counts_and_writes_nothing(platform: str) -> None:
    answered(platform, "aaa")
    assert record(platform, "--dry-run")["confirmed"] == 1
    assert stored(platform) == ("PENDING", None, None)


@pytest.mark.slow
def test_a_dismissed_prediction_is_left_alone(platform: str) -> None:
    with open_writer(platform) as writer:
        writer.update("StrugglePrediction", "p", predictionStatus="DISMISSED")
    answered(platform, "aaa")
    record(platform)
    assert stored(platform)[0] == "DISMISSED"


@pytest.mark.slow
def test_a_forgotten_learner_leaves_nothing_of_ours_behind(platform: str) -> None:
    said(platform, "p", True)
    with open_writer(platform) as writer:
        fields = ("id", "userId", "learningObjectiveId", "predictionId", "indicatorType", "severity")
        writer.insert("StruggleIndicator", fields, [("i", "u", "o", "p", "LOW_RETENTION", "HIGH")])
        writer.insert("StruggleIndicator", fields, [("i2", "u2", "o", "p2", "LOW_RETENTION", "HIGH")])
        writer.insert("User", ("id", "email"), [("u2", "u2@example.org")])
        others = ("id", "userId", "learningObjectiveId", "predictedStruggleProbability", "predictionConfidence")
        dates = ("predictionDate", "predictedAt")
        writer.insert("StrugglePrediction", (*others, *dates), [("p2", "u2", "o", 0.5, 0.5, PREDICTED, PREDICTED)])
        fields = ("id", "predictionId", "userId", "feedbackType", "actualStruggle", "submittedAt")
        writer.insert("PredictionFeedback", fields, [("f2", "p2", "u2", "HELPFUL", True, PREDICTED)])
    removed = run("forget_learner.py", "u", "--database-url", platform)["removed"]
    assert removed == {"prediction_feedbacks": 1, "struggle_indicators": 1, "struggle_predictions": 1}
    with open_writer(platform) as writer:
        for model, kept in (("StrugglePrediction", "p2"), ("StruggleIndicator", "i2"), ("PredictionFeedback", "f2")):
            assert [tuple(row) for row in writer.select(model, ("id",))] == [(kept,)], "another learner's stay"
        assert len(writer.select("User", ("id",))) == 2, "the app's own rows are the app's to erase"

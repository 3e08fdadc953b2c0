"""The estimates: what an answer teaches, what time takes away, and that nothing dated as_of or later is seen."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise
from math import isclose
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.reading.rows import ReviewRow, ValidationRow
from ml.features.build import features_of
from ml.features.vector import ESTIMATED_FEATURES, FeatureVector
from ml.scoring.scorecard import FILLED
from ml.study.difficulty import LearnerDifficulty, ObjectiveDifficulty, Totals
from ml.study.estimates import LearnerEstimates, ObjectiveTrace
from ml.study.history import DAY_MS, StudyHistory
from ml.study.occasion import occasion_of
from ml.study.scales import logistic
from ml.study.visits import VISIT_GAP_MS
from tests.support.features import estimated_features
from tests.support.history_builder import (
    AS_OF_MS,
    OBJECTIVE,
    ago,
    answers,
    card,
    known_scenario,
    study,
    study_rows,
    validation,
)
from tests.support.history_strategies import REVIEWS, ROWS

NAMES = {feature.name for feature in ESTIMATED_FEATURES}


def estimated(**rows: object) -> dict[str, float | None]:
    history = study(**rows)
    return estimated_features(history, LearnerEstimates.facing([history], None))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_any_rows_give_named_numbers_from_0_to_1(rows: dict[str, object]) -> None:
    found = estimated(**rows)
    assert found.keys() <= NAMES
    assert all(value is None or 0 <= value <= 1 for value in found.values())


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(REVIEWS, REVIEWS)
def test_flipping_every_later_outcome_changes_no_feature(earlier: list[ReviewRow], later: list[ReviewRow]) -> None:
    past = [review for review in earlier if review.reviewed_at_ms < AS_OF_MS]
    future = [review._replace(reviewed_at_ms=AS_OF_MS + abs(review.reviewed_at_ms - AS_OF_MS)) for review in later]
    flipped = [review._replace(rating="GOOD" if review.rating == "AGAIN" else "AGAIN") for review in future]
    assert estimated(reviews=past) == estimated(reviews=past + future) == estimated(reviews=past + flipped)


def test_an_answer_at_the_very_moment_is_not_seen() -> None:
    now = answers("AAAA", days_ago=0)[0]
    assert now.reviewed_at_ms == AS_OF_MS
    assert estimated(reviews=[*answers("GG"), now]) == estimated(reviews=answers("GG"))


def test_a_learner_without_answers_has_no_estimates_but_an_amount() -> None:
    found = estimated()
    assert found["answers_of_history"] == 0.0
    assert {name for name, value in found.items() if value is not None} == {
        "answers_of_history",
        "objective_answers",
        "objective_visits",
        "objective_support",
        *FILLED,
    }


def test_correct_answers_raise_ability_and_wrong_ones_lower_it_early_ones_most() -> None:
    estimates = LearnerEstimates()
    levels = [0.0]
    for review in answers("GGGGGGGGGG"):
        estimates.observe(review)
        levels.append(estimates.ability)
    steps = [later - earlier for earlier, later in pairwise(levels)]
    assert all(step > 0 for step in steps)
    assert steps[0] > 2 * steps[-1]
    estimates.observe(answers("A")[0])
    assert estimates.ability < levels[-1]


@pytest.mark.parametrize(
    ("rating", "correct_from", "correct"),
    [
        *[("AGAIN", "GOOD", 0), ("HARD", "GOOD", 0), ("GOOD", "GOOD", 1), ("EASY", "GOOD", 1)],
        *[("AGAIN", "HARD", 0), ("HARD", "HARD", 1), ("GOOD", "HARD", 1), ("EASY", "HARD", 1)],
    ],
)
def test_the_setting_says_which_answers_are_correct(rating: str, correct_from: str, correct: int) -> None:
    estimates = LearnerEstimates(correct_from=correct_from)
    estimates.observe(answers("A")[0]._replace(rating=rating))
    assert estimates.correct == correct


def test_a_rating_that_is_no_grade_is_no_answer() -> None:
    unlike = answers("G")[0]._replace(rating="SKIPPED")
    assert estimated(reviews=[*answers("GA", days_ago=2), unlike]) == estimated(reviews=answers("GA", days_ago=2))


def test_a_success_on_one_objective_says_more_of_it_than_of_another() -> None:
    estimates = LearnerEstimates()
    for review in answers("GGGGG", objective="easy") + answers("AAAAA", objective="hard"):
        estimates.observe(review)
    assert estimates.objectives["easy"].offset.logit > 0 > estimates.objectives["hard"].offset.logit


def test_visits_part_after_more_than_an_hour_not_at_it() -> None:
    at_the_hour = answers("GG", apart_ms=VISIT_GAP_MS)
    beyond = answers("GG", apart_ms=VISIT_GAP_MS + 1)
    for reviews, visits in ((at_the_hour, 1), (beyond, 2)):
        estimates = LearnerEstimates()
        for review in reviews:
            estimates.observe(review)
        assert estimates.objectives[OBJECTIVE].visits == visits


def test_a_visit_is_judged_by_its_first_five_answers() -> None:
    estimates = LearnerEstimates()
    for review in answers("GGAGGAAAA"):
        estimates.observe(review)
    trace = estimates.objectives[OBJECTIVE]
    assert (trace.judged, trace.struggled, trace.visit.judged) == (1, 0, 5)
    for review in answers("GAA", days_ago=0.5):
        estimates.observe(review)
    assert (trace.judged, trace.struggled) == (2, 1)


def test_retention_follows_the_power_law_from_the_real_gap() -> None:
    trace = ObjectiveTrace(0.7)
    trace.last_ms = AS_OF_MS - DAY_MS
    trace.stability_days = 1.0
    assert isclose(trace.retention(AS_OF_MS), 0.9, abs_tol=1e-12)  # what stability means
    assert trace.retention(AS_OF_MS + DAY_MS) < trace.retention(AS_OF_MS)


def test_a_success_after_a_long_gap_builds_more_stability_than_after_a_short_one_and_a_lapse_costs_some() -> None:
    def stability(ratings: str, gap_days: float) -> float:
        estimates = LearnerEstimates()
        for review in answers("G", days_ago=gap_days) + answers(ratings, days_ago=0):
            estimates.observe(review)
        return estimates.objectives[OBJECTIVE].stability_days

    assert stability("A", 10) < 1.0 < stability("G", 2) < stability("G", 10)
    assert stability("GA", 10) == stability("G", 10)  # only a visit's first answer tells of memory


def test_stability_stays_between_an_hour_and_a_year() -> None:
    def stability(ratings: str, gap_days: int) -> float:
        estimates = LearnerEstimates()
        for place, rating in enumerate(ratings):
            estimates.observe(answers(rating, days_ago=gap_days * (len(ratings) - place))[0])
        return estimates.objectives[OBJECTIVE].stability_days

    assert stability("GGGGGGGG", 400) == 365.0
    assert stability("AAAAAAAA", 1) == 0.05


@pytest.mark.parametrize(
    ("ratings", "streak"), [("A", 0.2), ("AA", 0.4), ("GAAA", 0.6), ("AAAG", 0.0), ("AAAAA", 1.0), ("AAAAAAA", 1.0)]
)
def test_a_streak_of_wrong_answers_counts_to_five(ratings: str, streak: float) -> None:
    assert estimated(reviews=answers(ratings))["objective_wrong_streak"] == pytest.approx(streak)


@pytest.mark.parametrize(("struggled", "bound"), [(0, 0.01), (100_000, 0.99)])
def test_a_struggle_rate_is_never_taken_for_certain(struggled: int, bound: float) -> None:
    counts = (10, 3, 10, 100_000, struggled, 100_000, struggled, 0, 0, 10, 3, 10, 3)
    totals = Totals(counts)
    difficulty = LearnerDifficulty(totals, {OBJECTIVE: ObjectiveDifficulty(counts, totals)}, {}, {})
    found = estimated_features(study(), LearnerEstimates(difficulty))
    assert found["expected_struggle"] == pytest.approx(bound)


def test_the_logistic_function_ends_at_zero_where_the_exponential_would_overflow() -> None:
    assert [logistic(x) for x in (-1e9, -710.0, 0.0, 1e9)] == [0.0, 0.0, 0.5, 1.0]


def test_more_lapses_never_raise_what_speaks_for_the_learner() -> None:
    speaks_for = {feature.name for feature in ESTIMATED_FEATURES if feature.direction < 0}
    better, worse = estimated(reviews=answers("GGAGG")), estimated(reviews=answers("GAAAG"))
    compared = [name for name in speaks_for if better.get(name) is not None]
    assert len(compared) >= 8
    assert all(worse[name] <= better[name] for name in compared)  # type: ignore[operator]


def test_times_that_are_mere_places_in_an_order_give_no_time_features() -> None:
    by_time = {"retention_estimate", "time_since_objective", "time_since_any"}
    timed, ordered = estimated(reviews=answers("GGA")), estimated(reviews=answers("GGA", order_only=True))
    assert all(timed[name] is not None for name in by_time)
    assert all(ordered.get(name) is None for name in by_time)


def test_a_validation_score_moves_ability_but_opens_no_visit() -> None:
    failed = estimated(reviews=answers("GG", days_ago=3), validations=[validation(0.0, 1)])
    passed = estimated(reviews=answers("GG", days_ago=3), validations=[validation(1.0, 1)])
    assert failed["ability"] < passed["ability"]  # type: ignore[operator]
    assert failed["objective_visits"] == passed["objective_visits"]


def test_an_objective_that_nobody_knows_is_the_average_one() -> None:
    found = estimated()
    assert {name: found[name] for name in FILLED} == {name: pytest.approx(0.3) for name in FILLED}
    vector = FeatureVector.of(estimated(reviews=answers("GGG")), AS_OF_MS)
    assert {"objective_error_rate", "objective_struggle_rate", "related_performance"} <= vector.defaulted
    assert vector.known("objective_support") == 0.0
    failed = FeatureVector.of(estimated(reviews=answers("AAA")), AS_OF_MS)
    for name in FILLED:
        right, wrong = vector.known(name), failed.known(name)
        assert right is not None, name
        assert wrong is not None, name
        assert right < 0.3 < wrong, name


def test_where_a_table_lacks_the_objective_its_totals_stand_in() -> None:
    easy, hard = (
        LearnerDifficulty(
            Totals((1000, wrong, 0, 300, struggled, 200, struggled, 0, 0, 900, wrong, 600, wrong)), {}, {}, {}
        )
        for wrong, struggled in ((100, 20), (600, 180))
    )
    of_easy, of_hard = (estimated_features(study(), LearnerEstimates(each)) for each in (easy, hard))
    assert of_easy["objective_support"] == of_hard["objective_support"] == 0.0
    for name in FILLED:
        assert of_easy[name] < 0.3 < of_hard[name], name  # type: ignore[operator]
    assert of_hard["expected_struggle"] == pytest.approx((180 + 8 * 363 / 510) / 308)


def test_the_next_cards_are_told_against_their_objective() -> None:
    counts = {"easy": (200, 20), "usual": (200, 60), "hard": (200, 150), "hard too": (200, 150)}
    totals = Totals((1000, 300, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    objective = ObjectiveDifficulty((1000, 300, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), totals)
    estimates = LearnerEstimates(LearnerDifficulty(totals, {OBJECTIVE: objective}, counts, {}))

    def of(*cards: str) -> float:
        found = estimated_features(study(), estimates, cards)["first_card_difficulty"]
        assert found is not None
        return found

    assert of("usual") == pytest.approx(0.5, abs=0.01)
    assert of("easy") < of("usual") < of("hard") < of("hard", "hard too")
    assert of("hard", "new card") == of("hard")
    assert estimated_features(study(), estimates, ["new card"])["first_card_difficulty"] is None
    due = [card(name=name)._replace(next_review_at_ms=AS_OF_MS + n) for n, name in enumerate(("hard", "usual", "easy"))]
    later = [card(name="hard too")._replace(next_review_at_ms=AS_OF_MS + 9)]
    scheduled = estimated_features(study(cards=[*later, *due]), estimates)["first_card_difficulty"]
    assert scheduled == pytest.approx(of("hard", "usual", "easy"))


def test_cards_due_are_known_only_now() -> None:
    due = [card(name="a")._replace(next_review_at_ms=AS_OF_MS)]
    history = StudyHistory.before(study_rows(cards=due, is_now=False))
    assert "first_card_difficulty" not in {
        name for name, value in estimated_features(history, LearnerEstimates.facing([history], None)).items() if value
    }


@settings(max_examples=40, deadline=None)
@given(REVIEWS, st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), max_size=5))
def test_replaying_and_observing_one_by_one_agree(reviews: list[ReviewRow], scores: list[tuple[float, int]]) -> None:
    validations = [ValidationRow(OBJECTIVE, None, score, ago(days)) for score, days in scores]
    history = study(reviews=reviews, validations=validations)
    past = history.past
    stepwise = LearnerEstimates()
    events = [(v.responded_at_ms, 0, v) for v in past.validations] + [(r.reviewed_at_ms, 1, r) for r in past.reviews]
    for _, kind, row in sorted(events, key=lambda event: event[:2]):
        (stepwise.observe if kind else stepwise.observe_validation)(row)  # type: ignore[operator]
    replayed = LearnerEstimates.facing([history], None)
    assert estimated_features(history, stepwise) == estimated_features(history, replayed)


class _Learner(SimpleNamespace):
    """Of a class of ours, since a tuple tells nobody that it is gone."""


def test_a_history_ends_without_the_garbage_collector() -> None:
    """Batches and services would otherwise keep the rows of many learners, for the collector to go through."""
    rows = known_scenario()
    rows = rows._replace(learner=rows.learner._replace(learner=_Learner(**rows.learner.learner._asdict())))
    history = StudyHistory.before(rows)
    last_of_all = weakref.ref(rows.learner.learner)
    gc.disable()
    try:
        features_of(history, LearnerEstimates.facing([history], None))
        occasion_of(history.past, history.objective)
        del rows, history
        assert last_of_all() is None
    finally:
        gc.enable()

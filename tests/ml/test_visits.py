"""The platform's visit: where one ends and the next begins, whose a validation score is, and what a struggle is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.study.estimates import LearnerEstimates
from ml.study.history import HOUR_MS, MINUTE_MS
from ml.study.visits import Visit, runs_of, visits_of
from scripts.importing import study as imported
from tests.house.test_house import ROOT
from tests.support.history_builder import OBJECTIVE, ago, answers, validation

NOON_MS = ago(10)


def prompt(score: float | None, at_ms: int, objective: str | None = OBJECTIVE) -> object:
    return validation(score, 0, objective)._replace(responded_at_ms=at_ms)


def told(visits: list[Visit]) -> list[tuple[object, ...]]:
    """Each visit in a line: objective, minutes from noon to its start and end, counts, scores, whether a repeat."""
    return [
        (
            visit.objective_id,
            (visit.started_ms - NOON_MS) // MINUTE_MS,
            (visit.last_ms - NOON_MS) // MINUTE_MS,
            visit.answers,
            visit.judged,
            visit.wrong,
            visit.scores,
            visit.repeat,
        )
        for visit in visits
    ]


def test_a_gap_of_an_hour_keeps_a_visit_and_a_longer_one_ends_it() -> None:
    assert told(visits_of(answers("GA", 10, apart_ms=HOUR_MS))) == [(OBJECTIVE, 0, 60, 2, 2, 1, [], False)]
    assert told(visits_of(answers("GA", 10, apart_ms=HOUR_MS + 1))) == [
        (OBJECTIVE, 0, 0, 1, 1, 0, [], False),
        (OBJECTIVE, 60, 60, 1, 1, 1, [], True),
    ]


def test_a_visit_starts_where_it_ends() -> None:
    visit = Visit(OBJECTIVE, NOON_MS, True)
    assert (visit.started_ms, visit.last_ms, visit.repeat, visit.answers, visit.scores) == (
        NOON_MS,
        NOON_MS,
        True,
        0,
        [],
    )


def test_only_the_first_five_answers_are_judged() -> None:
    (visit,) = visits_of(answers("GAGGGAAA", 10))
    assert (visit.answers, visit.judged, visit.wrong) == (8, 5, 1)


def test_objectives_have_visits_of_their_own_and_rows_that_are_no_answers_belong_to_none() -> None:
    reviews = [
        *answers("GA", 10),
        *answers("AA", 9.5, "b"),
        *answers("GG", 9.4, None),
        *(row._replace(rating="MANUAL") for row in answers("GG", 9.3)),
        *answers("H", 9, OBJECTIVE),
        *answers("E", 8, "b"),
    ]
    days = 24 * 60
    assert told(visits_of(reviews)) == [
        (OBJECTIVE, 0, 1, 2, 2, 1, [], False),
        ("b", days // 2, days // 2 + 1, 2, 2, 2, [], False),
        (OBJECTIVE, days, days, 1, 1, 1, [], True),
        ("b", 2 * days, 2 * days, 1, 1, 0, [], True),
    ]


@pytest.mark.parametrize(
    ("minute", "inside"), [(-1, False), (0, False), (1, True), (5, True), (10, True), (11, False), (70, False)]
)
def test_a_validation_belongs_to_the_visit_that_it_interrupts(minute: int, inside: bool) -> None:
    reviews = answers("GA", 10, apart_ms=10 * MINUTE_MS)
    visits = visits_of(reviews, [prompt(0.4, NOON_MS + minute * MINUTE_MS)])
    answered = (OBJECTIVE, 0, 10, 2, 2, 1, [0.4] if inside else [], False)
    alone = (OBJECTIVE, minute, minute, 0, 0, 0, [0.4], minute > 0)
    assert told(visits) == ([answered] if inside else [alone, answered] if minute < 0 else [answered, alone])


def test_validations_without_a_visit_run_together_within_an_hour_of_the_last() -> None:
    prompts = [prompt(0.4, NOON_MS + minute * MINUTE_MS) for minute in (0, 60, 120, 181)]
    prompts += [prompt(0.9, NOON_MS + 185 * MINUTE_MS, "b"), prompt(0.5, NOON_MS + 190 * MINUTE_MS)]
    assert told(visits_of([], prompts)) == [
        (OBJECTIVE, 0, 120, 0, 0, 0, [0.4, 0.4, 0.4], False),
        (OBJECTIVE, 181, 190, 0, 0, 0, [0.4, 0.5], False),
        ("b", 185, 185, 0, 0, 0, [0.9], False),
    ]


def test_validations_without_objective_or_score_say_nothing_and_others_are_held_to_0_and_1() -> None:
    prompts = [prompt(None, NOON_MS), prompt(0.5, NOON_MS, None), prompt(1.5, NOON_MS), prompt(-0.5, NOON_MS)]
    assert told(visits_of([], prompts)) == [(OBJECTIVE, 0, 0, 0, 0, 0, [1.0, 0.0], False)]


def test_a_validation_finds_its_visit_among_several() -> None:
    reviews = answers("GG", 10, apart_ms=10 * MINUTE_MS) + answers("GG", 9, apart_ms=10 * MINUTE_MS)
    first, second = visits_of(reviews, [prompt(0.2, ago(10) + 1), prompt(0.3, ago(9) + 1)])
    assert (first.scores, second.scores) == ([0.2], [0.3])


def test_a_visit_that_began_at_the_same_instant_as_a_run_of_prompts_comes_first() -> None:
    assert [visit.prompted for visit in visits_of(answers("G", 10), [prompt(0.4, NOON_MS)])] == [False, True]


def visit_of(ratings: str, *scores: float) -> Visit:
    visits = visits_of(answers(ratings, 10), [prompt(score, NOON_MS + 1) for score in scores])
    assert len(visits) == 1
    return visits[0]


@pytest.mark.parametrize(
    ("ratings", "struggled"),
    [
        *[("AA", None), ("GG", None), ("GGG", False), ("AGG", False), ("AAG", True), ("AGGG", False), ("AAGG", True)],
        *[("AGGGG", False), ("AAGGG", True), ("AGGGGAAAA", False), ("AAAGGGGGG", True), ("HHH", True), ("GEH", False)],
    ],
)
def test_performance_below_65_percent_of_the_first_five_is_a_struggle(ratings: str, struggled: bool | None) -> None:
    assert visit_of(ratings).struggled() is struggled


@pytest.mark.parametrize("ratings", ["HHH", "GHH", "AHGGG", "HHGGG", "HGHGA"])
def test_where_hard_is_a_pass_only_again_is_wrong(ratings: str) -> None:
    """platform.md: GOOD and EASY are correct, unless the deployment counts from HARD."""
    (strict,), (lenient,) = visits_of(answers(ratings, 10)), visits_of(answers(ratings, 10), (), "HARD")
    assert (strict.struggled(), lenient.struggled()) == (True, False)
    assert lenient.wrong == ratings.count("A")


@pytest.mark.parametrize("correct_from", ["GOOD", "HARD"])
def test_right_and_wrong_alone_are_judged_alike_under_both_settings(correct_from: str) -> None:
    reviews = [*answers("GAGAG", 10), *answers("GGGAE", 9), *answers("AAG", 8)]
    assert told(visits_of(reviews, (), correct_from)) == told(visits_of(reviews))


def test_a_validation_score_decides_whatever_the_answers_and_however_few() -> None:
    assert visit_of("GGGGG", 0.599).struggled() is True
    assert visit_of("AAAAA", 0.6).struggled() is False
    assert visit_of("GG", 0.2, 0.9).struggled() is True  # their mean
    assert visit_of("GG", 0.3, 0.9).struggled() is False
    (alone,) = visits_of([], [prompt(0.1, NOON_MS)])
    assert alone.prompted
    assert alone.validation == 0.1
    assert alone.struggled() is True
    assert visit_of("GG").validation is None


def test_another_threshold_replaces_all_of_the_platforms() -> None:
    assert visit_of("AAGGG").struggled(below=0.6) is False  # 60 %
    assert visit_of("AAGGG").struggled(below=0.61) is True
    assert visit_of("AAAGG").struggled(below=0.4) is False  # three AGAIN and yet not below 40 %
    assert visit_of("GG", 0.5).struggled(below=0.5) is False
    assert visit_of("GG", 0.5).struggled(below=0.51) is True
    assert visit_of("GG").struggled(below=0.9) is None


gaps = st.lists(
    st.tuples(st.sampled_from((0, HOUR_MS // 3, HOUR_MS, HOUR_MS + 1)), st.sampled_from("AHGE"), st.sampled_from("st")),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@given(gaps, st.sampled_from(("GOOD", "HARD")))
def test_estimates_imports_and_labels_cut_and_judge_the_same_visits(
    rows: list[tuple[int, str, str]], correct_from: str
) -> None:
    at_ms, reviews = NOON_MS, []
    for gap_ms, rating, objective in rows:
        at_ms += gap_ms
        (review,) = answers(rating, 0, objective=objective)
        reviews.append(review._replace(reviewed_at_ms=at_ms))
    visits = visits_of(reviews, (), correct_from)
    labels = [label for visit in visits if (label := visit.struggled()) is not None]
    estimates = LearnerEstimates(correct_from=correct_from)
    for review in reviews:
        estimates.observe(review)
    assert (estimates.judged, estimates.struggled) == (len(labels), sum(labels))
    log = [
        imported.Review(str(n), "ann", review.objective_id or "", review.card_id, "GOOD", review.reviewed_at_ms)
        for n, review in enumerate(reviews)
    ]
    sessions = imported.visits(log, order_only=False)
    assert [(each.started_at_ms, each.completed_at_ms, len(each.reviews)) for each in sessions] == [
        (visit.started_ms, visit.last_ms, visit.answers) for visit in visits
    ]


def test_rows_about_different_things_run_side_by_side() -> None:
    rows = [(0, "s"), (1, "t"), (HOUR_MS, "s"), (2 * HOUR_MS + 1, "s"), (2 * HOUR_MS + 1, "t")]
    assert runs_of(rows, lambda row: row[0], lambda row: row[1]) == [
        [(0, "s"), (HOUR_MS, "s")],
        [(1, "t")],
        [(2 * HOUR_MS + 1, "s")],
        [(2 * HOUR_MS + 1, "t")],
    ]
    assert runs_of([], int) == []


@pytest.mark.slow
def test_no_other_place_cuts_or_judges_a_visit() -> None:
    """The gap and the counts of a judgement have one user; PERFORMANCE_BELOW is shown and compared elsewhere."""
    own = {"VISIT_GAP_MS", "FEWEST_ANSWERS", "JUDGED_ANSWERS", "VALIDATION_BELOW"}
    found = []
    for folder in ("ml", "db", "scripts"):
        for path in sorted(Path(ROOT, folder).rglob("*.py")):
            if path.match("ml/study/visits.py"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom):
                    found += [f"{path.relative_to(ROOT)}: {each.name}" for each in node.names if each.name in own]
    assert found == [
        "ml/study/estimates.py: JUDGED_ANSWERS",  # which answers open a visit
        "ml/training/relations.py: FEWEST_ANSWERS",  # which visits are long enough to compare
    ]

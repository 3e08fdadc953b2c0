"""The fifteen features: what each says of a history, and what none of them may ever do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from db.reading.rows import MissionRow, PatternRow
from ml.features import context, platform
from ml.features.platform_table import PLATFORM_FEATURES
from ml.study.history import DAY_MS, HOUR_MS, LearnerHistory, StudyHistory
from tests.support.features import platform_features
from tests.support.history_builder import (
    ACTION_POTENTIALS,
    AS_OF_MS,
    LEARNER,
    UPPER_LIMB,
    ago,
    answers,
    card,
    event,
    exam,
    known_scenario,
    mastery,
    metric,
    mission,
    objective,
    outcome,
    pattern,
    prerequisite,
    profile,
    session,
    study,
    study_rows,
    validation,
)
from tests.support.history_strategies import ROWS, without_the_future
from tests.support.work_done import lines_run


def feature(name: str, **rows: object) -> float | None:
    return platform_features(study(**rows))[name]


def test_the_fifteen_and_no_others() -> None:
    assert sorted(platform_features(study())) == sorted(feature.name for feature in PLATFORM_FEATURES)


def test_an_empty_history_knows_only_the_objective() -> None:
    known = {name: value for name, value in platform_features(study()).items() if value is not None}
    assert known == {"content_complexity": 0.6}


class TestRetention:
    def test_is_the_mean_of_the_courses_metrics_of_thirty_days(self) -> None:
        metrics = [
            metric(0.9, 40),
            metric(0.4, 20),
            metric(0.2, 10, objective="another"),
            metric(1.0, 5, course="elsewhere"),
        ]
        assert feature("retention_score", metrics=metrics) == pytest.approx(0.3)

    def test_falls_back_on_the_courses_answers(self) -> None:
        reviews = answers("GGGG", 40) + answers("GEA", 3) + answers("AAAA", 3, "x", "elsewhere") + answers("A", 2, "x")
        assert feature("retention_score", reviews=reviews) == pytest.approx(0.5)

    def test_is_unknown_when_the_course_was_not_studied_of_late(self) -> None:
        assert feature("retention_score", reviews=answers("GGG", 31), metrics=[metric(0.5, 31)]) is None

    def test_thirty_days_of_order_only_answers_end_with_the_last_of_them(self) -> None:
        assert feature("retention_score", reviews=answers("GA", 400, order_only=True)) == 0.5

    def test_without_a_course_the_objective_is_the_topic(self) -> None:
        reviews = answers("GG", 2, course=None) + answers("AA", 2, "x", course=None)
        assert feature("retention_score", faced=objective(course=None), reviews=reviews) == 1.0

    @pytest.mark.parametrize(
        ("scores", "decline"),
        [
            ((0.8, 0.8, 0.8, 0.4, 0.4, 0.4), 0.4),
            ((0.4, 0.4, 0.4, 0.8, 0.8, 0.8), 0.0),
            ((0.9, 0.1, 0.9, 0.1, 0.1), None),
        ],
    )
    def test_decline_is_the_older_half_less_the_newer(self, scores: tuple[float, ...], decline: float | None) -> None:
        metrics = [metric(score, 20 - day) for day, score in enumerate(scores)]
        assert feature("retention_decline_rate", metrics=metrics) == (
            None if decline is None else pytest.approx(decline)
        )


class TestAnswers:
    def test_lapse_rate_is_the_share_of_again_on_the_objective(self) -> None:
        reviews = answers("AGHE", 9) + answers("AAAA", 8, "another")
        assert feature("review_lapse_rate", reviews=reviews) == 0.25

    def test_lapse_rate_of_own_cards_where_there_are_no_answers(self) -> None:
        cards = [card(1, 8, "a"), card(3, 8, "b"), card(None, None, "c")]
        own = objective(owner=LEARNER)
        assert feature("review_lapse_rate", faced=own, cards=cards) == 0.25
        assert feature("review_lapse_rate", faced=own, cards=cards, is_now=False) is None
        assert feature("review_lapse_rate", faced=objective(owner="another"), cards=cards) is None
        assert feature("review_lapse_rate", faced=own, cards=[card(5, 3)]) == 1.0
        assert feature("review_lapse_rate", faced=own, cards=[card(-5, 4), card(1, -2)]) == 0.25

    def test_unknown_ratings_are_no_answers(self) -> None:
        reviews = [*answers("AG", 2), *(row._replace(rating="MANUAL") for row in answers("GGGG", 1))]
        assert feature("review_lapse_rate", reviews=reviews) == 0.5
        assert feature("retention_score", reviews=reviews) == 0.5

    def test_session_performance_is_good_and_easy_in_the_newest_five_runs(self) -> None:
        reviews = answers("AAAAAAAA", 30)
        for day in range(1, 6):
            reviews += answers("GEHA", day, f"objective {day}", f"course {day}")
        assert feature("session_performance_score", reviews=reviews) == 0.5

    def test_session_performance_from_events_where_there_are_no_answers(self) -> None:
        events = [event(None, 3, 40), event(None, 2, None), event(None, 1, 80), event(None, 0.5, 900)]
        assert feature("session_performance_score", events=events) == pytest.approx((0.4 + 0.8 + 1) / 3)
        assert feature("session_performance_score", events=events, consents=False) is None
        assert feature("session_performance_score", events=[event(None, 1, 0), event(None, 0.5, -7)]) == 0.0

    def test_validation_is_the_objectives_own_before_the_courses(self) -> None:
        course = [validation(0.2, 3, "another"), validation(0.4, 2, None)]
        assert feature("validation_score", validations=course) == pytest.approx(0.3)
        assert feature("validation_score", validations=[*course, validation(0.9, 9)]) == 0.9
        assert feature("validation_score", validations=[validation(math.nan, 9), validation(None, 8)]) is None

    def test_validation_is_the_mean_of_the_newest_five_own_scores_or_ten_of_the_course(self) -> None:
        own = [validation(1.0, 20)] + [validation(0.5, 9 - day) for day in range(5)]
        assert feature("validation_score", validations=own) == 0.5
        course = [validation(1.0, 20, "another")] + [validation(0.5, 19 - day, "another") for day in range(10)]
        assert feature("validation_score", validations=course) == 0.5
        assert feature("validation_score", faced=objective(course=None), validations=course) is None


class TestPrerequisites:
    def test_none_stated_is_no_data(self) -> None:
        assert feature("prerequisite_gap_count") is None
        assert feature("prerequisite_mastery_gap", prerequisites=[prerequisite("objective")]) is None  # of itself

    def test_what_is_stated_twice_counts_once(self) -> None:
        mastered, missing = prerequisite("a", "MASTERED"), prerequisite("b")
        twice = study(prerequisites=[missing, mastered, missing])
        assert [row.objective_id for row in twice.prerequisites] == ["b", "a"]
        stated = feature("prerequisite_gap_count", prerequisites=[missing, mastered, missing])
        assert stated == feature("prerequisite_gap_count", prerequisites=[missing, mastered])

    @pytest.mark.parametrize(
        ("level", "mastered"),
        [("NOT_STARTED", 0), ("BEGINNER", 0.25), ("INTERMEDIATE", 0.5), ("ADVANCED", 0.75), ("MASTERED", 1)],
    )
    def test_the_owners_level_counts_now(self, level: str, mastered: float) -> None:
        rows = {"prerequisites": [prerequisite(level=level)]}
        assert feature("prerequisite_mastery_gap", **rows) == 1 - mastered
        assert feature("prerequisite_gap_count", **rows) == (mastered < 0.7)
        assert feature("prerequisite_mastery_gap", **rows, is_now=False) == 1.0

    def test_another_owners_level_says_nothing(self) -> None:
        assert feature("prerequisite_mastery_gap", prerequisites=[prerequisite(level="MASTERED", owner="x")]) == 1.0

    @pytest.mark.parametrize(
        ("ratings", "scores", "unmastered"),
        [("", (), 1), ("GG", (), 1), ("GGG", (), 0), ("AAAAGGGGGGGGGG", (), 0), ("GGGGGGGAA", (), 0),
         ("GGGGGGGAAA", (), 1), ("", (1.0,), 0),
         ("", (0.9,), 1), ("GG", (0.95, 0.95), 0)],
    )  # fmt: skip
    def test_other_learners_mastery_is_shown_by_their_rows(
        self, ratings: str, scores: tuple[float, ...], unmastered: int
    ) -> None:
        rows = {
            "prerequisites": [prerequisite(owner=None, level=None)],
            "reviews": answers(ratings, 5, "prerequisite"),
            "validations": [validation(score, 4 - place, "prerequisite") for place, score in enumerate(scores)],
        }
        assert feature("prerequisite_gap_count", **rows) == unmastered
        assert feature("prerequisite_gap_count", **rows, is_now=False) == unmastered

    def test_an_owner_who_has_answered_has_started_whatever_the_column_says(self) -> None:
        rows = {"prerequisites": [prerequisite(level="NOT_STARTED")], "reviews": answers("GGGG", 3, "prerequisite")}
        assert feature("prerequisite_gap_count", **rows) == 0.0

    def test_daily_retention_stands_in_for_answers(self) -> None:
        rows = {
            "prerequisites": [prerequisite(level=None)],
            "metrics": [metric(0.9, day, "prerequisite") for day in (3, 2, 1.1)],
        }
        assert feature("prerequisite_gap_count", **rows) == 0.0


class TestLevel:
    @pytest.mark.parametrize(
        ("complexity", "value"), [("BASIC", 0.3), ("INTERMEDIATE", 0.6), ("ADVANCED", 0.9), ("ODD", None), (None, None)]
    )
    def test_complexity(self, complexity: str | None, value: float | None) -> None:
        assert feature("content_complexity", faced=objective(complexity=complexity)) == value

    def test_mismatch_is_what_complexity_exceeds_the_level_by(self) -> None:
        advanced = objective(complexity="ADVANCED")
        reviews = answers("GGGAAAAAAA", 3, "another")
        assert feature("complexity_mismatch", faced=advanced, reviews=reviews) == 0.6  # not 0.6000000000000001
        assert feature("complexity_mismatch", faced=objective(complexity="BASIC"), reviews=reviews) == 0.0
        assert feature("complexity_mismatch", faced=advanced, reviews=answers("AA", 3)) is None

    def test_the_level_may_come_from_what_the_learner_has_started(self) -> None:
        masteries = [mastery("a", "BEGINNER"), mastery("b", "NOT_STARTED"), mastery("c", "MASTERED", "elsewhere")]
        advanced = objective(complexity="ADVANCED")
        assert feature("complexity_mismatch", faced=advanced, masteries=masteries) == 0.65
        assert feature("complexity_mismatch", faced=advanced, masteries=masteries, is_now=False) is None


class TestHistoricalStruggle:
    def test_visits_of_the_course(self) -> None:
        reviews = answers("AAG", 9) + answers("AAA", 8, "b") + answers("GGA", 7, "c") + answers("AA", 6, "d")
        reviews += answers("AAA", 6, "e", "elsewhere")
        assert feature("historical_struggle_score", reviews=reviews) == 2 / 4
        assert feature("historical_struggle_score", reviews=answers("GGG", 5)) == 0.0

    def test_recorded_outcomes_of_the_course(self) -> None:
        outcomes = [outcome(True, 3), outcome(True, 2, "b"), outcome(False, 1, "c", "elsewhere")]
        assert feature("historical_struggle_score", outcomes=outcomes) == 4 / 5

    def test_recorded_outcomes_of_the_objective_alone_where_no_course_is_known(self) -> None:
        outcomes = [outcome(True, 3, course=None), outcome(False, 2, "b", None), outcome(False, 1, "c", "elsewhere")]
        assert feature("historical_struggle_score", faced=objective(course=None), outcomes=outcomes) == 2 / 3

    def test_only_the_newest_twenty_outcomes_count(self) -> None:
        outcomes = [outcome(True, 30)] + [outcome(False, 25 - day) for day in range(20)]
        assert feature("historical_struggle_score", outcomes=outcomes) == 0.0
        assert feature("historical_struggle_score", outcomes=outcomes[:-1]) == 2 / 41

    @pytest.mark.parametrize("named", [{"courseId": "course"}, {"topicArea": "Course"}, {"topicArea": "renal"}])
    def test_a_sure_pattern_that_names_the_course_is_enough_for_high(self, named: dict[str, str]) -> None:
        faced = objective(topic_tags=("Renal",))
        for kind in ("STRUGGLE_TOPIC", "FORGETTING_CURVE"):
            assert feature("historical_struggle_score", faced=faced, patterns=[pattern(kind, 0.9, **named)]) > 0.7
            assert feature("historical_struggle_score", faced=faced, patterns=[pattern(kind, 0.5, **named)]) == 0.5
            assert feature("historical_struggle_score", faced=faced, patterns=[pattern(kind, 0.9, 0, **named)]) is None

    def test_other_patterns_say_nothing(self) -> None:
        elsewhere = [
            pattern("FORGETTING_CURVE", 0.9, courseId="elsewhere"),
            pattern("FORGETTING_CURVE", 0.9),
            pattern("PERFORMANCE_PEAK", 0.9, courseId="course"),
            PatternRow("STRUGGLE_TOPIC", ["course"], 0.9, ago(1)),
        ]
        assert feature("historical_struggle_score", patterns=elsewhere) is None
        named = [pattern("STRUGGLE_TOPIC", 0.9, courseId="course")]
        assert feature("historical_struggle_score", patterns=named, consents=False) is None

    def test_weakness_of_an_own_objective_that_was_started(self) -> None:
        started = objective(owner=LEARNER, level="BEGINNER", weakness=0.9)
        assert feature("historical_struggle_score", faced=started) == pytest.approx(0.6)
        assert feature("historical_struggle_score", faced=started, is_now=False) is None
        assert feature("historical_struggle_score", faced=started._replace(mastery_level="NOT_STARTED")) is None
        assert feature("historical_struggle_score", faced=started._replace(owner_id="another")) is None


class TestCircumstances:
    def test_format_against_the_favourite_style(self) -> None:
        rows = {
            "profile": profile(visual=0.8, reading=0.2),
            "events": [event("VIDEO", 2), event("text", 1), event("?", 1)],
        }
        assert feature("content_type_mismatch", **rows) == pytest.approx((0 + 0.75) / 2)
        assert feature("content_type_mismatch", **rows, consents=False) is None
        assert feature("content_type_mismatch", **rows, is_now=False) is None
        assert feature("content_type_mismatch", profile=profile(), events=rows["events"]) is None

    def test_a_format_rated_by_itself_needs_no_style(self) -> None:
        rated = profile({"Flashcard": 0.6, "lecture": 0.3, "video": "?"}, visual=0.8, reading=0.2)
        assert feature("content_type_mismatch", profile=rated, events=[event("flashcard"), event("LECTURE")]) == 0.25
        assert feature("content_type_mismatch", profile=rated, events=[event("video"), event("flashcard")]) == 0.0

    def test_load_is_the_fullest_of_three_measures_of_a_day(self) -> None:
        assert feature("cognitive_load_indicator", reviews=answers("G" * 150, 0.9)) == 0.5
        assert feature("cognitive_load_indicator", reviews=answers("G" * 150, 1.2)) == 0.0
        assert feature("cognitive_load_indicator", sessions=[session(0.5, 60), session(0.2, 120)]) == 0.75
        assert feature("cognitive_load_indicator", sessions=[session(0.5, 60, 60), session(1.5, 999)]) == 1.0
        assert feature("cognitive_load_indicator", reviews=answers("GG", 0.5, order_only=True)) is None

    def test_a_session_counts_once_it_has_ended(self) -> None:
        running = session(1 / 24, 120, 60)
        assert running.completed_at_ms > AS_OF_MS
        unfinished = running._replace(completed_at_ms=None, duration_ms=None)
        for row in (running, unfinished):
            assert feature("cognitive_load_indicator", sessions=[row], is_now=False) == 0.0

    def test_urgency_of_the_courses_next_exam(self) -> None:
        exams = [exam(-3), exam(9), exam(45), exam(1, "elsewhere")]
        assert feature("days_until_exam", exams=exams) == pytest.approx(0.9)
        assert feature("days_until_exam", exams=[exam(-3), exam(200)]) == 0.0
        assert feature("days_until_exam", exams=[exam(2, "elsewhere")]) == 0.0
        tagged = objective(topic_tags=("Kidney",))
        assert feature("days_until_exam", faced=tagged, exams=[exam(45, None, ["kidney"])]) == pytest.approx(0.5)

    def test_an_exam_dated_at_midnight_lasts_its_day(self) -> None:
        today = exam(0)._replace(date_ms=AS_OF_MS // DAY_MS * DAY_MS)
        assert feature("days_until_exam", exams=[today]) == 1.0
        assert feature("days_until_exam", exams=[today._replace(date_ms=today.date_ms + HOUR_MS)]) == 0.0

    def test_days_since_the_course_was_studied(self) -> None:
        assert feature("days_since_last_study", reviews=answers("A", 6, "b")) == pytest.approx(0.2)
        assert feature("days_since_last_study", reviews=answers("A", 60, "b")) == 1.0
        assert feature("days_since_last_study", reviews=answers("A", 6, course="elsewhere")) is None
        assert feature("days_since_last_study", reviews=answers("A", 6, order_only=True)) is None
        assert 0.1 <= feature("days_since_last_study", metrics=[metric(0.5, 4)]) <= 4 / 30

    def test_last_studied_at_speaks_for_its_owner_now(self) -> None:
        own = objective(owner=LEARNER, last_studied_at_ms=ago(3))
        assert feature("days_since_last_study", faced=own) == pytest.approx(0.1)
        assert feature("days_since_last_study", faced=own, is_now=False) is None
        assert feature("days_since_last_study", faced=own._replace(owner_id="another")) is None
        assert feature("days_since_last_study", faced=own._replace(last_studied_at_ms=AS_OF_MS)) == 0.0
        assert feature("days_since_last_study", faced=own._replace(last_studied_at_ms=AS_OF_MS + 1)) is None

    def test_workload_counts_each_pending_objective_once(self) -> None:
        missions = [
            mission(
                {"objectiveId": "a"}, {"objective": {"id": "b"}}, {"objectiveId": "a"}, "?", None, {"objective": 3}
            ),
            mission({"objectiveId": "c"}, status="IN_PROGRESS"),
            mission({"objectiveId": "d"}, status="COMPLETED"),
            mission({"objectiveId": "e", "completed": True}),
            MissionRow(AS_OF_MS, "PENDING", {"objectiveId": "f"}),
        ]
        assert feature("workload_level", missions=missions) == 3 / 50
        assert feature("workload_level", missions=missions, is_now=False) is None
        assert feature("workload_level", missions=[mission(status="SKIPPED")]) == 0.0


def test_the_known_scenario() -> None:
    features = platform_features(StudyHistory.before(known_scenario(ACTION_POTENTIALS)))
    assert features["retention_score"] == pytest.approx(0.3)
    assert features["prerequisite_gap_count"] == 1.0
    assert features["content_complexity"] == 0.9
    assert features["days_until_exam"] == pytest.approx(1 - 7 / 90)
    assert features["historical_struggle_score"] > 0.7
    mastered = platform_features(StudyHistory.before(known_scenario(UPPER_LIMB)))
    assert mastered["retention_score"] == pytest.approx(0.85)
    assert mastered["historical_struggle_score"] == 0.0


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_every_feature_is_a_number_from_0_to_1_or_nothing_whatever_the_rows(rows: dict[str, object]) -> None:
    for name, value in platform_features(study(**rows)).items():
        assert value is None or (isinstance(value, float) and 0 <= value <= 1), name


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(ROWS)
def test_nothing_dated_at_or_after_as_of_changes_a_feature(rows: dict[str, object]) -> None:
    assert platform_features(study(**rows)) == platform_features(study(**without_the_future(rows)))


def test_objectives_of_one_learner_share_the_work_without_sharing_answers() -> None:
    rows = study_rows(reviews=answers("AAA", 3) + answers("GGG", 2, "b", "elsewhere"))
    past = LearnerHistory(rows.learner, AS_OF_MS, True)
    for faced in (objective(), objective("b", course="elsewhere"), objective("c"), objective("d", course=None)):
        shared = platform_features(StudyHistory(past, rows.objective._replace(objective=faced)))
        assert shared == platform_features(
            StudyHistory.before(rows._replace(objective=rows.objective._replace(objective=faced)))
        )


def test_twice_as_many_answers_are_twice_the_work() -> None:
    """A loop over loops would make it four times."""

    def work(days: int) -> int:
        reviews = [
            row for day in range(days) for row in answers("GGAGEHGGAG", 60 - day / 5, f"o{day % 40}", f"c{day % 2}")
        ]
        history = study(reviews=reviews, faced=objective("o3", course="c1"))
        assert len(history.past.reviews) == 10 * days
        return lines_run(lambda: platform_features(history))

    assert work(300) < 2.5 * work(150)


def test_each_features_docstring_gives_its_direction_its_absence_and_its_source() -> None:
    for feature in PLATFORM_FEATURES:
        computed = getattr(platform, feature.name, None) or getattr(context, feature.name)
        said = " ".join((computed.__doc__ or "").split())
        assert f"A higher value {'raises' if feature.direction > 0 else 'lowers'} the risk" in said.replace(
            "; a higher", ". A higher"
        ), feature.name
        assert "None " in said, feature.name
        assert "Source" in said, feature.name

"""The whole loop on the app's own tables, as its schema makes them: the right rows, in the right place, and found."""

from __future__ import annotations

import pytest

from db.demo import LEARNER
from ml.instants import iso
from ml.study.history import DAY_MS
from tests.support.app_loop import EXAM_IN_DAYS, FORGOTTEN, LEARNERS, NIGHTS, OBJECTIVES, Loop, learner_id
from tests.support.app_shapes import ask, dialect_of, make_app

pytestmark = pytest.mark.slow

PASSWORD = "a-pass-word-that-stands-nowhere"
AT_RISK = """
    SELECT p."userId", p."learningObjectiveId",
           SUM(CASE WHEN i."severity" = 'HIGH' THEN 1 ELSE 0 END) AS high,
           SUM(CASE WHEN i."severity" = 'MEDIUM' THEN 1 ELSE 0 END) AS medium
      FROM struggle_predictions p JOIN struggle_indicators i ON i."predictionId" = p."id"
     WHERE p."predictionStatus" = 'PENDING' AND p."predictionDate" >= {now}
     GROUP BY p."id", p."userId", p."learningObjectiveId"
"""
"""The app's alert: HIGH where two signs are HIGH, or one is and two are MEDIUM."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def loop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A deployment that has gone round once, but for forgetting and the weekly script."""
    directory = tmp_path_factory.mktemp("loop")
    if request.param == "postgresql":
        server = str(request.getfixturevalue("postgres_databases").empty())
        url = make_app(server).replace("postgres@", f"postgres:{PASSWORD}@")
    else:
        url = make_app(f"file:{tmp_path_factory.mktemp('app')}/app.db")
    loop = Loop(url, directory)
    loop.go_round()
    return loop


def test_seven_nights_before_one_exam_are_one_row(loop: Loop) -> None:
    for night in loop.nights:
        assert night["written"] >= LEARNERS * OBJECTIVES
    ours = [row for row in loop.after_nights if row[0].startswith("student-")]
    assert sorted(ours) == sorted(
        (learner_id(number), f"algebra-{objective}", "PENDING", 1)
        for number in range(LEARNERS)
        for objective in range(OBJECTIVES)
    )
    said = ask(
        loop.url, 'SELECT "predictionStatus", "featureVector" FROM struggle_predictions WHERE "topicId" = \'algebra\''
    )
    counts = {(status, str(features).count("predicted_at")) for status, features in said}
    assert ("PENDING", NIGHTS) in counts, "tonight's row tells of the seven nights before"
    assert max(number for _, number in counts) == NIGHTS


def test_there_is_one_pending_row_for_each_pair_and_day(loop: Loop) -> None:
    assert {how_many for _, _, status, how_many in loop.rows() if status == "PENDING"} == {1}


def test_rows_are_dated_at_the_end_of_the_day_that_they_are_about(loop: Loop) -> None:
    exam_day = iso((loop.now_ms + EXAM_IN_DAYS * DAY_MS) // DAY_MS * DAY_MS + DAY_MS - 1)[:23]
    query = 'SELECT DISTINCT "predictionDate", "topicId" FROM struggle_predictions WHERE "userId" LIKE \'student-%\''
    ((date, topic),) = ask(loop.url, query)
    assert str(date).replace(" ", "T").replace("000+", "+")[:23] == exam_day
    assert topic == "algebra"


def test_outcomes_are_recorded_where_the_app_keeps_no_feedback(loop: Loop) -> None:
    outcomes = loop.outcomes
    decided = sum(outcomes[each] for each in ("confirmed", "false_positive", "missed", "resolved"))
    assert decided == outcomes["by_answers"] == 2 * LEARNERS
    late = '"actualOutcome" IS NOT NULL AND "predictedAt" > "actualOutcomeRecordedAt"'
    assert ask(loop.url, f"SELECT count(*) FROM struggle_predictions WHERE {late}") == [(0,)]


def test_a_model_of_the_app_s_own_answers_is_trained_and_retraining_says_what_a_proof_needs(loop: Loop) -> None:
    assert (loop.models / "current.pkl").exists()
    assert loop.trained["labels"] >= 50
    assert (loop.retrained["version"], loop.retrained["trained"]) == (None, False)
    assert "the hold-out needs 300 more examples (of 300)" in loop.retrained["note"]  # all were trained on


def test_the_learner_at_risk_is_found_by_the_app_s_own_rule(loop: Loop) -> None:
    now = f"TIMESTAMP '{iso(loop.now_ms)[:23]}'" if dialect_of(loop.url) == "postgresql" else f"'{iso(loop.now_ms)}'"
    found = ask(loop.url, AT_RISK.format(now=now))
    alerted = {
        (learner, objective) for learner, objective, high, medium in found if high >= 2 or (high == 1 and medium >= 2)
    }
    assert (LEARNER, "action-potentials") in alerted
    assert (LEARNER, "anatomy-upper-limb") not in {(learner, objective) for learner, objective, _, _ in found}


def test_the_report_counts_what_was_decided(loop: Loop) -> None:
    decided = ask(loop.url, 'SELECT count(*) FROM struggle_predictions WHERE "actualOutcome" IS NOT NULL')
    assert loop.monitored["outcomes_known"] == decided[0][0] >= 2 * LEARNERS


def test_nothing_was_written_but_predictions_and_their_signs(loop: Loop) -> None:
    assert ask(loop.url, "SELECT count(*) FROM intervention_recommendations") == [(0,)]
    assert len(ask(loop.url, 'SELECT DISTINCT "userId" FROM struggle_indicators WHERE "predictionId" IS NULL')) == 0


def test_no_password_stands_in_what_was_said_and_written(loop: Loop) -> None:
    assert [name for name, content in loop.texts().items() if PASSWORD.encode() in content] == []


def test_under_umask_077_every_file_that_a_command_wrote_is_private(loop: Loop) -> None:
    ours = [each for each in loop.directory.rglob("*") if each.is_file() and each.suffix not in (".out", ".err")]
    assert {each.name for each in ours} >= {"current.pkl", "monitor.html", "monitor.prom"}
    assert [each.name for each in ours if each.stat().st_mode & 0o077] == []


def test_no_learner_stands_in_models_and_figures(loop: Loop) -> None:
    for name, content in loop.texts().items():
        if name.startswith("models/") or name.endswith((".prom", ".err")):
            assert [number for number in range(LEARNERS) if learner_id(number).encode() in content] == [], name


def test_a_learner_is_forgotten_and_the_week_ends_well(loop: Loop) -> None:
    removed = loop.report("forget_learner.py", FORGOTTEN)["removed"]
    assert removed["struggle_predictions"] >= OBJECTIVES
    assert removed["prediction_feedbacks"] == 0
    assert ask(loop.url, f"SELECT count(*) FROM struggle_predictions WHERE \"userId\" = '{FORGOTTEN}'") == [(0,)]
    assert ask(loop.url, f"SELECT count(*) FROM struggle_indicators WHERE \"userId\" = '{FORGOTTEN}'") == [(0,)]
    loop.week()
    log = (loop.directory / "weekly.log").read_text()
    assert [line.rpartition(" ")[2] for line in log.splitlines() if " ended with " in line] == ["0", "0", "0"]
    answer = loop.run("predict.py", LEARNER, "action-potentials")
    assert '"risk_level": "HIGH"' in answer

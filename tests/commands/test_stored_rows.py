"""The rows that a batch stores are those that the app shows, groups, and raises its alerts from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from db.writing.open import open_writer
from ml.features.vector import FeatureVector
from ml.instants import iso, parse_iso
from ml.scoring.indicators import Indicator, indicators_of
from ml.scoring.prediction import Factor, Prediction
from ml.scoring.rules import predict as by_rules
from ml.study.history import DAY_MS
from ml.study.occasion import Occasion, occasion_of
from tests.support.history_builder import AS_OF_MS, exam, mission, objective, study
from tests.support.outputs import read_output
from tests.support.two_learners import FIRST_NIGHT_MS, MISSION_DAY, fill, night

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TODAY = AS_OF_MS // DAY_MS
PLANNED = mission({"objectiveId": "faced"}, days_ahead=4)
ALERTS = """
    SELECT CASE WHEN high >= 2 OR high = 1 AND medium >= 2 THEN 'HIGH' WHEN high = 1 OR medium >= 2 THEN 'MEDIUM' END
    FROM (SELECT count(CASE WHEN severity = 'HIGH' THEN 1 END) AS high,
        count(CASE WHEN severity = 'MEDIUM' THEN 1 END) AS medium
        FROM {indicators} WHERE "userId" = ?) AS counted
"""
"""The app's own alert rule for one learner."""


def day_of(**rows: object) -> int:
    past = study(faced=objective("faced", course="here", topic_tags=("Limbs",)), **rows)
    return occasion_of(past.past, past.objective).day - TODAY


@pytest.mark.parametrize(
    ("rows", "days_ahead"),
    [
        ({}, 0),
        ({"exams": [exam(9, "here")]}, 9),
        ({"exams": [exam(9, "elsewhere", ["limbs"])]}, 9),
        ({"exams": [exam(9, "elsewhere"), exam(-2, "here")]}, 0),
        ({"exams": [exam(3, "here")], "missions": [mission({"objectiveId": "faced"}, days_ahead=20)]}, 20),
        ({"missions": [mission({"objectiveId": "faced"}, days_ahead=d) for d in (5, 2, -1)]}, 2),
        ({"missions": [mission({"objective": {"id": "faced"}}, days_ahead=4, status="IN_PROGRESS")]}, 4),
        ({"missions": [mission({"objectiveId": "faced"}, days_ahead=-0.1)]}, 0),
        ({"missions": [mission({"objectiveId": "faced"}, days_ahead=4, status="SKIPPED")]}, 0),
        ({"missions": [mission({"objectiveId": "faced", "completed": True}, days_ahead=4)]}, 0),
        ({"missions": [mission({"objectiveId": "other"}, None, 7, days_ahead=4)]}, 0),
        (
            {
                "missions": [mission({"objectiveId": "faced"}, days_ahead=4)],
                "exams": [exam(6, "here")],
                "is_now": False,
            },
            6,
        ),
    ],
)
def test_a_prediction_is_about_the_next_mission_else_the_next_exam_else_today(
    rows: dict[str, Any], days_ahead: int
) -> None:
    assert day_of(**rows) == days_ahead


def test_the_date_is_the_last_millisecond_of_the_day_and_the_id_begins_with_the_day() -> None:
    occasion = Occasion("ada", "limits", 20_000)
    assert iso(occasion.date_ms) == "2024-10-04T23:59:59.999Z"
    assert occasion.prediction_id == "019254d3-8000-7509-872e-c91a2bae1866"
    assert len({Occasion(*of, 3).prediction_id for of in (("a", "bc"), ("ab", "c"), ("", "abc"))}) == 3
    assert Occasion("a", "b", -1).prediction_id.startswith("ffff")  # before 1970, and no error


def prediction(probability: float, **contributions: float) -> Prediction:
    factors = [Factor(name, 0.5, weight, f"{name} is bad") for name, weight in contributions.items()]
    return Prediction(probability, 0.9, (0.1, 0.9), factors, 0.0, "", "m", "model")


def alert(signs: Sequence[Indicator]) -> str | None:
    """The app's rule."""
    high, medium = (sum(sign.severity == level for sign in signs) for level in ("HIGH", "MEDIUM"))
    return "HIGH" if high >= 2 or (high == 1 and medium >= 2) else "MEDIUM" if high == 1 or medium >= 2 else None


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"retention_score": 0.1},
        {"retention_score": 0.6},
        {"prerequisite_gap_count": 1.0, "cognitive_load_indicator": 0.99, "historical_struggle_score": 0.6},
    ],
)
@pytest.mark.parametrize("contributions", [{}, {"expected_struggle": 1.2}, {"ability": 0.4, "workload_level": -0.3}])
def test_the_apps_alert_finds_every_high_risk_and_says_high_of_no_other(
    known: dict[str, float] | dict[str, object], contributions: dict[str, float] | dict[str, object]
) -> None:
    features = FeatureVector.of(known, AS_OF_MS)
    assert alert(indicators_of(features, prediction(0.7, **contributions))) == "HIGH"
    assert alert(indicators_of(features, prediction(0.69, **contributions))) in (None, "MEDIUM")
    assert indicators_of(features, prediction(0.39, **contributions)) == []


def test_no_sign_is_made_of_features_that_could_not_be_read() -> None:
    features = FeatureVector.of({}, AS_OF_MS, degraded="the database is down")
    assert indicators_of(features, prediction(0.9, retention_score=2.0)) == []


def test_each_sign_names_its_feature_and_what_it_says() -> None:
    features = FeatureVector.of({"retention_score": 0.2, "prerequisite_gap_count": 0.3}, AS_OF_MS)
    first, second = (sign.to_dict() for sign in indicators_of(features, by_rules(features)))
    assert (first["indicator_type"], first["severity"]) == ("LOW_RETENTION", "HIGH")
    assert first["context"].keys() == {"feature", "value", "contribution", "text"}
    assert (second["indicator_type"], second["context"]["value"]) == ("PREREQUISITE_GAP", 0.3)


@pytest.fixture
def platform(database: str) -> str:
    """Two learners with a mission ahead."""
    fill(database)
    return database


def rows_of(url: str, *fields: str) -> list[tuple[object, ...]]:
    with open_writer(url) as writer:
        return sorted(writer.select("StrugglePrediction", fields), key=str)


@pytest.mark.slow
def test_seven_nights_before_a_mission_are_one_row_that_the_app_shows(platform: str) -> None:
    for nth in range(7):
        counts = night(platform, FIRST_NIGHT_MS + nth * DAY_MS)
        assert counts["written"] == 2
    _, weak = rows_of(
        platform, "userId", "id", "predictionDate", "predictedAt", "topicId", "predictionStatus", "featureVector"
    )
    assert weak[:6] == (
        "weak",
        Occasion("weak", "osmosis", MISSION_DAY).prediction_id,
        (MISSION_DAY + 1) * DAY_MS - 1,
        FIRST_NIGHT_MS + 6 * DAY_MS,
        "physiology",
        "PENDING",
    )
    earlier = weak[6]["earlier"]
    assert [said["predicted_at"] for said in earlier] == [iso(FIRST_NIGHT_MS + n * DAY_MS) for n in range(6)]
    assert {said["model_version"] for said in earlier} == {"rules-1"}
    assert all(0.7 <= said["probability"] < 1 for said in earlier)
    assert FeatureVector.from_dict(weak[6]).source == "rules"  # what stands beside the features does no harm
    with open_writer(platform) as writer:
        alerts = ALERTS.format(indicators=writer.table("StruggleIndicator"))
        assert writer.query(alerts, ["weak"]) == [("HIGH",)]
        assert writer.query(alerts, ["strong"]) == [(None,)]
        signs = writer.select("StruggleIndicator", ("predictionId", "indicatorType", "detectedAt", "context"))
        factors = writer.select("StrugglePrediction", ("strugglingFactors",), "userId", ["weak"])[0][0]
    assert len({sign[1] for sign in signs}) == len(signs) >= 2
    assert {sign[0] for sign in signs} == {weak[1]}
    assert {sign[2] for sign in signs} == {FIRST_NIGHT_MS + 6 * DAY_MS}
    for factor in factors:
        assert factor["factor"] == factor["feature"]
        assert factor["weight"] == factor["contribution"]
        assert factor["description"] == factor["text"]


def test_instants_are_stored_in_the_form_in_which_the_app_looks_for_them(sqlite_url: str) -> None:
    """Prisma's own engine keeps milliseconds and asks for them; text would lie beyond any of its bounds."""
    with open_writer(sqlite_url, create=True) as writer:
        writer.create_tables()
    fill(sqlite_url)
    night(sqlite_url, FIRST_NIGHT_MS)
    with open_writer(sqlite_url) as writer:
        writer.execute('UPDATE reviews SET "reviewedAt" = CAST(strftime(\'%s\', "reviewedAt") AS INTEGER) * 1000')
    assert night(sqlite_url, FIRST_NIGHT_MS + DAY_MS)["written"] == 2
    with open_writer(sqlite_url) as writer:
        (row_id, *_), *_ = writer.select("StrugglePrediction", ("id",))
        writer.update("StrugglePrediction", str(row_id), actualOutcomeRecordedAt=FIRST_NIGHT_MS)
        kept = 'SELECT typeof("{}") FROM {}'
        for table, column in (
            ("struggle_predictions", "predictionDate"),
            ("struggle_predictions", "predictedAt"),
            ("struggle_indicators", "detectedAt"),
        ):
            assert set(writer.query(kept.format(column, table))) == {("integer",)}, column
        (found,) = writer.query(
            'SELECT count(*) FROM struggle_predictions WHERE "predictionDate" >= ? AND "predictionDate" < ?',
            [FIRST_NIGHT_MS, (MISSION_DAY + 1) * DAY_MS],
        )
    assert found == (2,)


@pytest.mark.slow
def test_what_was_said_before_is_kept_eight_times_and_the_same_moment_once(platform: str) -> None:
    for minute in range(11):
        night(platform, FIRST_NIGHT_MS + minute * 60_000)
    night(platform, FIRST_NIGHT_MS + 10 * 60_000)
    (*_, (features,)) = rows_of(platform, "featureVector")
    said = [parse_iso(each["predicted_at"]) for each in features["earlier"]]
    assert said == [FIRST_NIGHT_MS + minute * 60_000 for minute in range(2, 10)]


@pytest.mark.slow
def test_a_row_keeps_its_numbers_against_those_of_an_earlier_moment(platform: str) -> None:
    night(platform, FIRST_NIGHT_MS)
    before = rows_of(platform, "id", "predictedAt", "featureVector")
    night(platform, FIRST_NIGHT_MS - 3_600_000)
    assert rows_of(platform, "id", "predictedAt", "featureVector") == before


@pytest.mark.slow
@pytest.mark.parametrize("status", ["CONFIRMED", "DISMISSED", "RESOLVED"])
def test_a_row_that_is_no_longer_open_stays_and_the_next_day_gets_its_own(platform: str, status: str) -> None:
    night(platform, FIRST_NIGHT_MS)
    row_id = Occasion("weak", "osmosis", MISSION_DAY).prediction_id
    with open_writer(platform) as writer:
        writer.update("StrugglePrediction", row_id, predictionStatus=status)
    counts = night(platform, FIRST_NIGHT_MS + DAY_MS)
    assert (counts["written"], counts["kept"]) == (1, 1)
    with open_writer(platform) as writer:
        assert writer.select("StrugglePrediction", ("predictedAt", "predictionStatus"), "id", [row_id]) == [
            (FIRST_NIGHT_MS, status)
        ]
        writer.update("Mission", "of-weak", date=(MISSION_DAY + 1) * DAY_MS)
    night(platform, FIRST_NIGHT_MS + DAY_MS + 60_000)
    mine = [row for row in rows_of(platform, "userId", "predictionStatus", "predictionDate") if row[0] == "weak"]
    assert sorted(row[1:] for row in mine) == sorted(
        [(status, (MISSION_DAY + 1) * DAY_MS - 1), ("PENDING", (MISSION_DAY + 2) * DAY_MS - 1)]
    )


@pytest.mark.slow
def test_a_row_that_was_answered_in_the_app_takes_no_later_numbers(platform: str) -> None:
    night(platform, FIRST_NIGHT_MS)
    row_id = Occasion("weak", "osmosis", MISSION_DAY).prediction_id
    with open_writer(platform) as writer:
        writer.update("StrugglePrediction", row_id, actualOutcome=False)
    assert night(platform, FIRST_NIGHT_MS + DAY_MS)["kept"] == 1
    with open_writer(platform) as writer:
        assert writer.select("StrugglePrediction", ("predictedAt",), "id", [row_id]) == [(FIRST_NIGHT_MS,)]


@pytest.mark.slow
@pytest.mark.parametrize("moment_of_day_ms", [0, 3 * 3_600_000])
def test_rows_of_an_earlier_release_are_taken_up_and_do_not_double(platform: str, moment_of_day_ms: int) -> None:
    """It dated them at the day's start, or at as_of, under ids of its own; the day here is the mission's."""
    row = {"id": "of-the-old-route", "userId": "weak", "learningObjectiveId": "osmosis"}
    row |= {"predictedStruggleProbability": 0.6, "predictionConfidence": 0.5, "predictionStatus": "PENDING"}
    row |= {"featureVector": {"model_version": "old"}, "strugglingFactors": [], "predictedAt": FIRST_NIGHT_MS - DAY_MS}
    row |= {"predictionDate": MISSION_DAY * DAY_MS + moment_of_day_ms}
    with open_writer(platform) as writer:
        writer.insert("StrugglePrediction", tuple(row), [tuple(row.values())])
        sign = ("sign", "weak", "osmosis", "of-the-old-route", "LOW_RETENTION", "CRITICAL")
        fields = ("id", "userId", "learningObjectiveId", "predictionId", "indicatorType", "severity")
        writer.insert("StruggleIndicator", fields, [sign])
    night(platform, FIRST_NIGHT_MS)
    mine = [row for row in rows_of(platform, "userId", "id", "predictionDate", "featureVector") if row[0] == "weak"]
    ((_, row_id, date_ms, features),) = mine
    assert (row_id, date_ms) == ("of-the-old-route", (MISSION_DAY + 1) * DAY_MS - 1)
    assert features["earlier"] == [
        {"predicted_at": iso(FIRST_NIGHT_MS - DAY_MS), "probability": 0.6, "model_version": "old"}
    ]
    with open_writer(platform) as writer:
        severities = writer.select("StruggleIndicator", ("severity",), "predictionId", ["of-the-old-route"])
    assert ("CRITICAL",) not in severities
    assert len(severities) >= 2


@pytest.mark.slow
def test_the_answer_names_the_row_that_the_batch_stores(platform: str) -> None:
    night(platform, FIRST_NIGHT_MS)
    argv = [sys.executable, os.path.join(ROOT, "predict.py"), "--database-url", platform, "--model", "rules"]
    said = read_output(subprocess.run([*argv, "weak", "osmosis"], capture_output=True, check=True, timeout=60).stdout)
    with open_writer(platform) as writer:
        ((row_id, date_ms, topic),) = writer.select(
            "StrugglePrediction", ("id", "predictionDate", "topicId"), "userId", ["weak"]
        )
        signs = writer.select("StruggleIndicator", ("indicatorType", "severity"), "predictionId", [str(row_id)])
    assert (said["prediction_id"], said["prediction_date"], said["topic_id"]) == (row_id, iso(date_ms), topic)
    assert sorted((sign["indicator_type"], sign["severity"]) for sign in said["indicators"]) == sorted(signs)

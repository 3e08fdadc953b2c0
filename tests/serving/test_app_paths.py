"""The three paths to which the app's own routes proxy, against the app's own tables and a real service."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from db.demo import LEARNER
from db.sql.decode_values import decoded
from ml.study.outcome_mark import LEARNER as LEARNERS_WORD
from ml.study.outcome_mark import by_of
from scripts.serving.app_schemas import FeedbackResponse, StoredPredictions
from tests.support.app_shapes import ask, fill_with_demo, insert, make_app, run
from tests.support.postgres_server import Databases
from tests.support.service_process import OBJECTIVE, serving

TOKEN = {"Authorization": "Bearer a-token"}
OTHER = "classmate-1"
ROWS = (
    'SELECT "id", "predictionStatus", "actualOutcome" FROM struggle_predictions WHERE "actualOutcomeRecordedAt" IS NULL'
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    """(a caller with the token, the database's URL) of a service that may write, on the demo learner's last day."""
    directory = tmp_path_factory.mktemp("service")
    if request.param == "postgresql":
        url = make_app(request.getfixturevalue("postgres_databases").empty())
    else:
        url = make_app(f"file:{directory}/app.db")
    fill_with_demo(url, time.time_ns() // 1_000_000)
    with (
        serving(directory / "log", DATABASE_URL=url, STRUGGLE_WRITER_URL=url, STRUGGLE_TOKEN="a-token") as base,
        httpx.Client(base_url=base, headers=TOKEN, timeout=60) as caller,
    ):
        yield caller, url


def generated(caller: httpx.Client, **body: object) -> StoredPredictions:
    answer = caller.post("/predictions/generate", json={"user_id": LEARNER, **body})
    assert answer.status_code == 201, answer.text
    return StoredPredictions.model_validate(answer.json())


def open_rows(url: str) -> list[tuple[object, ...]]:
    return sorted(ask(url, ROWS))


@pytest.mark.slow
def test_generate_stores_what_lies_ahead_and_tells_it(app: tuple[httpx.Client, str]) -> None:
    caller, url = app
    told = generated(caller)
    assert open_rows(url) == sorted((each.id, "PENDING", None) for each in told.predictions)
    (first,) = [each for each in told.predictions if each.learning_objective_id == OBJECTIVE]
    assert first.risk_level == "HIGH"
    assert first.prediction_status == "PENDING"
    assert first.course_name == "Physiology"
    assert first.objective_name
    assert "is not mastered (0 %)" in first.reasoning
    assert len(first.indicators) >= 2
    assert "model_version" in first.feature_vector
    assert first.feature_vector["advice"][0]["kind"] == "master_prerequisite"
    assert told.total_count == len(told.predictions)
    assert told.high_risk_count + told.medium_risk_count + told.low_risk_count == told.total_count
    assert [each.predicted_struggle_probability for each in told.predictions] == sorted(
        (each.predicted_struggle_probability for each in told.predictions), reverse=True
    )
    assert told.alerts is not None
    (alert,) = [each for each in told.alerts if each.prediction_id == first.id]
    assert (alert.type, alert.severity) == ("PREREQUISITE_ALERT", "HIGH")
    assert alert.priority == round(100 * first.predicted_struggle_probability)


@pytest.mark.slow
def test_generating_again_stores_no_row_twice(app: tuple[httpx.Client, str]) -> None:
    caller, url = app
    first = generated(caller)
    again = generated(caller, days_ahead=7)
    assert {each.id for each in again.predictions} == {each.id for each in first.predictions}
    assert len(open_rows(url)) == len(first.predictions)


@pytest.mark.slow
def test_names_in_camel_case_are_taken(app: tuple[httpx.Client, str]) -> None:
    caller, _ = app
    answer = caller.post("/predictions/generate", json={"userId": LEARNER, "daysAhead": 1})
    assert answer.status_code == 201
    listed = caller.get("/predictions", params={"userId": LEARNER, "minProbability": "0"})
    assert listed.json()["total_count"] > 0


@pytest.mark.slow
def test_listing_chooses_by_status_and_probability(app: tuple[httpx.Client, str]) -> None:
    caller, _ = app
    generated(caller)

    def listed(**query: str) -> StoredPredictions:
        answer = caller.get("/predictions", params={"user_id": LEARNER, **query})
        assert answer.status_code == 200, answer.text
        return StoredPredictions.model_validate(answer.json())

    everything = listed(min_probability="0").predictions
    assert {each.prediction_status for each in everything} >= {"PENDING", "CONFIRMED", "RESOLVED"}
    assert {each.prediction_status for each in listed(status="PENDING", min_probability="0").predictions} == {"PENDING"}
    assert [each for each in everything if each.predicted_struggle_probability >= 0.5] == listed().predictions
    decided = listed(status="CONFIRMED")
    assert decided.alerts is None
    assert listed(user_id="nobody-of-that-name").total_count == 0


@pytest.mark.slow
@pytest.mark.parametrize(("struggled", "status"), [(True, "CONFIRMED"), (False, "FALSE_POSITIVE")])
def test_a_learner_s_word_becomes_the_outcome(app: tuple[httpx.Client, str], struggled: bool, status: str) -> None:
    caller, url = app
    generated(caller)
    listed = caller.get("/predictions", params={"user_id": LEARNER, "status": "PENDING"}).json()["predictions"]
    found = listed[0]["id"]
    body = {"actualStruggle": struggled, "feedback_type": "HELPFUL", "comments": "It was."}
    answer = caller.post(f"/predictions/{found}/feedback", json=body)
    assert answer.status_code == 200, answer.text
    told = FeedbackResponse.model_validate(answer.json())
    assert told.feedback_recorded
    assert (told.prediction_id, told.feedback_id) == (found, found), "the app has no table of feedback"
    columns = '"predictionStatus", "actualOutcome", "actualOutcomeRecordedAt"'
    query = f"SELECT {columns} FROM struggle_predictions WHERE \"id\" = '{found}'"
    ((now, outcome, at),) = ask(url, query)
    assert (now, bool(outcome)) == (status, struggled)
    assert at is not None
    answer = caller.post(f"/predictions/{found}/feedback?user_id={LEARNER}", json={**body, "actualStruggle": True})
    assert answer.status_code == 200, "a learner may think again"
    assert ask(url, query)[0][0] == "CONFIRMED"
    ((features,),) = ask(url, f'SELECT "featureVector" FROM struggle_predictions WHERE "id" = \'{found}\'')
    assert by_of(decoded(features), True) == LEARNERS_WORD, "record_outcomes --again leaves it as it is"


@pytest.mark.slow
def test_a_prediction_of_another_learner_takes_no_word(app: tuple[httpx.Client, str]) -> None:
    caller, url = app
    generated(caller)
    before = open_rows(url)
    assert before
    path = f"/predictions/{before[0][0]}/feedback"
    body = {"actual_struggle": True, "feedback_type": "HELPFUL"}
    for answer in (
        caller.post(path, json={**body, "user_id": OTHER}),
        caller.post(f"{path}?user_id={OTHER}", json=body),
        caller.post(f"{path}?userId={OTHER}", json={**body, "userId": LEARNER}),
        caller.post(f"{path}?user_id=", json=body),
        caller.post(f"{path}?user_id={LEARNER}&userId={OTHER}", json=body),
        caller.post(f"{path}?userId={LEARNER}", json={**body, "user_id": OTHER}),
        caller.post("/predictions/no-such-prediction/feedback", json=body),
        caller.post("/predictions/%00/feedback", json=body),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == "unknown_prediction"
    assert open_rows(url) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predictions/generate", {"days_ahead": 7}),
        ("POST", "/predictions/generate", {"user_id": LEARNER, "days_ahead": 0}),
        ("POST", "/predictions/generate", {"user_id": LEARNER, "days_ahead": 31}),
        ("POST", "/predictions/generate", {"user_id": "a\0b"}),
        ("GET", "/predictions", None),
        ("GET", f"/predictions?user_id={LEARNER}&status=LOUD", None),
        ("GET", f"/predictions?user_id={LEARNER}&min_probability=2", None),
        ("GET", f"/predictions?user_id={LEARNER}&min_probability=nan", None),
        ("GET", f"/predictions?user_id={LEARNER}&user_id={OTHER}", None),
        ("GET", f"/predictions?user_id={LEARNER}&userId={OTHER}", None),
        ("POST", "/predictions/generate", {"user_id": LEARNER, "userId": OTHER}),
        ("POST", "/predictions/x/feedback?user_id=a&user_id=b", {"actual_struggle": True, "feedback_type": "HELPFUL"}),
        ("POST", "/predictions/x/feedback", {"actual_struggle": True, "feedback_type": "LOUD"}),
        ("POST", "/predictions/x/feedback", {"actual_struggle": "maybe", "feedback_type": "HELPFUL"}),
        (
            "POST",
            "/predictions/x/feedback",
            {"actual_struggle": True, "feedback_type": "HELPFUL", "comments": "x" * 2001},
        ),
    ],
)
def test_what_makes_no_sense_is_422(app: tuple[httpx.Client, str], method: str, path: str, body: object) -> None:
    caller, _ = app
    answer = caller.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.slow
def test_a_learner_who_is_not_tracked_gets_no_predictions_and_keeps_none_open(app: tuple[httpx.Client, str]) -> None:
    caller, url = app
    generated(caller)
    assert open_rows(url)
    run(url, f'UPDATE users SET "performanceTrackingEnabled" = false WHERE "id" = \'{LEARNER}\'')
    try:
        told = generated(caller)
        assert (told.total_count, told.alerts) == (0, None)
        assert {status for _, status, _ in open_rows(url)} == {"DISMISSED"}
    finally:
        run(url, f'UPDATE users SET "performanceTrackingEnabled" = true WHERE "id" = \'{LEARNER}\'')
        run(
            url,
            "DELETE FROM struggle_indicators",
            "DELETE FROM struggle_predictions WHERE \"predictionStatus\" = 'DISMISSED'",
        )


@pytest.mark.slow
def test_an_unknown_learner_is_404(app: tuple[httpx.Client, str]) -> None:
    caller, _ = app
    answer = caller.post("/predictions/generate", json={"user_id": "nobody-of-that-name"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_learner")


def test_a_dismissed_prediction_takes_no_word(app: tuple[httpx.Client, str]) -> None:
    caller, url = app
    row = {"id": "dismissed", "userId": LEARNER, "learningObjectiveId": OBJECTIVE, "predictionStatus": "DISMISSED"}
    with contextlib.suppress(Exception):
        insert(url, "StrugglePrediction", [row])
    answer = caller.post("/predictions/dismissed/feedback", json={"actual_struggle": True, "feedback_type": "HELPFUL"})
    assert (answer.status_code, answer.json()["code"]) == (409, "dismissed")


@pytest.mark.slow
def test_a_row_of_feedback_is_kept_where_the_app_has_the_table(demo_database: str, tmp_path: Path) -> None:
    body = {"actual_struggle": False, "feedback_type": "INACCURATE", "comments": "I knew it."}
    with serving(
        tmp_path / "log", DATABASE_URL=demo_database, STRUGGLE_WRITER_URL=demo_database, STRUGGLE_TOKEN="a-token"
    ) as base:
        answer = httpx.post(
            f"{base}/predictions/prediction-anatomy-skull/feedback", json=body, headers=TOKEN, timeout=60
        )
    assert answer.status_code == 200, answer.text
    found = ask(
        demo_database, 'SELECT "id", "feedbackType", "comments" FROM prediction_feedbacks ORDER BY "submittedAt"'
    )
    assert found[-1] == (answer.json()["feedback_id"], "INACCURATE", "I knew it.")


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"STRUGGLE_TOKEN": "a-token"}, {"STRUGGLE_WRITER_URL": "file:/tmp/none.db"}])
def test_without_both_settings_the_paths_are_not_there(tmp_path: Path, given: dict[str, str]) -> None:
    with serving(tmp_path / "log", **given) as base, httpx.Client(base_url=base, headers=TOKEN) as caller:
        for method, path in (
            ("POST", "/predictions/generate"),
            ("GET", f"/predictions?user_id={LEARNER}"),
            ("POST", "/predictions/x/feedback"),
        ):
            assert caller.request(method, path, json={"user_id": LEARNER}).status_code == 404


@pytest.mark.slow
def test_a_writer_that_cannot_write_is_no_answer_and_tells_nothing(
    postgres_databases: Databases, tmp_path: Path
) -> None:
    url = make_app(postgres_databases.empty())
    fill_with_demo(url, time.time_ns() // 1_000_000)
    run(url, "DROP ROLE IF EXISTS only_reads", "CREATE ROLE only_reads LOGIN")
    run(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
    away = "postgresql://someone:s3cret@127.0.0.1:1/app"
    cases = ((away, 503, "database_unavailable"), (url.replace("postgres@", "only_reads@"), 500, "configuration"))
    try:
        for number, (writer_url, status, code) in enumerate(cases):
            log = tmp_path / f"log-{number}"
            given = {"DATABASE_URL": url, "STRUGGLE_WRITER_URL": writer_url, "STRUGGLE_TOKEN": "a-token"}
            with serving(log, **given) as base:
                body = {"user_id": LEARNER}
                answer = httpx.post(f"{base}/predictions/generate", json=body, headers=TOKEN, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert "127.0.0.1" not in answer.text
            assert "only_reads" not in answer.text
            assert "s3cret" not in answer.text + log.read_text()
            assert "Traceback" not in log.read_text()
    finally:
        run(url, "DROP OWNED BY only_reads", "DROP ROLE only_reads")


def test_without_the_token_nobody_is_told_what_paths_there_are(app: tuple[httpx.Client, str]) -> None:
    caller, _ = app
    assert caller.post("/predictions/generate", json={}, headers={"Authorization": "Bearer no"}).status_code == 401

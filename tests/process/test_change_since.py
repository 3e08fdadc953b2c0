"""The change since the prediction that was stored last, on either database, by each way to an answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.writing.open import open_writer
from ml.instants import parse_iso
from tests.support.outputs import read_lines, read_output
from tests.support.running_predict import LEARNER, OBJECTIVE, ran
from tests.support.service_process import PAIR, serving
from tests.support.study_database import execute

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FIRST, SECOND, THIRD = "2025-10-10T09:00:00.000Z", "2025-10-13T09:00:00.000Z", "2025-10-16T08:00:00.000Z"


def asked(url: str, as_of: str = THIRD, *options: str) -> dict[str, Any]:
    return ran("--database-url", url, "--as-of", as_of, *options, LEARNER, OBJECTIVE).answer()


def batch(url: str, as_of: str, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "scripts.predict_batch", "--database-url", url, "--as-of", as_of, "--quiet"]
    everything = ("--objectives", "all", "--jobs", "1", *options)
    done = subprocess.run([*command, *everything], cwd=ROOT, capture_output=True, check=True)
    return [each for each in read_lines(done.stdout) if (each["user_id"], each["objective_id"]) == (LEARNER, OBJECTIVE)]


def stored(url: str) -> list[tuple[Any, ...]]:
    fields = ("id", "learningObjectiveId", "predictedAt", "predictedStruggleProbability", "featureVector")
    with open_writer(url) as writer:
        found = writer.select("StrugglePrediction", fields, "userId", [LEARNER])
    return sorted((row for row in found if row[1] == OBJECTIVE), key=lambda row: str(row[2]))


def check(answer: dict[str, Any], since: str, probability: float) -> None:
    change = answer["change"]
    assert change is not None
    assert (change["since"], change["probability"]) == (since, probability)
    assert change["difference"] == answer["probability"] - probability
    assert change["model_version"] == answer["model_version"]
    assert sum(factor["points"] for factor in change["factors"]) == pytest.approx(change["difference"], abs=1e-12)
    assert change["text"]


def test_a_change_is_told_since_what_was_stored_before(demo_database: str) -> None:
    assert asked(demo_database)["change"] is None
    first = asked(demo_database, FIRST)
    batch(demo_database, FIRST, "--store")
    assert asked(demo_database, FIRST)["change"] is None  # a prediction of the same moment is this one
    second = asked(demo_database, SECOND)
    check(second, FIRST, first["probability"])
    (line,) = batch(demo_database, SECOND, "--full")
    assert line["change"] == second["change"]
    batch(demo_database, SECOND, "--store")
    third = asked(demo_database)
    check(third, SECOND, second["probability"])
    assert asked(demo_database, SECOND)["change"]["since"] == FIRST  # what was stored later is not seen
    kept = [row[4]["change"] for row in stored(demo_database) if row[4].get("change")]
    assert second["change"] in kept
    alone = asked(demo_database, THIRD, "--model", "rules")
    assert (alone["change"]["factors"], alone["change"]["since"]) == (None, SECOND)


def test_the_earlier_state_of_an_updated_row_counts_where_the_row_itself_is_later(demo_database: str) -> None:
    first = asked(demo_database, FIRST)
    batch(demo_database, FIRST, "--store")
    for identifier, _, _, probability, features in stored(demo_database):
        earlier = {"predicted_at": FIRST, "probability": probability, "model_version": features["model_version"]}
        with open_writer(demo_database) as writer:
            at_ms = parse_iso(THIRD) + 1
            vector = {**features, "earlier": [earlier]}
            writer.update("StrugglePrediction", identifier, predictedAt=at_ms, featureVector=vector)
    change = asked(demo_database)["change"]
    assert (change["since"], change["probability"], change["factors"]) == (FIRST, first["probability"], None)


def test_rows_that_are_no_judgements_and_absent_columns_leave_the_answer_as_it_is(demo_database: str) -> None:
    batch(demo_database, FIRST, "--store")
    rows = stored(demo_database)
    plain = {**asked(demo_database), "change": None}
    with open_writer(demo_database) as writer:
        for identifier, _, _, _, features in rows:
            writer.update("StrugglePrediction", identifier, featureVector={**features, "degraded": "unreachable"})
    assert asked(demo_database) == plain
    for column in ("predictedAt", "predictedStruggleProbability"):
        execute(demo_database, f'ALTER TABLE "struggle_predictions" RENAME COLUMN "{column}" TO "gone_{column}"')
        answer = asked(demo_database)
        assert answer["change"] is None
        assert answer["probability"] == plain["probability"]
        execute(demo_database, f'ALTER TABLE "struggle_predictions" RENAME COLUMN "gone_{column}" TO "{column}"')


def test_a_row_of_version_1_is_read(demo_database: str) -> None:
    """Neither points nor levels: as the releases before stored it."""
    first = asked(demo_database, FIRST)
    batch(demo_database, FIRST, "--store")
    rows = stored(demo_database)
    with open_writer(demo_database) as writer:
        for identifier, _, _, _, features in rows:
            old = {name: value for name, value in features.items() if name not in ("levels", "change")}
            writer.update("StrugglePrediction", identifier, featureVector=old)
    check(asked(demo_database), FIRST, first["probability"])


def test_the_service_sees_what_is_stored_between_two_requests(demo_database: str, tmp_path: Path) -> None:
    first = asked(demo_database, FIRST)
    with serving(tmp_path / "log", DATABASE_URL=demo_database) as url:

        def predicted() -> dict[str, Any]:
            reply = httpx.post(f"{url}/predict", json={**PAIR, "as_of": THIRD})
            assert reply.status_code == 200, reply.text
            found: dict[str, Any] = read_output(reply.text)
            return found

        assert [predicted()["change"] for _ in range(3)] == [None, None, None]
        batch(demo_database, FIRST, "--store")
        for _ in range(4):  # read, proven, kept
            assert predicted()["change"] == asked(demo_database)["change"]
        check(predicted(), FIRST, first["probability"])
        several = httpx.post(f"{url}/predict/batch", json={"pairs": [PAIR], "as_of": THIRD}).json()
        assert several["predictions"][0]["change"] == predicted()["change"]

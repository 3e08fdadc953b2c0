"""predict.py --what-if: the answer as if facts were others, what it was before, and a refusal of what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.cli.exits import Usage
from scripts.cli.what_if import decoded, parsed
from scripts.outputs.published import schema
from tests.advice.exact import write_rows
from tests.support.running_predict import LEARNER, OBJECTIVE, ran

PREREQUISITE = {"kind": "master_prerequisite", "objective_id": "membrane-transport"}


def tried(directory: Path, document: object, *options: str) -> Any:
    """predict.py with the document in a file, on the demo database unless the options name another."""
    path = directory / "what-if.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    database = options or ("--demo",)
    return ran(*database, "--what-if", str(path), LEARNER, OBJECTIVE)


def test_the_answer_is_that_of_a_database_with_the_rows(tmp_path: Path, demo_database: str) -> None:
    at = ("--database-url", demo_database, "--as-of", "2100-01-01T00:00:00Z")
    changes = [PREREQUISITE, {"kind": "next_three_right"}]
    assert Draft202012Validator(schema("what-if")).is_valid({"changes": changes})
    supposed = tried(tmp_path, {"changes": changes}, *at).answer()
    usual = ran(*at, LEARNER, OBJECTIVE).answer()
    before = supposed["what_if"]["before"]
    assert before == {name: usual[name] for name in before}
    (advice,) = [each for each in usual["advice"] if each["kind"] == "master_prerequisite"]
    assert supposed["probability"] < advice["probability"]
    write_rows(demo_database, supposed["what_if"]["rows"])
    made = ran(*at, LEARNER, OBJECTIVE).answer()
    for field in ("probability", "interval", "factors", "reasoning", "features", "indicators", "advice"):
        assert made[field] == supposed[field], field


def test_an_advice_that_is_tried_gives_its_probability(tmp_path: Path) -> None:
    for advice in ran("--demo", "--json", LEARNER, OBJECTIVE).answer()["advice"]:
        named = {"kind": advice["kind"], "objective_id": advice["objective_id"]}
        supposed = tried(tmp_path, {"changes": [named]}).answer()
        assert supposed["probability"] == advice["probability"]
        assert supposed["what_if"]["rows"] == advice["rows"]


def test_features_take_the_place_of_those_of_the_records(tmp_path: Path) -> None:
    supposed = tried(tmp_path, {"features": {"prerequisite_gap_count": 0.25, "validation_score": None}}).answer()
    assert supposed["features"]["prerequisite_gap_count"] == 0.25
    assert "validation_score" in supposed["features"]["defaulted"]
    assert supposed["advice"] == []
    assert supposed["what_if"]["features"] == {"prerequisite_gap_count": 0.25, "validation_score": None}
    assert supposed["probability"] != supposed["what_if"]["before"]["probability"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("{", "is not valid JSON"),
        ("[]", "must hold one JSON object"),
        ("{}", "must hold one JSON object"),
        ('{"changes": [], "changes": []}', "'changes' is given twice"),
        ('{"features": {"ability": 1, "ability": 1}}', "'ability' is given twice"),
        ({"changes": [], "also": 1}, "must hold one JSON object with"),
        ({"changes": {}}, "'changes' must be a list"),
        ({"changes": ["review_now"]}, "a change is an object"),
        ({"changes": [{"kind": "review_now", "when": 1}]}, "a change is an object"),
        ({"changes": [{"kind": "sleep"}]}, "the kind of a change is one of"),
        ({"changes": [{"kind": "review_now", "objective_id": 7}]}, "'objective_id' must be a text"),
        ({"changes": [PREREQUISITE, PREREQUISITE]}, "is named twice"),
        ({"features": {"mood": 1}}, "unknown feature 'mood'"),
        ({"features": {"ability": True}}, "must be a number from 0 to 1"),
        ({"features": {"ability": 1.5}}, "must be a number from 0 to 1"),
        ('{"features": {"ability": NaN}}', "must be a number from 0 to 1"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(document: object, why: str) -> None:
    with pytest.raises(Usage, match="--what-if") as refused:
        parsed(decoded(document if isinstance(document, str) else json.dumps(document), "it"))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({**PREREQUISITE, "objective_id": "nerves"}, "it is mastered already, or no stated prerequisite"),
        ({"kind": "lighter_day"}, "nothing else is planned"),
        ({"kind": "review_now", "objective_id": "membrane-transport"}, "it is about the objective"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, change: dict[str, str], why: str) -> None:
    assert why in tried(tmp_path, {"changes": [change]}).error(2, "usage")


def test_the_other_ways_to_fail_have_a_sentence(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.json")
    assert "cannot be read" in ran("--demo", "--what-if", absent, LEARNER, OBJECTIVE).error(2, "usage")
    both = ("--demo", "--what-if", absent, "--features", absent, LEARNER, OBJECTIVE)
    assert "exclude each other" in ran(*both).error(2, "usage")
    long = tmp_path / "long.json"
    long.write_bytes(b" " * ((1 << 20) + 1))
    assert "at most 1 MiB" in ran("--demo", "--what-if", str(long), LEARNER, OBJECTIVE).error(2, "usage")

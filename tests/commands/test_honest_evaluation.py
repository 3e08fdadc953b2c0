"""An evaluation is made of visits on which a model was not trained, and says which these are."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click import Command
from click.testing import CliRunner

from ml.evaluation.metrics import grouped_roc_auc
from ml.features.vector import FEATURE_NAMES
from ml.places import shipped
from ml.scoring.scorecard import SavedModel
from ml.storage import model_file
from ml.training.examples import ExampleSet
from ml.training.learner_groups import GROUPS, groups_of
from scripts.evaluate_model import evaluate_model
from scripts.train_initial_model import train_initial_model
from scripts.training.out_of_sample import Judged, _counted_in
from tests.support.small_platform import make_platform

pytestmark = pytest.mark.slow
TRAINED_UNTIL = "2020-09-14T02:00:00Z"
"""Seven of the ten visits of each learner come before it."""


class Deployment(NamedTuple):
    """A platform of 40 learners with ten visits each, and models trained on it."""

    url: str
    models: Path

    def evaluation(self, *words: str) -> dict[str, Any]:
        """What evaluate_model.py says as JSON."""
        words = ("--bootstrap", "0", "--json", "-", *words)
        if "--model" not in words:
            words = (*words, "--model", str(self.models / "current.pkl"))
        found: dict[str, Any] = json.loads(run(evaluate_model, "--database-url", self.url, *words))
        return found


def run(command: Command, *words: str) -> str:
    ran = CliRunner().invoke(command, ["--jobs", "1", *words])
    assert ran.exit_code == 0, ran.stderr
    return ran.stdout


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    directory = tmp_path_factory.mktemp("school")
    made = Deployment(make_platform(str(directory), learners=40), directory / "models")
    at = ("--database-url", made.url, "--models-dir", str(made.models), "--as-of", TRAINED_UNTIL)
    run(train_initial_model, *at, "--force")
    return made


def test_earlier_visits_are_cross_fitted_and_new_ones_are_not(deployment: Deployment, tmp_path: Path) -> None:
    honest = tmp_path / "honest.csv", tmp_path / "own.csv"
    said = deployment.evaluation("--predictions", str(honest[0]))
    by = said["predicted_by"]
    assert (by["cross_fitted"], by["by_the_model"], by["left_out"]) == (280, 120, 0)
    assert by["is_evaluation"] is True
    assert by["how"] == (
        "280 visits before the training's end, each by a model fitted again without its learner;"
        " 120 new visits since 2020-09-14T02:00:00.000Z by the model itself"
    )
    rows = rows_of(honest[0])
    groups = groups_of(np.array([row["learner_id"] for row in rows]))
    assert groups is not None
    groups = np.where([row["source"] == "model" for row in rows], GROUPS, groups)
    label, probability = (np.array([float(row[name]) for row in rows]) for name in ("label", "probability"))
    assert said["figures"]["auc"]["value"] == pytest.approx(grouped_roc_auc(label, probability, groups))
    own = deployment.evaluation("--in-sample", "--predictions", str(honest[1]))
    assert own["predicted_by"]["is_evaluation"] is False
    assert own["predicted_by"]["how"].startswith("NO EVALUATION: the model may have been trained on these visits")
    refitted, itself = map(rows_of, honest)
    assert {row["source"] for row in refitted} == {"cross-fitted", "model"}
    assert {row["source"] for row in itself} == {"in-sample", "model"}
    for one, other in zip(refitted, itself):
        assert (one["source"] == "model") == (one["probability"] == other["probability"])


def test_the_text_says_by_what_the_visits_were_predicted(deployment: Deployment) -> None:
    at = ("--database-url", deployment.url, "--bootstrap", "0")
    told = run(evaluate_model, *at, "--model", str(deployment.models / "current.pkl")).splitlines()
    assert told[1].startswith("  280 visits before the training's end, each by a model fitted again")
    assert told[2] == "  a struggle: fewer than 65% right"
    assert "the rules predicted every visit" in run(evaluate_model, *at, "--model", "rules")
    assert "its weights come from other platforms" in run(evaluate_model, *at, "--model", shipped())


def test_some_learners_are_evaluated_by_models_that_all_others_taught(deployment: Deployment, tmp_path: Path) -> None:
    few, out = tmp_path / "few.txt", (tmp_path / "some.csv", tmp_path / "all.csv")
    few.write_text("learner-3\nlearner-8\n", encoding="utf-8")
    said = deployment.evaluation("--learners", str(few), "--predictions", str(out[0]))
    assert (said["n"], said["learners"]) == (20, 2)
    deployment.evaluation("--predictions", str(out[1]))
    some, every = map(rows_of, out)
    assert some == [row for row in every if row["learner_id"] in ("learner-3", "learner-8")]


def test_labels_are_at_the_models_own_mark_unless_another_is_asked_for(deployment: Deployment, tmp_path: Path) -> None:
    saved = model_file.read(shipped())
    strict = str(tmp_path / "strict.pkl")
    model_file.write(saved.but(struggle_below=0.5), strict)
    own = deployment.evaluation("--model", strict)
    asked = deployment.evaluation("--model", strict, "--struggle-below", "0.65")
    assert (own["struggle_below"], asked["struggle_below"], asked["model_struggle_below"]) == (0.5, 0.65, 0.5)
    assert own["struggles"] < asked["struggles"]
    assert "fewer than 65% right; the model's own mark is 50%" in asked["text"]


def test_weights_from_elsewhere_are_evaluated_on_every_visit(deployment: Deployment, tmp_path: Path) -> None:
    models = tmp_path / "models"
    run(
        *(train_initial_model, "--database-url", deployment.url, "--models-dir", str(models)),
        "--difficulty-only",
    )
    assert model_file.read(str(models / "current.pkl")).folds == 0
    by = deployment.evaluation("--model", str(models / "current.pkl"))["predicted_by"]
    assert (by["is_evaluation"], by["by_the_model"]) == (True, 400)


def test_where_training_cannot_be_repeated_its_visits_are_left_out(deployment: Deployment, tmp_path: Path) -> None:
    saved = model_file.read(str(deployment.models / "current.pkl"))
    early = str(deployment.models / "early.pkl")
    model_file.write(saved.but(until_ms=1_600_000_000_000 + 60_000), early)  # one visit each has begun
    said = deployment.evaluation("--model", early)
    assert (said["predicted_by"]["left_out"], said["predicted_by"]["cross_fitted"], said["n"]) == (40, 0, 360)
    assert "left out: 40 visits that it may have been trained on" in said["text"]


def test_a_model_file_says_until_when_and_on_how_many_folds_it_was_trained(deployment: Deployment) -> None:
    saved = model_file.read(str(deployment.models / "current.pkl"))
    assert (saved.folds, saved.until_ms) == (5, 1_600_048_800_000)
    assert model_file.read(shipped()).folds is None, "it was written before the field"
    for folds in (0, None):
        assert model_file.parse(model_file.dump(saved.but(folds=folds))).folds == folds


@pytest.mark.parametrize("visits", [17, 18])
def test_the_shipped_model_knows_its_own_sources_by_their_counts(visits: int) -> None:
    zeros = np.zeros(visits, np.int64)
    names = zeros.astype(np.str_)
    x = np.zeros((visits, len(FEATURE_NAMES)))
    examples = ExampleSet(x, zeros.astype(np.int8), names, names, zeros, zeros, zeros > 0)
    own = _counted_in(("a log: 90 answers and 17 labelled visits of 3 learners",), examples)
    assert own == (visits == 17)
    assert Judged(examples, [], zeros > 0, trained_on=own).told.startswith("NO EVALUATION" if own else "the model")


def test_the_field_stays_where_a_model_is_changed() -> None:
    assert SavedModel("a", model_file.read(shipped()).scorecard, (), {}, 0.65, folds=5).but(until_ms=1).folds == 5

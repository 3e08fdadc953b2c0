"""The training commands on a real database, and what a pretrained model must not learn."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.evaluation.figures import evaluate
from ml.features.vector import FEATURE_NAMES
from ml.places import HOUSE
from ml.storage import model_file
from ml.training.examples import ExampleSet
from ml.training.prior import Source, adapt, pooled, pretrain
from ml.training.tables import Additive
from scripts.training.measuring import table_of
from tests.support.small_platform import make_platform

STEADY, SEEN = FEATURE_NAMES.index("overall_accuracy"), FEATURE_NAMES.index("expected_struggle")
TIMED = FEATURE_NAMES.index("retention_estimate")

ON_THE_DEMO = ("--demo", "--models-dir", "/nowhere")


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, os.path.join(HOUSE, "scripts", script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=clean,
    )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a platform of 60 learners and 12 objectives."""
    return make_platform(str(tmp_path_factory.mktemp("platform")))


@pytest.mark.slow
def test_training_evaluating_and_explaining_through_the_commands(platform: str, tmp_path: Path) -> None:
    models = str(tmp_path / "models")
    ran = run("train_initial_model.py", "--database-url", platform, "--models-dir", models, "--jobs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    files = set(os.listdir(models))
    assert {"current.pkl", os.path.basename(said["model"]), said["difficulty"]} <= files
    assert not [name for name in files if name.startswith(".training")]
    named = [name for name in files if b"learner-" in (tmp_path / "models" / name).read_bytes()]
    assert named == [], "what we keep names no learner"
    current = model_file.read(os.path.join(models, "current.pkl"))
    assert current.difficulty is not None
    assert current.model_version.startswith("struggle_prediction_v1.0_")
    assert said["auc"] > 0.7
    card = json.loads((tmp_path / "models" / f"{current.model_version}.json").read_text())
    assert "Advisory" in card["purpose"]

    out = tmp_path / "predictions.csv"
    model = os.path.join(models, "current.pkl")
    common = ("--database-url", platform, "--model", model, "--jobs", "1")
    ran = run(
        "evaluate_model.py", *common, "--in-sample", "--bootstrap", "50", "--predictions", str(out), "--json", "-"
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["figures"]["auc"]["low"] is not None
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == json.loads(ran.stdout)["n"] == 600
    assert list(rows[0]) == [
        "learner_id",
        "objective_id",
        "as_of",
        "answers",
        "label",
        "probability",
        "confidence",
        "source",
    ]

    row = rows[-1]
    ran = run("evaluate_model.py", *common, "--explain", row["learner_id"], row["objective_id"], row["as_of"])
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["probability"] == pytest.approx(float(row["probability"]), abs=1e-12)

    page = tmp_path / "model.html"
    ran = run("explain_model.py", "--model", model, "--out", str(page))
    assert ran.returncode == 0, ran.stderr
    assert page.read_text().count("<polyline") > 5


def test_an_evaluation_of_no_visits_says_what_a_labelled_visit_is() -> None:
    said = table_of("a model", evaluate([], [], []), (), "GOOD")
    assert said.splitlines()[0] == "a model: 0 labelled visits of 0 learners, 0 struggles"
    assert said.splitlines()[-1].startswith("  A labelled visit is one learner's answers on one objective")
    assert "labelled visit is" not in table_of("a model", evaluate([0, 1], [0.2, 0.7], ["a", "b"]), (), "GOOD")


@pytest.mark.slow
def test_difficulty_only_keeps_the_weights_and_learns_the_objectives(platform: str, tmp_path: Path) -> None:
    models = str(tmp_path)
    ran = run("train_initial_model.py", "--database-url", platform, "--models-dir", models, "--difficulty-only")
    assert ran.returncode == 0, ran.stderr
    current = model_file.read(os.path.join(models, "current.pkl"))
    shipped = model_file.read(os.path.join(HOUSE, "models", "pretrained.pkl"))
    assert current.difficulty is not None
    x = np.random.default_rng(0).random((20, len(FEATURE_NAMES)))
    said = [Additive.of(model.scorecard).logits(x) for model in (current, shipped)]
    assert (said[0] == said[1]).all()


@pytest.mark.slow
def test_too_few_labels_write_nothing_and_say_so(platform: str, tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("u1\nu2\n", encoding="utf-8")
    models = tmp_path / "models"
    ran = run("train_initial_model.py", "--database-url", platform, "--models-dir", str(models), "--learners", str(few))
    assert ran.returncode == 1
    assert "too few" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert os.listdir(models) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "code"),
    [
        ("train_initial_model.py", ("--pretrained",), 2),
        ("train_initial_model.py", ("--learners", "/nowhere", *ON_THE_DEMO), 2),
        ("train_initial_model.py", ("--prior", "/nowhere.pkl", *ON_THE_DEMO), 78),
        ("train_initial_model.py", (*ON_THE_DEMO, "--models-dir", __file__), 78),
        ("train_initial_model.py", ("--pretrained", "--source", "d", *ON_THE_DEMO, "--models-dir", __file__), 78),
        ("retrain_model.py", (*ON_THE_DEMO, "--models-dir", f"{__file__}/models"), 78),
        ("evaluate_model.py", ("--model", "/nowhere.pkl", "--demo"), 78),
        ("evaluate_model.py", ("--demo", "--explain", "nobody", "action-potentials", "2026-01-01"), 66),
        ("evaluate_model.py", ("--demo", "--explain", "demo-learner", "action-potentials", "yesterday"), 2),
        ("explain_model.py", ("--model", "rules", "--out", "/tmp/never.html"), 78),
    ],
)
def test_what_cannot_work_is_one_sentence_and_an_exit_code(script: str, arguments: tuple[str, ...], code: int) -> None:
    ran = run(script, *arguments)
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr


def a_platform(name: str, n: int, base: float, seed: int, timed: bool) -> Source:
    """Made-up visits whose outcome follows accuracy and difficulty; without a table the difficulty is missing."""
    draw = np.random.default_rng(seed)
    x = np.full((n, len(FEATURE_NAMES)), np.nan)
    x[:, STEADY], x[:, SEEN] = draw.random(n), draw.random(n)
    if timed:
        x[:, TIMED] = draw.random(n)
    z = base + 3 * (x[:, SEEN] - 0.5) - 2 * (x[:, STEADY] - 0.5)
    y = (draw.random(n) < 1 / (1 + np.exp(-z))).astype(np.int8)
    learner = np.array([f"u{i}" for i in draw.integers(0, n // 20, n)])
    zeros = np.zeros(n, np.int64)
    known = ExampleSet(x, y, learner, learner, zeros, zeros + 5, zeros > 0)
    without = x.copy()
    without[:, SEEN] = np.nan
    return Source(name, known, ExampleSet(without, *tuple(known)[1:]))


@pytest.mark.slow
def test_a_prior_does_not_mistake_absence_for_the_platform_it_came_with() -> None:
    # The platform without times is the easier one: a naive fit would learn "no time known: less risk".
    sources = [a_platform("untimed", 3000, -1.5, 1, False), a_platform("timed", 3000, 0.5, 2, True)]
    trained = pretrain(sources, "test", ["a", "b"], 0.65)
    piece = Additive.of(trained.saved.scorecard).pieces[TIMED]
    typical = float(piece.at(np.linspace(0, 1, 11)).mean())
    assert abs(piece.missing - typical) < 0.5
    assert len(trained.probabilities) == 6000


def test_pooled_platforms_weigh_the_same_and_learners_do_not_collide() -> None:
    sources = [a_platform("small", 600, 0.0, 1, True), a_platform("large", 3000, 0.0, 2, True)]
    labels, first, _ = pooled(sources)
    weights = [labels.weights[(labels.platforms == number) & first].sum() for number in (0, 1)]
    assert weights[0] == pytest.approx(weights[1])
    assert first.sum() == 3600
    assert not set(labels.learners[labels.platforms == 0]) & set(labels.learners[labels.platforms == 1])


@pytest.mark.slow
def test_a_platform_of_tests_alone_weighs_little_and_hinders_no_training() -> None:
    answered = a_platform("answered", 600, 0.0, 1, True)
    of_answers = a_platform("tests", 600, 0.0, 2, True)
    known, unknown = (ExampleSet(*tuple(each)[:-1], np.ones(600, bool)) for each in of_answers[1:])
    sources = [answered, Source("tests", known, unknown)]
    labels, first, _ = pooled(sources)
    weights = [labels.weights[(labels.platforms == number) & first].sum() for number in (0, 1)]
    assert 0 < weights[1] < 0.1 * weights[0]
    assert np.isfinite(pretrain(sources, "test", ["a", "b"], 0.65).probabilities).all()


@pytest.mark.slow
def test_a_prior_is_measured_on_unknown_objectives_too_where_it_ranks_worse() -> None:
    sources = [a_platform("a", 3000, 0.0, 1, True), a_platform("b", 3000, 0.0, 2, True)]
    trained = pretrain(sources, "test", ["a", "b"], 0.65)
    y = np.concatenate([source.known.y for source in sources])
    known = roc_auc_score(y, trained.probabilities)
    unknown = roc_auc_score(trained.unknown.y, trained.unknown.probabilities)
    assert len(trained.unknown.y) == pytest.approx(0.35 * 6000, rel=0.1)
    assert 0.5 < unknown < known - 0.05


@pytest.mark.slow
def test_the_same_platforms_give_the_same_bytes() -> None:
    sources = [a_platform("a", 400, -0.5, 1, False), a_platform("b", 400, 0.5, 2, True)]
    first, second = (pretrain(sources, "test", ["a", "b"], 0.65).saved for _ in range(2))
    assert model_file.dump(first) == model_file.dump(second)


@pytest.mark.slow
def test_adapting_below_a_hundred_labels_moves_the_base_rate_alone() -> None:
    source = a_platform("own", 60, 0.0, 3, True)
    prior = pretrain([a_platform("a", 400, 0.0, 1, True)], "test", ["a"], 0.65).saved
    kept = adapt(prior, source.known.X, source.known.y.astype(float), source.known.learner, "own").saved
    assert kept.scorecard.tables is prior.scorecard.tables
    assert kept.scorecard.calibration != prior.scorecard.calibration

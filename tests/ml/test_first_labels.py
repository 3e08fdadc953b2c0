"""What a prior believes of a platform never seen, how unsure it is of the base rate, and what first labels teach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import db
from ml import StruggleFeatureExtractor, StrugglePredictionModel
from ml.features.vector import FEATURE_NAMES, FEATURES, FeatureVector
from ml.places import HOUSE
from ml.scoring.scorecard import FILLED, LEVEL_KNOWN, LEVEL_UNKNOWN, SavedModel, Scorecard, Table
from ml.scoring.trained import predict
from ml.storage import model_file
from ml.training.base_rate import USUAL_KNOWN, discounts, first_line, spread_of_levels
from ml.training.composite import WEIGHTS, composite
from ml.training.prior import BASE_RATE, adapt
from ml.training.tables import Additive, asked
from ml.training.vectorised import ManyAtOnce

SHIPPED = Path(HOUSE) / "models" / "pretrained.pkl"
FORMAT_2 = Path(HOUSE) / "tests" / "upgrade" / "format-2.pkl"
AS_TAUGHT = {
    ("demo-learner", "action-potentials"): (
        *(0.9625934871926954, 0.9095198178511585),
        *(0.8799341506227957, 0.9890539041688087),
    ),
    ("demo-learner", "anatomy-skull"): (
        *(0.1170408606423773, 0.8337220905866349),
        *(0.08427679814014656, 0.1603125907696075),
    ),
    ("demo-classmate-1", "action-potentials"): (
        *(0.9188557723488093, 0.8443467654577743),
        *(0.7784860706008987, 0.9733235758501942),
    ),
}
"""What the code that wrote FORMAT_2 said: probability, confidence, interval."""


@pytest.mark.parametrize(("learner", "objective"), AS_TAUGHT)
def test_a_model_of_the_earlier_format_answers_as_it_was_taught(learner: str, objective: str) -> None:
    model = StrugglePredictionModel.load(FORMAT_2)
    with db.connect() as client:
        features = StruggleFeatureExtractor(client).extract(learner, objective)
    assert features.known("expected_struggle") is not None  # filled today, missing then
    said = model.predict(features)
    probability, confidence, low, high = AS_TAUGHT[learner, objective]
    assert (said.probability, said.confidence, said.interval) == (probability, confidence, (low, high))
    saved = model_file.read(str(FORMAT_2))
    (at_once,) = ManyAtOnce(saved).judge([features])
    assert (at_once.probability, at_once.low, at_once.high) == (probability, low, high)
    row = np.array([[features.known(name) if name not in features.defaulted else np.nan for name in FEATURE_NAMES]])
    assert asked(saved.scorecard, row.astype(float))[0] == pytest.approx(probability)


def test_an_earlier_model_stays_one_when_it_is_saved_again_and_corrected() -> None:
    saved = model_file.read(str(FORMAT_2))
    assert not model_file.parse(model_file.dump(saved)).scorecard.fills_unknown
    x = np.random.default_rng(0).random((60, len(FEATURE_NAMES)))
    corrected = adapt(saved, x, (x[:, 0] > 0.4).astype(float), np.array([f"u{n % 20}" for n in range(60)]), "v").saved
    assert not corrected.scorecard.fills_unknown


def flat_model(**figures: float) -> SavedModel:
    tables = [Table([], [0.0], [], 0.0) for _ in FEATURE_NAMES]
    return SavedModel("flat", Scorecard(0.0, tables), ["a"], figures, 0.65)


def test_the_interval_is_wide_while_the_base_rate_is_unknown() -> None:
    model = flat_model(**{LEVEL_KNOWN: 0.3, LEVEL_UNKNOWN: 0.5})
    known, unknown = (FeatureVector.of({"objective_support": support}, 0) for support in (0.4, 0.0))
    for vector, spread in ((known, 0.3), (unknown, 0.5)):
        low, high = predict(model, vector).interval
        assert high == pytest.approx(1 / (1 + np.exp(-1.96 * spread)))
        assert low == pytest.approx(1 - high)
        assert ManyAtOnce(model).judge([vector])[0].high == high
    assert predict(flat_model(), known).interval == (0.5, 0.5)


def test_fifty_labels_move_the_base_rate_and_narrow_the_interval() -> None:
    prior = flat_model(**{LEVEL_KNOWN: 0.3, LEVEL_UNKNOWN: 0.5})
    x = np.full((50, len(FEATURE_NAMES)), np.nan)
    y = (np.arange(50) < 40).astype(float)
    many = adapt(prior, x, y, np.array([f"u{n}" for n in range(50)]), "v").saved
    one = adapt(prior, x, y, np.array(["u1"] * 50), "v").saved
    blank = FeatureVector.of({}, 0)
    assert 0.5 < predict(one, blank).probability < predict(many, blank).probability < 0.8
    assert many.figures[LEVEL_UNKNOWN] < one.figures[LEVEL_UNKNOWN] < 0.5
    assert many.scorecard.tables[0].values == [0.0]


def test_a_hundred_labels_that_prove_no_feature_still_move_the_base_rate() -> None:
    prior = flat_model(**{LEVEL_KNOWN: 0.3, LEVEL_UNKNOWN: 0.5})
    draw = np.random.default_rng(10)
    x, y = draw.random((120, len(FEATURE_NAMES))), (draw.random(120) < 0.3).astype(float)
    several = adapt(prior, x, y, np.array([f"u{n % 40}" for n in range(120)]), "v", ["more"])
    assert several.result.chosen == BASE_RATE
    assert several.result.log_losses[BASE_RATE] < several.result.log_losses["prior"]
    assert several.saved.sources == prior.sources
    said = predict(several.saved, FeatureVector.of({"objective_support": 0.4}, 0))
    assert y.mean() <= said.probability < 0.45
    # As many labels of three learners tell less of the others.
    few = adapt(prior, x, y, np.array([f"u{n % 3}" for n in range(120)]), "v").saved
    assert several.saved.figures[LEVEL_UNKNOWN] < few.figures[LEVEL_UNKNOWN] < 0.5


def test_a_correction_that_proves_better_is_kept_with_what_is_unknown_of_the_base_rate() -> None:
    prior = flat_model(**{LEVEL_KNOWN: 0.3, LEVEL_UNKNOWN: 0.5})
    x = np.random.default_rng(0).random((400, len(FEATURE_NAMES)))
    y = (x[:, FEATURE_NAMES.index("expected_struggle")] > 0.5).astype(float)
    made = adapt(prior, x, y, np.array([f"u{n % 80}" for n in range(400)]), "v", ["more"])
    assert made.result.chosen.startswith("corrected")
    assert made.saved.sources == ("a", "more")
    assert 0.0 < made.saved.figures[LEVEL_KNOWN] < 0.3


def test_each_fold_s_figures_come_from_the_others_line() -> None:
    prior = flat_model(**{LEVEL_KNOWN: 0.3, LEVEL_UNKNOWN: 0.5})
    x = np.full((60, len(FEATURE_NAMES)), np.nan)
    y = (np.arange(60) % 10 < 3).astype(float)
    learners = np.array([f"u{n % 10}" for n in range(60)])  # a learner struggles always or never
    said = adapt(prior, x, y, learners, "v").probabilities
    whole = adapt(prior, x, y, learners, "v").saved
    assert len(set(said.tolist())) > 1
    # Who always struggles was judged from the others, of whom fewer do.
    assert said[y == 1].mean() < predict(whole, FeatureVector.of({}, 0)).probability < said[y == 0].mean()


def test_without_labels_the_line_is_the_prior_and_clustered_labels_count_less() -> None:
    logits, y, learners = np.linspace(-1, 1, 6), np.array([0.0, 1, 0, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 2])
    line = first_line(logits, y, learners, 0.5, np.zeros(6))
    assert (line.slope, line.level, line.spread) == (1.0, 0.0, 0.5)
    assert discounts(learners, np.ones(6)).tolist() == pytest.approx([1 / 1.3] * 4 + [1.0, 1.0])


def test_the_spread_of_base_rates_is_drawn_to_the_usual_one() -> None:
    assert spread_of_levels([], USUAL_KNOWN) == pytest.approx(USUAL_KNOWN)
    assert USUAL_KNOWN < spread_of_levels([1.0, -1.0, 1.0], USUAL_KNOWN) < 1.0
    assert spread_of_levels([0.0, 0.0], USUAL_KNOWN) < USUAL_KNOWN


def test_the_prior_mean_is_the_expectations_own_logits() -> None:
    x = np.full((3, len(FEATURE_NAMES)), np.nan)
    for name in WEIGHTS:
        x[:, FEATURE_NAMES.index(name)] = [0.2, 0.5, 0.8]
    believed = composite(x).logits(x)
    assert believed == pytest.approx(np.log([0.25, 1.0, 4.0]) * sum(WEIGHTS.values()), abs=1e-9)


@pytest.mark.parametrize("name", [*FILLED, "first_card_difficulty", "objective_struggle_rate", "ability"])
def test_the_shipped_tables_run_one_way_where_the_meaning_says_so(name: str) -> None:
    position = FEATURE_NAMES.index(name)
    piece = Additive.of(model_file.read(str(SHIPPED)).scorecard).pieces[position]
    rises = np.diff(piece.at(np.linspace(0, 1, 201))) * FEATURES[position].direction
    assert (rises >= -1e-12).all()


def test_the_shipped_model_weighs_the_next_cards_and_knows_how_far_base_rates_lie_apart() -> None:
    shipped = model_file.read(str(SHIPPED))
    piece = Additive.of(shipped.scorecard).pieces[FEATURE_NAMES.index("first_card_difficulty")]
    assert piece.at(np.array([0.7]))[0] - piece.at(np.array([0.5]))[0] > 0.3
    assert abs(piece.missing - piece.at(np.array([0.5]))[0]) < 0.1
    assert 0.2 < shipped.figures[LEVEL_KNOWN] < 0.8
    assert 0.2 < shipped.figures[LEVEL_UNKNOWN] < 0.8

"""StrugglePredictionModel as callers hold it: which file answers, what it says, and what an update may change."""

from __future__ import annotations

import os
import pickle
import random
import shutil
from datetime import datetime
from math import log
from pathlib import Path

import pytest

from ml import StrugglePredictionModel, TrainingExample
from ml.errors import InvalidSetting, ModelNotFound, ModelRefused, ModelUnsuited, NotEnoughExamples
from ml.extractor import StruggleFeatureExtractor
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.places import CURRENT, MODELS, resolve
from ml.scoring.scorecard import SavedModel, Scorecard, Table
from ml.scoring.trained import NO_HISTORY_CAP, confidence_of
from ml.storage import model_file
from ml.study.history import StudyHistory
from tests.support.history_builder import ACTION_POTENTIALS, UPPER_LIMB, known_scenario

SHIPPED = resolve("models/pretrained.pkl")


def a_saved_model(version: str = "made-up", accuracy: float = 0.7) -> SavedModel:
    tables = [Table([], [0.0], [], 0.0) for _ in FEATURE_NAMES]
    tables[FEATURE_NAMES.index("review_lapse_rate")] = Table([], [-1.0], [3.0], 0.0)
    return SavedModel(version, Scorecard(-0.5, tables), ["made up"], {"accuracy": accuracy}, 0.65)


def examples(n: int, seed: int = 0, as_mapping: bool = True) -> list[TrainingExample]:
    """Outcomes that follow the review lapse rate, as the guide's script hands them in."""
    draw = random.Random(seed)
    found = []
    for number in range(n):
        lapses = draw.random()
        vector = FeatureVector.of({"review_lapse_rate": lapses, "retention_score": draw.random()}, 10**12)
        struggled = draw.random() < 1 / (1 + 2.718 ** -(5 * lapses - 2))
        features = vector.to_dict() if as_mapping else vector
        found.append(TrainingExample(features, struggled, f"u{number % 40}", "o", datetime(2026, 1, 1)))
    return found


def features_of(faced: str) -> FeatureVector:
    history = StudyHistory.before(known_scenario(faced))
    return StruggleFeatureExtractor.features_of(_without_table(), history)


def _without_table() -> StruggleFeatureExtractor:
    extractor = StruggleFeatureExtractor.__new__(StruggleFeatureExtractor)
    extractor._given = None
    return extractor


def test_without_a_model_the_rules_answer() -> None:
    model = StrugglePredictionModel()
    assert (model.source, model.model_version, model.difficulty, model.saved) == ("rules", "rules-1", None, None)
    assert StrugglePredictionModel.load("rules").source == "rules"
    prediction = model.predict(FeatureVector.of({}, 0))
    assert prediction.source == "rules"


def test_current_answers_before_pretrained_and_relative_paths_start_at_the_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(f"{MODELS}/{CURRENT}") == resolve("models/current.pkl") != os.path.abspath("models/current.pkl")
    directory = tmp_path / "models"
    current, pretrained = directory / "current.pkl", directory / "pretrained.pkl"
    with pytest.raises(ModelNotFound):
        StrugglePredictionModel.load(current)
    model_file.write(a_saved_model("shipped"), str(pretrained))
    assert StrugglePredictionModel.load(current).model_version == "shipped"
    with pytest.raises(ModelNotFound):
        StrugglePredictionModel.load(directory / "another.pkl")
    model_file.write(a_saved_model("own"), str(current))
    assert StrugglePredictionModel.load(current).model_version == "own"
    current.write_bytes(b"torn")
    with pytest.raises(ModelRefused):  # a damaged model is never passed over in silence
        StrugglePredictionModel.load(current)


def outdated(content: bytes, **payload: object) -> bytes:
    """The model file with another format, or with other fields in its payload; whole, under a right checksum."""
    envelope = pickle.loads(content)
    fields = {**pickle.loads(envelope["payload"]), **payload}
    number = fields.pop("format", envelope["format"])
    octets = pickle.dumps(fields, protocol=4)
    return pickle.dumps({"format": number, "sha256": model_file.sha256(octets), "payload": octets}, protocol=4)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 1}, "an earlier format"),
        ({"format": 99}, "a later format"),
        ({"features": ["retention_score", "another"]}, "other features"),
        ({"correct_from": "HARD"}, "trained with correct from HARD"),
    ],
    ids=["earlier format", "later format", "other features", "other setting"],
)
@pytest.mark.parametrize("beside", [True, False], ids=["pretrained beside it", "pretrained shipped"])
def test_a_current_model_that_does_not_suit_never_stops_an_answer(
    tmp_path: Path, change: dict[str, int] | dict[str, list[str]] | dict[str, str], why: str, beside: bool
) -> None:
    current = tmp_path / "current.pkl"
    current.write_bytes(outdated(model_file.dump(a_saved_model("own")), **change))
    if beside:
        model_file.write(a_saved_model("shipped"), str(tmp_path / "pretrained.pkl"))
    model = StrugglePredictionModel.load(current)
    version = f"{'shipped' if beside else 'pretrained-1'} (current.pkl: {why})"
    assert model.model_version == model.predict(FeatureVector.of({}, 0)).model_version == version
    assert model.source == "model"
    assert model.instead.endswith("Until then pretrained.pkl answers.")
    assert model.instead.count("\n") == 0
    with pytest.raises(ModelUnsuited):  # a file that somebody names is that file or none
        StrugglePredictionModel.load(shutil.copy(current, tmp_path / "another.pkl"))


def test_a_model_serves_the_setting_it_was_trained_under_and_the_shipped_one_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = str(tmp_path / "current.pkl")
    model_file.write(a_saved_model("own"), current)
    assert StrugglePredictionModel.load(current).model_version == "own"
    assert StrugglePredictionModel.load(current, "HARD").model_version.startswith("pretrained-1 (")
    monkeypatch.setenv("STRUGGLE_CORRECT_FROM", "HARD")
    assert StrugglePredictionModel.load(current).model_version.startswith("pretrained-1 (")
    assert StrugglePredictionModel.load(SHIPPED).model_version == "pretrained-1"
    assert StrugglePredictionModel.load(SHIPPED).correct_from == "HARD"
    monkeypatch.setenv("STRUGGLE_CORRECT_FROM", "EASY")
    with pytest.raises(InvalidSetting, match="STRUGGLE_CORRECT_FROM"):
        StrugglePredictionModel.load(current)


def test_a_model_saved_after_another_answered_for_it_bears_its_own_name(tmp_path: Path) -> None:
    current = tmp_path / "current.pkl"
    current.write_bytes(outdated(model_file.dump(a_saved_model("own")), format=1))
    model = StrugglePredictionModel.load(current)
    model.save(tmp_path / "kept.pkl")
    assert StrugglePredictionModel.load(tmp_path / "kept.pkl").model_version == "kept"


def test_the_factors_of_a_prediction_sum_to_its_logit() -> None:
    model = StrugglePredictionModel.load(SHIPPED)
    for faced in (ACTION_POTENTIALS, UPPER_LIMB):
        prediction = model.predict(features_of(faced))
        total = prediction.intercept + sum(factor.contribution for factor in prediction.factors)
        assert log(prediction.probability / (1 - prediction.probability)) == pytest.approx(total, abs=1e-9)
        assert prediction.interval[0] <= prediction.probability <= prediction.interval[1]


def test_a_degraded_answer_names_no_record_as_absent_and_still_sums_to_its_logit() -> None:
    model = StrugglePredictionModel.load(SHIPPED)
    unread = model.predict(FeatureVector.of({}, 0, degraded="The database cannot be reached."))
    absent = model.predict(FeatureVector.of({}, 0))
    assert unread.probability == absent.probability
    assert list(unread.factors) == []
    assert len(absent.factors) > 30
    assert log(unread.probability / (1 - unread.probability)) == pytest.approx(unread.intercept, abs=1e-9)
    partly = model.predict(FeatureVector.of({"ability": 0.2, "retention_score": 0.3}, 0, degraded="cut short"))
    assert {factor.feature for factor in partly.factors} == {"ability", "retention_score"}
    total = partly.intercept + sum(factor.contribution for factor in partly.factors)
    assert log(partly.probability / (1 - partly.probability)) == pytest.approx(total, abs=1e-9)


def test_the_shipped_model_gets_the_known_scenario_right() -> None:
    model = StrugglePredictionModel.load(SHIPPED)
    hard = model.predict(features_of(ACTION_POTENTIALS))
    assert (hard.risk_level, hard.source) == ("HIGH", "model")
    assert hard.probability > 0.7
    assert hard.confidence > 0.75
    leading = [factor.feature for factor in hard.factors[:2]]
    assert {"prerequisite_gap_count", "prerequisite_mastery_gap"} & set(leading)
    assert "membrane-transport is not mastered (0 %)" in hard.reasoning  # an objective without a text goes by its id
    assert model.predict(features_of(UPPER_LIMB)).risk_level == "LOW"


def test_the_same_features_always_give_the_same_answer() -> None:
    model, features = StrugglePredictionModel.load(SHIPPED), features_of(ACTION_POTENTIALS)
    first, second = model.predict(features), StrugglePredictionModel.load(SHIPPED).predict(features)
    assert (first.probability, first.confidence, first.interval) == (
        second.probability,
        second.confidence,
        second.interval,
    )


def test_confidence_doubts_unknown_objectives_and_short_histories() -> None:
    def confidence(**known: float) -> float:
        return confidence_of(0.9, 0.3, FeatureVector.of(known, 0))

    assert confidence(answers_of_history=0.0, objective_support=0.4) == NO_HISTORY_CAP
    assert confidence(answers_of_history=0.2, objective_support=0.4) < confidence(
        answers_of_history=0.5, objective_support=0.4
    )
    assert confidence(answers_of_history=0.5, objective_support=0.0) == confidence(answers_of_history=0.5)
    assert confidence(answers_of_history=0.5) < confidence(answers_of_history=0.5, objective_support=0.4)
    assert confidence_of(0.9, 1.5, FeatureVector.of({"answers_of_history": 0.5}, 0)) < confidence(
        answers_of_history=0.5
    )
    assert confidence_of(0.99, 0.0, FeatureVector.of({"answers_of_history": 0.9}, 0, degraded="timeout")) <= 0.2


@pytest.mark.slow
@pytest.mark.parametrize("as_mapping", [True, False])
def test_an_update_learns_and_says_how_it_does_on_learners_left_out(tmp_path: Path, as_mapping: bool) -> None:
    model = StrugglePredictionModel(a_saved_model())
    metrics = model.update_model(examples(800, as_mapping=as_mapping))
    assert metrics.updated
    assert metrics.n == 800
    assert metrics.accuracy > model.get_model_performance()["previous_accuracy"]
    assert metrics.log_loss is not None
    path = model.save(str(tmp_path / "struggle_prediction_v1.0_2026-01-01.pkl"))
    again = StrugglePredictionModel.load(path)
    assert again.model_version == "struggle_prediction_v1.0_2026-01-01"
    vector = examples(1, as_mapping=False)[0].features
    assert again.predict(vector).probability == model.predict(vector).probability


def test_few_examples_change_nothing_and_say_so() -> None:
    for n, said in ((0, "too few"), (30, "too few")):
        model = StrugglePredictionModel(a_saved_model())
        metrics = model.update_model(examples(n))
        assert not metrics.updated
        assert said in metrics.note
        assert not metrics.accuracy > model.get_model_performance()["previous_accuracy"]
        with pytest.raises(NotEnoughExamples):
            model.train(examples(n))


def test_one_outcome_only_changes_nothing() -> None:
    one_sided = [example._replace(struggled=True) for example in examples(120)]
    model = StrugglePredictionModel(a_saved_model())
    assert "same outcome" in model.update_model(one_sided).note
    with pytest.raises(NotEnoughExamples, match="same outcome"):
        model.train(one_sided)


def test_degraded_predictions_teach_nothing() -> None:
    degraded = [
        example._replace(features={**example.features, "degraded": "deadline passed"}) for example in examples(200)
    ]
    assert StrugglePredictionModel(a_saved_model()).update_model(degraded).n == 0


def test_rules_cannot_be_saved_and_saving_keeps_the_difficulty_table(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        StrugglePredictionModel().save(tmp_path / "rules.pkl")
    saved = a_saved_model()
    saved.difficulty = ("difficulty-1.sqlite3", "ab")
    model = StrugglePredictionModel(saved)
    path = model.save(tmp_path / "other.pkl")
    assert model_file.read(path).difficulty == ("difficulty-1.sqlite3", "ab")


def test_a_model_whose_difficulty_table_is_gone_is_refused(tmp_path: Path) -> None:
    saved = a_saved_model()
    saved.difficulty = ("difficulty-gone.sqlite3", "ab")
    path = str(tmp_path / "current.pkl")
    model_file.write(saved, path)
    with pytest.raises(ModelRefused):
        _ = StrugglePredictionModel.load(path).difficulty


def test_the_shipped_model_states_what_no_log_can_tell() -> None:
    model = model_file.read(SHIPPED)
    stated = {name for name, table in zip(FEATURE_NAMES, model.scorecard.tables) if table.stated}
    assert {"prerequisite_gap_count", "prerequisite_mastery_gap", "days_until_exam", "workload_level"} <= stated
    assert model.difficulty is None

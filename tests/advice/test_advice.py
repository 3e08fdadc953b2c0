"""What would help: only what can be done, the largest drop first, and words that do not claim a cause."""

from __future__ import annotations

from typing import Any

import pytest

from ml.advice.advise import LEAST_DROP, MOST_ADVICE, SAID, Advice
from ml.advice.changed import Faced
from ml.advice.changes import Change, possible_changes, rows_of
from ml.extractor import StruggleFeatureExtractor
from ml.features.vector import FeatureVector
from ml.model import RULES, StrugglePredictionModel, load
from ml.places import shipped
from ml.scoring.difference import Difference
from ml.scoring.prediction import Prediction
from ml.study.history import StudyHistory
from tests.support.history_builder import (
    ACTION_POTENTIALS,
    AS_OF_MS,
    LEARNER,
    MEMBRANE_TRANSPORT,
    UPPER_LIMB,
    answers,
    card,
    known_scenario,
    mission,
    objective,
    prerequisite,
    study,
    validation,
)

SHIPPED = load(shipped())


def kinds(history: StudyHistory, *missing: str) -> list[str]:
    return [change.kind for change in possible_changes(history, missing)]


def advised(
    history: StudyHistory, model: StrugglePredictionModel = SHIPPED
) -> tuple[Prediction, FeatureVector, list[Advice]]:
    extractor = StruggleFeatureExtractor(Records(), None)
    estimates, features = extractor.studied(history)
    prediction = model.predict(features)
    return prediction, features, model.advise(prediction, history, estimates, features)


class Records:
    """No database: these tests bring their rows."""

    read = aread = None


def test_the_known_scenario_is_advised_to_master_the_prerequisite_first() -> None:
    prediction, _, (first, *_) = advised(StudyHistory.before(known_scenario()))
    assert (first.kind, first.objective_id, first.basis) == ("master_prerequisite", MEMBRANE_TRANSPORT, "stated")
    assert first.drop == prediction.probability - first.probability > 0.2
    assert f"have mastered {MEMBRANE_TRANSPORT} " in first.text


def test_a_low_risk_gets_no_advice() -> None:
    prediction, _, advice = advised(StudyHistory.before(known_scenario(UPPER_LIMB)))
    assert prediction.risk_level == "LOW"
    assert advice == []


def test_what_is_mastered_or_cannot_be_done_is_never_proposed() -> None:
    assert kinds(study()) == []
    assert kinds(study(prerequisites=[prerequisite(level="MASTERED"), prerequisite("p2", "ADVANCED")])) == []
    assert kinds(study(cards=[card()])) == ["review_now", "next_three_right"]
    assert kinds(study(cards=[card()], is_now=False)) == []
    assert kinds(study(prerequisites=[prerequisite()])) == ["master_prerequisite"]
    right = answers("GGG", objective="prerequisite")
    assert kinds(study(prerequisites=[prerequisite()], reviews=right)) == []


def test_a_prerequisite_of_somebody_else_needs_rows_that_show_it() -> None:
    shared = [prerequisite(owner="teacher")]
    (by_score,) = possible_changes(study(prerequisites=shared))
    assert (len(by_score.scores), len(by_score.answers), by_score.mastered) == (1, 0, None)
    (by_answers,) = possible_changes(study(prerequisites=shared, reviews=answers("GA", objective="prerequisite")))
    assert (len(by_answers.scores), len(by_answers.answers)) == (0, 4)
    assert [answer.card_id for answer in by_answers.answers] == [f"prerequisite/{n % 2 ^ 1}" for n in range(4)]
    assert kinds(study(prerequisites=shared), "validation_responses") == []
    assert kinds(study(prerequisites=[prerequisite()]), "learning_objectives.masteryLevel") == ["master_prerequisite"]


def test_rows_whose_order_would_be_uncertain_are_not_proposed() -> None:
    at_once = 50 / 86_400_000
    assert kinds(study(cards=[card()], reviews=answers("G", at_once))) == []
    assert kinds(study(cards=[card()], validations=[validation(1.0, at_once)])) == []
    assert kinds(study(cards=[card()], reviews=answers("GG", 2, order_only=True))) == []


def test_a_lighter_day_puts_off_what_is_planned_beside_the_objective() -> None:
    own, other = {"objectiveId": "objective"}, {"objective": {"id": "other"}}
    assert kinds(study()) == kinds(study(missions=[mission(own)])) == []
    assert kinds(study(missions=[mission(other, status="COMPLETED")._replace(id="m")])) == []
    assert kinds(study(missions=[mission(other, days_ahead=2)._replace(id="m")])) == []
    both = mission(own, other)._replace(id="both")
    overdue = mission(other, days_ahead=-5)._replace(id="overdue")
    (change,) = possible_changes(study(missions=[overdue, both, mission(other, days_ahead=3)._replace(id="later")]))
    assert rows_of([change], LEARNER, AS_OF_MS) == [
        {"table": "missions", "where": {"id": "overdue"}, "set": {"status": "SKIPPED"}},
        {"table": "missions", "where": {"id": "both"}, "set": {"objectives": [own]}},
    ]


def test_at_most_three_changes_are_named_the_largest_drop_first() -> None:
    many = [prerequisite(f"p{n}", level) for n, level in enumerate(("INTERMEDIATE", "NOT_STARTED", "BEGINNER", None))]
    _, _, advice = advised(study(prerequisites=many, cards=[card()], reviews=answers("AAAA")))
    assert len(advice) == MOST_ADVICE
    drops = [each.drop for each in advice]
    assert drops == sorted(drops, reverse=True)
    assert min(drops) >= LEAST_DROP


class Sure:
    """A model that would say 0.4 after any change, with the given noise."""

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def baseline(self, before: FeatureVector) -> Sure:
        return self

    def moved_to(self, after: FeatureVector) -> Sure:
        return self

    @property
    def probability(self) -> float:
        return 0.4

    @property
    def difference(self) -> Difference:
        return Difference(-1.0, self.noise, 0.5, 0.01)


@pytest.mark.parametrize(("noise", "named"), [(0.9, 1), (1.1, 0)])
def test_a_drop_counts_only_above_its_own_noise(noise: float, named: int) -> None:
    from ml.advice.advise import advice_for

    history = StudyHistory.before(known_scenario())
    estimates, features = StruggleFeatureExtractor(Records(), None).studied(history)
    assert estimates is not None
    found = advice_for(Faced(history, estimates, features, None), SHIPPED.predict(features), Sure(noise))
    assert [each.basis for each in found] == ["learned"] * named


def test_the_basis_says_where_the_difference_comes_from() -> None:
    assert [Difference(-1, 0, *moved).basis for moved in ((1, 0), (0, 1), (1, 1), (1, 0.04))] == [
        *("learned", "stated", "mixed", "learned")
    ]
    _, _, advice = advised(StudyHistory.before(known_scenario()), load(RULES))
    assert {each.basis for each in advice} == {"stated"}


def test_the_difference_is_that_of_the_two_logits() -> None:
    before = FeatureVector.of({"prerequisite_gap_count": 1.0, "retention_estimate": 0.2}, 0)
    after = FeatureVector.of({"prerequisite_gap_count": 0.0, "retention_estimate": 0.9}, 0)
    from ml.study.scales import logit

    for model in (SHIPPED, load(RULES)):
        difference = model.difference(before, after)
        now, then = model.probability(before), model.probability(after)
        assert now == model.predict(before).probability
        assert then == model.baseline(before).moved_to(after).probability
        if model is SHIPPED:
            assert difference.logit == pytest.approx(logit(then) - logit(now))
        assert difference.noise > 0


def test_words_claim_no_cause_and_fill_every_place() -> None:
    for sentence in SAID.values():
        assert not {"because", "will", "cause", "improve"} & set(sentence.replace(",", "").split())
    for kind in ("master_prerequisite", "review_now", "next_three_right", "lighter_day"):
        for basis in SAID:
            text = Advice(Change(kind, "o1", "Sum a series"), 0.613, 0.2, basis).text
            assert "{" not in text
            assert text.endswith("the estimate would then be 61 %.")
            assert ("have mastered Sum a series " in text) == (kind == "master_prerequisite")
            quoted = Advice(Change(kind, "o1", 'Sum a "geometric" series'), 0.613, 0.2, basis).text
            assert ("have mastered \"Sum a 'geometric' series\" " in quoted) == (kind == "master_prerequisite")


def test_an_objectives_text_is_data_on_one_line_and_cut() -> None:
    def named(text: str | None) -> Any:
        return Advice(Change("master_prerequisite", "o1", text), 0.5, 0.2, "stated").objective_name

    assert named("a\x1b[31m\nb\u202ec {d}") == "a bc {d}"
    assert named(None) == named(" \n") == "o1"
    assert len(named("x" * 500)) == 80


def test_a_learner_whose_window_is_full_is_told_of_three_answers_and_not_of_one() -> None:
    full = answers("GA" * 1500, 10, objective="other")
    _, _, advice = advised(study(cards=[card()], reviews=full, faced=objective(ACTION_POTENTIALS)))
    assert "review_now" not in {each.kind for each in advice}


@pytest.mark.parametrize("as_of_ms", [-62_135_596_800_000, 0, 200])
def test_before_all_time_there_is_no_room_for_rows(as_of_ms: int) -> None:
    assert kinds(study(cards=[card()], prerequisites=[prerequisite(owner="x")], as_of_ms=as_of_ms)) == []


def test_what_is_nested_in_a_missions_entry_stays_out_of_the_rows() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    entry = {"objective": {"id": "objective", "more": deep}, "deep": deep, "minutes": 5}
    mixed = mission(entry, {"objectiveId": "other"})._replace(id="m")
    (change,) = possible_changes(study(missions=[mixed]))
    (row,) = rows_of([change], LEARNER, AS_OF_MS)
    assert row["set"] == {"objectives": [{"minutes": 5, "objective": {"id": "objective"}}]}

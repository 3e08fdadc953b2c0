"""The features by name, and the FeatureVector that carries them from the extractor to the model.

Every feature is a number in 0..1. A feature without data holds its neutral value and is named in `defaulted`; the
model treats it as missing, which is not the same as average.
"""

from __future__ import annotations

from ml.errors import InvalidFeatures
from ml.instants import iso, parse_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Feature:
    """What one feature means: its neutral value, which way it moves the risk (+1, -1, 0: either), and its words."""

    __slots__ = ("direction", "meaning", "name", "neutral")

    def __init__(self, name: str, neutral: float, direction: int, meaning: str) -> None:
        self.name = name
        self.neutral = neutral
        self.direction = direction
        self.meaning = meaning


PLATFORM_FEATURES = (
    Feature("retention_score", 0.5, -1, "mean retention in the objective's course over the last 30 days"),
    Feature("retention_decline_rate", 0.0, +1, "fall of that retention within those days; 0 = stable or rising"),
    Feature("review_lapse_rate", 0.0, +1, "share of AGAIN among the answers on the objective"),
    Feature("session_performance_score", 0.5, -1, "share of correct answers in recent sessions"),
    Feature("validation_score", 0.5, -1, "recent validation-prompt scores, the objective's own before the course's"),
    Feature("prerequisite_gap_count", 0.0, +1, "share of stated prerequisites below mastery"),
    Feature("prerequisite_mastery_gap", 0.0, +1, "mean lack of mastery of the stated prerequisites"),
    Feature("content_complexity", 0.5, +1, "complexity of the material; BASIC 0.3, INTERMEDIATE 0.6, ADVANCED 0.9"),
    Feature("complexity_mismatch", 0.0, +1, "demands of the objective above the learner's level; 0 = not above"),
    Feature("historical_struggle_score", 0.0, +1, "past struggle in the objective's course"),
    Feature("content_type_mismatch", 0.0, +1, "format of recent material against the learner's preferences"),
    Feature("cognitive_load_indicator", 0.0, +1, "load of the last 24 hours; 1 = 300 answers, 4 hours or 60 new cards"),
    Feature("days_until_exam", 0.0, +1, "urgency of the next exam; 1 = today, 0 = 90 days or more away, or none"),
    Feature("days_since_last_study", 0.5, +1, "days since the objective's course was last studied; 1 = 30 or more"),
    Feature("workload_level", 0.0, +1, "objectives pending in missions; 1 = 50 or more"),
)
"""The platform's own fifteen (platform.md of the integration); each is computed in ml/features/platform.py."""

ESTIMATED_FEATURES = (
    Feature(
        "expected_struggle", 0.5, +1, "others' struggle on the objective, moved by this learner's ability and offset"
    ),
    Feature(
        "expected_error",
        0.4,
        +1,
        "expected share of wrong answers at the start of the visit, from the same and own record",
    ),
    Feature("ability", 0.5, -1, "ability against the difficulty of what was answered; 0.5 = like the average learner"),
    Feature("opening_ability", 0.5, -1, "ability over the answers that open a visit; 0.5 = like the average learner"),
    Feature("ability_gap", 0.5, +1, "the objective's difficulty among other learners against this learner's ability"),
    Feature("objective_ability_gap", 0.5, +1, "the same gap, own record on the objective counted in"),
    Feature("opening_ability_gap", 0.5, +1, "others' errors at the start of a visit here against that opening ability"),
    Feature(
        "objective_struggle_rate", 0.3, +1, "share of other learners who struggled here (first or repeat visit alike)"
    ),
    Feature("objective_overall_struggle_rate", 0.3, +1, "share of other learners who struggled here on any visit"),
    Feature("objective_error_rate", 0.3, +1, "other learners' share of wrong answers on the objective"),
    Feature("objective_opening_error_rate", 0.4, +1, "others' errors at the start of a visit (first or repeat alike)"),
    Feature(
        "objective_validation_failure_rate", 0.4, +1, "share of other learners who failed validation prompts on it"
    ),
    Feature(
        "objective_support", 0.0, 0, "how many other learners the objective's difficulty rests on; 1 = 1000 or more"
    ),
    Feature("related_performance", 0.5, -1, "results on objectives that foretell this one among other learners"),
    Feature("predecessors_unseen", 0.5, 0, "share of the objectives usually met before this one that were not met yet"),
    Feature("overall_accuracy", 0.7, -1, "share of correct answers so far"),
    Feature("recent_accuracy", 0.7, -1, "share of correct answers, the last eight or so weighing most"),
    Feature("recent_residual", 0.5, -1, "recent answers against what other learners make of the same cards"),
    Feature("steady_residual", 0.5, -1, "the same, the last thirty or so weighing most"),
    Feature("visit_struggle_share", 0.3, +1, "share of earlier visits that were a struggle"),
    Feature(
        "visit_struggle_residual", 0.5, +1, "earlier visits that were a struggle against what others' visits foretell"
    ),
    Feature("objective_answers", 0.0, 0, "answers on the objective so far; 1 = 100 or more, logarithmic"),
    Feature("objective_visits", 0.0, 0, "visits of the objective so far; 1 = 30 or more, logarithmic"),
    Feature("objective_accuracy", 0.7, -1, "share of correct answers on the objective"),
    Feature("objective_recent_accuracy", 0.7, -1, "the same, the last four or so weighing most"),
    Feature("objective_last_visit_accuracy", 0.7, -1, "share of correct answers at the start of its latest visit"),
    Feature("objective_struggle_share", 0.3, +1, "share of its earlier visits that were a struggle"),
    Feature("objective_wrong_streak", 0.0, +1, "wrong answers in a row on the objective; 1 = five or more"),
    Feature("objective_residual", 0.5, -1, "answers on the objective against what other learners make of its cards"),
    Feature(
        "objective_offset", 0.5, -1, "how much better on the objective than the general ability says; 0.5 = as it says"
    ),
    Feature("retention_estimate", 0.5, -1, "expected recall of the objective now, from the gaps between its visits"),
    Feature("answers_since_objective", 0.5, 0, "answers on other things since; 1 = 1000 or more, logarithmic"),
    Feature("time_since_objective", 0.5, 0, "time since its last answer; 1 = 60 days or more, logarithmic"),
    Feature("time_since_any", 0.5, 0, "time since the last answer of all; 1 = 60 days or more, logarithmic"),
    Feature("answers_of_history", 0.0, 0, "answers so far; 1 = 2000 or more, logarithmic"),
    Feature("first_card_difficulty", 0.3, +1, "error rate, among other learners, of the cards due next"),
)
"""Estimates from dated answers and from other learners; each is computed in ml/features/estimated.py."""

FEATURES = PLATFORM_FEATURES + ESTIMATED_FEATURES
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
_NEUTRAL = tuple((feature.name, feature.neutral) for feature in FEATURES)
_POSITION = {name: position for position, name in enumerate(FEATURE_NAMES)}


class FeatureVector:
    """One learner facing one objective at one moment, as numbers in 0..1; immutable.

    `values` runs in the order of FEATURE_NAMES; each name is an attribute too. `defaulted` names the features
    without data, `degraded` says why the whole vector is neutral (empty when extraction worked), `data_quality` is
    the share of features that rest on data. `model_version` and `source` are set once a model has judged it.
    """

    __slots__ = ("data_quality", "defaulted", "degraded", "extracted_at_ms", "model_version", "source", "values")

    def __init__(
        self,
        values: tuple[float, ...],
        defaulted: frozenset[str],
        extracted_at_ms: int,
        degraded: str = "",
        model_version: str | None = None,
        source: str | None = None,
    ) -> None:
        self.values = values
        self.defaulted = defaulted
        self.extracted_at_ms = extracted_at_ms
        self.degraded = degraded
        self.model_version = model_version
        self.source = source
        self.data_quality = 1.0 - len(defaulted) / len(FEATURE_NAMES)

    @classmethod
    def of(cls, known: Mapping[str, float | None], extracted_at_ms: int, degraded: str = "") -> FeatureVector:
        """A vector of the known features, bounded to 0..1; the rest (absent or None) neutral and named as defaulted."""
        values, defaulted = [], []
        for name, neutral in _NEUTRAL:
            value = known.get(name)
            if value is None or value != value:  # NaN is no data either
                defaulted.append(name)
                value = neutral
            elif not 0 <= value <= 1:
                value = 1.0 if value > 1 else 0.0
            values.append(value + 0.0)  # a float, and not minus zero
        return cls(tuple(values), frozenset(defaulted), extracted_at_ms, degraded)

    def joined_by(self, known: Mapping[str, float | None]) -> FeatureVector:
        """The same vector with these features known as well: `of` both, for what many vectors have in common."""
        values, defaulted = list(self.values), set(self.defaulted)
        for name, value in known.items():
            if value is None or value != value:
                continue
            if not 0 <= value <= 1:
                value = 1.0 if value > 1 else 0.0
            position = _POSITION.get(name)
            if position is not None:
                values[position] = value + 0.0
                defaulted.discard(name)
        return FeatureVector(tuple(values), frozenset(defaulted), self.extracted_at_ms, self.degraded)

    def __getattr__(self, name: str) -> float:
        try:
            return self.values[_POSITION[name]]
        except KeyError:
            raise AttributeError(name) from None

    def known(self, name: str) -> float | None:
        """The feature's value, or None where it is defaulted."""
        return None if name in self.defaulted else self.values[_POSITION[name]]

    def judged_by(self, model_version: str, source: str) -> FeatureVector:
        """The same vector, marked with the model that judged it (what retraining and monitoring read back)."""
        return FeatureVector(self.values, self.defaulted, self.extracted_at_ms, self.degraded, model_version, source)

    def to_dict(self) -> dict[str, object]:
        """Every feature as a number, then data_quality, extracted_at, defaulted, degraded, model_version, source."""
        return {
            **dict(zip(FEATURE_NAMES, self.values)),
            "data_quality": self.data_quality,
            "extracted_at": iso(self.extracted_at_ms),
            "defaulted": sorted(self.defaulted),
            "degraded": self.degraded,
            "model_version": self.model_version,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, object], extracted_at_ms: int | None = None) -> FeatureVector:
        """The inverse of to_dict; a bare mapping of names to numbers will do when extracted_at_ms is given.

        Names that are absent, null or listed in `defaulted` have no data. Raises InvalidFeatures on an unknown name,
        on a value that is no number in 0..1, and on metadata of the wrong kind.
        """
        unknown = stored.keys() - _POSITION.keys() - _METADATA
        if unknown:
            raise InvalidFeatures(f"unknown feature {min(unknown, key=str)!r}")
        defaulted = stored.get("defaulted") or ()
        if not isinstance(defaulted, (list, tuple)) or not _POSITION.keys() >= set(map(str, defaulted)):
            raise InvalidFeatures("defaulted must be a list of feature names")
        known: dict[str, float | None] = {}
        for name in _POSITION:
            value = stored.get(name)
            if value is None or name in defaulted:
                continue
            # bool is an int to Python, but true is no measurement
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise InvalidFeatures(f"feature {name} must be a number from 0 to 1")
            known[name] = value
        at = stored.get("extracted_at")
        if isinstance(at, str):
            extracted_at_ms = parse_iso(at)
        if extracted_at_ms is None:
            raise InvalidFeatures("extracted_at must be an ISO 8601 instant")
        vector = cls.of(known, extracted_at_ms, str(stored.get("degraded") or ""))
        version, source = stored.get("model_version"), stored.get("source")
        return vector.judged_by(str(version), str(source)) if version and source else vector


_METADATA = {"data_quality", "extracted_at", "defaulted", "degraded", "model_version", "source", "earlier", "outcome"}
"""What lies in a stored vector's column beside the features. earlier: what the row said before. outcome: who decided
what came of it (ml/study/outcome_mark.py)."""

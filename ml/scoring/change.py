"""What has changed since an earlier prediction for the same learner and objective that was stored.

Where the same model made both, the difference is divided among the features in the proportions in which their
contributions have moved, so that their points sum to the difference exactly.
"""

from __future__ import annotations

from math import fsum

from ml.errors import InvalidFeatures
from ml.features.vector import FEATURES, FeatureVector
from ml.instants import iso, parse_iso
from ml.language import ENGLISH
from ml.study.scales import risen_per_logit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ml import ports
    from ml.language import Language
    from ml.scoring.prediction import Prediction

    Parts = Callable[[FeatureVector], Sequence[float]]
    """The contributions of a vector in the order of FEATURE_NAMES, in logits."""

_LONGEST_VERSION = 200
SAME_TO = 1e-12
"""An earlier probability that differs by more from what the model makes of its features was made from others."""


class Judgement:
    """An earlier prediction. model_version: None where it is not on record. features: None where only numbers are."""

    __slots__ = ("at_ms", "features", "model_version", "probability")

    def __init__(
        self, at_ms: int, probability: float, model_version: str | None, features: dict[str, object] | None = None
    ) -> None:
        self.at_ms = at_ms
        self.probability = probability
        self.model_version = model_version
        self.features = features


class Moved:
    """One feature's part in a change. before, value: the feature then and now, None without data.

    points: positive where it raised the risk.
    """

    __slots__ = ("before", "feature", "points", "text", "value")

    def __init__(self, feature: str, before: float | None, value: float | None, points: float, text: str) -> None:
        self.feature = feature
        self.before = before
        self.value = value
        self.points = points
        self.text = text

    def to_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {name: getattr(self, name) for name in ("feature", "before", "value", "points", "text")}


class Change:
    """The difference of the probability since an earlier judgement.

    factors: what made it, the strongest first; None where that cannot be told, as for another model.
    """

    __slots__ = ("difference", "factors", "since", "text")

    def __init__(self, difference: float, since: Judgement, factors: list[Moved] | None, text: str) -> None:
        self.difference = difference
        self.since = since
        self.factors = factors
        self.text = text

    def to_dict(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "difference": self.difference,
            "since": iso(self.since.at_ms),
            "probability": self.since.probability,
            "model_version": self.since.model_version,
            "factors": None if self.factors is None else [factor.to_dict() for factor in self.factors],
            "text": self.text,
        }


def change_of(
    stored: Sequence[ports.Earlier],
    features: FeatureVector,
    prediction: Prediction,
    parts: Parts,
    probability: Callable[[FeatureVector], float],
) -> Change | None:
    """The change since the newest judgement before the prediction; None where there is none, or this one is none.

    Args:
        stored: The newest stored predictions.
        features: What the prediction rests on.
        prediction: The prediction.
        parts: The contributions that the model makes of a vector.
        probability: The probability that the model makes of a vector.
    """
    since = None if features.degraded else judged_before(stored, features.extracted_at_ms)
    if since is None:
        return None
    difference = prediction.probability - since.probability
    factors = None
    if since.features is not None and since.model_version == prediction.model_version:
        factors = _factors(since, features, prediction.probability, parts, probability)
    strongest = factors[0] if factors else None
    reason = strongest.text if strongest is not None and strongest.points * difference > 0 else ""
    return Change(difference, since, factors, in_words(difference, iso(since.at_ms), reason))


def judged_before(stored: Sequence[ports.Earlier], as_of_ms: int) -> Judgement | None:
    """The newest judgement before as_of: a row, or an earlier state of one. Default estimates are no judgements."""
    found = [each for row in stored for each in _states(row, as_of_ms)]
    return max(found, key=lambda each: each.at_ms, default=None)


def _states(row: ports.Earlier, as_of_ms: int) -> Iterator[Judgement]:
    """The row itself, or else what it says of its earlier states, which are older."""
    features = row.features if isinstance(row.features, dict) else {}
    probability = _share(row.probability)
    if row.predicted_at_ms < as_of_ms and probability is not None and not features.get("degraded"):
        yield Judgement(row.predicted_at_ms, probability, _text(features.get("model_version")), features or None)
        return
    listed = features.get("earlier")
    for state in listed if isinstance(listed, list) else ():
        if isinstance(state, dict) and (probability := _share(state.get("probability"))) is not None:
            try:
                at_ms = parse_iso(str(state.get("predicted_at")))
            except InvalidFeatures:
                continue
            if at_ms < as_of_ms:
                yield Judgement(at_ms, probability, _text(state.get("model_version")))


def _share(value: object) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value <= 1 else None  # type: ignore[operator, arg-type]


def _text(value: object) -> str | None:
    """A model's version; None for what can be none."""
    return value if isinstance(value, str) and len(value) <= _LONGEST_VERSION and value.isprintable() else None


def _factors(
    since: Judgement,
    features: FeatureVector,
    probability: float,
    parts: Parts,
    probability_of: Callable[[FeatureVector], float],
) -> list[Moved] | None:
    """What made the difference; None where the stored features are not those of the stored probability."""
    try:
        # Without the moment as a text: to parse it would import datetime.
        held = {name: value for name, value in (since.features or {}).items() if name != "extracted_at"}
        before = FeatureVector.from_dict(held, since.at_ms)
    except InvalidFeatures:
        return None
    if abs(probability_of(before) - since.probability) > SAME_TO:
        return None
    moved = [new - old for new, old in zip(parts(features), parts(before))]
    difference = probability - since.probability
    per_logit = risen_per_logit(since.probability, probability, fsum(moved))
    factors = []
    for feature, logits in zip(FEATURES, moved):
        if logits:
            value = features.known(feature.name)
            text = feature.absence() if value is None else feature.clause(value, logits > 0)
            factors.append(Moved(feature.name, before.known(feature.name), value, logits * per_logit, text))
    factors.sort(key=lambda factor: -abs(factor.points))
    if factors:  # a bounded logit, or the rounding of a stored number
        factors[0].points += difference - fsum(factor.points for factor in factors)
    return factors if factors or abs(difference) <= SAME_TO else None


def in_words(difference: float, since: str, reason: str, language: Language = ENGLISH) -> str:
    """A change as a clause.

    Args:
        difference: The probability minus the earlier one.
        since: The instant of the earlier one in ISO 8601.
        reason: What the strongest factor says now; empty where it did not make the difference.
        language: The language, and the reader.
    """
    key = "change_none" if abs(difference) < 0.005 else "change_more" if difference > 0 else "change_less"
    said = language.say(key, points=language.points(abs(difference)), day=language.day(since))
    if key == "change_none" or not reason:
        return said
    return language.say("change_because", change=said, reason=reason)

"""The FeatureVector, which takes the features from the extractor to the model, and the order of the features.

Every feature is a number from 0 to 1. A feature without data holds its neutral value and is named in `defaulted`; the
model treats it as missing, which is not the same as average.
"""

from __future__ import annotations

from ml.errors import InvalidFeatures
from ml.features.expectation_table import EXPECTATION_FEATURES
from ml.features.platform_table import PLATFORM_FEATURES
from ml.features.record_table import RECORD_FEATURES
from ml.instants import iso, parse_iso

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ml.study.objective_names import Unmastered


ESTIMATED_FEATURES = EXPECTATION_FEATURES + RECORD_FEATURES
"""Estimates from dated answers and from other learners; each is computed in ml/features/estimated.py."""

FEATURES = PLATFORM_FEATURES + ESTIMATED_FEATURES
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
_NEUTRAL = tuple((feature.name, feature.neutral) for feature in FEATURES)
_POSITION = {name: position for position, name in enumerate(FEATURE_NAMES)}


class FeatureVector:
    """One learner facing one objective at one moment, as numbers from 0 to 1; immutable.

    `values` runs in the order of FEATURE_NAMES; each name is an attribute too. `defaulted` names the features
    without data, `degraded` says why the whole vector is neutral (empty when extraction worked), `data_quality` is
    the share of features that rest on data. `model_version` and `source` are set once a model has answered.
    `unmastered` names the prerequisites that the learner has not mastered, the least mastered first; the JSON form
    does not hold them.

    >>> vector = FeatureVector.of({"retention_score": 0.85}, extracted_at_ms=0)
    >>> vector.retention_score, vector.known("retention_score"), vector.known("ability")
    (0.85, 0.85, None)
    """

    __slots__ = (
        *("data_quality", "defaulted", "degraded", "extracted_at_ms", "model_version", "source", "unmastered"),
        "values",
    )

    def __init__(
        self,
        values: tuple[float, ...],
        defaulted: frozenset[str],
        extracted_at_ms: int,
        degraded: str = "",
        model_version: str | None = None,
        source: str | None = None,
        unmastered: tuple[Unmastered, ...] = (),
    ) -> None:
        self.values = values
        self.defaulted = defaulted
        self.extracted_at_ms = extracted_at_ms
        self.degraded = degraded
        self.model_version = model_version
        self.source = source
        self.unmastered = unmastered
        self.data_quality = 1.0 - len(defaulted) / len(FEATURE_NAMES)

    @classmethod
    def of(cls, known: Mapping[str, float | None], extracted_at_ms: int, degraded: str = "") -> FeatureVector:
        """A vector of the known features, bounded to 0..1; those absent or None are neutral and named as defaulted.

        Args:
            known: Values by name; names that are not features are ignored.
            extracted_at_ms: The moment that the features describe, in milliseconds since 1970.
            degraded: Why the features are defaults; empty where extraction worked.
        """
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
        """The same vector with these features known as well; a feature that is None leaves the vector as it is."""
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
        rest = (self.extracted_at_ms, self.degraded)
        return FeatureVector(tuple(values), frozenset(defaulted), *rest, unmastered=self.unmastered)

    def __getattr__(self, name: str) -> float:
        try:
            return self.values[_POSITION[name]]
        except KeyError:
            raise AttributeError(name) from None

    def known(self, name: str) -> float | None:
        """The feature's value, or None where it is defaulted."""
        return None if name in self.defaulted else self.values[_POSITION[name]]

    def without(self, names: Iterable[str]) -> FeatureVector:
        """The same vector, these features without data."""
        hidden = {name for name in names if name not in self.defaulted}
        if not hidden:
            return self
        values = tuple(
            neutral if name in hidden else value for (name, neutral), value in zip(_NEUTRAL, self.values, strict=True)
        )
        defaulted = self.defaulted | hidden
        rest = (self.extracted_at_ms, self.degraded, self.model_version, self.source, self.unmastered)
        return FeatureVector(values, defaulted, *rest)

    def marked_with(self, model_version: str, source: str) -> FeatureVector:
        """The same vector, marked with the model that answered; retraining and monitoring read the mark."""
        rest = (self.extracted_at_ms, self.degraded, model_version, source, self.unmastered)
        return FeatureVector(self.values, self.defaulted, *rest)

    def to_dict(self) -> dict[str, object]:
        """The JSON form: every feature as a number, then data_quality, extracted_at, defaulted, degraded,
        model_version and source."""
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
        """The inverse of to_dict.

        Args:
            stored: What to_dict gave, or a bare mapping of names to numbers when extracted_at_ms is given. Names that
                are absent, null or listed in `defaulted` have no data.
            extracted_at_ms: The moment that the features describe, where `stored` has no extracted_at.

        Raises:
            InvalidFeatures: A name is unknown, a value is not a number from 0 to 1, or the metadata are of the wrong
                kind.
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
        return vector.marked_with(str(version), str(source)) if version and source else vector


_METADATA = {
    *("data_quality", "extracted_at", "defaulted", "degraded", "model_version", "source"),
    *("levels", "advice", "earlier", "change", "outcome"),
}
"""What a stored vector's column holds beside the features. levels: by which the risk level was told. advice: what would
have helped. earlier: what the row said before. outcome: who decided what came of it (ml/study/outcome_mark.py)."""

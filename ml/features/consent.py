"""What a learner's privacy switches mean for features and training; db/README.md, "Opt-outs", describes them all.

ml/study/history.py obeys behavioralAnalysisEnabled: it leaves the behavioural sources out.
"""

from __future__ import annotations

from ml.features.vector import FeatureVector
from ml.study.degraded import SENTENCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ml import ports
    from ml.study.history import LearnerHistory


def teaches(learner: ports.Learner) -> bool:
    """Whether the learner's records may be used for models, difficulty tables and monitoring."""
    return learner.include_in_analytics and learner.performance_tracking_enabled


def untracked(past: LearnerHistory) -> FeatureVector:
    """The features of a learner who has switched performance tracking off: every one has its neutral value."""
    return FeatureVector.of({}, past.as_of_ms, degraded=SENTENCES["tracking_off"])

"""What a straightforward service would do for one prediction; the start-up benchmark measures ours beside it.

asyncio runs it, SQLAlchemy maps and reads the same rows of the same tables, joblib.load reads a calibrated scikit-learn
model, and one JSON object goes to stdout. It is only a yardstick: its model is fitted to random numbers, so its answer
means nothing.

    python guide_shape.py fit MODEL_FILE
    python guide_shape.py predict DATABASE_URL MODEL_FILE USER_ID OBJECTIVE_ID
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timezone
from typing import Any

import joblib
import numpy as np
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import NullType

FEATURE_COUNT = 17
DAY_S = 86_400


class Base(DeclarativeBase):
    """Columns have no declared type: SQLite holds instants in several forms, and moment() reads them all."""

    type_annotation_map = {Any: NullType}  # noqa: RUF012 - SQLAlchemy reads it from the class


class User(Base):
    __tablename__ = "users"
    id: Mapped[Any] = mapped_column(primary_key=True)
    created: Mapped[Any] = mapped_column("createdAt")
    behavioral: Mapped[Any] = mapped_column("behavioralAnalysisEnabled")


class Course(Base):
    __tablename__ = "courses"
    id: Mapped[Any] = mapped_column(primary_key=True)
    name: Mapped[Any]


class Lecture(Base):
    __tablename__ = "lectures"
    id: Mapped[Any] = mapped_column(primary_key=True)
    course_id: Mapped[Any] = mapped_column("courseId")
    title: Mapped[Any]


class LearningObjective(Base):
    __tablename__ = "learning_objectives"
    id: Mapped[Any] = mapped_column(primary_key=True)
    lecture_id: Mapped[Any] = mapped_column("lectureId")
    objective: Mapped[Any]
    complexity: Mapped[Any]
    mastery: Mapped[Any] = mapped_column("masteryLevel")


class ObjectivePrerequisite(Base):
    __tablename__ = "objective_prerequisites"
    id: Mapped[Any] = mapped_column(primary_key=True)
    objective_id: Mapped[Any] = mapped_column("objectiveId")
    prerequisite_id: Mapped[Any] = mapped_column("prerequisiteId")


class Card(Base):
    __tablename__ = "cards"
    id: Mapped[Any] = mapped_column(primary_key=True)
    course_id: Mapped[Any] = mapped_column("courseId")
    objective_id: Mapped[Any] = mapped_column("objectiveId")
    stability: Mapped[Any]


class Review(Base):
    __tablename__ = "reviews"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    card_id: Mapped[Any] = mapped_column("cardId")
    rating: Mapped[Any]
    at: Mapped[Any] = mapped_column("reviewedAt")


class StudySession(Base):
    __tablename__ = "study_sessions"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    at: Mapped[Any] = mapped_column("startedAt")
    reviews: Mapped[Any] = mapped_column("reviewsCompleted")


class ValidationResponse(Base):
    __tablename__ = "validation_responses"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    prompt_id: Mapped[Any] = mapped_column("promptId")
    score: Mapped[Any]
    at: Mapped[Any] = mapped_column("respondedAt")


class PerformanceMetric(Base):
    __tablename__ = "performance_metrics"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    objective_id: Mapped[Any] = mapped_column("learningObjectiveId")
    at: Mapped[Any] = mapped_column("date")
    retention: Mapped[Any] = mapped_column("retentionScore")


class BehavioralPattern(Base):
    __tablename__ = "behavioral_patterns"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    kind: Mapped[Any] = mapped_column("patternType")
    confidence: Mapped[Any]
    at: Mapped[Any] = mapped_column("lastSeenAt")


class BehavioralEvent(Base):
    __tablename__ = "behavioral_events"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    score: Mapped[Any] = mapped_column("sessionPerformanceScore")
    at: Mapped[Any] = mapped_column("timestamp")


class UserLearningProfile(Base):
    __tablename__ = "user_learning_profiles"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    quality: Mapped[Any] = mapped_column("dataQualityScore")


class Exam(Base):
    __tablename__ = "exams"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    at: Mapped[Any] = mapped_column("date")


class Mission(Base):
    __tablename__ = "missions"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    status: Mapped[Any]
    at: Mapped[Any] = mapped_column("date")


class StrugglePrediction(Base):
    __tablename__ = "struggle_predictions"
    id: Mapped[Any] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column("userId")
    outcome: Mapped[Any] = mapped_column("actualOutcome")
    at: Mapped[Any] = mapped_column("actualOutcomeRecordedAt")


OF_LEARNER = {
    StudySession: 50,
    ValidationResponse: 200,
    PerformanceMetric: 1000,
    BehavioralPattern: 100,
    BehavioralEvent: 200,
    Exam: 50,
    Mission: 50,
    StrugglePrediction: 200,
}
"""Newest rows read of each table; the predictor's own window."""


async def main(url: str, model_file: str, user_id: str, objective_id: str) -> None:
    """One prediction, from ids to JSON."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    with Session(engine) as session:
        features = await extract_features(session, user_id, objective_id)
    engine.dispose()
    model = joblib.load(model_file)
    probability = float(model.predict_proba(features.reshape(1, -1))[0, 1])
    print(  # noqa: T201 - the answer
        json.dumps(
            {
                "probability": probability,
                "confidence": float(np.abs(2 * probability - 1)),
                "risk_level": "HIGH" if probability >= 0.7 else "MEDIUM" if probability >= 0.4 else "LOW",
                "reasoning": "A yardstick gives none.",
                "features": features.tolist(),
            }
        )
    )


async def extract_features(session: Session, user_id: str, objective_id: str) -> np.ndarray:
    """As the guide has it: awaited."""
    return features_of(session, user_id, objective_id)


def features_of(session: Session, user_id: str, objective_id: str) -> np.ndarray:
    """Numbers in 0..1 from every row that our own prediction would read."""
    user = session.execute(select(User).where(User.id == user_id)).scalars().one()
    objective, lecture = session.execute(
        select(LearningObjective, Lecture)
        .outerjoin(Lecture, Lecture.id == LearningObjective.lecture_id)
        .where(LearningObjective.id == objective_id)
    ).one()
    course = session.get(Course, lecture.course_id) if lecture else None
    prerequisites = session.execute(
        select(ObjectivePrerequisite, LearningObjective)
        .join(LearningObjective, LearningObjective.id == ObjectivePrerequisite.prerequisite_id)
        .where(ObjectivePrerequisite.objective_id == objective_id)
        .limit(200)
    ).all()
    cards = session.execute(select(Card).where(Card.course_id == (course.id if course else None)).limit(200)).all()
    reviews = session.execute(
        select(Review, Card)
        .join(Card, Card.id == Review.card_id)
        .where(Review.user_id == user_id)
        .order_by(Review.at.desc())
        .limit(3000)
    ).all()
    profile = session.execute(
        select(UserLearningProfile).where(UserLearningProfile.user_id == user_id)
    ).scalar_one_or_none()
    rows = {
        table: session.execute(
            select(table).where(table.user_id == user_id).order_by(table.at.desc()).limit(limit)
        ).scalars().all()
        for table, limit in OF_LEARNER.items()
    }  # fmt: skip
    lapses = [review.rating == "AGAIN" for review, _card in reviews]
    last_days = (moment(user.created) - moment(reviews[0][0].at)) / DAY_S if reviews else 0.0
    features = [
        _mean([metric.retention for metric in rows[PerformanceMetric]]),
        _mean(lapses),
        _mean([lapse for lapse, (_review, card) in zip(lapses, reviews) if card.objective_id == objective_id]),
        _mean([response.score for response in rows[ValidationResponse]]),
        _mean([prerequisite.mastery == "NOT_STARTED" for _edge, prerequisite in prerequisites]),
        {"BASIC": 0.3, "INTERMEDIATE": 0.6, "ADVANCED": 0.9}.get(objective.complexity, 0.5),
        *(len(found) / OF_LEARNER[table] for table, found in rows.items()),
        abs(last_days) % 30 / 30,
        len(cards) / 200,
        float(profile is not None),
    ]
    return np.clip(np.array(features, dtype=float), 0, 1)


def moment(stored: Any) -> float:
    """Seconds since 1970 of a stored DateTime in any of its forms."""
    if isinstance(stored, datetime):
        return stored.replace(tzinfo=timezone.utc).timestamp()
    if isinstance(stored, (int, float)):
        return stored / 1000
    return datetime.fromisoformat(str(stored)).replace(tzinfo=timezone.utc).timestamp()


def _mean(numbers: list[Any]) -> float:
    return float(np.mean(numbers)) if numbers else 0.5


def fit(model_file: str) -> None:
    """Fits a calibrated gradient boosting to drawn numbers and saves it the usual way."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import HistGradientBoostingClassifier

    drawn = np.random.default_rng(0)
    features = drawn.random((2000, FEATURE_COUNT))
    struggled = features[:, :3].mean(axis=1) + drawn.normal(0, 0.2, len(features)) > 0.5
    model = CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=100), method="isotonic", cv=3)
    joblib.dump(model.fit(features, struggled), model_file)


if __name__ == "__main__":
    if sys.argv[1] == "fit":
        fit(sys.argv[2])
    else:
        asyncio.run(main(*sys.argv[2:]))

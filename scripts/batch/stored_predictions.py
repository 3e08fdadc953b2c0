"""A learner's stored predictions as the app's routes pass them on: rows with signs and names, and the app's alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from db.writing.open import Writer
from ml.instants import iso
from ml.scoring.prediction import Factor, reasoning_of
from ml.study.history import DAY_MS
from ml.study.scales import PLATFORM, Levels

MOST_PREDICTIONS = 500
LOOKED_BACK_MS, LOOKED_AHEAD_MS = 366 * DAY_MS, 3660 * DAY_MS
_FIELDS = (
    *("id", "userId", "learningObjectiveId", "topicId", "predictedStruggleProbability", "predictionConfidence"),
    *("predictionStatus", "featureVector", "strugglingFactors", "predictionDate", "predictedAt"),
)

Row = dict[str, object]


def stored_of(writer: Writer, user_id: str, now_ms: int, status: str | None, min_probability: float) -> list[Row]:
    """The learner's rows about days of the last year and all later days, the highest probability first."""
    if not writer.has("StrugglePrediction"):
        return []
    within = ("predictionDate", now_ms - LOOKED_BACK_MS, now_ms + LOOKED_AHEAD_MS)
    present = [field for field in _FIELDS if field in writer.columns("StrugglePrediction")]
    stored = writer.select("StrugglePrediction", present, "userId", [user_id], within)
    found = ({**dict.fromkeys(_FIELDS), **dict(zip(present, row))} for row in stored)
    chosen = [row for row in found if _measured(row) >= min_probability and status in (None, row["predictionStatus"])]
    chosen.sort(key=lambda row: (-_measured(row), str(row["predictionDate"]), str(row["id"])))
    return chosen[:MOST_PREDICTIONS]


def _measured(row: Row) -> float:
    probability = row["predictedStruggleProbability"]
    return min(1.0, max(0.0, float(probability))) if isinstance(probability, (int, float)) else 0.0


def as_answer(writer: Writer, rows: Sequence[Row], now_ms: int, levels: Levels) -> dict[str, object]:
    """The object of scripts.serving.app_schemas.StoredPredictions.

    levels: for rows that do not keep those by which they were told.
    """
    signs = _signs(writer, [str(row["id"]) for row in rows])
    names = _names(writer, {str(row["learningObjectiveId"]) for row in rows})
    predictions = [_prediction(row, signs.get(str(row["id"]), []), names, levels) for row in rows]
    alerts = [alert for row, told in zip(rows, predictions) if (alert := _alert(row, told)) is not None]
    shares = [told["risk_level"] for told in predictions]
    return {
        "predictions": predictions,
        "alerts": alerts or None,
        "total_count": len(predictions),
        **{f"{level.lower()}_risk_count": shares.count(level) for level in ("HIGH", "MEDIUM", "LOW")},
        "generated_at": iso(now_ms),
    }


def _signs(writer: Writer, prediction_ids: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    if prediction_ids and writer.has("StruggleIndicator"):
        fields = ("predictionId", "id", "indicatorType", "severity", "context")
        for prediction, *sign in writer.select("StruggleIndicator", fields, "predictionId", prediction_ids):
            told = dict(zip(("id", "indicator_type", "severity", "context"), sign))
            found.setdefault(str(prediction), []).append({**told, "id": str(told["id"])})
    for signs in found.values():
        signs.sort(key=lambda sign: (sign["severity"] != "HIGH", str(sign["indicator_type"]), str(sign["id"])))
    return found


def _names(writer: Writer, objective_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Each objective's own text and the name of its course."""
    objectives = writer.select("LearningObjective", ("id", "lectureId", "objective"), "id", sorted(objective_ids))
    courses: dict[str, str] = {}
    if objectives and writer.has("Lecture") and writer.has("Course"):
        lectures = writer.select("Lecture", ("id", "courseId"), "id", sorted({str(row[1]) for row in objectives}))
        of_lecture = {row[0]: row[1] for row in lectures}
        found = writer.select("Course", ("id", "name"), "id", sorted(map(str, of_lecture.values())))
        named = {row[0]: row[1] for row in found}
        courses = {str(lecture): str(named[course]) for lecture, course in of_lecture.items() if course in named}
    return {str(row[0]): (str(row[2]), courses.get(str(row[1]))) for row in objectives}


def _prediction(row: Row, signs: list[Row], names: Mapping[str, tuple[str, str | None]], levels: Levels) -> Row:
    probability, features = _measured(row), row["featureVector"]
    level = (_told(features) or levels).of(probability)
    objective, course = names.get(str(row["learningObjectiveId"]), (None, None))
    confidence, date_ms = row["predictionConfidence"], row["predictionDate"]
    return {
        "id": str(row["id"]),
        "user_id": str(row["userId"]),
        "learning_objective_id": str(row["learningObjectiveId"]),
        "topic_id": None if row["topicId"] is None else str(row["topicId"]),
        "prediction_date": iso(date_ms) if isinstance(date_ms, int) else "",
        "predicted_struggle_probability": probability,
        "prediction_confidence": confidence if isinstance(confidence, (int, float)) else 0.0,
        "prediction_status": str(row["predictionStatus"]),
        "feature_vector": features if isinstance(features, dict) else {},
        "risk_level": level,
        "reasoning": reasoning_of(probability, _factors(row["strugglingFactors"]), level=level),
        "objective_name": objective,
        "course_name": course,
        "indicators": signs,
    }


def _told(features: object) -> Levels | None:
    """The levels that gave a stored prediction its risk level and its signs; None where the row keeps none."""
    told = features.get("levels") if isinstance(features, dict) else None
    if not isinstance(told, dict):
        return None
    medium_from, high_from = told.get("medium_from"), told.get("high_from")
    if not isinstance(medium_from, (int, float)) or not isinstance(high_from, (int, float)):
        return None
    return Levels(medium_from, high_from, PLATFORM.operating_threshold)


def _factors(stored: object) -> list[Factor]:
    listed = stored if isinstance(stored, list) else []
    return [
        Factor(str(each["feature"]), each["value"], float(each["contribution"]), str(each["text"]))
        for each in listed
        if isinstance(each, dict)
        and isinstance(each.get("contribution"), (int, float))
        and {"feature", "value", "text"} <= each.keys()
    ]


def severity_of(signs: Iterable[Row]) -> str | None:
    """The app's rule: HIGH for two HIGH signs, or one HIGH and two MEDIUM; MEDIUM for one HIGH or two MEDIUM."""
    severities = [sign["severity"] for sign in signs]
    high, medium = severities.count("HIGH"), severities.count("MEDIUM")
    if high >= 2 or (high == 1 and medium >= 2):
        return "HIGH"
    return "MEDIUM" if high or medium >= 2 else None


def _alert(row: Row, told: Row) -> Row | None:
    signs = told["indicators"]
    severity = severity_of(signs) if isinstance(signs, list) and told["prediction_status"] == "PENDING" else None
    if severity is None or not isinstance(signs, list):
        return None
    lacks = any(sign["indicator_type"] == "PREREQUISITE_GAP" and sign["severity"] == "HIGH" for sign in signs)
    name = told["objective_name"] or "an objective"
    at_ms = row["predictedAt"]
    return {
        "id": f"alert-{told['id']}",
        "type": "PREREQUISITE_ALERT" if lacks else "PROACTIVE_WARNING",
        "title": f"Prerequisites to review before {name}" if lacks else f"Likely to struggle with {name}",
        "message": told["reasoning"],
        "severity": severity,
        "priority": round(100 * _measured(row)),
        "prediction_id": told["id"],
        "created_at": iso(at_ms) if isinstance(at_ms, int) else told["prediction_date"],
    }

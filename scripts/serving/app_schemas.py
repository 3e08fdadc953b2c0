"""What the app's own routes send to the service and pass on: stored predictions, alerts, and learners' feedback."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, model_validator

from scripts.serving.schemas import Id

Status = Literal["PENDING", "CONFIRMED", "FALSE_POSITIVE", "MISSED", "DISMISSED", "RESOLVED"]
FeedbackType = Literal["HELPFUL", "NOT_HELPFUL", "INACCURATE", "INTERVENTION_GOOD", "INTERVENTION_BAD"]
RiskLevel = Literal["LOW", "MEDIUM", "HIGH"]
MOST_DAYS_AHEAD = 30
LONGEST_COMMENT = 2000


def _either(snake: str, camel: str) -> AliasChoices:
    return AliasChoices(snake, camel)


class OneSpelling(BaseModel):
    """A field may have only one of its two spellings, so that the app cannot check one value while another is used."""

    @model_validator(mode="before")
    @classmethod
    def _once(cls, given: object) -> object:
        for field in cls.model_fields.values():
            if isinstance(field.validation_alias, AliasChoices) and isinstance(given, dict):
                twice = [str(name) for name in field.validation_alias.choices if name in given]
                if len(twice) > 1:
                    raise ValueError(f"only one of {' and '.join(twice)} may be given")
        return given


class GenerateRequest(OneSpelling):
    """Predict one learner's objectives within the given number of days, and store the predictions."""

    user_id: Annotated[Id, Field(validation_alias=_either("user_id", "userId"))]
    days_ahead: Annotated[
        int, Field(ge=1, le=MOST_DAYS_AHEAD, strict=True, validation_alias=_either("days_ahead", "daysAhead"))
    ] = 7


class ListRequest(OneSpelling):
    """Stored predictions of one learner. status: only those with this status; all where none is named."""

    user_id: Annotated[Id, Field(validation_alias=_either("user_id", "userId"))]
    status: Status | None = None
    min_probability: Annotated[
        float, Field(ge=0, le=1, validation_alias=_either("min_probability", "minProbability"))
    ] = 0.5


class FeedbackRequest(OneSpelling):
    """A learner's feedback on a prediction. user_id: where given, the prediction must be this learner's."""

    actual_struggle: Annotated[bool, Field(strict=True, validation_alias=_either("actual_struggle", "actualStruggle"))]
    feedback_type: Annotated[FeedbackType, Field(validation_alias=_either("feedback_type", "feedbackType"))]
    comments: Annotated[str | None, Field(max_length=LONGEST_COMMENT, pattern=r"^[^\x00]*$")] = None
    user_id: Annotated[Id | None, Field(validation_alias=_either("user_id", "userId"))] = None


class StoredIndicator(BaseModel):
    """One sign of struggle."""

    id: str
    indicator_type: str
    severity: str
    context: JsonValue


class StoredPrediction(BaseModel):
    """A row of struggle_predictions, with its signs."""

    id: str
    user_id: str
    learning_objective_id: str
    topic_id: str | None
    prediction_date: str
    predicted_struggle_probability: Annotated[float, Field(ge=0, le=1)]
    prediction_confidence: Annotated[float, Field(ge=0, le=1)]
    prediction_status: str
    feature_vector: dict[str, JsonValue]
    risk_level: RiskLevel
    reasoning: str
    objective_name: str | None
    course_name: str | None
    indicators: list[StoredIndicator]


class Alert(BaseModel):
    """A pending prediction whose signs raise the app's alert; priority is 100 times the probability."""

    id: str
    type: Literal["PROACTIVE_WARNING", "PREREQUISITE_ALERT"]
    title: str
    message: str
    severity: Literal["MEDIUM", "HIGH"]
    priority: Annotated[int, Field(ge=0, le=100)]
    prediction_id: str
    created_at: str


class StoredPredictions(BaseModel):
    """The predictions, the highest probability first; alerts is null where there are none."""

    predictions: list[StoredPrediction]
    alerts: list[Alert] | None
    total_count: int
    high_risk_count: int
    medium_risk_count: int
    low_risk_count: int
    generated_at: str


class FeedbackResponse(BaseModel):
    """feedback_id: the id of the row in prediction_feedbacks.

    Where the app has no such table, the id of the prediction.
    """

    model_config = ConfigDict(protected_namespaces=())

    feedback_recorded: bool
    prediction_id: str
    feedback_id: str
    model_accuracy_update: None
    message: str
    submitted_at: str

"""The three paths to which the app's own routes proxy: predict and store, list stored predictions, record feedback.

They exist only where STRUGGLE_WRITER_URL names a role that may write and STRUGGLE_TOKEN is set.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, TypeVar
from uuid import uuid4

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from db.client import Client
from db.errors import DatabaseConfiguration, UnknownLearner, WriteRefused
from db.writing.open import Writer, open_writer
from ml.instants import iso
from ml.json_text import dumps
from ml.model import StrugglePredictionModel
from ml.study.history import DAY_MS
from ml.study.outcome_mark import LEARNER, marked
from scripts.batch.part import BatchReader, BatchSettings, Outlook, Tally, mark_of
from scripts.batch.store import dismiss, store
from scripts.batch.stored_predictions import as_answer, stored_of
from scripts.batch.stored_rows import Made
from scripts.labelling.outcome_rules import SAID_FROM, STATUS
from scripts.serving.app_schemas import (
    FeedbackRequest,
    FeedbackResponse,
    GenerateRequest,
    ListRequest,
    StoredPredictions,
)
from scripts.serving.problems import problem_response
from scripts.serving.settings import Settings
from scripts.serving.work import BATCH_WITHIN_S, Leave

OPEN_OR_DECIDED = frozenset(("PENDING", *STATUS.values()))

Result = TypeVar("Result")


class UnknownPrediction(Exception):
    """Raised where there is no such prediction, or it is another learner's; callers cannot tell which."""


class Dismissed(Exception):
    """Raised where feedback is given on a dismissed prediction."""


class AppPaths:
    """The work behind the paths, over the service's own connections and a writer for each request that writes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def generate(self, app: FastAPI, asked: GenerateRequest, leave: Leave) -> str:
        """Predicts the learner's upcoming objectives as a batch would, and stores and returns the predictions."""
        predictor = app.state.predictor
        model: StrugglePredictionModel = predictor.current.model()
        now_ms, judged = predictor.connections.ask(partial(self._judged, asked, model))
        made = []
        for occasion, history, vector in zip(judged.occasions, judged.faced, judged.vectors):
            leave.check()
            if not vector.degraded:  # a default estimate is no record
                prediction = model.predict(vector)
                advice = model.advise(prediction, history, judged.estimates, vector)
                made.append(Made(occasion, vector, prediction, advice))
        about = {(each.occasion.objective_id, each.occasion.day) for each in made}

        def write(writer: Writer) -> dict[str, object]:
            if not judged.tracked:
                dismiss(writer, [asked.user_id])
            elif made:
                store(writer, made)
            rows = stored_of(writer, asked.user_id, now_ms, None, 0.0)
            mine = [row for row in rows if (str(row["learningObjectiveId"]), _day(row["predictionDate"])) in about]
            return as_answer(writer, mine, now_ms, model.levels)

        return dumps(self._with_writer(write))

    def _judged(self, asked: GenerateRequest, model: StrugglePredictionModel, client: Client) -> tuple[int, Outlook]:
        now_ms = client.now()
        ours = self._settings
        part = BatchSettings(
            *(ours.database_url, ours.schema, ours.model, mark_of(model)),
            as_of_ms=now_ms,
            is_now=True,
            days_ahead=asked.days_ahead,
            objectives="upcoming",
            correct_from=model.correct_from,
        )
        reader = BatchReader(part, model, client)
        for judged in reader.outlooks([asked.user_id], Tally()):
            return now_ms, judged
        raise UnknownLearner("No learner has this id.")

    def listed(self, app: FastAPI, asked: ListRequest) -> str:
        """The learner's stored predictions."""
        now_ms, levels = app.state.predictor.connections.now(), app.state.predictor.current.model().levels

        def read(writer: Writer) -> dict[str, object]:
            return as_answer(
                writer, stored_of(writer, asked.user_id, now_ms, asked.status, asked.min_probability), now_ms, levels
            )

        return dumps(self._with_writer(read))

    def heard(self, app: FastAPI, prediction_id: str, asked: FeedbackRequest) -> str:
        """Records the learner's report: the outcome, the status that follows from it, and a row of feedback."""
        now_ms = app.state.predictor.connections.now()
        correct_from = app.state.predictor.current.model().correct_from
        feedback_id = self._with_writer(lambda writer: _record(writer, prediction_id, asked, now_ms, correct_from))
        return dumps(
            {
                "feedback_recorded": True,
                "prediction_id": prediction_id,
                "feedback_id": feedback_id,
                "model_accuracy_update": None,
                "message": "Thank you: your answer is recorded.",
                "submitted_at": iso(now_ms),
            }
        )

    def _with_writer(self, act: Callable[[Writer], Result]) -> Result:
        settings = self._settings
        try:
            with self._writer(settings) as writer:
                return act(writer)
        except WriteRefused as error:
            if "(22P02)" in str(error):  # the column could not hold such an id
                raise UnknownPrediction from None
            raise DatabaseConfiguration(f"STRUGGLE_WRITER_URL: {error}") from None

    @staticmethod
    def _writer(settings: Settings) -> AbstractContextManager[Writer]:
        return open_writer(settings.writer_url, schema_path=settings.schema, patience_s=settings.timeout_s)


def _record(writer: Writer, prediction_id: str, asked: FeedbackRequest, now_ms: int, correct_from: str) -> str:
    """The id of the row of feedback, or of the prediction where there is no such row."""
    fields = ("userId", "predictedStruggleProbability", "predictionStatus", "featureVector")
    found = (
        writer.select("StrugglePrediction", fields, "id", [prediction_id]) if writer.has("StrugglePrediction") else []
    )
    if len(found) != 1 or asked.user_id not in (None, str(found[0][0])):
        raise UnknownPrediction
    learner, probability, status, features = found[0]
    if status not in OPEN_OR_DECIDED:
        raise Dismissed
    said = isinstance(probability, (int, float)) and probability >= SAID_FROM
    writer.update(
        "StrugglePrediction",
        prediction_id,
        actualOutcome=asked.actual_struggle,
        actualOutcomeRecordedAt=now_ms,
        predictionStatus=STATUS[said, asked.actual_struggle],
        featureVector=marked(features, LEARNER, correct_from, asked.actual_struggle),
    )
    columns = writer.columns("PredictionFeedback")
    if not columns:
        return prediction_id
    word: dict[str, object] = {
        "predictionId": prediction_id,
        "userId": str(learner),
        "feedbackType": asked.feedback_type,
        "actualStruggle": asked.actual_struggle,
        "comments": asked.comments,
        "submittedAt": now_ms,
    }
    feedback_id = prediction_id
    if columns["id"].takes_a_uuid:
        feedback_id = str(uuid4())
        word["id"] = columns["id"].id_of(feedback_id)
    present = [field for field in word if field in columns]
    writer.insert("PredictionFeedback", present, [[word[field] for field in present]])
    return feedback_id


def _day(date_ms: object) -> int:
    return date_ms // DAY_MS if isinstance(date_ms, int) else -1


def add_app_paths(app: FastAPI, settings: Settings) -> None:
    """Adds the three paths to the service."""
    paths = AppPaths(settings)

    @app.post("/predictions/generate", status_code=201, response_model=StoredPredictions)
    async def generate(body: GenerateRequest, request: Request) -> Response:
        """Predict one learner's upcoming objectives, and store the predictions."""
        rooms = request.app.state.rooms
        text = await rooms.batches.do(request, partial(paths.generate, request.app, body), BATCH_WITHIN_S)
        return _json(text, 201)

    @app.get("/predictions", response_model=StoredPredictions)
    async def stored(request: Request) -> Response:
        """The stored predictions of one learner: ?user_id=&status=&min_probability=0.5."""
        given = _once(request)
        try:
            asked = ListRequest.model_validate({key: value for key, value in given.items() if value})
        except ValidationError as error:
            raise RequestValidationError(
                [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
            ) from None
        rooms = request.app.state.rooms
        return _json(await rooms.predictions.do(request, lambda _leave: paths.listed(request.app, asked)))

    @app.post("/predictions/{prediction_id}/feedback", response_model=FeedbackResponse)
    async def feedback(
        prediction_id: Annotated[str, Path(min_length=1, max_length=512)], body: FeedbackRequest, request: Request
    ) -> Response:
        """Record a learner's feedback on a prediction."""
        given = _once(request)
        said = {body.user_id, given.get("user_id"), given.get("userId")} - {None}
        if len(said) > 1 or "" in said:  # a caller who means to name the learner, and does not, gets no other's
            raise UnknownPrediction
        body = body.model_copy(update={"user_id": next(iter(said), None)})
        rooms = request.app.state.rooms
        return _json(await rooms.predictions.do(request, lambda _leave: paths.heard(request.app, prediction_id, body)))

    @app.exception_handler(UnknownPrediction)
    async def unknown(_request: Request, _error: Exception) -> Response:
        return problem_response(404, "unknown_prediction", "Unknown prediction", "no such prediction of this learner")

    @app.exception_handler(Dismissed)
    async def dismissed(_request: Request, _error: Exception) -> Response:
        return problem_response(409, "dismissed", "Dismissed", "the prediction was dismissed and takes no answer")


def _once(request: Request) -> dict[str, str]:
    """The query's parameters. Raises RequestValidationError where one is given twice: readers differ in what counts."""
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) < len(pairs):
        raise RequestValidationError([{"loc": ("query",), "msg": "each parameter may be given once", "type": "twice"}])
    return given


def _json(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, media_type="application/json")

#!/usr/bin/env python3
"""The optional web service: `python -m scripts.service --port 8000`, or `uvicorn --factory scripts.service:create_app`.

The same pipeline as predict.py, and the same bytes for the same as_of. Settings come from the environment:
DATABASE_URL, STRUGGLE_SCHEMA (the app's schema.prisma), STRUGGLE_MODEL (a path, or "rules"), STRUGGLE_TOKEN (asks for
`Authorization: Bearer`), STRUGGLE_CONNECTIONS (8), STRUGGLE_TIMEOUT (4 s a database call).
"""

from __future__ import annotations

import hmac
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click
import uvicorn
from anyio import to_thread
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.errors import DatabaseConfiguration, DatabaseUnavailable, UnknownLearner, UnknownObjective
from ml.answer import answer
from ml.errors import ModelRefused
from ml.extractor import StruggleFeatureExtractor
from ml.history import WINDOW, StudyHistory
from ml.occasion import occasion_of
from ml.plain_json import dumps
from scripts.service_resources import Connections, CurrentModel, log
from scripts.service_schemas import BatchRequest, BatchResponse, Health, PredictionRequest, PredictionResponse, Problem

MOST_BODY_BYTES = 1 << 20

PROBLEMS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (UnknownLearner, 404, "unknown_learner", "Unknown learner"),
    (UnknownObjective, 404, "unknown_objective", "Unknown objective"),
    (DatabaseUnavailable, 503, "database_unavailable", "Database unavailable"),
    (DatabaseConfiguration, 500, "configuration", "Configuration"),
    (ModelRefused, 500, "model_refused", "Model refused"),
    (Exception, 500, "bug", "Internal error"),
)
"""Failure -> status, the command's code, title."""

SPOKEN = {
    "database_unavailable": "the database does not answer; ask again",
    "configuration": "the service cannot use its database as configured; its log says why",
    "model_refused": "the service cannot use its model; its log says why",
    "bug": "see the service's log",
}
"""What a caller is told of the service's own troubles: hosts, paths and queries are the log's."""

DOCUMENTED: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}}
    for status in (400, 401, 404, 413, 422, 500, 503)
}


class Metrics:
    """What /metrics tells Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "struggle_requests", "Requests by path and status", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram("struggle_request_seconds", "Time to answer", ["path"], registry=self.registry)
        self.predictions = Counter(
            "struggle_predictions",
            "Predictions by risk level and source",
            ["risk_level", "source"],
            registry=self.registry,
        )
        self.model = Gauge("struggle_model_info", "The model that answers", ["model_version"], registry=self.registry)


class Predictor:
    """The pipeline over lent connections: ids -> rows -> StudyHistory -> FeatureVector -> Prediction -> JSON object."""

    def __init__(self, connections: Connections, current: CurrentModel, metrics: Metrics) -> None:
        self.connections = connections
        self.current = current
        self.metrics = metrics

    def predict(self, user_id: str, objective_id: str, as_of_ms: int | None) -> dict[str, object]:
        """One answer. Raises what PROBLEMS lists."""
        model = self.current.model()
        rows = self.connections.read(user_id, objective_id, as_of_ms, WINDOW)
        history = StudyHistory.before(rows)
        features = StruggleFeatureExtractor(self.connections, model.difficulty).features_of(history)
        prediction = model.predict(features)
        self.metrics.predictions.labels(prediction.risk_level, prediction.source).inc()
        occasion = occasion_of(history.past, history.objective)
        return answer(user_id, objective_id, features, prediction, rows.missing_sources, occasion)

    def predict_all(self, request: BatchRequest) -> list[dict[str, object]]:
        """The answers in the order asked; what a pair lacks is its own problem, a lost database is everybody's."""
        found = []
        for pair in request.pairs:
            try:
                found.append(self.predict(pair.user_id, pair.objective_id, request.as_of))
            except (UnknownLearner, UnknownObjective) as error:
                found.append(_problem(error))
        return found


def create_app() -> FastAPI:
    """The application, configured from the environment."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        size = int(os.environ.get("STRUGGLE_CONNECTIONS", "8"))
        timeout_s = float(os.environ.get("STRUGGLE_TIMEOUT", "4"))
        connections = Connections(os.environ.get("DATABASE_URL"), os.environ.get("STRUGGLE_SCHEMA"), size, timeout_s)
        to_thread.current_default_thread_limiter().total_tokens = 2 * size
        app.state.predictor = Predictor(connections, CurrentModel(os.environ.get("STRUGGLE_MODEL")), metrics)
        yield
        connections.close()

    app = FastAPI(
        title="Struggle predictor",
        version="1",
        description="Whether a learner will struggle with an objective, why, and how sure we are. Advisory only.",
        lifespan=lifespan,
        responses=DOCUMENTED,
    )
    app.add_middleware(MeasuredAndBounded, metrics=metrics)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for kind, *_ in PROBLEMS:
        app.add_exception_handler(kind, _failed)
    _add_routes(app, metrics)
    return app


def _add_routes(app: FastAPI, metrics: Metrics) -> None:
    secured = [Depends(_authorized)]

    @app.post("/predict", response_model=PredictionResponse, dependencies=secured)
    def predict(body: PredictionRequest, request: Request) -> Response:
        """Predict for one learner and one objective."""
        found = request.app.state.predictor.predict(body.user_id, body.objective_id, body.as_of)
        return _json(found)

    @app.post("/predict/batch", response_model=BatchResponse, dependencies=secured)
    def predict_batch(body: BatchRequest, request: Request) -> Response:
        """Predict for up to 500 pairs, answered in their order."""
        return _json({"predictions": request.app.state.predictor.predict_all(body)})

    @app.get("/health", response_model=Health)
    async def health(request: Request) -> Health:
        """Alive, with which model. Answers at once however long the queue for the database is, and asks it nothing."""
        predictor = request.app.state.predictor
        return Health(
            status="healthy",
            model_version=predictor.current.model().model_version,
            database=predictor.connections.state,
        )

    @app.get("/ready", response_model=Health)
    def ready(request: Request, response: Response) -> Health:
        """Ready to predict: 503 while the database does not answer."""
        predictor = request.app.state.predictor
        try:
            predictor.connections.now()
            status: Literal["healthy", "unhealthy"] = "healthy"
        except (DatabaseUnavailable, DatabaseConfiguration):
            status, response.status_code = "unhealthy", 503
        return Health(
            status=status,
            model_version=predictor.current.model().model_version,
            database="reachable" if status == "healthy" else "unreachable",
        )

    @app.get("/metrics", include_in_schema=False)
    def metrics_text(request: Request) -> Response:
        """Prometheus exposition."""
        metrics.model.clear()
        metrics.model.labels(request.app.state.predictor.current.model().model_version).set(1)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _authorized(request: Request) -> None:
    token = os.environ.get("STRUGGLE_TOKEN")
    given = request.headers.get("authorization", "")
    if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})


class MeasuredAndBounded:
    """Counts and times every request, and refuses bodies that are too large or of undeclared length."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        try:
            if not length.isdigit() or int(length) > MOST_BODY_BYTES or b"transfer-encoding" in headers:
                told = "at most 1 MiB, with its length declared"
                await _problem_response(413, "too_large", "Request too large", told)(scope, receive, noted)
            else:
                await self.app(scope, receive, noted)
        finally:
            path = getattr(scope.get("route"), "path", "(none)")
            self.metrics.seconds.labels(path).observe(time.perf_counter() - started)
            self.metrics.requests.labels(path, str(status)).inc()


def _json(found: dict[str, object]) -> Response:
    return Response(dumps(found) + "\n", media_type="application/json")


def _problem(error: Exception) -> dict[str, object]:
    status, code, title = next(
        (status, code, title) for kind, status, code, title in PROBLEMS if isinstance(error, kind)
    )
    detail = str(error) if status < 500 else SPOKEN[code]
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}


def _problem_response(
    status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    text = dumps({"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code})
    return Response(text, status, headers, "application/problem+json")


async def _failed(_request: Request, error: Exception) -> Response:
    found = _problem(error)
    if found["code"] in ("configuration", "model_refused"):
        log.error("%s", error)
    retry = {"Retry-After": "1"} if found["status"] == 503 else None
    return Response(dumps(found), int(str(found["status"])), retry, "application/problem+json")


async def _invalid(_request: Request, error: Exception) -> Response:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    where = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in details[:5])
    return _problem_response(422, "invalid_request", "Invalid request", where)


async def _refused(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    headers = dict(getattr(error, "headers", None) or {})
    return _problem_response(status, "refused", "Refused", str(getattr(error, "detail", "")), headers)


@click.command(help=__doc__.partition("\n\n")[2])
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def serve(host: str, port: int, workers: int) -> None:
    uvicorn.run("scripts.service:create_app", factory=True, host=host, port=port, workers=workers, access_log=False)


if __name__ == "__main__":
    serve()

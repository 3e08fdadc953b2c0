#!/usr/bin/env python3
"""The optional web service: `python -m scripts.service --port 8000`, or `uvicorn --factory scripts.service:create_app`.

It runs the same pipeline as predict.py, and answers with the same bytes for the same as_of.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Literal

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

from db.connecting import DEMO
from db.errors import DatabaseConfiguration, DatabaseUnavailable
from ml.answer import answer
from ml.errors import PredictorError
from ml.extractor import StruggleFeatureExtractor
from ml.json_text import dumps
from ml.language import Language
from ml.places import AUDIENCE, LANGUAGE, setting
from ml.scoring.prediction import Prediction
from ml.study.history import WINDOW, StudyHistory
from ml.study.occasion import occasion_of
from ml.wording.choice import chosen, language
from ml.wording.rewording import reworded
from scripts.cli.command import command
from scripts.cli.exits import DONE, INTERRUPTED, Misconfigured, Unavailable, ending
from scripts.cli.extras import Extras, sentence
from scripts.serving.settings import Settings, from_environment, refuse_an_open_door

extras = Extras()
with extras:
    import uvicorn
    from anyio import to_thread
    from fastapi import FastAPI, Request, Response
    from prometheus_client import generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_LATEST

    from scripts.serving import docs as service_docs
    from scripts.serving.batch import Batch
    from scripts.serving.connections import Connections
    from scripts.serving.gate import Gate, Metrics, PunctualProtocol
    from scripts.serving.model import LOOK_AGAIN_S, CurrentModel
    from scripts.serving.problems import DOCUMENTED, add_handlers, log
    from scripts.serving.schemas import BatchRequest, BatchResponse, Health, PredictionRequest, PredictionResponse
    from scripts.serving.work import BATCH_WITHIN_S, CallerGone, Leave, Rooms
    from scripts.serving.workers import supervise

STARTUP_FAILURE = 3
"""uvicorn's own code: its supervisor starts a worker again and again unless it ends with this one."""
ENDS_WITHIN_S = 5
"""After SIGTERM, what is under way may take so long; a container gives ten seconds."""


class Predictor:
    """The pipeline over shared connections: ids -> rows -> StudyHistory -> FeatureVector -> Prediction -> JSON."""

    def __init__(self, connections: Connections, current: CurrentModel, metrics: Metrics) -> None:
        self.connections = connections
        self.current = current
        self.metrics = metrics
        self._words, doubt = chosen(setting(LANGUAGE), setting(AUDIENCE))
        if doubt:
            log.warning("%s", doubt)

    def predict(self, asked: PredictionRequest) -> str:
        """One answer as JSON text. Raises exceptions for which scripts/serving/problems.py has a status."""
        model = self.current.model()
        rows, of_rows = self.connections.read_kept(asked.user_id, asked.objective_id, asked.as_of, WINDOW)
        history = StudyHistory.before(rows, model.correct_from, of_rows)
        difficulty = model.difficulty_at(rows.as_of_ms)
        extractor = StruggleFeatureExtractor(self.connections, difficulty, model.correct_from)
        estimates, features = extractor.studied(history)
        prediction = model.predict(features)
        advice = model.advise(prediction, history, estimates, features, rows.missing_sources)
        self._count(prediction)
        ids, occasion = (asked.user_id, asked.objective_id), occasion_of(history.past, history.objective)
        change = model.change(rows.earlier, features, prediction)
        told = answer(*ids, features, prediction, rows.missing_sources, occasion, advice, change)
        return dumps(reworded(told, self._words_for(asked)))

    def predict_all(self, asked: BatchRequest, leave: Leave) -> str:
        """Many answers as JSON text."""
        batch = Batch(self.connections, self.current.model(), leave.check, self._count, self._words_for(asked))
        return batch.answered(asked)

    def _words_for(self, asked: PredictionRequest | BatchRequest) -> Language:
        return language(asked.language or self._words.code, asked.audience or self._words.audience)

    def probe(self) -> None:
        """Raises DatabaseError or ModelRefused if a prediction would raise it now."""
        self.connections.probe()
        self.current.check()

    def _count(self, prediction: Prediction) -> None:
        self.metrics.predictions.labels(prediction.risk_level, prediction.source).inc()


def create_app() -> FastAPI:
    """The application, configured from the environment; if that cannot work, the process ends with one sentence."""
    if extras.missing is not None:
        raise SystemExit(sentence(extras.missing))
    try:
        return application(from_environment(os.environ))
    except (Misconfigured, PredictorError) as error:
        log.critical("%s", error)
        raise SystemExit(STARTUP_FAILURE if multiprocessing.parent_process() else ending(error)[0]) from None


def application(settings: Settings) -> FastAPI:
    """Makes the application. Raises PredictorError where the model must not be used."""
    metrics = Metrics()
    current = CurrentModel(settings.model)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connections = Connections(settings.database_url, settings.schema, settings.connections, settings.timeout_s)
        app.state.predictor = Predictor(connections, current, metrics)
        app.state.rooms = Rooms(settings.connections, settings.timeout_s)
        looking = asyncio.create_task(_look_again_and_again(current))
        yield
        looking.cancel()
        connections.close()

    app = FastAPI(
        title="Struggle predictor",
        version="1",
        description="Whether a learner will struggle with an objective, why, and how sure we are. Advisory only.",
        lifespan=lifespan,
        responses=DOCUMENTED,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Gate, metrics=metrics, token=settings.token)
    add_handlers(app)
    app.add_exception_handler(CallerGone, _unheard)
    _add_predictions(app)
    if settings.writer_url is not None and settings.token is not None:
        from scripts.serving.app_paths import add_app_paths

        add_app_paths(app, settings)
    _add_probes(app, metrics)
    return app


async def _look_again_and_again(current: CurrentModel) -> None:
    while True:
        await asyncio.sleep(LOOK_AGAIN_S)
        try:
            await to_thread.run_sync(current.look)
        except Exception as error:  # the model in service goes on, and so does the looking
            log.error("the model's file cannot be looked at: %s", type(error).__name__)


def _add_predictions(app: FastAPI) -> None:
    @app.post("/predict", response_model=PredictionResponse)
    async def predict(body: PredictionRequest, request: Request) -> Response:
        """Predict for one learner and one objective."""
        predictor, rooms = request.app.state.predictor, request.app.state.rooms
        return _json(await rooms.predictions.do(request, lambda _leave: predictor.predict(body)))

    @app.post("/predict/batch", response_model=BatchResponse)
    async def predict_batch(body: BatchRequest, request: Request) -> Response:
        """Predict for up to 500 pairs, answered in their order."""
        predictor, rooms = request.app.state.predictor, request.app.state.rooms
        return _json(await rooms.batches.do(request, partial(predictor.predict_all, body), BATCH_WITHIN_S))


def _add_probes(app: FastAPI, metrics: Metrics) -> None:
    async def health(request: Request, response: Response) -> Health:
        """Whether the process works, and with which model.

        Does not ask the database. 503 when predictions wait and none finishes.
        """
        state = request.app.state
        if state.rooms.are_stuck:
            response.status_code = 503
        return Health(
            status="unhealthy" if state.rooms.are_stuck else "healthy",
            model_version=state.predictor.current.model().model_version,
            database=state.predictor.connections.state,
        )

    async def ready(request: Request, response: Response) -> Health:
        """Whether predictions are possible: 503 while the database does not answer, 500 while the model is refused."""
        state = request.app.state
        try:
            await state.rooms.probes.do(request, lambda _leave: state.predictor.probe())
            status: Literal["healthy", "unhealthy"] = "healthy"
        except (DatabaseUnavailable, DatabaseConfiguration):
            status, response.status_code = "unhealthy", 503
        return Health(
            status=status,
            model_version=state.predictor.current.model().model_version,
            database="reachable" if status == "healthy" else "unreachable",
        )

    for path, route in (("/health", health), ("/ready", ready)):
        app.add_api_route(path, route, response_model=Health)
        app.add_api_route(path, route, methods=["HEAD"], include_in_schema=False)

    @app.get("/metrics", include_in_schema=False)
    async def metrics_text(request: Request) -> Response:
        """Prometheus exposition."""
        metrics.model.clear()
        metrics.model.labels(request.app.state.predictor.current.model().model_version).set(1)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """The schema for people."""
        try:
            return Response(service_docs.page(app.openapi()), 200, service_docs.HEADERS, "text/html")
        except ModuleNotFoundError as error:  # an environment that was made when this page needed no Jinja
            return Response(sentence(error.name or "", "service") + "\n", 503, media_type="text/plain")


async def _unheard(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # for /metrics: nobody is there to read it


def _json(text: str) -> Response:
    return Response(text + "\n", media_type="application/json")


@command({0: "the service was stopped"})
@extras.required
@click.option(
    "--host", default="127.0.0.1", help="The address to listen at; beyond this machine only with STRUGGLE_TOKEN."
)
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="The port to listen at.")
@click.option("--workers", default=1, type=click.IntRange(1, 64), help="How many processes serve.")
@click.option("--no-token", is_flag=True, help="Listen beyond this machine without requiring a token.")
@click.option("--demo", is_flag=True, help="Serve the embedded demo database.")
def serve(host: str, port: int, workers: int, no_token: bool, demo: bool) -> int:
    """Answer predictions over HTTP, as predict.py would print them.

    Settings come from the environment: DATABASE_URL or STRUGGLE_ENV_FILE (a file that sets it), STRUGGLE_SCHEMA (the
    app's schema.prisma), STRUGGLE_MODEL (a path, or "rules"), STRUGGLE_MODELS_DIR, STRUGGLE_TOKEN (callers must then
    send it as `Authorization: Bearer`), STRUGGLE_CONNECTIONS (8) and STRUGGLE_TIMEOUT (4 s per database call). With
    STRUGGLE_TOKEN and STRUGGLE_WRITER_URL (a role that may write) the service also stores predictions and learners'
    feedback, for the app's own routes.
    """
    if demo:
        os.environ["DATABASE_URL"] = f"sqlite:///{DEMO}"  # workers read it there
        os.environ["STRUGGLE_SCHEMA"] = ""  # the app's names are not the demo's
    settings = from_environment(os.environ)
    refuse_an_open_door(host, settings.token, no_token)
    app = application(settings)
    config = uvicorn.Config(
        app if workers == 1 else "scripts.service:create_app",
        factory=workers > 1,
        host=host,
        port=port,
        workers=workers,
        http=PunctualProtocol,
        ws="none",
        access_log=False,
        timeout_graceful_shutdown=ENDS_WITHIN_S,
    )
    try:
        if workers == 1:
            uvicorn.Server(config).run()
        else:
            supervise(config)
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        if end.code:
            raise Unavailable(f"The service cannot listen at {host}:{port}; the line above says why.") from None
    return DONE


if __name__ == "__main__":
    serve()

"""What a straightforward web service would do for one prediction; the service benchmark measures ours beside it.

FastAPI as in the integration guide, async SQLAlchemy with its own pool (asyncpg, aiosqlite), a calibrated scikit-learn
model from joblib.load, kept in memory. The features are those of guide_shape.py, which serve only as a yardstick.

    uvicorn --app-dir scripts/reference guide_service:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import joblib
import numpy as np
from fastapi import FastAPI, HTTPException
from guide_shape import features_of
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

DRIVERS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A pool of eight connections, as ours has by default, and the model."""
    scheme, _, place = os.environ["DATABASE_URL"].partition(":")
    app.state.engine = create_async_engine(f"{DRIVERS[scheme]}:{place}", pool_size=8, max_overflow=0)
    app.state.model = joblib.load(os.environ["MODEL_FILE"])
    yield
    await app.state.engine.dispose()


app = FastAPI(lifespan=lifespan)


class PredictionRequest(BaseModel):
    user_id: str
    objective_id: str


class PredictionResponse(BaseModel):
    probability: float
    confidence: float
    risk_level: str
    reasoning: str
    features: dict[str, float]


@app.post("/predict", response_model=PredictionResponse)
async def predict(request: PredictionRequest) -> PredictionResponse:
    try:
        async with AsyncSession(app.state.engine) as session:
            features = await session.run_sync(features_of, request.user_id, request.objective_id)
        probability = float(app.state.model.predict_proba(features.reshape(1, -1))[0, 1])
    except Exception as error:
        raise HTTPException(500, str(error)) from error
    return PredictionResponse(
        probability=probability,
        confidence=float(np.abs(2 * probability - 1)),
        risk_level="HIGH" if probability >= 0.7 else "MEDIUM" if probability >= 0.4 else "LOW",
        reasoning="A yardstick gives none.",
        features={f"feature_{place}": value for place, value in enumerate(features.tolist())},
    )


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}

"""The guide's shape, one pair after another in one process: for each an awaited extraction, then scikit-learn.

    python -m scripts.reference.guide_batch DATABASE_URL MODEL_FILE PAIRS_FILE

PAIRS_FILE holds a JSON list of [user_id, objective_id]. Prints the seconds that the pairs took, start-up left out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import joblib
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from scripts.reference.guide_shape import extract_features


async def main(url: str, model_file: str, pairs: Sequence[tuple[str, str]]) -> float:
    """Seconds for all pairs."""
    model = joblib.load(model_file)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    try:
        await _predict(engine, model, *pairs[0])  # connects, and imports what is imported on first use
        began = time.perf_counter()
        for pair in pairs:
            await _predict(engine, model, *pair)
        return time.perf_counter() - began
    finally:
        engine.dispose()


async def _predict(engine: Engine, model: Any, user_id: str, objective_id: str) -> float:
    with Session(engine) as session:
        features = await extract_features(session, user_id, objective_id)
    return float(model.predict_proba(features.reshape(1, -1))[0, 1])


if __name__ == "__main__":
    with open(sys.argv[3], encoding="utf-8") as file:
        print(asyncio.run(main(sys.argv[1], sys.argv[2], json.load(file))))  # noqa: T201 - the figure

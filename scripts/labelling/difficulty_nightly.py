"""The update of the difficulty table before a batch of predictions; a batch never fails because of it."""

from __future__ import annotations

import os

import db
from db.errors import DatabaseError
from ml.errors import ModelRefused
from ml.model import load
from ml.places import CURRENT, MODELS_DIR, POINTER, setting
from ml.storage.registry import Registry
from scripts.cli.command import note
from scripts.cli.database_options import DEMO_URL
from scripts.labelling.difficulty_upkeep import keep_up_to_date

TIMEOUT_S = 600


def keep_up_to_date_before(database_url: str, schema: str | None, model_name: str | None, correct_from: str) -> None:
    """Brings the difficulty table up to now, if there is a place for it.

    A directory of models is such a place where STRUGGLE_MODELS_DIR or --model names it, or where it already holds a
    current.pkl or a difficulty.current of this deployment. In any other case nothing is written. What prevents the
    update is said on stderr.

    Args:
        database_url, schema: The deployment's database.
        model_name: The value of --model.
        correct_from: The deployment's setting.
    """
    model = load(model_name, correct_from)
    if model.pointer_path is None or model.saved is None or database_url == DEMO_URL:
        return
    directory = os.path.dirname(model.pointer_path)
    own = any(os.path.lexists(os.path.join(directory, name)) for name in (CURRENT, POINTER))
    if not (own or setting(MODELS_DIR) or model_name):
        return
    registry = Registry(directory)
    try:
        with registry.locked(wait=False), db.connect(database_url, schema_path=schema, timeout_s=TIMEOUT_S) as client:
            keep_up_to_date(client, registry, model, client.now())
    except BlockingIOError:
        note(f"The difficulties are not brought up to date: another process holds the lock of {directory}.")
    except (DatabaseError, ModelRefused, OSError) as error:
        note(f"The difficulties are not brought up to date: {error}")

"""predict.py --doctor: which database is used, whether it answers, which tables are missing, which model predicts."""

from __future__ import annotations

import os
import time

import db
from db import with_unknown
from db.errors import DatabaseError, RequiredTableAbsent
from db.url import CALLER, DEMO_BY_DEFAULT, FILE, SCHEMA, VARIABLE_ITSELF, Origin
from ml.errors import PredictorError
from ml.instants import iso
from ml.model import StrugglePredictionModel, load
from ml.places import MODEL, MODELS_DIR, POINTER, archived, content_of, current, setting
from ml.storage import model_file
from ml.storage.difficulty_pointer import read_pointer
from scripts.cli.doctor_costs import costs
from scripts.cli.exits import CONFIGURATION, DONE, ending
from scripts.cli.request import Request


def examine(request: Request) -> tuple[dict[str, object], int]:
    """Returns a report of plain builtins and the exit code, which is 0 where all is well."""
    database, database_code = _database(request)
    schema = {"file": request.schema, "chosen_by": _schema_chooser(request)} if request.schema else None
    model, model_code = _model(request)
    code = database_code or model_code
    return {
        "ok": code == DONE,
        "database": database,
        "schema": schema,
        "model": model,
        "deadline_s": request.timeout_s,
    }, code


def _database(request: Request) -> tuple[dict[str, object], int]:
    report: dict[str, object] = {"reachable": False}
    started = time.monotonic()
    try:
        with db.connect(
            request.database_url, schema_path=request.schema, env_file=request.env_file, timeout_s=request.timeout_s
        ) as records:
            report.update(kind=records.kind, where=records.label, chosen_by=_chooser(records.origin, request.demo))
            if remark := records.origin.told(records.label):
                report["why"] = remark
            report["now"] = iso(records.now())
            missing = with_unknown(records.missing_sources(), records.unknown_values())
            report["missing_sources"] = list(missing)
            report["missing_costs"] = costs(missing)
            if security := records.row_security():
                report["row_security"] = security
    except DatabaseError as error:
        report["error"] = str(error)
        report["reachable"] = isinstance(error, RequiredTableAbsent)  # the database answered: a table is missing
        return report, ending(error)[0]
    report["reachable"] = True
    report["answered_in_ms"] = round((time.monotonic() - started) * 1000, 1)
    return report, DONE


def _model(request: Request) -> tuple[dict[str, object], int]:
    try:
        model = load(request.model, request.correct_from)
        report: dict[str, object] = {"version": model.model_version, "source": model.source, **_model_choice(request)}
        report["correct_from"] = model.correct_from
        report["levels"] = model.levels.to_dict()
        if model.levels_path is not None:
            report["levels_file"] = model.levels_path
        if model.saved is not None:
            report["trained_with_correct_from"] = model.saved.correct_from
        if model.instead:
            report["instead"] = model.instead
        elif request.model is None and setting(MODEL) is None and model.path != current():
            found = "the rules answer" if model.path is None else f"{os.path.basename(model.path)} answers"
            report["why"] = f"there is no {current()}, so {found}"
        if model.path is not None:
            report["file"] = model.path
            report["file_sha256"] = model_file.sha256(_content(model.path))
            if model.saved is not None and model.saved.difficulty is not None:
                report["difficulty_file"] = model.saved.difficulty[0]
            report.update(_kept_difficulty(model))
            model.check()
    except (PredictorError, OSError) as error:
        return {"error": str(error), **_model_choice(request)}, CONFIGURATION
    return report, DONE


def _kept_difficulty(model: StrugglePredictionModel) -> dict[str, object]:
    """The difficulty table that is kept up to date, or why one that is there is not used; nothing where there is none.

    Raises ModelRefused.
    """
    if model.difficulties is not None and (kept := model.difficulties.kept) is not None:
        return {"kept_difficulty_file": kept.table, "kept_difficulty_until": iso(kept.cutoff_ms)}
    if model.pointer_path is None or (other := read_pointer(model.pointer_path)) is None:
        return {}
    told = f"{other.model_version}, with answers correct from {other.correct_from}"
    return {"kept_difficulty_waits": f"{POINTER} is for {told}, and is made for this model by the next update"}


def _chooser(origin: Origin, demo: bool) -> str:
    """The option, variable or file that named the database."""
    if demo:
        return "--demo"
    return {
        CALLER: "--database-url",
        VARIABLE_ITSELF: origin.variable,
        FILE: f"{origin.variable} in {origin.path}",
        SCHEMA: "the schema's datasource",
        DEMO_BY_DEFAULT: "default",
    }[origin.kind]


def _schema_chooser(request: Request) -> str:
    return "STRUGGLE_SCHEMA" if request.schema == setting("STRUGGLE_SCHEMA") else "--schema"


def _model_choice(request: Request) -> dict[str, object]:
    """The option or variable that named the model, and the directory of this deployment's models."""
    by = "--model" if request.model else next((name for name in (MODEL, MODELS_DIR) if setting(name)), "default")
    return {"chosen_by": by, "directory": os.path.dirname(current())}


def _content(path: str) -> bytes:
    try:
        return content_of(path, model_file.MAX_BYTES)
    except NotADirectoryError:  # inside predict.pyz
        return archived(path)

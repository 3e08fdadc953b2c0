"""The options of the commands that train, as records."""

from __future__ import annotations

from typing import NamedTuple

from scripts.workers.backends import Workers


class TrainingOptions(NamedTuple):
    """The options of train_initial_model.py, whose help explains them.

    learners: the ids to train on, None for all. struggle_below: a share, None for the platform's definition. as_of_ms:
    None for the database's now. names: what each of the urls contains. force: the model answers whatever the gate says.
    adaptive: those of the names whose first cards are left out.
    """

    urls: tuple[str, ...]
    schema: str | None
    models_dir: str
    prior: str | None
    struggle_below: float | None
    learners: list[str] | None
    difficulty_only: bool
    as_of_ms: int | None
    pretrained: bool
    names: tuple[str, ...]
    adaptive: tuple[str, ...]
    force: bool
    target_recall: float | None
    capacity: int | None
    correct_from: str
    workers: Workers
    as_json: bool


class RetrainingOptions(NamedTuple):
    """The options of retrain_model.py, whose help explains them."""

    since: str
    database_url: str
    schema: str | None
    models_dir: str
    as_of_ms: int | None
    new_challenger: bool
    count_anew: bool
    target_recall: float | None
    capacity: int | None
    correct_from: str
    workers: Workers
    as_json: bool


class MeasuringOptions(NamedTuple):
    """The options of evaluate_model.py, whose help explains them.

    explain: learner, objective and the instant in milliseconds since 1970. json_path: "-" is stdout.
    """

    database_url: str
    schema: str | None
    model: str | None
    learners: list[str] | None
    struggle_below: float | None
    predictions: str | None
    explain: tuple[str, str, int] | None
    in_sample: bool
    bootstrap: int
    json_path: str | None
    correct_from: str
    workers: Workers

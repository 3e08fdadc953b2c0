"""What predict.py has been asked, as its options and its doctor see it; predict.Request has this shape.

Imported for type checking only: a prediction by two arguments makes its Request in predict.py, with no module more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class Request(Protocol):
    """One call of predict.py, whose options are set one by one; predict.Request says what each is."""

    user_id: str
    objective_id: str
    database_url: str | None
    env_file: str | None
    demo: bool
    schema: str | None
    model: str | None
    correct_from: str | None
    as_of_ms: int | None
    given_features: Callable[[], Mapping[str, object]] | None
    timeout_s: float
    strict: bool
    pretty: bool
    doctor: bool
    warning: str

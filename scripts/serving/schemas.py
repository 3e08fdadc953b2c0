"""The requests and answers of the service, as types: the command's own JSON, described for the OpenAPI document."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from ml.wording.choice import LANGUAGES, language_named
from scripts.cli.human_times import WRITTEN, instant_ms
from scripts.outputs.answer import ANSWER

MOST_PAIRS = 500
TAG = f"^({'|'.join(LANGUAGES)}|{'|'.join(LANGUAGES).upper()})([-_.@][A-Za-z0-9]+)*$"
"""A known language, also with what tags and locales add to it."""


def _instant_ms(given: object) -> int:
    """Milliseconds since 1970 of an instant as predict.py's --as-of takes it, not of a number. Raises ValueError."""
    try:
        return instant_ms(given if isinstance(given, str) else "")
    except ValueError:  # its text quotes what the caller sent
        raise ValueError(f"not an ISO 8601 instant of the years 1 to 9999: write {WRITTEN}") from None


def _language(given: object) -> str:
    """The code of a known language. Raises ValueError."""
    found = language_named(given) if isinstance(given, str) and re.fullmatch(TAG, given) else None
    if found is None:
        raise ValueError(f"not a known language: write {' or '.join(LANGUAGES)}")
    return found


EXAMPLE: dict[str, JsonValue] = {"user_id": "demo-learner", "objective_id": "action-potentials"}
"""Of the embedded demo database."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]
Instant = Annotated[int, PlainValidator(_instant_ms), WithJsonSchema({"type": "string", "format": "date-time"})]


LanguageTag = Annotated[
    str,
    PlainValidator(_language),
    WithJsonSchema({"type": "string", "pattern": TAG, "description": "The language of the sentences."}),
]
Audience = Annotated[Literal["teacher", "learner"], Field(description="Whom the sentences address.")]


class Strict(BaseModel):
    """A body without unknown fields.

    Many unknown fields give one error, since listing each would take too long.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: object) -> object:
        if isinstance(given, dict) and len(given) > 2 * len(cls.model_fields):
            raise ValueError(f"more fields than {', '.join(cls.model_fields)}")
        return given


class Pair(Strict):
    """A learner and an objective."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    user_id: Id
    objective_id: Id


class PredictionRequest(Pair):
    """as_of: the moment of prediction, ISO 8601 (without an offset: UTC); by default the database's now. language,
    audience: those of the sentences; by default the service's."""

    as_of: Instant | None = None
    language: LanguageTag | None = None
    audience: Audience | None = None


class BatchRequest(Strict):
    """Up to 500 pairs, answered in their order.

    `as_of` applies to all of them, and is by default the time of each reading. `language` and `audience` are those of
    all sentences.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"pairs": [EXAMPLE]}]})

    pairs: Annotated[list[Pair], Field(min_length=1, max_length=MOST_PAIRS)]
    as_of: Instant | None = None
    language: LanguageTag | None = None
    audience: Audience | None = None


class PredictionResponse(BaseModel):
    """The object that predict.py prints, to the byte; its schema is the one that `python -m scripts.schemas` prints."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: object, _handler: object) -> dict[str, object]:
        return {"title": cls.__name__, "description": cls.__doc__, **ANSWER}


class BatchResponse(BaseModel):
    """One entry per pair, in the order asked: an answer, or the problem that prevented it."""

    predictions: list[PredictionResponse | Problem]


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is the command's own name of the failure."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


class Health(BaseModel):
    """Whether the process works, with which model, and whether the database answered when it was last asked."""

    model_config = ConfigDict(protected_namespaces=())

    status: Literal["healthy", "unhealthy"]
    model_version: str
    database: str


BatchResponse.model_rebuild()

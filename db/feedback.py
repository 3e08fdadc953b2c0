"""Learners' feedback on earlier predictions, which retraining and monitoring use."""

from __future__ import annotations

from db.connecting import connect
from db.reading import queries
from db.sql.decode_values import decoded, flag, instant_ms, number, text
from db.sql.instants import bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import NamedTuple

    from db.client import Client
    from db.sql.templates import Conversation, Opened
else:
    from db.reading.rows import NamedTuple


class Feedback(NamedTuple):
    """One learner's feedback and the prediction that it is about.

    feature_vector: what the prediction stored (FeatureVector.to_dict), an empty dict where it stored none. submittedAt
    is an aware datetime in UTC. The attributes have the names that the guide's retraining script uses.
    """

    id: str
    predictionId: str  # noqa: N815
    userId: str  # noqa: N815
    learningObjectiveId: str  # noqa: N815
    feature_vector: dict[str, object]
    actualStruggle: bool  # noqa: N815
    submittedAt: datetime  # noqa: N815
    feedbackType: str | None  # noqa: N815
    predictionStatus: str | None  # noqa: N815
    interventionApplied: bool  # noqa: N815
    predictedStruggleProbability: float | None  # noqa: N815


async def get_feedback_data(
    since: datetime, *, url: str | None = None, schema_path: str | None = None
) -> list[Feedback]:
    """The feedback submitted at or after `since`, oldest first, over a connection of its own.

    A naive datetime is local time. url and schema_path are those of `connect`, whose errors it raises.
    """
    import asyncio

    def read() -> list[Feedback]:
        with connect(url, schema_path=schema_path) as client:
            return feedback_since(client, since)

    return await asyncio.to_thread(read)


def feedback_since(client: Client, since: datetime) -> list[Feedback]:
    """Reads the feedback as get_feedback_data does, but blocking, through a client that is already connected."""
    since_ms = int(since.timestamp() * 1000)
    return client.converse(lambda opened: _feedback(opened, since_ms))


def _feedback(opened: Opened, since_ms: int) -> Conversation[list[Feedback]]:
    if "PredictionFeedback" not in opened.renderer.catalogue:
        return []
    (results,) = yield [opened.renderer.query(queries.FEEDBACK, since=bounded(since_ms))]
    mapping = opened.renderer.catalogue.mapping
    kinds = mapping.stored_values("PredictionFeedback", "feedbackType")
    statuses = mapping.stored_values("StrugglePrediction", "predictionStatus")
    return [answer for result in results if (answer := _answer(result, kinds, statuses)) is not None]


def _answer(result: Sequence[object], kinds: Mapping[str, str], statuses: Mapping[str, str]) -> Feedback | None:
    from datetime import datetime, timedelta, timezone

    identifier, prediction, learner, objective, features, struggled, at, kind, status, intervened, said = result
    at_ms = instant_ms(at)
    if at_ms is None or struggled is None:
        return None
    stored = decoded(features)
    return Feedback(
        text(identifier) or "",
        text(prediction) or "",
        text(learner) or "",
        text(objective) or "",
        stored if isinstance(stored, dict) else {},
        flag(struggled),
        datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=at_ms),
        _named(kind, kinds),
        _named(status, statuses),
        flag(intervened),
        number(said),
    )


def _named(value: object, names: Mapping[str, str]) -> str | None:
    stored = text(value)
    return None if stored is None else names.get(stored, stored)

"""From a request to its line, by the same functions as predict.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ml.answer import failure
from ml.json_text import dumps
from ml.language import ENGLISH, Language
from ml.model import StrugglePredictionModel
from scripts.cli.exits import UNAVAILABLE
from scripts.cli.request import Request, failed, in_words_of, predict_by_default, words_of
from scripts.piping.kept import KeptDatabase, LatestModel
from scripts.piping.lines import Id, answered, not_answered
from scripts.piping.waiting import Turn

Respond = Callable[[StrugglePredictionModel, Request], dict[str, object]]
"""predict.py's respond_with."""


class Settings(NamedTuple):
    """What holds for every request: seconds until its deadline where it names none, predict.py's --strict, and the
    words of answers where it names none."""

    timeout_s: float
    strict: bool
    words: Language = ENGLISH


class Answerer:
    """Answers requests; several threads may use it."""

    def __init__(
        self,
        respond: Respond,
        model: LatestModel,
        database: KeptDatabase,
        settings: Settings,
        say: Callable[[str], object],
    ) -> None:
        self._respond, self._model, self._database = respond, model, database
        self._settings, self._say = settings, say

    def line(self, turn: Turn) -> bytes:
        """The line for a request whose turn has come. Its database calls end with its deadline, if they can."""
        request = self._request(turn)
        try:
            model = self._model.model()
            if request.given_features is None:
                request.records = turn.records = self._database.records(request)
            return answered(turn.id, dumps(self._respond(model, request)))
        except Exception as error:
            return self._failed(turn.id, error)

    def late(self, turn: Turn) -> bytes:
        """The line for a request whose deadline has passed: it rests on default features.

        Where it is still under way, the sessions of the database are given up, so that none waits for its.
        """
        request = self._request(turn)
        try:
            if turn.records is not None:
                self._database.forget(turn.records)
            found = predict_by_default(request, self._model.last(), "deadline", "the deadline passed")
            return answered(turn.id, dumps(in_words_of(words_of(request) or ENGLISH, found)))
        except Exception as error:
            return self._failed(turn.id, error)

    def _failed(self, id: Id, error: Exception) -> bytes:
        code, message, printed = failed(error)
        if code >= UNAVAILABLE:  # the operator's to mend; what the caller asked wrongly, the caller is told
            self._say(message)
        return not_answered(id, code, printed)

    def _request(self, turn: Turn) -> Request:
        asked = turn.asked
        request = Request(asked.user_id, asked.objective_id, asked.arrived_at)
        request.as_of_ms = asked.as_of_ms
        request.timeout_s = turn.late_at - asked.arrived_at
        request.strict, request.say = self._settings.strict, self._say
        request.language = asked.language or self._settings.words.code
        request.audience = asked.audience or self._settings.words.audience
        request.within = _here
        if asked.features is not None:
            request.given_features = lambda: asked.features or {}
        return request


def _here(_seconds: float, work: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Does the work in the thread that answers; its deadline is kept by another (scripts/piping/life.py)."""
    return work()


def interrupted(id: Id, code: int, by: str) -> bytes:
    """The line for a request that is not answered, because the worker was stopped. by: what stopped it."""
    return not_answered(id, code, failure("interrupted", f"stopped by {by}"))

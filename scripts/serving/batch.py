"""A batch of pairs: each learner's rows are read once, however many objectives the learner is asked about.

The answers are those of single predictions, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from db import ObjectiveRows, StudyRows
from db.errors import UnknownLearner, UnknownObjective
from ml.answer import answer
from ml.extractor import OBJECTIVE_WINDOW
from ml.features.build import studied
from ml.json_text import dumps
from ml.language import Language
from ml.model import StrugglePredictionModel
from ml.scoring.prediction import Prediction
from ml.study.history import WINDOW, LearnerHistory, StudyHistory
from ml.study.occasion import occasion_of
from ml.wording.rewording import reworded
from scripts.serving.connections import Connections
from scripts.serving.problems import problem
from scripts.serving.schemas import BatchRequest

OBJECTIVES_AT_ONCE = 50
"""Between two looks at whether the caller is still there."""


class Batch:
    """Answers the pairs of one request, learner by learner.

    words: of all answers. go_on: called in between; it raises an exception to end the batch early.
    """

    def __init__(
        self,
        connections: Connections,
        model: StrugglePredictionModel,
        go_on: Callable[[], None],
        noted: Callable[[Prediction], None],
        words: Language,
    ) -> None:
        self._connections = connections
        self._model = model
        self._go_on = go_on
        self._noted = noted
        self._words = words

    def answered(self, request: BatchRequest) -> str:
        """The JSON text: answers in the order asked.

        An unknown pair gets its own problem; a lost database fails the whole batch.
        """
        self._go_on()
        of_learner: dict[str, dict[str, str]] = {}  # learner -> objective -> JSON text
        for pair in request.pairs:
            of_learner.setdefault(pair.user_id, {})[pair.objective_id] = ""
        objectives = self._connections.read_objectives(
            list(dict.fromkeys(pair.objective_id for pair in request.pairs)), WINDOW
        )
        for user_id, found in of_learner.items():
            self._answer(user_id, found, objectives, request.as_of)
        texts = (of_learner[pair.user_id][pair.objective_id] for pair in request.pairs)
        return '{"predictions": [' + ", ".join(texts) + "]}"

    def _answer(
        self, user_id: str, found: dict[str, str], objectives: dict[str, ObjectiveRows], as_of_ms: int | None
    ) -> None:
        """Fills in the learner's texts."""
        rows: StudyRows | None = None
        known: list[tuple[str, ObjectiveRows]] = []
        for objective_id in found:
            self._go_on()
            try:
                if objective_id not in objectives:
                    # Unknown, or known under another spelling of its id; the learner's rows can wait.
                    asked = self._connections.read(user_id, objective_id, as_of_ms, OBJECTIVE_WINDOW)
                    objectives[objective_id] = asked.objective
                if rows is None:
                    rows = self._connections.read(user_id, objective_id, as_of_ms, WINDOW)
                known.append((objective_id, objectives[objective_id]))
            except UnknownObjective as error:
                found[objective_id] = dumps(problem(error))
            except UnknownLearner as error:
                found.update(dict.fromkeys(found, dumps(problem(error))))
                return
        if rows is None:
            return
        past = LearnerHistory(rows.learner, rows.as_of_ms, rows.is_now, self._model.correct_from)
        for start in range(0, len(known), OBJECTIVES_AT_ONCE):
            self._go_on()
            found.update(self._texts(user_id, past, known[start : start + OBJECTIVES_AT_ONCE], rows.missing_sources))

    def _texts(
        self,
        user_id: str,
        past: LearnerHistory,
        known: Sequence[tuple[str, ObjectiveRows]],
        missing_sources: Sequence[str],
    ) -> dict[str, str]:
        histories = [StudyHistory(past, rows) for _, rows in known]
        earlier = self._connections.read_earlier({(past.learner.id, rows.objective.id) for _, rows in known})
        estimates, vectors = studied(histories, self._model.difficulty_at(past.as_of_ms))
        texts = {}
        for (objective_id, _), history, features in zip(known, histories, vectors):
            prediction = self._model.predict(features)
            self._noted(prediction)
            occasion = occasion_of(past, history.objective)
            advice = self._model.advise(prediction, history, estimates, features, missing_sources)
            change = self._model.change(earlier.get((past.learner.id, history.objective.id), ()), features, prediction)
            told = answer(user_id, objective_id, features, prediction, missing_sources, occasion, advice, change)
            texts[objective_id] = dumps(reworded(told, self._words))
        return texts

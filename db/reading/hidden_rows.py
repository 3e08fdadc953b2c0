"""The queries and errors for policies that hide rows from us (db/sql/row_security.py), as conversations."""

from __future__ import annotations

from db.reading import queries
from db.sql.row_security import refusal
from db.sql.templates import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from db.sql.templates import Conversation, Opened, Results


def detailed(details: str, tables: str, columns: Results) -> Conversation[Results]:
    """The catalogue's rows, with the types behind domains and, in the last column, whether the table hides rows."""
    (found,) = yield [Query(details, {"tables": tables}, 4)]
    types: dict[tuple[object, object, object], object] = {}
    for schema, table, column, told in found:
        if told is not None:
            types[schema, table, column] = types[None, table, column] = told
    amended = []
    for schema, table, column, kind, *others, _ in columns:
        kind = types.get((schema, table, column), kind)
        amended.append((schema, table, column, kind, *others, types.get((schema, table, None))))
    return amended


_ANY_ROW = {"User": queries.FIRST_LEARNERS, "LearningObjective": queries.FIRST_OBJECTIVES}


def check(opened: Opened, model: str) -> Conversation[None]:
    """After nobody was found: raises RequiredTableAbsent if policies may be the reason and no row at all is visible."""
    catalogue = opened.renderer.catalogue
    if model in catalogue.filtered:
        (found,) = yield [opened.renderer.query(_ANY_ROW[model], limit=1)]
        if not found:
            raise refusal(catalogue.mapping.table(model))


_READ_AS = {
    "ObjectivePrerequisite": "prerequisites",
    "Card": "cards",
    "Review": "reviews",
    "StudySession": "sessions",
    "ValidationResponse": "validations",
    "PerformanceMetric": "metrics",
    "BehavioralPattern": "patterns",
    "BehavioralEvent": "events",
    "UserLearningProfile": "profile",
    "Exam": "exams",
    "Mission": "missions",
    "StrugglePrediction": "recorded",
    "PredictionFeedback": "answered",
}


def unseen(opened: Opened, found: Mapping[str, Results]) -> list[str]:
    """Default names of the tables that policies filter and that returned no rows, so that they may not be empty."""
    from db.tables.models import MODELS

    objective = found["objective"][0]
    seen = {
        "Lecture": objective[6] is not None or objective[8] is not None,
        "Course": objective[7] is not None,
        "ValidationPrompt": any(result[0] is not None for result in found["validations"]),
        **{model: bool(found[name]) for model, name in _READ_AS.items()},
    }
    return [
        MODELS[model].table
        for model in MODELS
        if model in opened.renderer.catalogue.filtered and not seen.get(model, True)
    ]


def unseen_by_all(opened: Opened) -> Conversation[list[str]]:
    """Returns default names of the filtered tables that show us no row of any learner."""
    from db.sql.templates import ALIASES, Template
    from db.tables.models import MODELS

    models = [model for model in MODELS if model in opened.renderer.catalogue.filtered]
    aliases = {model: alias for alias, model in ALIASES.items()}
    asked = [opened.renderer.query(Template(model, ("1",), f"FROM {{{aliases[model]}}} LIMIT 1")) for model in models]
    found = (yield asked) if asked else ()
    return [MODELS[model].table for model, rows in zip(models, found) if not rows]

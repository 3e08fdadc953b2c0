"""What people call learners, courses and objectives. No prediction reads these columns; reports for people do."""

from __future__ import annotations

from db.sql.decode_values import text
from db.sql.instants import bounded
from db.sql.json_values import listed
from db.sql.templates import Batch, Column, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.client import Client
    from db.sql.templates import Conversation, Opened, Query

IDS_AT_ONCE = 2000
BATCH_ROWS = 2000


def names_of_learners(client: Client, ids: Iterable[str]) -> dict[str, str]:
    """The names of those of the learners that have one."""
    return _named(client, "User", "name", ids)


def names_of_objectives(client: Client, ids: Iterable[str]) -> dict[str, str]:
    """The texts of those of the objectives that have one."""
    return _named(client, "LearningObjective", "objective", ids)


def courses(client: Client, given: str) -> dict[str, str]:
    """The course of that id, else all courses of that name, as id -> name; empty where there is none."""

    def ask(opened: Opened) -> Conversation[dict[str, str]]:
        if not opened.renderer.catalogue.admits("", "", given):  # a text that this database cannot hold
            return {}
        batch = Batch(opened.renderer)
        if opened.renderer.catalogue.admits("Course", "id", given):
            batch.add("id", _COURSES, ids=listed([given]))
        batch.add("name", _COURSES_OF_NAME, called=given)
        found = yield from batch.ask()
        rows = found.get("id") or found["name"]
        return {text(course) or "": text(name) or "" for course, name in rows}

    return client.converse(ask)


def objectives_of_courses(client: Client, course_ids: Sequence[str]) -> list[str]:
    """Ids of the objectives of these courses' lectures."""
    return _ids(client, (_OBJECTIVES,), ids=listed(course_ids))


def learners_of_courses(client: Client, course_ids: Sequence[str], as_of_ms: int) -> list[str]:
    """Ids of the learners who own one of the courses, plan an exam on it, or studied it before as_of_ms; sorted.

    The owner that an import names is no user, and therefore no learner.
    """
    return _ids(client, _OF_COURSE, ids=listed(course_ids), as_of=bounded(as_of_ms))


def _ids(client: Client, templates: Sequence[Template], **given: object) -> list[str]:
    def ask(opened: Opened) -> Conversation[list[str]]:
        batch = Batch(opened.renderer)
        for place, template in enumerate(templates):
            batch.add(str(place), template, **given)
        found = yield from batch.ask()
        return sorted({name for rows in found.values() for (each,) in rows if (name := text(each))})

    return client.converse(ask)


def _named(client: Client, model: str, field: str, ids: Iterable[str]) -> dict[str, str]:
    wanted = sorted(set(ids))
    found: dict[str, str] = {}

    def ask(opened: Opened) -> list[Query]:
        catalogue, dialect = opened.renderer.catalogue, opened.renderer.dialect
        column = catalogue.mapping.column(model, field)
        kind = catalogue.column_type(model, column)
        if kind is None:
            return []
        alias = "u" if model == "User" else "o"
        value = dialect.words(Column(dialect, f"{alias}.{dialect.identifier(column)}", kind))
        value = value.replace("{", "{{").replace("}", "}}")
        template = Template(model, (f"{{{alias}.id:text}}", value), f"FROM {{{alias}}} WHERE {{{alias}.id:among}}")
        pages = [wanted[start : start + IDS_AT_ONCE] for start in range(0, len(wanted), IDS_AT_ONCE)]
        return [opened.renderer.query(template, ids=listed(page)) for page in pages]

    for batch in client.stream(ask, BATCH_ROWS):
        found.update((text(identifier) or "", name) for identifier, value in batch if (name := text(value)))
    return found


_COURSES = Template("Course", ("{c.id:text}", "{c.name:text}"), "FROM {c} WHERE {c.id:among}")
_COURSES_OF_NAME = Template("Course", ("{c.id:text}", "{c.name:text}"), "FROM {c} WHERE {c.name:text} = {given:called}")
_OBJECTIVES = Template(
    "LearningObjective", ("{o.id:text}",), "FROM {o} JOIN {l} ON {l.id} = {o.lectureId} WHERE {l.courseId:among}"
)
_OF_COURSE = (
    Template("Course", ("DISTINCT {c.userId:text}",), "FROM {c} JOIN {u} ON {u.id} = {c.userId} WHERE {c.id:among}"),
    Template("Exam", ("DISTINCT {x.userId:text}",), "FROM {x} WHERE {x.courseId:among}"),
    Template(
        "Review",
        ("DISTINCT {r.userId:text}",),
        "FROM {r} JOIN {k} ON {k.id} = {r.cardId} WHERE {k.courseId:among} AND {r.reviewedAt:before}",
    ),
    Template(
        "PerformanceMetric",
        ("DISTINCT {m.userId:text}",),
        "FROM {m} JOIN {o} ON {o.id} = {m.learningObjectiveId} JOIN {l} ON {l.id} = {o.lectureId}"
        " WHERE {l.courseId:among} AND {m.date:before}",
    ),
)

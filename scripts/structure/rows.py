"""What a structure changes in a database: planned first, so that a dry run tells the same, and then written.

Courses, lectures and objectives that this command or import_history.py made are brought up to date; those that the app
made keep their names, courses and lectures. Their ids tell them apart: ours begin with "import:", and an objective is
ours where its lecture is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid5

from db.errors import RowRefused
from db.writing.open import Writer
from db.writing.statements import quoted
from ml.study.occasion import NAME_SPACE
from scripts.cli.exits import Misconfigured
from scripts.importing.tables import COURSE_ID, LECTURE_ID, OWNER_ID
from scripts.structure.graph import Objective, Structure

OURS = "import:"
UNNAMED = "Imported answers"
"""The course and the lecture of objectives for which no file names one, as an imported log has them."""
NEEDED = ("Course", "Lecture", "LearningObjective", "ObjectivePrerequisite")
OF_THE_APP = {"fileName": "", "fileUrl": "", "fileSize": 0}
"""Columns of the app's lectures that must have a value, and that a lecture without a file has none for."""


class Place(NamedTuple):
    """A lecture and its course, both by id and by name."""

    course_id: str
    course: str
    lecture_id: str
    lecture: str


class StoredObjective(NamedTuple):
    """An objective in the database."""

    name: str
    lecture_id: str
    complexity: str

    @property
    def is_ours(self) -> bool:
        """Whether an import made it."""
        return self.lecture_id.startswith(OURS)


class Stored(NamedTuple):
    """What the database holds. edges: (objective, prerequisite) -> strength."""

    courses: Mapping[str, str]
    lectures: Mapping[str, str]
    objectives: Mapping[str, StoredObjective]
    edges: Mapping[tuple[str, str], float]


EMPTY = Stored({}, {}, {}, {})


class Plan(NamedTuple):
    """The rows to write.

    Attributes:
        courses: Id -> name of new courses.
        lectures: Id -> place of new lectures.
        objectives: Id -> the objective as it will be, for new ones.
        changed: Id -> the fields that change, for objectives that exist.
        edges: New prerequisites with their strengths.
        strengths: Prerequisites that exist, with another strength.
        kept: Objectives of the app's whose name or complexity differs from the files'.
    """

    courses: Mapping[str, str]
    lectures: Mapping[str, Place]
    objectives: Mapping[str, StoredObjective]
    changed: Mapping[str, Mapping[str, object]]
    edges: Mapping[tuple[str, str], float]
    strengths: Mapping[tuple[str, str], float]
    kept: int


def read_stored(writer: Writer) -> Stored:
    """Reads courses, lectures, objectives and prerequisites. Raises Misconfigured where a table is absent."""
    for model in NEEDED:
        if not writer.has(model):
            raise Misconfigured(f"{writer.label} lacks the table {writer.mapping.table(model)!r}.")
    objectives = writer.select("LearningObjective", ("id", "objective", "lectureId", "complexity"))
    edges = writer.select("ObjectivePrerequisite", ("objectiveId", "prerequisiteId", "strength"))
    return Stored(
        {str(identifier): str(name) for identifier, name in writer.select("Course", ("id", "name"))},
        {str(identifier): str(course) for identifier, course in writer.select("Lecture", ("id", "courseId"))},
        {str(row[0]): StoredObjective(*map(str, row[1:])) for row in objectives},
        {(str(a), str(b)): float(strength) for a, b, strength in edges if isinstance(strength, (int, float))},
    )


def planned(structure: Structure, stored: Stored, rename: bool) -> Plan:
    """What must be written, so that the database says what the files say. rename: the app's objectives too."""
    courses: dict[str, str] = {}
    lectures: dict[str, Place] = {}
    new: dict[str, StoredObjective] = {}
    changed: dict[str, Mapping[str, object]] = {}
    kept = 0
    for wanted in structure.objectives.values():
        earlier = stored.objectives.get(wanted.id)
        place = _place(wanted)
        if earlier is not None and not earlier.is_ours:
            texts = _texts(wanted, earlier)
            if texts and rename:
                changed[wanted.id] = texts
            kept += bool(texts) and not rename
            continue
        if earlier is None:
            name = wanted.name or f"Skill {wanted.id}"
            new[wanted.id] = StoredObjective(name, place.lecture_id, wanted.complexity or "INTERMEDIATE")
        else:
            fields = dict(_texts(wanted, earlier))
            if (wanted.course or wanted.course_id or wanted.lecture) and earlier.lecture_id != place.lecture_id:
                fields["lectureId"] = place.lecture_id
            if fields:
                changed[wanted.id] = fields
            if "lectureId" not in fields:
                continue
        if place.course_id not in stored.courses:
            courses[place.course_id] = place.course
        if place.lecture_id not in stored.lectures:
            lectures[place.lecture_id] = place
    edges = {pair: strength or 1.0 for pair, strength in structure.edges.items() if pair not in stored.edges}
    strengths = {
        pair: strength
        for pair, strength in structure.edges.items()
        if strength is not None and stored.edges.get(pair, strength) != strength
    }
    return Plan(courses, lectures, new, changed, edges, strengths, kept)


def _place(wanted: Objective) -> Place:
    if not (wanted.course or wanted.course_id):
        course_id, course = COURSE_ID, UNNAMED
    else:
        course = wanted.course or wanted.course_id
        course_id = wanted.course_id or f"{COURSE_ID}:{wanted.course}"
    if course_id == COURSE_ID and not wanted.lecture:
        return Place(course_id, course, LECTURE_ID, UNNAMED)
    escaped = course_id.removeprefix(f"{COURSE_ID}:").replace("%", "%25").replace("/", "%2F")
    return Place(course_id, course, f"{LECTURE_ID}:{escaped}/{wanted.lecture}", wanted.lecture or course)


def _texts(wanted: Objective, earlier: StoredObjective) -> dict[str, object]:
    """The name and the complexity, where the files give another one than the database has."""
    found: dict[str, object] = {}
    if wanted.name and wanted.name != earlier.name:
        found["objective"] = wanted.name
    if wanted.complexity and wanted.complexity != earlier.complexity:
        found["complexity"] = wanted.complexity
    return found


def write(writer: Writer, plan: Plan, owner: str | None) -> int:
    """Writes the plan in the writer's transaction. Returns how many cards moved to their objective's new course.

    owner: the user to whom new courses and lectures belong; None for a name that is no user's. Raises WriteRefused, and
    Misconfigured where the database demands that the owner be a user.
    """
    by = owner or OWNER_ID
    try:
        writer.insert("Course", ("id", "userId", "name"), [(key, by, name) for key, name in plan.courses.items()])
        writer.insert(
            "Lecture",
            ("id", "userId", "courseId", "title", "topicTags"),
            [
                (key, by, place.course_id, place.lecture, [place.lecture] if place.lecture_id != LECTURE_ID else [])
                for key, place in plan.lectures.items()
            ],
            also=OF_THE_APP,
        )
    except RowRefused as refused:
        hint = "" if owner else " If it demands that a course belong to one of its users, name one with --owner."
        raise Misconfigured(f"{refused}{hint}") from None
    writer.insert(
        "LearningObjective",
        ("id", "lectureId", "objective", "complexity"),
        [(key, each.lecture_id, each.name, each.complexity) for key, each in plan.objectives.items()],
    )
    for identifier, fields in plan.changed.items():
        writer.update("LearningObjective", identifier, **fields)
    _write_edges(writer, plan.edges)
    for (objective, prerequisite), strength in plan.strengths.items():
        _set_strength(writer, objective, prerequisite, strength)
    moved = any("lectureId" in fields for fields in plan.changed.values())
    return move_cards(writer) if moved else 0


def _write_edges(writer: Writer, edges: Mapping[tuple[str, str], float]) -> None:
    column = writer.columns("ObjectivePrerequisite")["id"]
    fields: tuple[str, ...] = ("objectiveId", "prerequisiteId", "strength")
    rows: Iterable[tuple[object, ...]] = ((*pair, strength) for pair, strength in edges.items())
    if column.takes_a_uuid:
        fields = ("id", *fields)
        rows = ((column.id_of(str(uuid5(UUID(bytes=NAME_SPACE), "\0".join(row[:2])))), *row) for row in rows)  # type: ignore[arg-type]
    writer.insert("ObjectivePrerequisite", fields, rows)


def _set_strength(writer: Writer, objective: str, prerequisite: str, strength: float) -> None:
    column = partial(_column, writer, "ObjectivePrerequisite")
    edge = f"{column('objectiveId')} = ? AND {column('prerequisiteId')} = ?"
    table = writer.table("ObjectivePrerequisite")
    writer.execute(f"UPDATE {table} SET {column('strength')} = ? WHERE {edge}", [strength, objective, prerequisite])


def move_cards(writer: Writer) -> int:
    """Puts the cards that imports made into the course and the lecture of their objective; returns how many moved.

    A prediction finds an objective's cards by its course, which the app has an index for.
    """
    card, objective, lecture = (partial(_column, writer, model) for model in ("Card", "LearningObjective", "Lecture"))
    cards, objectives, lectures = (writer.table(model) for model in ("Card", "LearningObjective", "Lecture"))
    its_lecture = (
        f"FROM {objectives} AS o JOIN {lectures} AS l ON l.{lecture('id')} = o.{objective('lectureId')}"
        f" WHERE o.{objective('id')} = {cards}.{card('objectiveId')}"
    )
    return writer.execute(
        f"UPDATE {cards} SET {card('courseId')} = (SELECT l.{lecture('courseId')} {its_lecture}),"
        f" {card('lectureId')} = (SELECT l.{lecture('id')} {its_lecture})"
        f" WHERE {card('lectureId')} LIKE '{LECTURE_ID}%'"
        f" AND EXISTS (SELECT 1 {its_lecture} AND l.{lecture('id')} <> {cards}.{card('lectureId')})"
    )


def settle_cards(writer: Writer) -> int:
    """The same after an import of answers, whose new cards may belong to objectives that a structure has placed."""
    placed = any(str(identifier).startswith(f"{LECTURE_ID}:") for (identifier,) in writer.select("Lecture", ("id",)))
    return move_cards(writer) if placed else 0


def _column(writer: Writer, model: str, field: str) -> str:
    return quoted(writer.mapping.column(model, field))

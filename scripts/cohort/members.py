"""Whom the report is about: the learners of a course, or those of a list, without those who opted out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from db import stored_names
from db.client import Client
from db.stored_predictions import opted_out
from ml.errors import UnknownTopic
from scripts.cli.streams import printable


class Members(NamedTuple):
    """learners: sorted ids. opted_out: how many others are left out because they opted out of analytics or tracking.

    courses: id -> name; empty where the report is about a list. within: ids of the courses' objectives, to which the
    report keeps; None for no limit.
    """

    learners: list[str]
    opted_out: int
    courses: dict[str, str]
    within: frozenset[str] | None


def members(client: Client, course: str | None, learners: Sequence[str] | None, as_of_ms: int) -> Members:
    """The report's learners. Raises UnknownTopic where no course has that id or name."""
    courses: dict[str, str] = {}
    within = None
    if course is not None:
        courses = stored_names.courses(client, course)
        if not courses:
            raise UnknownTopic(f"No course has the id or the name {printable(course)[:100]!r}.")
        within = frozenset(stored_names.objectives_of_courses(client, list(courses)))
        learners = stored_names.learners_of_courses(client, list(courses), as_of_ms)
    asked = sorted(set(learners or ()))
    left_out = opted_out(client).intersection(asked)
    return Members([each for each in asked if each not in left_out], len(left_out), courses, within)

"""The prerequisites of a large maths site, cycles and odd letters and all, are stored, read, and predicted from."""

from __future__ import annotations

import csv
import os
from collections import defaultdict

import pytest

import db
import predict
from db.writing.open import open_writer
from ml.features.vector import FEATURE_NAMES
from ml.json_text import dumps
from ml.model import load
from ml.study.history import WINDOW
from tests.conftest import need
from tests.support.outputs import read_output
from tests.support.study_database import DAY_MS, LEARNER, NOW_MS

CYCLE = ("adding_and_subtracting_radicals", "radical_multiplication_and_division", "simplifying_radicals")
IN_CYCLES = {*CYCLE, "number_sense_length_l1", "proportions_1"}


def exercises() -> dict[str, dict[str, str]]:
    """By name; two of them stand in the file twice, and the later row counts."""
    path = os.path.join(need("STRUGGLE_DATA"), "junyi_graph", "exercises.csv")
    with open(path, encoding="utf-8-sig", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def needs() -> dict[str, list[str]]:
    """Each exercise's prerequisites, as the site names them."""
    return {name: sorted({*row["prerequisites"].split(",")} - {""}) for name, row in exercises().items()}


def reached(needed: dict[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    ahead = list(needed[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += needed[name]
    return found


@pytest.fixture
def site(database: str) -> str:
    """A database with a course a topic, an objective an exercise, and one learner who answered some of each third."""
    rows, needed = exercises(), needs()
    topics = sorted({row["topic"] for row in rows.values()})
    with open_writer(database) as writer:
        writer.insert("User", ("id", "createdAt"), [(LEARNER, NOW_MS - 90 * DAY_MS)])
        writer.insert("Course", ("id", "userId", "name"), [(topic, LEARNER, topic) for topic in topics])
        fields = ("id", "userId", "courseId", "title", "topicTags")
        writer.insert("Lecture", fields, [(topic, LEARNER, topic, topic, [topic]) for topic in topics])
        objectives = [(name, row["topic"], row["pretty_display_name"]) for name, row in rows.items()]
        writer.insert("LearningObjective", ("id", "lectureId", "objective"), objectives)
        edges = [(f"{name}/{before}", name, before) for name, all_before in needed.items() for before in all_before]
        writer.insert("ObjectivePrerequisite", ("id", "objectiveId", "prerequisiteId"), edges)
        cards = [(f"card-{name}", row["topic"], name) for name, row in rows.items()]
        writer.insert("Card", ("id", "courseId", "objectiveId"), cards)
        answers = [
            (f"{name}-{nth}", LEARNER, f"card-{name}", "AGAIN" if (place + nth) % 4 == 0 else "GOOD", at_ms)
            for place, name in enumerate(list(rows)[::3])
            for nth, at_ms in enumerate(range(NOW_MS - (place % 60 + 1) * DAY_MS, NOW_MS, 10 * DAY_MS))
        ]
        writer.insert("Review", ("id", "userId", "cardId", "rating", "reviewedAt"), answers)
    return database


def test_the_graph_has_the_cycles_that_it_is_kept_for() -> None:
    needed = needs()
    assert (len(needed), sum(map(len, needed.values()))) == (835, 981)
    assert {name for name in needed if name in reached(needed, name)} == IN_CYCLES
    assert all(reached(needed, name) >= set(CYCLE) for name in CYCLE)


def test_every_edge_is_read(site: str) -> None:
    needed = needs()
    with db.connect(site) as client:
        found = client.read_objectives()
    read: dict[str, list[str]] = defaultdict(list)
    for name, rows in found.items():
        read[name] = sorted(row.objective_id for row in rows.prerequisites)
    assert read == needed


@pytest.mark.slow
def test_objectives_in_and_behind_cycles_are_predicted(site: str) -> None:
    rows, needed = exercises(), needs()
    behind = [name for name in needed if reached(needed, name) & IN_CYCLES]
    most = sorted(needed, key=lambda name: -len(needed[name]))[:5]
    garbled = [name for name, row in rows.items() if "?" in row["pretty_display_name"]][:5]
    model = load(None)
    gaps = []
    for name in {*IN_CYCLES, *behind[:10], *most, *garbled}:
        request = predict.Request(LEARNER, name)
        request.database_url, request.as_of_ms = site, NOW_MS
        answer = read_output(dumps(predict.predict(request, model)))
        assert answer["degraded"] == ""
        assert 0 < answer["probability"] < 1
        assert all(0 <= answer["features"][feature] <= 1 for feature in FEATURE_NAMES)
        if needed[name]:
            gaps.append(answer["features"]["prerequisite_gap_count"])
    assert 0 < sum(gaps) < len(gaps)  # some prerequisites are mastered, some are not
    with db.connect(site) as client:
        assert len(client.read(LEARNER, most[0], NOW_MS, WINDOW).objective.prerequisites) == len(needed[most[0]])

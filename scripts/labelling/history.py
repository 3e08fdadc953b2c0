"""Reads labelled visits and builds difficulty tables from a database, with a progress bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ml.study.correctness import GOOD
from ml.training.difficulty_build import Crowds, TableSize, build_difficulty_table
from ml.training.examples import ExampleSet, joined
from scripts.cli.progress import bar, shown
from scripts.labelling.part import Content, Extraction, do_part, table_content
from scripts.workers.backends import Workers, engine, hands, in_order
from scripts.workers.kept import clear
from scripts.workers.ranges import count_learners, ranges

if TYPE_CHECKING:
    from db.client import Client

LEARNERS_OF_A_PART = 100


def build_table(
    client: Client,
    path: str,
    until_ms: int,
    learner_ids: Sequence[str] | None,
    struggle_below: float | None,
    correct_from: str = GOOD,
    crowds: Crowds | None = None,
) -> TableSize:
    """Makes the difficulty file of these learners' history before until_ms, with answers judged under correct_from."""
    learners = client.stream_learners(until_ms, None, learner_ids)
    counted = shown(learners, "difficulties", _number(client, learner_ids))
    return build_difficulty_table(path, counted, until_ms, struggle_below, correct_from, crowds)


def read_examples(
    client: Client,
    extraction: Extraction,
    table_path: str | None,
    learner_ids: Sequence[str] | None,
    workers: Workers,
) -> ExampleSet:
    """The labelled visits of these learners, with the features that a prediction would have had.

    The client is only asked which learners there are: whoever does a part reads their rows. Raises WorkersLost,
    ExtraMissing.
    """
    content, digest = (None, None) if table_path is None else table_content(table_path)
    extraction = extraction._replace(difficulty=digest)
    learner_ids = None if learner_ids is None else sorted(set(learner_ids))
    total = _number(client, learner_ids)
    sizes: list[int] = []

    def parts(at_once: int) -> Iterator[tuple[Extraction, Content | None, list[str]]]:
        for ids in ranges(client, learner_ids, None, LEARNERS_OF_A_PART, total, at_once):
            sizes.append(len(ids))
            yield extraction, content, ids

    found = []
    try:
        with engine(*workers), bar("examples", total) as progress:
            for examples in in_order(do_part, parts(hands(workers)), workers):
                found.append(examples)
                progress.update(sizes.pop(0))
    finally:
        clear()
    return joined(found)


def _number(client: Client, learner_ids: Sequence[str] | None) -> int:
    return count_learners(client) if learner_ids is None else len(learner_ids)

"""One part of an extraction of labelled examples: one process reads a range of learners and computes their examples.

The process has a database connection of its own. It receives the difficulty table as bytes, since the file may be on
another machine; doing a part again gives the same examples.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import db
from ml.errors import ModelRefused
from ml.places import content_of
from ml.storage.difficulty_file import MOST_BYTES
from ml.storage.difficulty_table import DifficultyTable
from ml.storage.model_file import sha256
from ml.study.correctness import GOOD
from ml.training.examples import ExampleSet, joined, labelled_examples
from scripts.workers.kept import TIMEOUT_S, KeptObjectives, kept_for, patiently

LEARNERS_AT_ONCE = 50
"""The whole histories of so many learners are in memory together."""

Content = NDArray[np.uint8]
"""A file as an array: joblib sends an array to each process once, whatever the number of parts."""


class Extraction(NamedTuple):
    """What all parts have in common. struggle_below: as in Visit.struggled; difficulty: the table's sha256, or None;
    correct_from: the deployment's setting, not that of the machine that does the part."""

    database_url: str | None
    schema: str | None
    until_ms: int
    struggle_below: float | None
    difficulty: str | None = None
    correct_from: str = GOOD


class ExampleReader:
    """Reads the parts of an extraction.

    A process keeps its connection, the table and the objectives that it has read.
    """

    def __init__(self, extraction: Extraction, content: Content | None) -> None:
        self.table = None if content is None else opened_table(content, extraction.difficulty)
        self.client = db.connect(extraction.database_url, schema_path=extraction.schema, timeout_s=TIMEOUT_S)
        self.objectives = KeptObjectives(self.client, None)

    def close(self) -> None:
        """Closes the connection and the table."""
        self.client.close()
        if self.table is not None:
            self.table.close()


def do_part(extraction: Extraction, content: Content | None, learner_ids: Sequence[str]) -> ExampleSet:
    """The examples of these learners, in the order of their ids.

    If the database cannot be reached, it tries again a little later.
    """
    return patiently(_do_part, extraction, content, learner_ids)


def _do_part(extraction: Extraction, content: Content | None, learner_ids: Sequence[str]) -> ExampleSet:
    reader = kept_for(extraction, partial(ExampleReader, extraction, content))
    stream = reader.client.stream_learners(extraction.until_ms, None, learner_ids)
    found = []
    gc.disable()  # rows are many, hold no cycles, and live no longer than their group
    try:
        while group := list(islice(stream, LEARNERS_AT_ONCE)):
            named = {
                row.objective_id
                for rows in group
                for source in (rows.reviews, rows.validations)
                for row in source
                if row.objective_id is not None
            }
            objectives = reader.objectives.of(sorted(named))
            found.append(
                labelled_examples(group, objectives, reader.table, extraction.struggle_below, extraction.correct_from)
            )
    finally:
        gc.enable()
    examples = joined(found)
    place = {learner: at for at, learner in enumerate(learner_ids)}  # a collation may sort otherwise than Python
    return examples.select(np.argsort([place[each] for each in examples.learner.tolist()], kind="stable"))


def table_content(path: str) -> tuple[Content, str]:
    """The bytes of a difficulty table, to be sent to other processes, and its sha256. Raises ModelRefused."""
    try:
        content = content_of(path, MOST_BYTES)
    except OSError as error:
        raise ModelRefused(f"the difficulty table {path} cannot be opened ({error.strerror})") from None
    return np.frombuffer(content, np.uint8), sha256(content)


def opened_table(content: Content, digest: str | None) -> DifficultyTable:
    """The table, opened from a temporary file whose name is removed at once, so that it never outlives the process."""
    received = content.tobytes()
    if sha256(received) != digest:
        raise ModelRefused("the difficulty table did not arrive as it was sent")
    handle, path = tempfile.mkstemp(prefix="difficulty-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(received)
        return DifficultyTable.open(path)
    finally:
        os.unlink(path)

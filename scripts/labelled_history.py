"""Where ml's examples and db's learners meet: labelled visits out of a database, with progress for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import click
from tqdm import tqdm

from ml.training.difficulty_tables import TableSize, build_difficulty_table
from ml.training.examples import ExampleSet, labelled_examples
from scripts.refusal import USAGE, Refused

if TYPE_CHECKING:
    from db.client import Client

Each = TypeVar("Each")


def learners_named_in(path: str | None) -> list[str] | None:
    """The learner ids in a file, one a line; None where no file is given. Refuses an empty or unreadable one."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            ids = [line.rstrip("\r\n") for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{click.format_filename(path)} cannot be read: {error}", USAGE) from None
    if not ids:
        raise Refused(f"{click.format_filename(path)} names no learner", USAGE)
    return ids


def build_table(
    client: Client, path: str, until_ms: int, learner_ids: Sequence[str] | None, struggle_below: float | None
) -> TableSize:
    """The difficulty file of these learners' history before until_ms."""
    learners = client.stream_learners(until_ms, None, learner_ids)
    expected = _expected(client, learner_ids)
    return build_difficulty_table(path, shown(learners, "difficulties", expected), until_ms, struggle_below)


def read_examples(
    client: Client,
    table_path: str | None,
    until_ms: int,
    learner_ids: Sequence[str] | None,
    struggle_below: float | None,
    jobs: int,
) -> ExampleSet:
    """Labelled visits of these learners before until_ms, with the features a prediction would have had."""
    learners = client.stream_learners(until_ms, None, learner_ids)
    with bar("examples", _expected(client, learner_ids)) as progress:
        return labelled_examples(
            learners, client.read_objectives(None), table_path, struggle_below, jobs=jobs, each=progress.update
        )


def shown(items: Iterable[Each], label: str, expected: int) -> Iterator[Each]:
    """The same items, counted on stderr while they pass."""
    with bar(label, expected) as progress:
        for item in items:
            yield item
            progress.update()


def bar(label: str, expected: int) -> tqdm:
    """A progress bar on stderr; silent where stderr is no terminal."""
    return tqdm(desc=label, total=expected, file=sys.stderr, disable=None, leave=False)


def without(path: str) -> None:
    """Remove a file that may be gone already."""
    if os.path.exists(path):
        os.unlink(path)


def _expected(client: Client, learner_ids: Sequence[str] | None) -> int:
    return len(client.learner_ids() if learner_ids is None else learner_ids)

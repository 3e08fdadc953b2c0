"""Where ml's examples and db's learners meet: labelled visits out of a database, with progress for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import click
from tqdm import tqdm

from ml.study.correctness import GOOD
from ml.training.difficulty_build import TableSize, build_difficulty_table
from ml.training.examples import ExampleSet, joined
from scripts.cli.exits import USAGE, Refused
from scripts.labelling.part import Content, Extraction, do_part, packed
from scripts.workers.backends import Workers, engine, hands, in_order
from scripts.workers.kept import clear
from scripts.workers.ranges import count_learners, ranges

if TYPE_CHECKING:
    from db.client import Client

LEARNERS_OF_A_PART = 100

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
    client: Client,
    path: str,
    until_ms: int,
    learner_ids: Sequence[str] | None,
    struggle_below: float | None,
    correct_from: str = GOOD,
) -> TableSize:
    """The difficulty file of these learners' history before until_ms, answers judged under the setting."""
    learners = client.stream_learners(until_ms, None, learner_ids)
    expected = _expected(client, learner_ids)
    return build_difficulty_table(
        path, shown(learners, "difficulties", expected), until_ms, struggle_below, correct_from
    )


def read_examples(
    client: Client,
    extraction: Extraction,
    table_path: str | None,
    learner_ids: Sequence[str] | None,
    workers: Workers,
) -> ExampleSet:
    """Labelled visits of these learners, with the features a prediction would have had: the same from any workers.

    The client only says which learners there are: whoever does a part reads it. Raises WorkersLost, ExtraMissing.
    """
    content, digest = (None, None) if table_path is None else packed(table_path)
    extraction = extraction._replace(difficulty=digest)
    learner_ids = None if learner_ids is None else sorted(set(learner_ids))
    total = count_learners(client) if learner_ids is None else len(learner_ids)
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


def shown(items: Iterable[Each], label: str, expected: int) -> Iterator[Each]:
    """The same items, counted on stderr while they pass."""
    with bar(label, expected) as progress:
        for item in items:
            yield item
            progress.update()


def bar(label: str, expected: int) -> tqdm:
    """A progress bar on stderr; silent where stderr is no terminal."""
    return tqdm(desc=label, total=expected, file=sys.stderr, disable=None, leave=False)


def _expected(client: Client, learner_ids: Sequence[str] | None) -> int:
    return count_learners(client) if learner_ids is None else len(learner_ids)

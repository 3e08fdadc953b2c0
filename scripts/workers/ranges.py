"""Cuts the learners of a database into ranges, each of which is one part of the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from db import Batch, Opened, Template, following_learners
from db.client import Client

if TYPE_CHECKING:
    from db import Conversation

LEAST = 20
"""Smaller ranges would cost more in queries than the last process's wait is worth."""

_COUNT = Template("User", ("count(*)",), "FROM {u}")


def ranges(
    client: Client, learners: Sequence[str] | None, after: str | None, most: int, left: int, workers: int
) -> Iterator[list[str]]:
    """The learners in their order (None: all, in the database's), those after `after` (None: from the first).

    A range has at most `most`; with several workers, the last ranges are smaller, so that all end at about the same
    time. left: how many learners remain, if known.
    """
    if learners is not None:
        learners = [each for each in learners if after is None or each > after]
        left = len(learners)
    at = 0
    while True:
        size = most if workers == 1 else max(min(LEAST, most), min(most, left // (2 * workers)))
        ids = learners_after(client, after, size) if learners is None else list(learners[at : at + size])
        if not ids:
            return
        yield ids
        at, after, left = at + size, ids[-1], left - len(ids)


def learners_after(client: Client, after: str | None, limit: int) -> list[str]:
    """The next learners' ids in the database's order; None: the first ones."""
    return client.converse(partial(following_learners, after=after, limit=limit))


def count_learners(client: Client) -> int:
    """How many learners there are."""
    return client.converse(_count)


def _count(opened: Opened) -> Conversation[int]:
    batch = Batch(opened.renderer)
    batch.add("learners", _COUNT)
    found = yield from batch.ask()
    return int(str(found["learners"][0][0]))

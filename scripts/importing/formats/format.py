"""What a known format is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from scripts.importing.mapping import Mapping, Wishes
from scripts.importing.reading.sheet import Sheet


def as_it_is(sheet: Sheet, _wishes: Wishes) -> Sheet:
    """The sheet itself."""
    return sheet


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        name: Its name for --format.
        title: What people call it.
        knows: Whether columns are those of such a file.
        mapping: The meaning of such columns.
        prepared: Turns the file's sheet into one that has a row per answer.
        usual: What may be told of reading such a file (Sheet.told) without being remarkable.
    """

    name: str
    title: str
    knows: Callable[[Sequence[str]], bool]
    mapping: Callable[[Sequence[str]], Mapping]
    prepared: Callable[[Sheet, Wishes], Sheet] = as_it_is
    usual: tuple[str, ...] = ()


def has(*columns: str) -> Callable[[Sequence[str]], bool]:
    """A function that tells whether all of these columns are there."""
    return lambda found: set(columns) <= set(found)


def first_present(columns: Sequence[str], *names: str) -> str | None:
    """The first of the names that is a column."""
    return next((name for name in names if name in columns), None)


def merged(roles: dict[str, tuple[str, ...] | str | None]) -> dict[str, tuple[str, ...]]:
    """The roles that have a column, each with a tuple of columns."""
    return {role: names if isinstance(names, tuple) else (names,) for role, names in roles.items() if names is not None}


def stem(file: str) -> str:
    """A file's name without its endings, such as u17 for u17.csv.gz."""
    return file.split(".")[0] or file


Rows = Iterator[Sequence[str]]

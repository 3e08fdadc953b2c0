"""A progress bar for people at a terminal; none is written to a log or a mail."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

Each = TypeVar("Each")


def bar(label: str, length: int, quiet: bool = False, **more: Any) -> ProgressBar[int]:
    """A progress bar on stderr, which shows nothing where stderr is not a terminal or --quiet was given."""
    hidden = quiet or not sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=hidden, **more)


def shown(items: Iterable[Each], label: str, length: int, quiet: bool = False) -> Iterator[Each]:
    """Yields the same items, and counts them on a progress bar."""
    with bar(label, length, quiet) as progress:
        for item in items:
            yield item
            progress.update(1)

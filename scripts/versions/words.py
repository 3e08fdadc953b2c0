"""Versions, and the comparison of two, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten

from scripts.cli.streams import in_one_line
from scripts.versions.comparison import SHOWN, Comparison, told
from scripts.versions.standing import FIGURES, NOT_KNOWN, Standing

LONGEST = 44
"""Characters of a text in a column of the comparison."""


def listed(versions: Sequence[Standing | tuple[str, str]]) -> Iterator[str]:
    """A line per version below a line of headings; a star marks the one that answers."""
    rows = [("", "version", *FIGURES.values(), "visits", "figures")]
    for each in versions:
        if isinstance(each, Standing):
            figures = [told(each.figures[name]).replace(NOT_KNOWN, "–") for name in FIGURES]  # noqa: RUF001
            visits = "–" if each.n is None else f"{each.n:,}"  # noqa: RUF001
            rows.append(("*" if each.answers else "", each.name, *figures, visits, each.kind))
    wide = _widths(rows)
    yield _line(rows[0], wide)
    lines = iter(rows[1:])
    for each in versions:
        if isinstance(each, Standing):
            yield _line(next(lines), wide)
        else:
            yield in_one_line(f"  {each[0]}  {each[1]}")


def side_by_side(found: Comparison) -> Iterator[str]:
    """The lines of the comparison, and below them the features whose tables differ most."""
    rows = [("", found.first.name, found.second.name)]
    rows += [(row.title, _short(row.first), _short(row.second)) for row in found.rows]
    wide = _widths(rows)
    yield from (_line(row, wide) for row in rows)
    if found.remark:
        yield ""
        yield in_one_line(found.remark)
    yield ""
    if not found.differences:
        yield "Both versions have the same tables."
        return
    yield "The features that they use most differently (what each adds to the log-odds where they differ most):"
    shapes = [("", "mean difference", "at", found.first.name, found.second.name)]
    for each in found.differences[:SHOWN]:
        where = "no data" if each.where is None else f"{each.where:.2f}"
        shapes.append((each.feature.name, f"{each.mean:.3f}", where, f"{each.first:+.3f}", f"{each.second:+.3f}"))
    wide = _widths(shapes)
    yield from (_line(row, wide) for row in shapes)
    if (more := len(found.differences) - SHOWN) > 0:
        yield f"and {more} more, which models.py --json compare lists"


def _short(text: str) -> str:
    return shorten(text, LONGEST, placeholder=" ...")


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return in_one_line("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())

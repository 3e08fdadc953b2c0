"""The report that every benchmark returns: its figures, its goals, and the run to which they belong.

@click.command()
@reported
@click.option("--runs", ...)
def startup(runs: int) -> Report: ...

The report is printed as Markdown tables, which a page can take as they are, and --json writes all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from statistics import median
from typing import Any, NamedTuple

import click

from scripts.benchmarks.run import Run
from scripts.cli.output_file import OutputPath, write_whole

OF_RUNS = "least and most of the runs"


class Record(NamedTuple):
    """One figure of one thing that was measured.

    Attributes:
        of: What was measured: a row of the table.
        figure: The figure's name and unit, such as "wall ms": a column of the table.
        value: The median where there were several runs.
        low: The lower end of the spread that the report names; None where there is the value alone.
        high: The upper end.
    """

    of: str
    figure: str
    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return number(self.value)
        return f"{number(self.value)} [{number(self.low)}, {number(self.high)}]"


class Goal(NamedTuple):
    """A measured value and the bound that it should keep; bound is None where none was set."""

    name: str
    value: float
    bound: float | None
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the bound is kept; None where there is none."""
        if self.bound is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    @property
    def asked(self) -> str:
        """The bound in words."""
        return "" if self.bound is None else f"at {'most' if self.at_most else 'least'} {self.bound:,g}"

    @property
    def met_or_missed(self) -> str:
        """ "met", "MISSED", or an empty text where there is no bound."""
        return {None: "", True: "met", False: "MISSED"}[self.met]


class Ratio(NamedTuple):
    """A bound on the ratio of two values."""

    above: str
    below: str
    bound: float
    at_most: bool = True

    def goal(self, values: Mapping[str, float]) -> Goal:
        """The ratio of these values. Raises KeyError where one of the two was not measured."""
        return Goal(f"{self.above} / {self.below}", values[self.above] / values[self.below], self.bound, self.at_most)


class Report(NamedTuple):
    """A benchmark's figures.

    Attributes:
        benchmark: The benchmark's name.
        run: The command, commit and machine.
        records: The figures, in the order of the table's rows and columns.
        goals: What was asked.
        spread: What low and high of the records are.
        notes: Whole sentences for below the table.
    """

    benchmark: str
    run: Run
    records: Sequence[Record]
    goals: Sequence[Goal] = ()
    spread: str = OF_RUNS
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain builtins, ready for JSON."""
        return {
            "benchmark": self.benchmark,
            "run": self.run._asdict(),
            "spread": self.spread,
            "records": [_rounded(each._asdict()) for each in self.records],
            "goals": [
                _rounded({"goal": each.name, "value": each.value}) | {"bound": each.asked, "met": each.met}
                for each in self.goals
            ],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows = list(dict.fromkeys(each.of for each in self.records))
        columns = list(dict.fromkeys(each.figure for each in self.records))
        cells = {(each.of, each.figure): str(each) for each in self.records}
        parts = [str(self.run), table(columns, {row: [cells.get((row, each), "") for each in columns] for row in rows})]
        if any(each.low is not None for each in self.records):
            parts.append(f"In brackets: {self.spread}.")
        parts += self.notes
        if self.goals:
            told = {each.name: [number(each.value), each.asked, each.met_or_missed] for each in self.goals}
            parts.append(table(["measured", "goal", ""], told))
        return "\n\n".join(parts)


def reported(command: Callable[..., Report]) -> Callable[..., None]:
    """Makes a command print the report that it returns, and write it as JSON to the file that --json names."""

    @click.option("--json", "json_path", type=OutputPath(), metavar="FILE", help="Write the report here too, as JSON.")
    @wraps(command)
    def told(*, json_path: str | None, **options: Any) -> None:
        found = command(**options)
        click.echo(str(found))
        if json_path:
            write_whole(json_path, json.dumps(found.to_dict(), indent=2) + "\n")

    return told


def spread(of: str, figure: str, values: Sequence[float]) -> Record:
    """The record of several runs; for a single run it has only the value."""
    if len(values) == 1:
        return Record(of, figure, values[0])
    return Record(of, figure, median(values), min(values), max(values))


def number(value: float) -> str:
    """A figure as people write it: with commas between thousands, and as many decimals as suit its size.

    >>> [number(each) for each in (8348, 1226.41, 27.5, 0.78, 0)]
    ['8,348', '1,226', '27.50', '0.7800', '0']
    """
    if float(value).is_integer():
        return f"{value:,.0f}"
    size = abs(value)
    return f"{value:,.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4}f}"


def table(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Rows by their name as a Markdown table, in columns that also line up on a terminal."""
    lines = [["", *columns], *([name, *cells] for name, cells in rows.items())]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(columns) + 1)]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths))} |" for line in ruled)


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    return {name: round(each, 6) if isinstance(each, float) else each for name, each in record.items()}

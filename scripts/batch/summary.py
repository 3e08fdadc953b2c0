"""The summary of a batch, for programs and for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml.instants import iso
from ml.study.upcoming import MOST_OBJECTIVES
from scripts.batch.output import Output
from scripts.cli.counted import counted
from scripts.cli.streams import printable

_BEYOND = f"beyond a learner's first {MOST_OBJECTIVES}"
_TOLD = {
    "degraded": ("prediction rests on default features", "predictions rest on default features"),
    "unknown_learners": ("learner is unknown", "learners are unknown"),
    "unknown_objectives": ("planned objective is unknown", "planned objectives are unknown"),
    "tracking_off": ("learner has switched tracking off", "learners have switched tracking off"),
    "dismissed": ("open row of theirs was dismissed", "open rows of theirs were dismissed"),
    "left_out": (f"objective {_BEYOND} was left out", f"objectives {_BEYOND} were left out"),
    "written": ("row of struggle_predictions was written", "rows of struggle_predictions were written"),
    "kept": (
        "row stays as it is: it was decided, dismissed, or is newer",
        "rows stay as they are: they were decided, dismissed, or are newer",
    ),
    "refused": ("row was refused by the database", "rows were refused by the database"),
    "indicators": ("row of struggle_indicators was written", "rows of struggle_indicators were written"),
}
"""Count -> its words for one and for several."""


def summary_of(output: Output, done_before: int, seconds: float, model_version: str) -> dict[str, Any]:
    """The batch's counts and times as plain builtins.

    done_before: the number of predictions of the run that it continues.
    """
    counts = output.tally.counts
    made = counts["predictions"] - done_before
    return {
        "output": output.path,
        "as_of": iso(output.as_of_ms),
        "model_version": model_version,
        "continued": output.resumed,
        **counts,
        "failures": output.tally.failures,
        "seconds": round(seconds, 3),
        "predictions_per_second": round(made / seconds, 1) if seconds else None,
    }


def in_words(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    made = f"{counted(summary['predictions'], 'prediction')} for {counted(summary['learners'], 'learner')}"
    levels = ", ".join(f"{summary[level]:,} {level}" for level in ("HIGH", "MEDIUM", "LOW"))
    lines = [
        f"{made} as of {summary['as_of']} by {summary['model_version']}: {levels}",
        f"{summary['seconds']:,.1f} s, {summary['predictions_per_second'] or 0:,.0f} predictions per second"
        + (", continued from an earlier run" if summary["continued"] else ""),
    ]
    lines += [counted(summary[name], *words) for name, words in _TOLD.items() if summary[name]]
    return "\n".join(lines + [printable(each) for each in summary["failures"]])

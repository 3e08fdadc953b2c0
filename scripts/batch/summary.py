"""The summary of a batch, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ml.evaluation.expected_counts import Expected
from ml.instants import iso
from ml.model import StrugglePredictionModel
from ml.study.upcoming import MOST_OBJECTIVES
from scripts.batch.flagging import Flagged
from scripts.batch.output import Output
from scripts.batch.part import Tally
from scripts.cli.counted import counted
from scripts.cli.streams import printable

LEVELS = ("HIGH", "MEDIUM", "LOW")
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


def summary_of(
    output: Output, done_before: int, seconds: float, model: StrugglePredictionModel, capacity: int | None
) -> dict[str, Any]:
    """The batch's counts and times as plain builtins, and what to expect of each level and of the flagged ones.

    done_before: the number of predictions of the run that it continues. capacity: how many were to be flagged.
    """
    counts = output.tally.counts
    made = counts["predictions"] - done_before
    return {
        "output": output.path,
        "as_of": iso(output.as_of_ms),
        "model_version": model.model_version,
        "levels": model.levels.to_dict(),
        "continued": output.resumed,
        **counts,
        "expected": _expected(output.tally),
        **({} if capacity is None else {"capacity": capacity, "flagged": _flagged(output.flagged)}),
        "failures": output.tally.failures,
        "seconds": round(seconds, 3),
        "predictions_per_second": round(made / seconds, 1) if seconds else None,
    }


def _expected(tally: Tally) -> dict[str, object] | None:
    """By level how many will struggle; None where nothing is known of that."""
    if not (tally.expected and tally.told_all):
        return None
    ordered = [(level, tally.expected[level]) for level in LEVELS if level in tally.expected]
    return {level: sums.expected().to_dict() for level, sums in ordered}


def _flagged(flagged: Flagged | None) -> dict[str, object]:
    """How many lines are flagged, from which probability on, and how many of them will struggle."""
    if flagged is None:
        return {"n": 0, "least_probability": None, "expected": None}
    expected = None if flagged.sums is None else flagged.sums.expected().to_dict()
    return {"n": len(flagged.places), "least_probability": flagged.least, "expected": expected}


def _to_expect(summary: Mapping[str, Any]) -> Iterator[str]:
    """What to expect, in sentences."""
    if "flagged" in summary and (count := summary["flagged"]["n"]):
        yield f"flagged: the {count:,} most likely" if count > 1 else "flagged: the most likely one"
        if (told := summary["flagged"]["expected"]) is not None:
            others = Expected(**told).others
            yield f"  of {count:,} flagged, about {others.struggles:,.0f} will not struggle{_between(others)}"
    if summary["expected"] is not None:
        for level, told in summary["expected"].items():
            each = Expected(**told)
            yield f"  of {each.n:,} {level}, about {each.struggles:,.0f} will struggle{_between(each)}"
    elif summary["predictions"]:
        yield "how many will struggle cannot be told: these probabilities were never measured"


def _between(expected: Expected) -> str:
    return f" (95 %: {expected.low:,} to {expected.high:,})"


def in_words(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    made = f"{counted(summary['predictions'], 'prediction')} for {counted(summary['learners'], 'learner')}"
    levels = ", ".join(f"{summary[level]:,} {level}" for level in LEVELS)
    lines = [
        f"{made} as of {summary['as_of']} by {summary['model_version']}: {levels}",
        f"{summary['seconds']:,.1f} s, {summary['predictions_per_second'] or 0:,.0f} predictions per second"
        + (", continued from an earlier run" if summary["continued"] else ""),
    ]
    lines += _to_expect(summary)
    lines += [counted(summary[name], *words) for name, words in _TOLD.items() if summary[name]]
    return "\n".join(lines + [printable(each) for each in summary["failures"]])

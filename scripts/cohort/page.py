"""The report as one self-contained HTML page: no script, and nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ml.scoring.prediction import percentage
from scripts.cli.streams import printable
from scripts.cohort import charts
from scripts.cohort.words import CAUSES
from scripts.pages.templates import NO_BREAK, percent, render

SHOWN = 10
"""This many learners are open on the page; up to MOST_FOLDED more can be unfolded."""
MOST_FOLDED = 490
ROWS = 15
"""At most this many objectives, prerequisites and signs of one kind are shown."""


def page(report: Mapping[str, Any]) -> str:
    """The whole page. Raises ModuleNotFoundError where Jinja is not installed."""
    people = [_person(entry) for entry in report["first"][: SHOWN + MOST_FOLDED]]
    courses = [each["name"] or printable(each["course_id"]) for each in report["courses"]]
    return render(
        "cohort/cohort.html",
        report=report,
        title=", ".join(courses) or "A list of learners",
        enough=report["status"] == "ok",
        people=people[:SHOWN],
        further=people[SHOWN:],
        omitted=len(report["first"]) - len(people),
        troubles=_with_bars(report["objectives"][:ROWS]),
        lacked=_with_bars(report["prerequisites"][:ROWS]),
        weeks=report["trend"],
        trend=charts.trend(report["trend"]) if _tells(report["trend"]) else None,
        signs=report["signs"],
        rows=ROWS,
        causes=CAUSES,
        shares=list(_shares(report)),
    )


def _person(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a learner: the likeliest struggle with what would help, and others that are not LOW."""
    objectives = [
        {
            **each,
            "share": percentage(each["probability"]).replace(" ", NO_BREAK),
            "bar": charts.probability_bar(each["probability"], *each["interval"]),
            "advice": each["advice"] if place == 0 else (),
        }
        for place, each in enumerate(entry["objectives"])
        if place == 0 or each["risk_level"] != "LOW"
    ]
    return {**entry, "objectives": objectives, "more": entry["predictions"] - len(objectives)}


def _with_bars(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = [dict(row) for row in rows]
    most = max((row["struggles_expected"] for row in found), default=1.0)
    for row in found:
        expected = row["struggles_expected"]
        row["bar"] = charts.length_bar(expected, most, f"{expected:.1f} struggles expected")
    return found


def _tells(weeks: Iterable[Mapping[str, Any]]) -> bool:
    return any(week["struggled"] is not None for week in weeks)


def _shares(report: Mapping[str, Any]) -> Iterator[tuple[str, str, int, str]]:
    """Level, the probability from which it holds, how many predictions have it, and which share that is."""
    predictions, medium, high = report["predictions"], report["levels"]["medium_from"], report["levels"]["high_from"]
    bounds = {"HIGH": f"from {percent(high)}", "MEDIUM": f"from {percent(medium)}", "LOW": f"below {percent(medium)}"}
    for level, told in bounds.items():
        yield level, told, predictions[level], percent(predictions[level] / max(predictions["made"], 1))
